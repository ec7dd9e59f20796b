"""Units mean what tc means by them, and what tc makes a trap of is refused."""

from __future__ import annotations

import ipaddress

import pytest

from dpi.policy import units


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("8mbit", 8_000_000),
        ("1.5gbit", 1_500_000_000),
        ("200kbit", 200_000),
        ("8 Mbit", 8_000_000),
        ("1mibit", 1 << 20),
        ("9600bit", 9600),
    ],
)
def test_rates_are_in_tcs_decimal_bits(text: str, bits: int) -> None:
    assert units.rate(text) == units.Rate(bits)


def test_a_share_is_of_the_link() -> None:
    assert units.rate("12.5%").of(80_000_000) == 10_000_000


@pytest.mark.parametrize("text", ["8mbps", "8", 8, "0%", "101%", "8mbit/s", "-1mbit", "1e3mbit", "", None, "9999tbit"])
def test_what_is_no_rate_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"8mbit|link|between|unit|rate"):
        units.rate(text)


def test_megabytes_a_second_are_told_apart_from_megabits() -> None:
    with pytest.raises(ValueError, match="bytes a second"):
        units.rate("8mbps")


@pytest.mark.parametrize(("text", "count"), [("15k", 15360), ("32kb", 32768), ("1m", 1 << 20), (1514, 1514), ("2b", 2)])
def test_sizes_are_in_tcs_binary_bytes(text: object, count: int) -> None:
    assert units.size(text) == count


@pytest.mark.parametrize(("text", "span"), [("10ms", 0.01), ("5s", 5), ("2min", 120), ("6h", 21600), ("1d", 86400)])
def test_times_have_a_unit(text: str, span: float) -> None:
    assert units.seconds(text) == pytest.approx(span)
    assert units.seconds(units.seconds_text(span)) == pytest.approx(span)


@pytest.mark.parametrize("text", ["5", 5, "5 days", "0s", "100000d"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"time|between"):
        units.seconds(text)


@pytest.mark.parametrize(("text", "number"), [("ef", 46), ("AF41", 34), ("cs1", 8), (46, 46), (0, 0), ("le", 1)])
def test_dscps_have_names_and_numbers(text: object, number: int) -> None:
    assert units.dscp(text) == number


@pytest.mark.parametrize("text", [64, -1, "af44", "46", True, None])
def test_what_is_no_dscp_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="DSCP"):
        units.dscp(text)


def test_ports_are_single_or_ranges() -> None:
    assert units.ports(443) == (443, 443)
    assert units.ports("8000-8100") == (8000, 8100)
    with pytest.raises(ValueError, match="write 80-90"):
        units.ports("90-80")
    with pytest.raises(ValueError, match="1 to 65535"):
        units.ports("0")


def test_prefixes_are_canonical_and_have_no_host_bits() -> None:
    assert units.prefix("10.1.2.3") == "10.1.2.3/32"
    assert units.prefix("2001:DB8::/32") == "2001:db8::/32"
    with pytest.raises(ValueError, match=r"write 10\.1\.0\.0/16"):
        units.prefix("10.1.2.3/16")
    with pytest.raises(ValueError, match="no address"):
        units.prefix("10.1.2.300")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Example.ORG.", "example.org"),
        ("*.example.org", "*.example.org"),
        ("=example.org", "=example.org"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("_dmarc.example.org", "_dmarc.example.org"),
    ],
)
def test_host_patterns_are_as_the_wire_carries_them(text: str, pattern: str) -> None:
    assert units.host_pattern(text) == pattern


@pytest.mark.parametrize("text", ["", "a*b.org", "*", "10.0.0.1", "https://x.org", "a..b", "-a.org", "x" * 64 + ".org"])
def test_what_is_no_host_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"host name|star"):
        units.host_pattern(text)


@pytest.mark.parametrize("bits", [8, 9600, 200_000, 8_000_000, 1_500_000, 47_500_000, 10**10, 1_234_567])
def test_a_rate_in_words_is_the_same_rate(bits: int) -> None:
    assert units.rate(units.rate_text(bits)).bits == bits


def test_a_prefix_spelled_plainly_is_read_as_any_other() -> None:
    texts = ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0", "fe80::1", "2001:db8::1/128", "1::/16"]
    odd = ["::ffff:1.2.3.4", "::1", "2001:DB8::/32", "2001:db8:0:0::/64", "10.0.0.0/08", "10.0.0.0/255.0.0.0"]
    for text in [*texts, *odd]:
        if text != "10.0.0.0/08":
            assert units.prefix(text) == str(ipaddress.ip_network(text)), text
    for text in texts:
        network = ipaddress.ip_network(text)
        number = (network.version, network.prefixlen, int(network.network_address))
        assert units.network_number(units.prefix(text)) == number
    for wrong in ("10.0.0.1/8", "10.0.0.0/33", "1.2.3", "1.2.3.4\0", "10.0.0.0/²", "", "/8", "2001:db8::1/64"):
        with pytest.raises(ValueError):
            units.prefix(wrong)
