"""Printers and scanners."""

from struct import pack

TCP = 6

KNOWN = [
    ("jetdirect", TCP, True, 9100, b"\x1b%-12345X@PJL JOB\r\n"),
    ("jetdirect", TCP, True, 40002, b"\x1b%-12345X@PJL INFO STATUS\r\n"),
    ("jetdirect", TCP, False, 9100, b"@PJL INFO STATUS\r\nCODE=10001\r\n"),
    ("jetdirect", TCP, True, 9100, b"%!PS-Adobe-3.0\n"),
    ("jetdirect", TCP, True, 9100, b"\x1bE\x1b&l26A"),
    ("lpd", TCP, True, 515, b"\2printer\n"),
    ("lpd", TCP, True, 515, b"\4printer somebody\n"),
    ("sane", TCP, True, 6566, pack(">III", 0, 0x01000003, 9) + b"somebody\0"),
    ("sane", TCP, False, 6566, pack(">II", 0, 0x01000003)),
    ("sane", TCP, True, 6566, pack(">III", 0, 0x01010003, 0)),
]
