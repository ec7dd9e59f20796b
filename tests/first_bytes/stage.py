"""Halls and studios."""

from struct import pack

TCP, UDP = 6, 17
SRT = pack(">IIIIIHHIIIIIIIIII", 0x80000000, 0, 0, 0, 4, 0, 2, 77, 1500, 8192, 1, 99, 0, 0x0100007F, 0, 0, 0)

KNOWN = [
    ("osc", UDP, True, 8000, b"/mixer/1/gain\0\0\0,f\0\0\x3f\0\0\0"),
    ("osc", UDP, True, 9000, b"#bundle\0" + pack(">QI", 1, 12) + b"/ok\0,i\0\0\0\0\0\1"),
    ("osc", TCP, True, 8000, pack(">I", 12) + b"/ok\0,i\0\0\0\0\0\1"),
    ("rtpmidi", UDP, True, 5004, b"\xff\xffIN" + pack(">III", 2, 0x1234, 0x5678) + b"desk\0"),
    ("rtpmidi", UDP, False, 5004, b"\xff\xffOK" + pack(">III", 2, 0x1234, 0x5678) + b"stage\0"),
    ("rtpmidi", UDP, True, 40002, b"\xff\xffCK" + pack(">IBBHQQQ", 0x5678, 0, 0, 0, 1, 0, 0)),
    ("pjlink", TCP, False, 4352, b"PJLINK 0\r"),
    ("pjlink", TCP, False, 4352, b"PJLINK 1 498e4a67\r"),
    ("pjlink", TCP, True, 4352, b"%1POWR ?\r"),
    ("visca", UDP, True, 52381, pack(">HHI", 0x0100, 6, 1) + b"\x81\x01\x04\x00\x02\xff"),
    ("visca", UDP, False, 52381, pack(">HHI", 0x0111, 3, 1) + b"\x90\x41\xff"),
    ("srt", UDP, True, 9710, SRT),
    ("srt", UDP, False, 40002, SRT[:16] + pack(">IHH", 5, 0, 0x4A17) + SRT[24:]),
    ("udt", UDP, True, 40002, SRT[:20] + pack(">I", 1) + SRT[24:]),
]
