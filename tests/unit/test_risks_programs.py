"""Risks: programs that come over plain HTTP."""

from __future__ import annotations

import io
import zipfile

import pytest

from dpi.dissect import program
from tests.cores import Connection, core, risks_of

GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


def portable_executable() -> bytes:
    head = bytearray(b"MZ" + bytes(198))
    head[60:64] = (128).to_bytes(4, "little")
    head[128:132] = b"PE\0\0"
    return bytes(head)


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return out.getvalue()


PROGRAMS = [
    (portable_executable(), True),
    (portable_executable().replace(b"PE\0\0", b"NE\0\0"), False),
    (b"MZ is how this text begins" + b"." * 60, False),
    (b"\x7fELF\2\1\1", True),
    (b"\x7fELF\7\1\1", False),
    (b"\xcf\xfa\xed\xfe\7\0\0\1", True),
    (b"#!/bin/sh\necho", True),
    (b"# a heading", False),
    (archive("AndroidManifest.xml", "classes.dex"), True),
    (archive("setup.EXE"), True),
    (archive("[Content_Types].xml", "word/document.xml"), False),
    (archive("mimetype", "META-INF/container.xml"), False),
    (b"!<arch>\ndebian-binary   1342943816", True),
    (b"!<arch>\nlib.o/          1342943816", False),
    (b"\xed\xab\xee\xdb\3\0", True),
    (b"<!DOCTYPE html>", False),
    (b"\x89PNG\r\n\x1a\n", False),
]


@pytest.mark.parametrize(("body", "expected"), PROGRAMS)
@pytest.mark.parametrize("apart", [False, True])
def test_a_program_over_http_is_told_by_its_first_bytes(body: bytes, expected: bool, apart: bool) -> None:
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
    connection.segment(1, 0, head if apart else head + body)
    if apart:
        connection.segment(1, len(head), body)
    assert risks_of(connection.flow()) == ({"program-over-http"} if expected else set())
    assert connection.flow()["needs"] == 0


@pytest.mark.parametrize(
    ("status", "media_type", "expected"),
    [
        (b"200", b"application/x-msdownload", True),
        (b"206", b"Application/X-MSDownload; x=y", True),
        (b"200", b"text/html", False),
        (b"404", b"application/x-msdownload", False),
    ],
)
def test_a_program_over_http_is_told_by_its_media_type(status: bytes, media_type: bytes, expected: bool) -> None:
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    connection.segment(1, 0, b"HTTP/1.1 " + status + b" x\r\nContent-Type: " + media_type + b"\r\n\r\nbody and more")
    assert ("program-over-http" in risks_of(connection.flow())) is expected


def test_programs_that_are_cut_are_survived() -> None:
    for body, _ in PROGRAMS:
        for n in range(len(body)):
            program.by_bytes(body[:n])


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        (b'attachment; filename="Setup 1.2.EXE"', True),
        (b"attachment; filename=setup.msi", True),
        (b"attachment; filename = setup.msi ; size=3", True),
        (b"attachment; filename*=UTF-8''setup%201.dmg", True),
        (b'inline; filename="report.pdf"', False),
        (b'attachment; filename="example.com"', False),
        (b'attachment; filename="jquery.js"', False),
        (b"attachment; filename=.exe", False),
        (b"attachment; filename", False),
        (b"attachment", False),
    ],
)
def test_a_program_is_told_by_the_name_of_its_file(disposition: bytes, expected: bool) -> None:
    assert program.by_name(disposition) is expected
    for n in range(len(disposition)):
        program.by_name(disposition[:n])
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    connection.segment(1, 0, b"HTTP/1.1 200 OK\r\nContent-Disposition: " + disposition + b"\r\n\r\n\x1f\x8b\x08\0")
    assert ("program-over-http" in risks_of(connection.flow())) is expected


@pytest.mark.parametrize("cut", [0, 3, 30, 80])
@pytest.mark.parametrize("status", [b"200", b"206"])
def test_a_program_in_chunks_or_in_parts_is_one(cut: int, status: bytes) -> None:
    body = portable_executable()
    head = b"HTTP/1.1 %s OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n" % (status, len(body))
    text = head + body + b"\r\n0\r\n\r\n"
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    connection.segment(1, 0, text[:cut])
    connection.segment(1, cut, text[cut:])
    assert risks_of(connection.flow()) == {"program-over-http"}


def test_an_answer_without_a_body_is_not_waited_on() -> None:
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    connection.segment(1, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert connection.flow()["needs"] == 0 and connection.flow()["risks"] == 0


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Debian APT-HTTP/1.3 (2.6.1)", False),
        ("libdnf (Fedora Linux 40; server; Linux.x86_64)", False),
        ("Microsoft-Delivery-Optimization/10.0", False),
        ("Mozilla/5.0", True),
        ("curl/8", True),
    ],
)
def test_who_verifies_signatures_may_get_programs_over_http(agent: str, expected: bool) -> None:
    assert program.signed_for(agent) is not expected
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET.replace(b"Host", b"User-Agent: " + agent.encode() + b"\r\nHost"))
    connection.segment(1, 0, b"HTTP/1.1 200 OK\r\n\r\n" + portable_executable())
    assert risks_of(connection.flow()) == ({"program-over-http"} if expected else set())
