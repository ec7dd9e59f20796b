"""Mail, news, transfer, registries."""

TCP = 6

KNOWN = [
    ("smtp", TCP, False, 25, b"220 mx.example.org ESMTP\r\n"),
    ("smtp", TCP, True, 587, b"EHLO client.example.org\r\n"),
    ("smtp", TCP, True, 24, b"LHLO client.example.org\r\n"),
    ("smtp", TCP, True, 2525, b"helo client.example.org\r\n"),
    ("smtp", TCP, False, 25, b"554 No SMTP service here\r\n"),
    ("smtp", TCP, False, 25, b"421 mx.example.org Too many connections\r\n"),
    ("ftpcontrol", TCP, False, 21, b"220 Welcome to our FTP server\r\n"),
    ("ftpcontrol", TCP, True, 2121, b"AUTH TLS\r\n"),
    ("ftpcontrol", TCP, True, 2121, b"OPTS UTF8 ON\r\n"),
    ("ftpcontrol", TCP, False, 2121, b"220 ready\r\n331 Password required\r\n"),
    ("ftpdata", TCP, False, 40001, b"drwxr-xr-x   2 ftp ftp 4096 Jan 01 2020 pub\r\n"),
    ("pop3", TCP, False, 110, b"+OK ready\r\n"),
    ("pop3", TCP, False, 1110, b"+OK mail.example.org ready.\r\n"),
    ("pop3", TCP, False, 1110, b"+OK hello <1896.697170952@mail.example.org>\r\n"),
    ("pop3", TCP, True, 1110, b"CAPA\r\n"),
    ("imap", TCP, False, 143, b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
    ("imap", TCP, False, 143, b"* BYE Too many connections\r\n"),
    ("imap", TCP, True, 1143, b"a1 CAPABILITY\r\n"),
    ("usenet", TCP, False, 119, b"200 news.example.org InterNetNews server ready (posting ok)\r\n"),
    ("usenet", TCP, True, 1119, b"AUTHINFO USER someone\r\n"),
    ("usenet", TCP, True, 1119, b"CAPABILITIES\r\n"),
    ("usenet", TCP, True, 1119, b"MODE STREAM\r\n"),
    ("usenet", TCP, False, 119, b"502 You have no permission to talk. Goodbye.\r\n"),
    ("usenet", TCP, False, 1119, b"400 NNTP server unavailable.\r\n"),
    ("whoisdas", TCP, True, 43, b"example.org\r\n"),
]
