"""What TLS carries, and protocols that go over to it on the same connection."""

from __future__ import annotations

import pytest

from dpi.dissect import over_tls, tor
from dpi.dissect.protocols import IDS
from tests.cores import ACK, CLOUD, PSH, VIDEO, Connection, core, label_by
from tests.handshakes import client_hello, openssl_hello, record, self_signed, server_name, vector, words

HELLO = record(client_hello([(0, server_name(b"mail.video.example"))]))


def alpn(name: bytes) -> tuple[int, bytes]:
    return 16, vector(2, vector(1, name))


def certificate_flight(names: list[str], common_name: str = "cdn.example", organisation: str | None = None) -> bytes:
    """A server's first flight in TLS 1.2: its hello and its certificate."""
    hello = words([0x0303]) + bytes(32) + b"\0" + words([0xC02F]) + b"\0"
    der, _ = self_signed(common_name, names, organisation)
    chain = vector(3, vector(3, der))
    return record(b"\2" + vector(3, hello) + b"\x0b" + vector(3, chain), version=0x0303)


@pytest.mark.parametrize(
    ("port", "name", "protocol", "app"),
    [
        (443, "h2", "tls", ""),
        (993, "", "imaps", ""),
        (995, "", "pops", ""),
        (465, "", "smtps", ""),
        (990, "", "ftps", ""),
        (443, "imap", "imaps", ""),
        (853, "", "tls", "dohdot"),
        (853, "h2", "tls", ""),
        (443, "dot", "tls", "dohdot"),
        (443, "doq-i03", "tls", "dohdot"),
        (443, "AnyDesk/6.2.0/linux", "tls", "anydesk"),
        (5223, "apns-security-v3", "tls", "applepush"),
        (443, "x-amzn-mqtt-ca", "tls", "mqtt"),
    ],
)
def test_alpn_or_the_port_tells_what_tls_carries(port: int, name: str, protocol: str, app: str) -> None:
    assert over_tls.carried(port, name) == (protocol, app)


@pytest.mark.parametrize(
    ("slug", "line", "said"),
    [
        ("smtp", b"EHLO there\r\n", "waits"),
        ("smtp", b"STARTTLS\r\n", "waits"),
        ("smtp", b"MAIL FROM:<a@b>\r\n", "stays"),
        ("imap", b"a1 CAPABILITY\r\n", "waits"),
        ("imap", b"a2 login me secret\r\n", "stays"),
        ("pop3", b"USER me\r\n", "stays"),
        ("ftpcontrol", b"AUTH TLS\r\n", "waits"),
        ("ftpcontrol", b"USER me\r\n", "stays"),
        ("smtp", HELLO, "begins"),
        ("smtp", HELLO[:5], "waits"),
    ],
)
def test_a_protocol_goes_over_to_tls_with_a_hello_and_not_once_somebody_logs_in(
    slug: str, line: bytes, said: str
) -> None:
    assert over_tls.step(slug, line) == said


def test_nobody_is_waited_for_forever() -> None:
    assert over_tls.step("smtp", b"NOOP\r\n", turn=8) == "stays"
    assert over_tls.step("rdp", b"\3\0\0\x13", turn=3) == "stays"


def test_smtp_with_starttls_is_smtps_and_has_the_name_and_the_fingerprint_of_its_hello() -> None:
    connection = Connection(core(), dport=25).shake()
    connection.segment(1, 0, b"220 mx.example ESMTP\r\n", flags=PSH | ACK)
    assert connection.flow()["protocol"] == IDS["smtp"]
    connection.segment(0, 0, b"EHLO me\r\n", flags=PSH | ACK)
    connection.segment(1, 22, b"250-mx.example\r\n250 STARTTLS\r\n", flags=PSH | ACK)
    connection.segment(0, 9, b"STARTTLS\r\n", flags=PSH | ACK)
    connection.segment(1, 52, b"220 go ahead\r\n", flags=PSH | ACK)
    assert connection.flow()["needs"] != 0
    hello = openssl_hello("mail.video.example")
    connection.segment(0, 19, hello[:100], flags=PSH | ACK)
    connection.segment(0, 119, hello[100:], flags=PSH | ACK)
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["smtps"], VIDEO, "mail.video.example")
    assert flow["ja4"].startswith("t13d")
    assert flow["needs"] == 0


def test_smtp_in_clear_is_decided_once_there_is_mail() -> None:
    connection = Connection(core(), dport=25).shake()
    connection.segment(1, 0, b"220 mx.example ESMTP\r\n")
    connection.segment(0, 0, b"EHLO me\r\n")
    connection.segment(0, 9, b"MAIL FROM:<me@example>\r\n")
    flow = connection.flow()
    assert (flow["protocol"], flow["needs"]) == (IDS["smtp"], 0)


