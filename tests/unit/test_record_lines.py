"""Lines of records straight out of events say what the records themselves say, whatever names hold."""

from __future__ import annotations

import csv
import io
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpi.captures import Captures
from dpi.core import Core
from dpi.match.names import Names
from dpi.record.counts import Counts
from dpi.record.fields import FIELDS, FlowRecord
from dpi.record.lines import FIELD_NAMES, Lines
from dpi.record.spelling import STYLES
from tests.cores import ACK, SYN, TCP, UDP, answer, question
from tests.handshakes import openssl_hello

ADDRESSES = {
    4: st.binary(min_size=4, max_size=4).map(lambda b: bytes(10) + b"\xff\xff" + b),
    6: st.binary(min_size=16, max_size=16).filter(lambda b: b[:12] != bytes(10) + b"\xff\xff"),
}
ODD = st.one_of(
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=300),
    st.sampled_from([b'a"b\\c', b"a,b", b"a;b\tc", b"\x1b[31mred", "müller.example".encode(), b"\xff\xfe", b"x" * 400]),
)
TIMES = st.one_of(
    st.integers(0, 1 << 62),
    st.integers(0, (1 << 33) * 1_000_000).map(lambda micro: micro * 1000),
    st.integers(1, 1 << 33).map(lambda seconds: seconds * 1_000_000_000),
)


@pytest.fixture(scope="module")
def engine() -> Captures:
    return Captures(max_flows=1)


class Out:
    """A file that takes only a part now and then."""

    def __init__(self, part: int = 1 << 30) -> None:
        self.data = b""
        self._part = part

    def write(self, data: memoryview) -> int:
        self.data += bytes(data[: self._part])
        return min(len(data), self._part)


def lines_of(engine: Captures, core: Core, style: str, **options: Any) -> list[str]:
    """The lines of all flows that the shard knows, without what stands above them."""
    out = Out(part=1000)
    lines = engine.lines(style, tuple(FIELDS), out, **options)
    core.flush(0)
    lines.take(core, "a.pcap")
    lines.flush()
    text = out.data.decode().removeprefix(STYLES[style].head(tuple(FIELDS)))
    return io.StringIO(text, newline="\n").readlines()  # splitlines() takes other characters for a line's end, too


def records_of(engine: Captures, core: Core, least: int = 0) -> list[FlowRecord]:
    core.flush(0)
    return [engine.record(event[5], "a.pcap", event[1], least) for event in core.drain(9999) if event[0] == "end"]


def as_csv(record: FlowRecord) -> str:
    """A text that begins as a formula does has a ' before it; a test's own list of such beginnings."""
    out = io.StringIO()
    values = [
        " ".join(value)
        if isinstance(value, list)
        else json.dumps(value)
        if isinstance(value, bool)
        else "'" + value
        if isinstance(value, str) and value[:1] in [*"=+-@\t\r\n＝＋－＠"]
        else value
        for value in record.as_dict().values()
    ]
    csv.writer(out).writerow(values)
    return out.getvalue()[:-2] + "\n"


@pytest.mark.parametrize("first", [*"=+-@\t\r\n＝＋－＠"])
def test_no_text_is_a_formula_to_a_spreadsheet_and_numbers_stay_numbers(first: str) -> None:
    spell = STYLES["csv"].spell
    assert next(csv.reader([spell(first + "1+2")], strict=True))[0].startswith("'")
    assert (spell(-1), spell(0.5), spell("a=b"), spell("a-b")) == ("-1", "0.5", "a=b", "a-b")
    assert STYLES["jsonl"].spell("=1") == '"=1"' and STYLES["table"].spell("=1") == "=1"


def test_names_that_are_copied_are_no_formulas_either(engine: Captures) -> None:
    core = shard(engine)
    base = {"version": 4, "vlan": 0, "time": 1_700_000_000_000_000_000, "sport": 40000, "dport": 80}
    src, dst = (bytes(10) + b"\xff\xff" + each for each in (b"\x0a\0\0\x01", b"\xc0\0\x02\x0a"))
    feed(core, {**base, "src": src, "dst": dst}, b'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: =HYPERLINK("x")\r\n\r\n')
    (line,) = lines_of(engine, core, "csv")
    assert next(csv.reader([line]))[tuple(FIELDS).index("agent")] == '\'=HYPERLINK("x")'


