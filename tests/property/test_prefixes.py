"""A prefix table gives what the ipaddress module's longest match gives."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from dpi.match.addresses import fixes
from dpi.match.prefixes import Prefixes

# few distinct bits, so that prefixes nest, touch and repeat
bits4 = st.sampled_from([0, 1, 0x0A000000, 0x0A010000, 0x0A0100FF, 0x7FFFFFFF, 0x80000000, 0xFFFFFF00, 0xFFFFFFFF])
bits6 = st.sampled_from(
    [1, 0x20010DB8 << 96, (0x20010DB8 << 96) + 1, (1 << 64) - 1, 1 << 64, (1 << 128) - 1, (1 << 128) - 256]
)
net4 = st.builds(lambda a, n: IPv4Network((a, n), strict=False), bits4, st.integers(0, 32))
net6 = st.builds(lambda a, n: IPv6Network((a, n), strict=False), bits6, st.integers(0, 128)).filter(
    lambda net: net.network_address.ipv4_mapped is None
)
mask4 = st.builds(
    lambda value, mask: (value & (mask | 0xFF000000), mask | 0xFF000000),
    bits4,
    st.sampled_from([0, 0xFF, 0x1F, 0x00FF00FF, 0x00010001, 0x00FFFFFF]),
)
address = st.one_of(bits4.map(IPv4Address), bits6.map(IPv6Address), st.integers(0, (1 << 32) - 1).map(IPv4Address))


@given(st.lists(st.one_of(net4, net6), max_size=40), st.lists(address, max_size=20))
def test_the_longest_prefix_wins(
    nets: list[IPv4Network | IPv6Network], addresses: list[IPv4Address | IPv6Address]
) -> None:
    table = Prefixes([(str(net), place + 1) for place, net in enumerate(nets)])
    edges = [ip for net in nets for ip in (net.network_address, net.broadcast_address)]
    beside = [ip_address(type(ip)(int(ip) + 1)) for ip in edges if int(ip) + 1 < 1 << ip.max_prefixlen]
    for ip in addresses + edges + beside:
        if ip.version == 6 and ip.ipv4_mapped is not None:
            continue
        best = max(
            ((net.prefixlen, place) for place, net in enumerate(nets) if ip.version == net.version and ip in net),
            default=None,
        )
        hit = table.match(str(ip))
        assert (hit.entry if hit else None) == (best[1] if best else None), ip
        assert hit is None or hit.label == hit.entry + 1


def test_ipv4_is_asked_for_as_mapped_addresses() -> None:
    table = Prefixes([("192.0.2.0/24", 7), ("2001:db8::/32", 8)])
    assert table.match(ip_network("::ffff:192.0.2.9/128").network_address.packed) == (7, 0)
    assert table.match("192.0.3.0") is None
    assert table.match("2001:db8::1") == (8, 1)


@given(st.lists(mask4, max_size=12), st.lists(net4, max_size=12), st.lists(address, max_size=20))
def test_of_masks_and_prefixes_what_fixes_the_most_bits_wins(
    masks: list[tuple[int, int]], nets: list[IPv4Network], addresses: list[IPv4Address | IPv6Address]
) -> None:
    words = [f"{IPv4Address(value)}/{IPv4Address(mask)}" for value, mask in masks] + [str(net) for net in nets]
    bits = [mask.bit_count() for _, mask in masks] + [net.prefixlen for net in nets]
    table = Prefixes([(word, place + 1) for place, word in enumerate(words)])
    for ip in [*addresses, *(IPv4Address(value | ~mask & 0x010101) for value, mask in masks)]:
        if ip.version == 6:
            continue
        packed = b"\0" * 10 + b"\xff\xff" + ip.packed
        holding = {
            place
            for place, net in enumerate([*masks, *nets])
            if (ip in net if isinstance(net, IPv4Network) else int(ip) & net[1] == net[0])
        }
        assert {place for place, word in enumerate(words) if fixes(word, packed) >= 0} == holding
        assert all(fixes(words[place], packed) == bits[place] for place in holding)
        hit = table.match(packed)
        assert (hit is None) == (not holding)
        if hit is not None:
            assert bits[hit.entry] == max(bits[place] for place in holding)
            assert hit.entry in holding
            if hit.entry < len(masks):  # a prefix that fixes as many would hold
                assert all(place < len(masks) for place in holding if bits[place] == bits[hit.entry])