def test_a_starttls_without_server_name_is_named_by_the_certificate() -> None:
    connection = Connection(core(), dport=143).shake()
    connection.segment(1, 0, b"* OK IMAP4rev1 ready\r\n")
    connection.segment(0, 0, b"a STARTTLS\r\n")
    connection.segment(1, 22, b"a OK begin\r\n")
    connection.segment(0, 12, record(client_hello([])))
    connection.segment(1, 34, certificate_flight(["imap.video.example"]))
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["imaps"], VIDEO, "imap.video.example")


def test_tls_at_a_port_of_mail_is_that_mail() -> None:
    connection = Connection(core(), dport=995).shake()
    connection.segment(0, 0, HELLO)
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS["pops"], VIDEO)


def test_tls_joined_in_the_middle_is_told_by_its_records() -> None:
    connection = Connection(core(), dport=5223)
    connection.segment(0, 0, record(bytes(40), kind=23, version=0x0301))
    assert connection.flow()["protocol"] == IDS["tls"]
    mail = Connection(core(), sport=993, dport=40000)  # the server's packet comes first
    mail.segment(0, 0, record(bytes(40), kind=23, version=0x0301))
    assert mail.flow()["protocol"] == IDS["imaps"]


def test_dns_over_tls_is_told_by_its_port_where_the_name_is_not_known() -> None:
    connection = Connection(core(), dport=853).shake()
    connection.segment(0, 0, record(client_hello([(0, server_name(b"dns.corp.example"))])))
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS["tls"], IDS["dohdot"])


@pytest.mark.parametrize(
    ("offered", "app"),
    [([], VIDEO), ([alpn(b"h2")], VIDEO), ([alpn(b"dot")], IDS["dohdot"])],
    ids=["none", "h2", "dot"],
)
def test_at_the_port_of_dns_over_tls_a_name_s_app_gives_way_to_its_alpn_alone(
    offered: list[tuple[int, bytes]], app: int
) -> None:
    connection = Connection(core(), dport=853).shake()
    connection.segment(0, 0, record(client_hello([(0, server_name(b"www.video.example")), *offered])))
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["tls"], app, "www.video.example")


def test_what_a_client_offers_by_alpn_holds_for_the_server_s_certificate_too() -> None:
    connection = Connection(core(), dport=853).shake()
    connection.segment(0, 0, record(client_hello([alpn(b"h2")])))
    connection.segment(1, 0, certificate_flight(["www.other.example"]))
    assert connection.flow()["app"] != IDS["dohdot"]


def test_an_app_that_has_an_alpn_of_its_own_is_told_by_it() -> None:
    connection = Connection(core()).shake()
    connection.segment(0, 0, record(client_hello([alpn(b"AnyDesk/6.2.0/linux")])))
    assert connection.flow()["app"] == IDS["anydesk"]


def test_a_protocol_that_alpn_tells_is_weaker_than_the_name_of_a_service() -> None:
    connection = Connection(core()).shake()
    hello = client_hello([(0, server_name(b"mqtt.video.example")), alpn(b"x-amzn-mqtt-ca")])
    connection.segment(0, 0, record(hello))
    assert connection.flow()["app"] == VIDEO


# Certificates


def test_of_a_certificates_names_the_apps_own_is_taken_rather_than_the_cdns() -> None:
    connection = Connection(core(shared=True)).shake()
    connection.segment(0, 0, record(client_hello([])))
    connection.segment(1, 0, certificate_flight(["other.example", "edge.cloud.example", "*.video.example"]))
    flow = connection.flow()
    assert (flow["app"], flow["host"]) == (VIDEO, "*.video.example")


LONG = f"*.{'a.' * 126}a"  # 255 characters


@pytest.mark.parametrize(
    ("names", "subject", "host"),
    [
        (["*.shop.example", "shop.example"], "x", "*.shop.example"),
        (["shop.example", "*.shop.example"], "x", "shop.example"),
        ([], "*.Shop.Example", "*.shop.example"),
        ([], "*.not a host", None),
        ([LONG], "x", LONG),
    ],
)
def test_a_wildcard_is_shown_as_the_certificate_has_it(names: list[str], subject: str, host: str | None) -> None:
    connection = Connection(core()).shake()
    connection.segment(0, 0, record(client_hello([])))
    connection.segment(1, 0, certificate_flight(names, subject))
    assert connection.flow()["host"] == host


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ("shop.example", True),
        ("*.shop.example", True),
        ("example", True),
        ("=shop.example", False),
        ("www.shop.example", False),
    ],
)
def test_rules_for_a_domain_hold_for_its_wildcard_and_those_for_one_name_do_not(asked: str, holds: bool) -> None:
    connection = Connection(core(rules=[{"hosts": [asked], "disposition": 6}])).shake()
    connection.segment(0, 0, record(client_hello([])))
    connection.segment(1, 0, certificate_flight(["*.shop.example"]))
    assert connection.flow()["disposition"] == (6 if holds else 1)


@pytest.mark.parametrize("lie", [b"localhost", b"192.0.2.10"])
def test_a_server_name_that_names_nobody_stays_the_name_and_the_certificate_tells_the_app(lie: bytes) -> None:
    connection = Connection(core()).shake()
    connection.segment(0, 0, record(client_hello([(0, server_name(lie))])))
    assert connection.flow()["needs"] != 0
    connection.segment(1, 0, certificate_flight([], "www.video.example"))
    flow = connection.flow()
    assert (flow["app"], flow["host"]) == (VIDEO, lie.decode())


