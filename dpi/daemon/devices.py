"""The devices of the LAN by what their DHCP messages show, and which kinds they are.

Heard are copies (capture/dhcp_copies.py), looked for at intervals rather than waited for: so a flood costs a bounded
part of the control plane, and what is beyond is lost in the kernel.  A device is its MAC address, which the frames of
its flows have too.  What is known stays through a reload and a restart, since a client shows itself again only when
it renews its lease.  None of this is proof: who can send a frame can send it with any address and any list.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dpi.capture.dhcp_copies import DhcpCopies
from dpi.daemon.kept import keep
from dpi.dissect.dhcp import Shown, shown
from dpi.match.devices import Devices as Kinds
from dpi.match.devices import Found
from dpi.policy import link_layer

log = logging.getLogger("dpi")

MOST = 16_384  # devices: beyond, those go that were heard of longest ago
DAY = 86_400.0
FORGET_SECONDS = 8 * DAY  # the longest leases that are usual are of eight days
LISTEN_SECONDS = 0.25
MOST_READ = 64  # messages of an interface that are read at a time
RETRY_SECONDS = 10.0  # between two tries to hear an interface that was away
TELL_SECONDS = 2.0  # between two changes of what rules are told, so that a flood does not load them all the time
SAVE_SECONDS = 30.0
WORDS = {
    "vendor": "vendor class",
    "dhcp": "DHCP options",
    "dhcp6": "DHCPv6 options",
    "program": "DHCP program",
}


@dataclass(frozen=True, slots=True)
class Device:
    """What was shown last, each empty where it never was; heard: Unix time."""

    heard: float
    dhcp: str = ""
    dhcp6: str = ""
    vendor: str = ""
    name: str = ""


class Devices:
    """The table.  Times are Unix times."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file, self._clock = file, clock
        self._devices: dict[str, Device] = _read(file)  # by MAC address, those heard of last at the end
        self._kinds = Kinds()
        self._found: dict[str, Found] = {}
        self._copies: dict[str, DhcpCopies | None] = {}  # by interface; None: it is away
        self._retried = self._saved = self._told = 0.0  # by the machine's monotonic clock
        self._unsaved = self._untold = False
        self._known: tuple[tuple[str, ...], frozenset[tuple[str, str]]] = (), frozenset()  # what was asked, and told
        self.errors: dict[str, str] = {}  # by interface or file, why it cannot be heard or kept

    # What is known

    def use(self, kinds: Kinds) -> None:
        """What a device is, is told by these from now on."""
        self._kinds = kinds
        self._found = {mac: kind for mac, each in self._devices.items() if (kind := self._kind(each))}
        self._told, self._untold = 0.0, True

    def _kind(self, device: Device) -> Found | None:
        return self._kinds.find(device.vendor, device.dhcp, device.dhcp6)

    def hear(self, mac: str, told: Shown) -> None:
        """A client has shown itself."""
        before = self._devices.pop(mac, None) or Device(0.0)
        device = replace(
            before, heard=self._clock(), vendor=told.vendor or before.vendor, name=told.name or before.name
        )
        if (
            told.version == 4 and told.options
        ):  # by v4 alone most show a vendor class: where there is none now, it is gone
            device = replace(device, dhcp=told.options, vendor=told.vendor)
        elif told.options:
            device = replace(device, dhcp6=told.options)
        self._devices[mac] = device
        self._unsaved = True
        found = self._kind(device)
        if found != self._found.get(mac):
            self._forget_kind(mac)
            if found:
                self._found[mac] = found
            self._untold = True
        while len(self._devices) > MOST:
            self._forget(next(iter(self._devices)))

    def forget(self) -> None:
        """Those that have not been heard of for too long."""
        since = self._clock() - FORGET_SECONDS
        for mac in [mac for mac, each in self._devices.items() if each.heard < since]:
            self._forget(mac)

    def _forget(self, mac: str) -> None:
        del self._devices[mac]
        self._forget_kind(mac)
        self._unsaved = True

    def _forget_kind(self, mac: str) -> None:
        if self._found.pop(mac, None):
            self._untold = True

    def known(self, kinds: tuple[str, ...]) -> frozenset[tuple[str, str]]:
        """(kind, MAC address) of all that are of these kinds, as far as it is time to tell it."""
        now, (asked, known) = time.monotonic(), self._known
        if kinds != asked or (self._untold and now - self._told >= TELL_SECONDS):
            self._told, self._untold = now, False
            known = frozenset((found.kind, mac) for mac, found in list(self._found.items()) if found.kind in kinds)
            self._known = kinds, known  # at once: a policy that is only thought of is asked about by another thread
        return known

    def words(self, mac: str | None) -> str:
        """`ios, by its DHCP options 1,121,3,6 (FILE:LINE); host name phone`; empty where nothing is known."""
        device, found = self._devices.get(mac or ""), self._found.get(mac or "")
        if device is None:
            return ""
        kind = f"{found.kind}, by its {WORDS[found.by]} {found.word} ({found.where})" if found else "of no known kind"
        more = {"vendor class": device.vendor, "host name": device.name}
        if found is None:
            more |= {"DHCP options": device.dhcp, "DHCPv6 options": device.dhcp6}
        return "; ".join([kind, *(f"{what} {value}" for what, value in more.items() if value)])

    def told(self, addresses: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
        """A row for each device, the one heard of last first.  addresses: by MAC address."""
        rows = []
        for mac, device in reversed(list(self._devices.items())):
            found = self._found.get(mac)
            rows.append(
                {
                    "mac": mac,
                    "addresses": sorted(addresses.get(mac, ())),
                    "kind": found and found.kind,
                    "by": found and WORDS[found.by],
                    **asdict(device),
                }
            )
        return rows

    # Hearing

    def listen(self, interfaces: Iterable[str]) -> None:
        """To the clients behind these."""
        self._copies = dict.fromkeys(interfaces)
        self.open()

    def open(self) -> None:
        """Those that are not heard."""
        self._retried = time.monotonic()
        for interface in [name for name, copies in self._copies.items() if copies is None]:
            try:
                self._copies[interface] = DhcpCopies(interface)
                self.errors.pop(interface, None)
            except OSError as error:
                self._cannot(interface, error)

    def _cannot(self, what: str, error: OSError) -> None:
        """Told once: traffic passes all the same, and what was known stays known."""
        if what not in self.errors:
            log.warning("devices: %s: %s", what, error.strerror)
        self.errors[what] = f"{what}: {error.strerror}"

    def read(self) -> None:
        """What has come in, or a bounded part of it."""
        for interface, copies in self._copies.items():
            if copies is None:
                continue
            try:
                found = copies.read(MOST_READ)
            except OSError as error:
                copies.close()
                self._copies[interface] = None
                self._cannot(interface, error)
                continue
            for packet, sender in found:
                if told := shown(packet, sender):
                    self.hear(sender.hex(":"), told)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_SECONDS)
            self.read()
            now = time.monotonic()
            if now - self._retried >= RETRY_SECONDS:
                self.open()
            if now - self._saved >= SAVE_SECONDS:
                self.forget()
                await asyncio.to_thread(self.save)

    def save(self) -> None:
        """A disk that is full is told of once, and stops nothing."""
        self._saved = time.monotonic()
        if not self._unsaved:
            return
        self._unsaved = False
        try:
            keep(
                self._file, {"version": 1, "devices": {mac: asdict(each) for mac, each in list(self._devices.items())}}
            )
            self.errors.pop(str(self._file), None)
        except OSError as error:
            self._cannot(str(self._file), error)

    def close(self) -> None:
        for copies in self._copies.values():
            if copies:
                copies.close()
        self._copies = {}
        self.save()


def _read(file: Path) -> dict[str, Device]:
    """What was kept; a damaged file is told of, and is as good as none."""
    try:
        kept = json.loads(file.read_text())["devices"]
        found = {link_layer.mac(mac): Device(float(each.pop("heard")), **_texts(each)) for mac, each in kept.items()}
        return dict(sorted(found.items(), key=lambda each: each[1].heard)[-MOST:])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("what was known of devices is lost: %s: %s", file, error)
        return {}


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}