def shard(engine: Captures) -> Core:
    core = Core(256, merge=True, risks=True)
    engine.use(core, Names(1024))
    return core


def feed(core: Core, flow: dict[str, Any], payload: bytes, proto: int = TCP) -> None:
    """A client that says something, and is answered with nothing."""
    there = {"src": flow["src"], "dst": flow["dst"], "sport": flow["sport"], "dport": flow["dport"]}
    back = {"src": flow["dst"], "dst": flow["src"], "sport": flow["dport"], "dport": flow["sport"]}
    common = {"proto": proto, "version": flow["version"], "time": flow["time"], "vlan": flow["vlan"]}
    if proto == TCP:
        core.feed(**there, **common, flags=SYN, seq=99)
        core.feed(**back, **common, flags=SYN | ACK, seq=499)
    core.feed(**there, **common, flags=ACK, seq=100, payload=payload)


@st.composite
def flow(draw: st.DrawFn) -> dict[str, Any]:
    version = draw(st.sampled_from(sorted(ADDRESSES)))
    src, dst = draw(ADDRESSES[version]), draw(ADDRESSES[version])
    return {
        "version": version,
        "src": src,
        "dst": dst,
        "sport": draw(st.integers(0, 65535)),
        "dport": draw(st.sampled_from([80, 443, 8080, 22, 9999])),
        "vlan": draw(st.integers(0, 4094)),
        "time": draw(TIMES),
    }


