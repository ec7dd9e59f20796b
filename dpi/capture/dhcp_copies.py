"""Copies of what DHCP clients send, heard where their frames come in.

On a bridge these messages pass, on a router they are for the box itself or for a relay on it, and are never forwarded:
so they are not taken from the queue, but from a packet socket on each interface of the LAN, which hears a frame before
the kernel asks whether it is bridged, routed or its own.  What it gets is a copy: whatever becomes of it, the message
goes its way.  A filter in the kernel (classic BPF) leaves all other frames alone, and those that nobody reads in time
are lost without being missed, since a client says the same again at every renewal.
"""

from __future__ import annotations

import array
import contextlib
import socket
import struct

ALL = 3  # ETH_P_ALL of linux/if_ether.h: a frame is heard before a bridge takes it
SO_ATTACH_FILTER = 26  # asm-generic/socket.h
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23  # linux/if_packet.h
OUTGOING = 4  # PACKET_OUTGOING
ETHERNET = 1  # ARPHRD_ETHER
MOST = 2048  # bytes of a packet
RECEIVE_BUFFER = 1 << 20

# Codes of linux/bpf_common.h.
LOAD_HALF, LOAD_BYTE, LOAD_HALF_X, HEADER_LENGTH = 0x28, 0x30, 0x48, 0xB1
IF_EQUAL, IF_ANY, RETURN = 0x15, 0x45, 0x06
PROTOCOL = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: what the frame carries, its VLAN tag taken off

# Offsets count from the network header.  A fragment is none of ours: a client's message fits into a frame.
FILTER = (
    (LOAD_HALF, 0, 0, PROTOCOL),
    (IF_EQUAL, 0, 7, 0x0800),
    (LOAD_BYTE, 0, 0, 9),
    (IF_EQUAL, 0, 10, socket.IPPROTO_UDP),
    (LOAD_HALF, 0, 0, 6),
    (IF_ANY, 8, 0, 0x3FFF),
    (HEADER_LENGTH, 0, 0, 0),
    (LOAD_HALF_X, 0, 0, 2),
    (IF_EQUAL, 6, 5, 67),
    (IF_EQUAL, 0, 4, 0x86DD),
    (LOAD_BYTE, 0, 0, 6),
    (IF_EQUAL, 0, 2, socket.IPPROTO_UDP),
    (LOAD_HALF, 0, 0, 42),
    (IF_EQUAL, 1, 0, 547),
    (RETURN, 0, 0, 0),
    (RETURN, 0, 0, MOST),
)


class DhcpCopies:
    """What comes in from clients on one interface.  OSError where it cannot be heard."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            program = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in FILTER))
            address, _ = program.buffer_info()
            self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(FILTER), address))
            with contextlib.suppress(OSError):  # before Linux 4.20: read() leaves them out
                self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self._socket.bind((device, ALL))  # only now does anything come in
            self._index = socket.if_nametoindex(device)
        except OSError:
            self._socket.close()
            raise

    def read(self, most: int) -> list[tuple[bytes, bytes]]:
        """IP packets, each with the MAC address of its sender.  Never blocks; OSError where the interface is gone."""
        found = []
        for _ in range(most):
            try:
                packet, (_, _, kind, hardware, sender) = self._socket.recvfrom(MOST)
            except BlockingIOError:
                break
            except OSError:
                if socket.if_nametoindex(self.device) != self._index:
                    raise
                break  # it is down: what comes in when it is up again is heard
            if kind != OUTGOING and hardware == ETHERNET and len(sender) == 6:
                found.append((packet, sender))
        return found

    def close(self) -> None:
        self._socket.close()
