"""What is read of a certificate, against certificates that `cryptography` made."""

from __future__ import annotations

import pytest
from handshakes import NOT_AFTER, NOT_BEFORE, self_signed, vector

from dpi.dissect import certificate


def test_names_times_and_issuer_are_read() -> None:
    der, _ = self_signed("Example CN", ["a.example", "*.B.example"], "Exämple Ltd")
    answer, found = certificate.read(der)
    assert answer == "yes"
    assert found == {
        "common_name": "Example CN",
        "organisation": "Exämple Ltd",
        "issuer": "Exämple Ltd",
        "names": ["a.example", "*.b.example"],
        "not_before": int(NOT_BEFORE.timestamp()),
        "not_after": int(NOT_AFTER.timestamp()),
        "self_signed": True,
        "partial": False,
        "covers": False,
    }


def test_an_issuer_without_organisation_is_its_common_name() -> None:
    found = certificate.read(self_signed("example.org", [])[0])[1]
    assert (found["issuer"], found["organisation"], found["names"]) == ("example.org", "", [])


def test_names_that_do_not_fit_are_left_out() -> None:
    names = [f"{'x' * 50}.{i:03}.example" for i in range(100)]
    answer, found = certificate.read(self_signed("example.org", names)[0])
    assert answer == "yes" and found["names"] == names[: 1024 // (len(names[0]) + 1)] and not found["partial"]


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize(
    ("asked", "names", "expected"),
    [
        ("x99.example.org", [f"x{i}.example.org" for i in range(100)], True),  # more of them than are kept
        ("y.example.org", [f"x{i}.example.org" for i in range(100)], False),
        ("a.example.org", ["*.example.org"], True),
        ("a.b.example.org", ["*.example.org"], False),
        ("example.org", ["*.example.org", "*"], False),
        ("a.example.org", ["a.example.or", "a.example.orgs", ".example.org"], False),
        ("a.example.org", ["A.Example.ORG."], True),
        ("subject.example", ["other.example"], False),
        ("subject.example", [], True),
        ("other.example", [], False),
    ],
)
def test_a_host_is_looked_for_among_all_names(brief: bool, asked: str, names: list[str], expected: bool) -> None:
    answer, found = certificate.read(self_signed("subject.example", names)[0], asked, brief)
    assert (answer, found["covers"]) == ("yes", expected)
    assert found["self_signed"] and found["not_after"] == int(NOT_AFTER.timestamp())
    assert not (brief and (found["names"] or found["organisation"] or found["issuer"]))


def test_what_is_no_host_name_is_no_name() -> None:
    found = certificate.read(self_signed("x", ["*", "*.", "not a host", "*.*.example", "ok.example"])[0])[1]
    assert found["names"] == ["ok.example"]


def test_a_certificate_that_is_cut_off_says_what_it_can() -> None:
    der, _ = self_signed("example.org", ["a.example"])
    answer, found = certificate.read(der[: len(der) // 2])
    assert (answer, found["common_name"], found["names"]) == ("more", "example.org", [])
    assert certificate.read(der[:40])[0] == "more"
    assert certificate.read(b"")[0] == "more"


def test_what_is_no_certificate_is_refused() -> None:
    assert certificate.read(b"\x31\x82\1\0")[0] == "no"
    assert certificate.read(b"\x30\x80\1\0")[0] == "no"
    assert certificate.read(b"\x30\x82" + vector(2, bytes(300)))[0] == "no"