@given(st.lists(st.tuples(flow(), ODD, ODD), min_size=1, max_size=5))
def test_lines_say_what_records_say(engine: Captures, flows: list[tuple[dict[str, Any], bytes, bytes]]) -> None:
    first, second, third = (shard(engine) for _ in range(3))
    for one in (first, second, third):
        for each, host, agent in flows:
            feed(one, each, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nUser-Agent: " + agent + b"\r\n\r\n")
    records = records_of(engine, first)
    assert lines_of(engine, second, "jsonl") == [record.as_json() + "\n" for record in records]
    spelled = "".join(lines_of(engine, third, "csv"))
    assert list(csv.reader(io.StringIO(spelled))) == list(csv.reader(io.StringIO("".join(map(as_csv, records)))))


@given(st.lists(st.tuples(flow(), ODD), min_size=1, max_size=9))
def test_counts_are_what_records_add_up_to_whatever_times_and_names(
    engine: Captures, flows: list[tuple[dict[str, Any], bytes]]
) -> None:
    first, second = (shard(engine) for _ in range(2))
    for one in (first, second):
        for each, host in flows:
            feed(one, each, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    records = records_of(engine, first)
    lines = engine.lines("jsonl", (), None)
    lines.counts = counts = Counts()
    second.flush(0)
    lines.take(second, "a.pcap")
    lines.flush()
    total = counts.total
    assert (total.flows, total.packets) == (len(records), sum(r.packets_up + r.packets_down for r in records))
    assert (total.bytes_up, total.bytes_down) == (sum(r.bytes_up for r in records), sum(r.bytes_down for r in records))
    assert (counts.start, counts.end) == (min(r.start for r in records), max(r.end for r in records))
    rows = counts.times.rows_told()
    assert len(rows) <= 25
    assert tuple(sum(column) for column in zip(*rows, strict=True))[1:] == tuple(total.as_dict().values())
    assert {name for name, _ in counts.by_whom("servers")} == {r.hostname or r.dst for r in records}
    assert {name for name, _ in counts.by_whom("clients")} == {r.src for r in records}
    assert {what[:4] for what, _ in counts.by_what()} == {(r.protocol, r.app, r.category, r.method) for r in records}


def various(engine: Captures) -> Core:
    """Flows with a name, a fingerprint, risks, an app by DNS, and none of these."""
    core = shard(engine)
    base = {"version": 4, "vlan": 0, "time": 1_700_000_000_123_456_000}
    server = bytes(10) + b"\xff\xff\xc0\x00\x02\x0a"
    client = bytes(10) + b"\xff\xff\x0a\x00\x00\x01"
    ports = itertools.count(40000)

    def new(dport: int) -> dict[str, Any]:
        return {**base, "src": client, "dst": server, "sport": next(ports), "dport": dport}

    asked = new(53)
    feed(core, asked, question("www.netflix.com"), UDP)
    core.feed(
        src=server, dst=client, sport=53, dport=asked["sport"], proto=UDP, time=base["time"],
        payload=answer("www.netflix.com", "192.0.2.10"),
    )  # fmt: skip
    feed(core, new(443), openssl_hello("www.netflix.com"))
    feed(core, new(443), b"")
    feed(core, new(8443), openssl_hello("www.youtube.com"))
    feed(core, new(80), b"GET / HTTP/1.1\r\nHost: a.example\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n")
    feed(core, new(2222), b"SSH-2.0-OpenSSH_9.6\r\n")
    core.feed(src=client, dst=server, sport=0, dport=0, proto=1, time=base["time"])
    core.feed(src=client, dst=server, sport=0, dport=0, proto=200, time=base["time"], origin=1)
    return core


@pytest.mark.parametrize("least", [0, 0.9, 1])
def test_labels_that_are_not_sure_are_left_out_of_both(engine: Captures, least: float) -> None:
    records = records_of(engine, various(engine), round(100 * least))
    lines = lines_of(engine, various(engine), "jsonl", min_confidence=least)
    assert lines == [record.as_json() + "\n" for record in records]
    assert len(lines) == 8
    assert lines_of(engine, various(engine), "csv", min_confidence=least) == [as_csv(record) for record in records]


def test_only_those_with_a_risk_where_one_asks_for_them_and_all_are_counted(engine: Captures) -> None:
    risky = [record for record in records_of(engine, various(engine)) if record.risks]
    assert risky
    out = Out()
    lines = engine.lines("jsonl", tuple(FIELDS), out, risky=True)
    core = various(engine)
    core.flush(0)
    lines.take(core, "a.pcap")
    lines.flush()
    assert out.data.decode().splitlines() == [record.as_json() for record in risky]
    records = records_of(engine, various(engine))
    assert (lines.flows, lines.named, lines.apps) == (
        len(records),
        sum(record.method is not None for record in records),
        sum(record.app is not None for record in records),
    )


def test_every_field_of_a_record_can_be_asked_for() -> None:
    assert (*FIELDS, "packets") == FIELD_NAMES
    with pytest.raises(ValueError, match="not in tuple"):
        Lines("csv", ["colour"], labels=[], categories=[], rules=[], out=Out())


def test_a_table_has_one_line_a_flow_whatever_a_name_holds(engine: Captures) -> None:
    spell = STYLES["table"].spell
    assert spell("a\tb\x1b[31m\n") == r"a\x09b\x1b[31m\x0a"
    assert (spell(None), spell([]), spell(["a", "b"]), spell(0)) == ("-", "-", "a b", "0")
    out = Out()
    lines = engine.lines("table", ("capture", "app", "risks", "packets"), out)
    core = various(engine)
    core.flush(0)
    lines.take(core, "a\tb.pcap")
    lines.flush()
    rows = [line.split("\t") for line in out.data.decode().splitlines()]
    assert rows[0] == ["capture", "app", "risks", "packets"]
    assert rows[2] == [r"a\x09b.pcap", "netflix", "-", "3"]


def test_what_could_not_be_written_is_written_by_the_next_flush_once(engine: Captures) -> None:
    class Interrupted(Out):
        calls = 0

        def write(self, data: memoryview) -> int:
            self.calls += 1
            if self.calls % 2:
                raise KeyboardInterrupt
            return super().write(data)

    out = Interrupted(part=100)
    core = various(engine)
    lines = engine.lines("jsonl", tuple(FIELDS), out)
    core.flush(0)
    lines.take(core, "a.pcap")
    while True:
        try:
            lines.flush()
            break
        except KeyboardInterrupt:
            pass
    assert out.data.decode().splitlines(keepends=True) == lines_of(engine, various(engine), "jsonl")
