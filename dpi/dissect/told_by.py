"""What packets tell a built-in label, for people: of which transports, on which ports."""

from __future__ import annotations

from dpi.dissect.probes.index import KINDS
from dpi.dissect.protocols import OF_PACKETS

TRANSPORTS = {"TCP": (0, 6), "UDP": (0, 17)}  # as probes are registered; 0 is both


def told_by(label: int) -> list[str]:
    """The packets that tell the label of this number, whatever names and addresses say; none where only these do.

    A label that has no probe of its own but is one of the dissectors' is told by parsing, or by another's probe.
    """
    found = []
    for transport, numbers in TRANSPORTS.items():
        asked = [ports for _, number, owner, _, ports in KINDS if owner == label and number in numbers]
        if () in asked:
            found.append(f"{transport} on any port")
        if of_ports := sorted({port for ports in asked for port in ports}):
            found.append(f"{transport} on port {', '.join(map(str, of_ports))}")
    return found or (["what a dissector parses"] if label in OF_PACKETS else [])
