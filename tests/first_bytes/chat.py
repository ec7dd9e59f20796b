"""Messengers."""

from struct import pack

TCP, UDP = 6, 17
KEYS = pack("<QQII", 0, 0x6B0C8A5A6D07A674, 20, 0xBE7E8EF1) + b"n" * 16  # MTProto's req_pq_multi

KNOWN = [
    ("zephyr", UDP, True, 2104, b"ZEPH0.2\0" + b"0x00000013\0"),
    ("irc", TCP, True, 6667, b"NICK someone\r\nUSER a 0 * :b\r\n"),
    ("irc", TCP, False, 6667, b":irc.example.org NOTICE * :*** Looking up your hostname\r\n"),
    ("irc", TCP, False, 6667, b"NOTICE * :*** Looking up your hostname\r\n"),
    ("irc", TCP, False, 40001, b"@time=2026-12-01T00:00:00.000Z :irc.example.org NOTICE * :*** Looking up\r\n"),
    ("irc", TCP, True, 40001, b"WEBIRC password gateway host.example.org 192.0.2.1\r\n"),
    ("irc", TCP, False, 6697, b":irc.example.org 433 * someone :Nickname is already in use\r\n"),
    ("irc", TCP, False, 7000, b":someone!user@example.org PRIVMSG #channel :hello\r\n"),
    ("irc", TCP, False, 7000, b":someone!user@example.org PART #channel :bye\r\n"),
    ("irc", TCP, False, 7000, b":someone!user@example.org QUIT :bye\r\n"),
    ("irc", TCP, False, 7000, b"ERROR :Access denied: Bad password?\r\n"),
    ("irc", TCP, True, 6667, b"CAP REQ :sasl\r\n"),
    ("irc", TCP, True, 6667, b"user a 0 * :b\r\nnick someone\r\n"),
    ("irc", TCP, True, 6667, b"PRIVMSG #channel :hello\r\n"),
    ("jabber", TCP, True, 5222, b"<?xml version='1.0'?><stream:stream to='example.org'>"),
    ("jabber", TCP, True, 5222, b"<presence/>"),
    ("jabber", TCP, False, 40001, b"<message from='me@example.org/a' to='you@example.org'><body>hi</body></message>"),
    ("jabber", TCP, True, 40001, b"<iq type='get' id='7'><ping xmlns='urn:xmpp:ping'/></iq>"),
    ("whatsapp", TCP, True, 5222, b"ED\0\1\0\0\4\x08"),
    ("whatsapp", TCP, True, 443, b"WA\6\3\0\0\x24"),
    ("telegram", TCP, True, 443, b"\xef\x0a" + bytes(40)),
    ("telegram", TCP, True, 443, b"\xee\xee\xee\xee" + pack("<I", 40) + bytes(40)),
    ("telegram", TCP, True, 8888, b"\xef\x0a" + KEYS),
    ("telegram", TCP, False, 8888, b"\x0a" + KEYS),
    ("telegram", TCP, False, 8888, pack("<I", 40) + KEYS),
    ("telegram", TCP, True, 8888, pack("<II", 52, 0) + KEYS + bytes(4)),
    ("telegram", UDP, True, 533, bytes(range(16)) + b"\xff" * 12 + bytes(8)),
    ("xiaomi", TCP, True, 5222, b"\xc2\xfe\0\x05" + pack(">IHH", 100, 2, 22) + bytes(100)),
    ("kakaotalk", TCP, True, 5228, pack("<III", 256, 16, 3) + bytes(range(1, 256)) + b"\1"),
    ("kakaotalk", TCP, True, 9282, pack("<III", 128, 1, 1) + bytes(range(1, 129))),
    ("dingtalk", TCP, True, 443, b"\x10\x5f\x87\x80\1\0\1\0\2\0" + bytes(80)),
    ("wechat", TCP, True, 8080, pack(">IHHII", 16, 16, 1, 6, 0xFFFFFFFF)),
    ("wechat", TCP, True, 443, b"\x16\xf1\x03\0\xbd\0\0\0\xb9" + bytes(100)),
    ("hpvirtgrp", TCP, True, 5223, b"\x16\0\x20\0" + bytes(28)),
    ("oicq", UDP, True, 8000, b"\x02\x3b\x0b\0\1\0\x17\x56\x1f\x0c\x7b" + bytes(32) + b"\x03"),
    ("imo", UDP, True, 40001, b"\x09\x02\xdc\x9a\x02\0\0\0\0\0"),
    ("imo", UDP, False, 40001, b"\x00\x09\x03\x21\x9a\x02\0\0\0\0\0"),
    ("discord", UDP, True, 50001, b"\x13\x37\xca\xfe\x0a\0\0\0"),
    ("discord", UDP, True, 50001, b"\0\1\0\x46\0\x1a\x7e\x73" + bytes(66)),
    ("viber", UDP, True, 7985, b"\xed\xf6\x09\0" + bytes(16)),
    ("viber", TCP, True, 5242, b"\x18\0\0\0\0\0\xfc\xff\x05\x80" + bytes(14)),
    ("viber", TCP, True, 443, b"\x18\0\0\0\x12\x34\xfc\xff\x03\x80" + bytes(14)),
]
TALKS = [
    ("linecall", UDP, 50000, [(b"\xb6\x12\0\x68" + bytes(104), True), (b"\xb6\x13\0\x06" + bytes(31), False)]),
    ("linecall", UDP, 10000, [(b"\xb6\x07\0\x04" + bytes(4), True), (b"\xb6\x09\0\x0c" + bytes(12), False)]),
    ("viber", UDP, 7985, [(b"\xed\xf6\x01\0" + bytes(60), True), (b"\xed\xf6\x0c\0" + bytes(60), False)]),
]
