"""The web."""

from struct import pack

TCP = 6
MASKED = bytes(a ^ b for a, b in zip(b"hello everybody!", b"abcd" * 4, strict=True))

KNOWN = [
    ("http2", TCP, True, 80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("http2", TCP, False, 80, b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"),
    ("http2", TCP, False, 80, bytes(3) + b"\x04" + bytes(5) + b"\0\0\x04\x08" + bytes(5) + b"\0\x0f\0\x01"),
    ("haproxy", TCP, True, 443, b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n"),
    ("haproxy", TCP, True, 443, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)),
    ("fastcgi", TCP, True, 9000, b"\1\1\0\1\0\x08\0\0\0\1\1\0\0\0\0\0"),
    ("fastcgi", TCP, False, 9000, b"\1\6\0\1\0\x20\0\0Status: 200 OK\r\n"),
    ("fastcgi", TCP, True, 9001, b"\1\x09\0\0\0\x11\7\0\x0f\0FCGI_MPXS_CONNS" + bytes(7)),
    ("fastcgi", TCP, False, 9001, b"\1\x0a\0\0\0\x12\6\0\x0f\1FCGI_MPXS_CONNS0" + bytes(6)),
    ("ajp", TCP, True, 8010, b"\x12\x34\0\1\x0a"),
    ("ajp", TCP, False, 8010, b"AB\0\1\x09"),
    ("ajp", TCP, True, 8009, b"\x12\x34\0\x04\x02\x02\0\0"),
    ("ajp", TCP, False, 8009, b"AB\0\x05\x04\0\xc8\0\0"),
    ("websocket", TCP, False, 8000, b"\x81\x17Welcome to this server!"),
    ("websocket", TCP, True, 8000, b"\x81\x90abcd" + MASKED),
    ("socks", TCP, True, 1080, b"\x05\x01\x00"),
    ("socks", TCP, True, 1080, b"\x05\x02\0\x80"),
    ("socks", TCP, True, 1081, b"\x05\x01\0\x05\x01\0\x03\x0bexample.org\0\x50"),
    ("socks", TCP, True, 1080, b"\x05\x02\0\2\x05\1\0\1\xc0\0\2\1\0\x50"),
    ("socks", TCP, True, 9997, pack(">BBHI", 4, 1, 8000, 0xC0000201) + b"\0"),
    ("socks", TCP, True, 1080, pack(">BBHI", 4, 1, 80, 0xC0000201) + b"me\0"),
    ("socks", TCP, True, 9997, pack(">BBHI", 4, 1, 80, 1) + b"me\0example.org\0"),
]
