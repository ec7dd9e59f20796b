"""What goes over to TLS, or logs in, is told so however one of its messages is cut and in whatever order it comes."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cores import ACK, PSH, Connection, core, ended, risks_of
from tests.handshakes import openssl_hello

HELLO = openssl_hello("mail.video.example")
CLIENT, SERVER = 0, 1
DIALOGUES: dict[str, tuple[int, list[tuple[int, bytes]]]] = {
    "smtp": (
        25,
        [
            (SERVER, b"220 mx.example ESMTP\r\n"),
            (CLIENT, b"EHLO me\r\n"),
            (SERVER, b"250-mx.example\r\n250 STARTTLS\r\n"),
            (CLIENT, b"STARTTLS\r\n"),
            (SERVER, b"220 go ahead\r\n"),
            (CLIENT, HELLO),
        ],
    ),
    "imap": (
        143,
        [(SERVER, b"* OK IMAP4rev1\r\n"), (CLIENT, b"a STARTTLS\r\n"), (SERVER, b"a OK\r\n"), (CLIENT, HELLO)],
    ),
    "pop3": (110, [(SERVER, b"+OK POP3\r\n"), (CLIENT, b"STLS\r\n"), (SERVER, b"+OK\r\n"), (CLIENT, HELLO)]),
    "ftp": (21, [(SERVER, b"220 FTP\r\n"), (CLIENT, b"AUTH TLS\r\n"), (SERVER, b"234 ok\r\n"), (CLIENT, HELLO)]),
    "anonymous": (21, [(SERVER, b"220 FTP\r\n"), (CLIENT, b"USER anonymous\r\n"), (SERVER, b"331 ok\r\n")]),
    "a name": (21, [(SERVER, b"220 FTP\r\n"), (CLIENT, b"USER anna\r\n"), (SERVER, b"331 ok\r\n")]),
    "imap login": (143, [(SERVER, b"* OK IMAP4rev1\r\n"), (CLIENT, b"a LOGIN me secret\r\n")]),
    "pop3 login": (110, [(SERVER, b"+OK POP3\r\n"), (CLIENT, b"USER me\r\n"), (SERVER, b"+OK\r\n")]),
    "rtsp": (
        554,
        [
            (CLIENT, b"OPTIONS rtsp://a.example/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
            (SERVER, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"),
            (CLIENT, b"DESCRIBE rtsp://a.example/ RTSP/1.0\r\nCSeq: 2\r\nAuthorization: Basic YTpi\r\n\r\n"),
        ],
    ),
    "mail in clear": (
        25,
        [(SERVER, b"220 mx.example ESMTP\r\n"), (CLIENT, b"HELO me\r\n"), (CLIENT, b"MAIL FROM:<a@b>\r\n")],
    ),
}


def told(
    dialogue: str, cut: int = -1, edges: list[int] | None = None, rng: random.Random | None = None
) -> dict[str, Any]:
    """What the flow is told to be; message number `cut` comes in segments between these edges, in any order."""
    port, messages = DIALOGUES[dialogue]
    connection = Connection(core(risks=True), dport=port).shake()
    at = [0, 0]
    for number, (side, message) in enumerate(messages):
        pieces = list(pairwise(edges if number == cut and edges else [0, len(message)]))
        if rng:
            rng.shuffle(pieces)
        for start, end in pieces:
            flags = ACK | PSH if end == len(message) else ACK
            connection.segment(side, at[side] + start, message[start:end], flags=flags)
        at[side] += len(message)
    (flow,) = ended(connection.core)
    return {"risks": risks_of(flow), **{field: flow[field] for field in ("protocol", "app", "host", "ja4")}}


WHOLE = {dialogue: told(dialogue) for dialogue in DIALOGUES}


def test_whole_messages_tell_what_they_should() -> None:
    secure = [WHOLE[each]["host"] for each in ("smtp", "imap", "pop3", "ftp")]
    assert secure == ["mail.video.example"] * 4
    logins = [each for each in DIALOGUES if "clear-text-credentials" in WHOLE[each]["risks"]]
    assert logins == ["a name", "imap login", "pop3 login", "rtsp"]


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(DIALOGUES)),
    st.floats(0, 1, exclude_max=True),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=3),
    st.randoms(use_true_random=False),
)
def test_so_do_messages_in_any_segments(dialogue: str, which: float, cuts: list[float], rng: random.Random) -> None:
    messages = DIALOGUES[dialogue][1]
    number = int(which * len(messages))
    n = len(messages[number][1])
    edges = sorted({0, n, *(int(cut * n) for cut in cuts)})
    assert told(dialogue, number, edges, rng) == WHOLE[dialogue]