def test_a_certificate_of_a_company_whose_names_are_not_known_is_told_by_its_organisation() -> None:
    one = core()
    label_by(one, hosts=[("cloud.example", CLOUD), ("o=video-example-inc", VIDEO)], shared=[CLOUD])
    for sport, names, organisation, app in (
        (40001, [], "Video.Example, Inc.", VIDEO),
        (40002, ["a.cloud.example"], "Video.Example, Inc.", VIDEO),
        (40003, ["a.cloud.example"], "Others Ltd", CLOUD),
        (40004, ["x.example"], "", 0),
    ):
        connection = Connection(one, sport=sport).shake()
        connection.segment(0, 0, record(client_hello([])))
        connection.segment(1, 0, certificate_flight(names, "10.0.0.1", organisation or None))
        assert connection.flow()["app"] == app, organisation


# Tor


@pytest.mark.parametrize(
    ("subject", "issuer", "organisation", "names", "made_up"),
    [
        ("www.i5kkxpcrbvdxe.net", "www.qd4zxbaf7i.com", "", 0, True),
        ("www.qd4zxbaf7i.com", "www.i5kkxpcrbvdxe.net", "", 0, False),
        ("www.i5kkxpcrbvdxe.net", "www.qd4zxbaf7i.com", "Company", 0, False),
        ("www.i5kkxpcrbvdxe.net", "www.qd4zxbaf7i.com", "", 1, False),
        ("www.i5kkxpcrbvdxe.net", "Let's Encrypt", "", 0, False),
        ("www.short2.net", "www.qd4zxbaf7i.com", "", 0, False),
        ("www.has-a-hyphen.net", "www.qd4zxbaf7i.com", "", 0, False),
    ],
)
def test_a_relay_of_tors_is_told_by_what_its_certificate_makes_up(
    subject: str, issuer: str, organisation: str, names: int, made_up: bool
) -> None:
    assert tor.certificate(subject, issuer, organisation, names) == made_up


P256, P224, P384, X25519 = 23, 21, 24, 29
X25519_MLKEM, P256_MLKEM = 0x11EC, 0x11EB


@pytest.mark.parametrize(
    ("host", "groups", "more", "told"),
    [
        (b"www.zepzfgo.com", [P256, X25519, P224], [], True),
        (b"www.zepzfgo.com", [P256, P224], [], True),
        (b"www.zepzfgo.com", [X25519_MLKEM, P256_MLKEM, P256, X25519, P224], [], True),
        (b"www.zepzfgo.com", [P224], [], False),
        (b"www.zepzfgo.com", [X25519, P224], [], False),
        (b"www.zepzfgo.com", [P224, P256], [], False),
        (b"www.example.com", [P256, P384, P224], [], False),
        (b"www.zepzfgo.com", [P256, X25519, P224], [alpn(b"h2")], False),
        (b"www.zepzfgo.com", [P256, X25519, P384], [], False),
        (b"www.zepzfgo.com", [P256, X25519, P384, P224, 25], [], False),
        (b"www.zep-zfgo.com", [P256, X25519, P224], [], False),
    ],
)
def test_a_client_of_tors_is_told_by_the_groups_that_it_offers(
    host: bytes, groups: list[int], more: list[tuple[int, bytes]], told: bool
) -> None:
    """TLS 1.3 hides the certificate."""
    connection = Connection(core()).shake()
    hello = client_hello([(0, server_name(host)), (10, vector(2, words(groups))), *more])
    connection.segment(0, 0, record(hello))
    assert (connection.flow()["app"] == IDS["tor"]) == told


def test_a_name_that_tor_may_have_made_up_is_worth_the_certificate() -> None:
    assert tor.name("www.e6r5p57kbafwrxj3plz.com")
    assert not tor.name("www.google.com")
    assert not tor.name("www.e6r5p57kbafwrxj3plz.net")
    assert not tor.name("e6r5p57kbafwrxj3plz.com")


@pytest.mark.parametrize(
    ("asked", "names", "app"),
    [
        (b"www.nobody.example", ["a.video.example"], VIDEO),
        (
            b"www.nobody.example",
            ["a.video.example", "*.nobody.example"],
            CLOUD,
        ),  # by its address: of many that share it, the one asked for
        (b"www.cloud.example", ["a.video.example"], CLOUD),
    ],
)
def test_a_server_name_of_nobodys_that_the_certificate_has_not_is_a_lie(
    asked: bytes, names: list[str], app: int
) -> None:
    connection = Connection(core()).shake()
    connection.segment(0, 0, record(client_hello([(0, server_name(asked))])))
    connection.segment(1, 0, certificate_flight(names))
    flow = connection.flow()
    assert (flow["app"], flow["host"], flow["needs"]) == (app, asked.decode(), 0)
