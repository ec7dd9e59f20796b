from typing import NamedTuple

FAULT_NAMES: tuple[str, ...]

class Decoded(NamedTuple):
    version: int
    proto: int
    src: bytes
    dst: bytes
    sport: int
    dport: int
    vlan: int
    dscp: int
    ttl: int
    tcp_flags: int
    icmp_type: int
    seq: int
    ack: int
    tunnel: int
    fragment: int
    length: int
    payload_len: int
    payload: bytes
    too_deep: bool

def decode_bytes(data: bytes, linktype: int | None = 1, wirelen: int = 0) -> Decoded | str: ...
