"""No message of one protocol is taken for another's at any port: where a port is evidence the form must be, too."""

from __future__ import annotations

from first_bytes import KNOWN, TALKS

from dpi.dissect.probes.index import KINDS, probe_messages
from dpi.dissect.protocols import SLUGS

# What is a part of the other, and what cannot be told from it by one message of a few numbers (what it was at its port
# is the better guess): taken, for.
ALIKE = {
    ("gaijinentertainment", "enet"),  # speaks ENet
    ("enet", "gaijinentertainment"),
    ("smbv1", "netbios"),  # carried in its sessions
    ("smbv23", "netbios"),
    ("modbus", "natpmp"),  # a read of ten registers is a mapping for ten seconds
    ("openvpn", "ipsec"),  # a peer's number and a first packet are an association's
}


def test_no_message_is_taken_for_another_protocol_s_at_any_port() -> None:
    ports = {port for _, _, _, _, ports in KINDS for port in ports}
    ports |= {port for _, _, _, port, _ in KNOWN} | {port for _, _, port, _ in TALKS}
    talks = [(slug, proto, [(data, opener)]) for slug, proto, opener, _, data in KNOWN]
    talks += [(slug, proto, talk) for slug, proto, _, talk in TALKS]
    taken = set()
    for slug, proto, talk in talks:
        for port in ports:
            label = probe_messages(talk, proto=proto, dport=port)[0]
            if label and SLUGS[label] != slug:
                taken.add((slug, SLUGS[label]))
    assert taken == ALIKE
