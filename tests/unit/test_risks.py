"""Risks: their list, protocols on ports of others, noise where text is spoken, and what `dpi classify` prints."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpi.cli.classify import command
from dpi.core import Core
from dpi.dissect import noise, risks
from dpi.dissect.protocols import IDS
from tests.captures import packet, write
from tests.cores import ACK, CLIENT, SERVER, SYN, TCP, Connection, core, ended, label_by, risks_of
from tests.handshakes import openssl_hello

NAME = "www.example.org"


# The list


def test_the_bits_of_the_loop_are_the_list_in_its_order() -> None:
    text = Path(risks.__file__).with_suffix(".pxd").read_text()
    bits = [int(value, 16) for value in re.findall(r"RISK_\w+ = (0x\w+)", text)]
    assert bits == [1 << bit for bit in range(len(risks.RISKS))]
    assert len(risks.BY_SLUG) == len(risks.RISKS)


def test_a_score_is_the_sum_and_at_most_100() -> None:
    assert risks.score(0) == 0
    assert [risks.score(1 << bit) for bit in range(len(risks.RISKS))] == [risk.score for risk in risks.RISKS]
    assert risks.score(0b11) == risks.RISKS[0].score + risks.RISKS[1].score
    assert risks.score((1 << len(risks.RISKS)) - 1) == 100


# Ports


def with_ports() -> Core:
    one = Core(64)
    ports = [("tcp/22", "ssh"), ("tcp/443", "tls"), ("tcp/80", "http"), ("tcp/25", "smtp"), ("tcp/2022", "ssh")]
    ports += [("tcp/389", "ldap"), ("tcp/636", "ldap")]
    entries = [(text, IDS[slug]) for text, slug in ports]
    label_by(one, ports=[*entries, ("tcp/7022", 700)])
    return one


SSH = b"SSH-2.0-OpenSSH_9.2\r\n"
GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


@pytest.mark.parametrize(
    ("port", "payload", "expected"),
    [
        (22, SSH, False),
        (2022, SSH, False),
        (443, SSH, True),
        (50022, SSH, True),
        (7022, SSH, False),  # the user has said what runs there
        (2222, SSH, False),
        (80, GET, False),
        (8080, GET, False),
        (443, GET, True),
        (22, GET, True),
        (443, None, False),
        (8443, None, False),
        (25, None, True),
        (389, None, True),
        (636, None, False),
        (80, None, True),
    ],
)
def test_a_known_protocol_on_a_port_of_another_is_foreign(port: int, payload: bytes | None, expected: bool) -> None:
    connection = Connection(with_ports(), dport=port).shake()
    connection.segment(0, 0, payload or openssl_hello(NAME))
    connection.segment(1, 0, SSH)
    (flow,) = ended(connection.core)
    assert (risks_of(flow) == {"foreign-port"}) is expected


def test_tls_that_is_joined_late_may_have_begun_in_clear() -> None:
    connection = Connection(with_ports(), dport=25)
    connection.segment(0, 500, openssl_hello(NAME))
    (flow,) = ended(connection.core)
    assert risks_of(flow) == set() and flow["host"] == NAME


# Noise


def test_noise_at_a_port_of_text_is_odd_and_text_or_what_has_a_name_is_not() -> None:
    chance = random.Random(7)
    for port, payload, expected in (
        (80, chance.randbytes(300), True),
        (80, chance.randbytes(40), False),
        (9999, chance.randbytes(300), False),
        (80, b"anything that people can read, at some length, " * 4, False),
        (80, bytes(range(32, 127)) * 3, False),
        (80, bytes(300), False),
    ):
        connection = Connection(core(), dport=port).shake()
        connection.segment(0, 0, payload)
        ended = connection.flow()
        assert ("unexpected-noise" in risks_of(ended)) is expected, (port, payload[:20])


def test_what_begins_in_the_middle_is_not_called_noise() -> None:
    connection = Connection(core(), dport=80)
    connection.segment(0, 1000, random.Random(7).randbytes(300))
    assert risks_of(connection.flow()) == set()


def test_compressed_bytes_are_noise_and_base64_is_not() -> None:
    import base64
    import zlib

    text = " ".join(str(random.Random(3).random()) for _ in range(300)).encode()
    assert noise.is_noise(zlib.compress(random.Random(1).randbytes(2000))[10:])
    assert not noise.is_noise(base64.b64encode(text))


# Commands


def test_classify_prints_risks_and_score_and_lists_only_what_is_risky(tmp_path: Path) -> None:
    packets = [
        packet(CLIENT, 40000, SERVER, 80, TCP, seq=99, flags=SYN),
        packet(SERVER, 80, CLIENT, 40000, TCP, seq=499, flags=SYN | ACK),
        packet(CLIENT, 40000, SERVER, 80, TCP, GET, seq=100),
        packet(SERVER, 80, CLIENT, 40000, TCP, b"HTTP/1.1 200 OK\r\n\r\n#!/bin/sh\n", seq=500),
        packet(CLIENT, 40001, SERVER, 80, TCP, seq=99, flags=SYN),
        packet(CLIENT, 40001, SERVER, 80, TCP, GET, seq=100),
    ]
    capture = str(write(tmp_path / "http.pcap", packets))
    run = CliRunner().invoke(command, [capture, "--json"])
    flows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(flow["risks"], flow["risk_score"]) for flow in flows] == [(["program-over-http"], 30), ([], 0)]
    run = CliRunner().invoke(command, [capture, "--json", "--risky"])
    assert [json.loads(line)["sport"] for line in run.stdout.splitlines()] == [40000]
    run = CliRunner().invoke(command, [capture, "--risky"])
    assert [line.split("\t")[-1] for line in run.stdout.splitlines()] == ["risks", "program-over-http"]
    assert "program-over-http,30" in CliRunner().invoke(command, [capture, "--format", "csv"]).stdout
