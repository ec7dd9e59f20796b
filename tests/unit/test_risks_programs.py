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
