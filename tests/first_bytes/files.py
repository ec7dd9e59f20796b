"""Files."""

from struct import pack

TCP, UDP = 6, 17
DIALECTS = b"\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0"
SMB_NEGOTIATE = pack(">I", 35 + len(DIALECTS)) + b"\xffSMBr" + bytes(28) + pack("<H", len(DIALECTS)) + DIALECTS
LOGIN = b"\x43\x87\0\0\0\0\0\x1c" + bytes(40)

KNOWN = [
    ("rsync", TCP, False, 873, b"@RSYNCD: 31.0\n"),
    ("smbv1", TCP, True, 445, b"\x00\x00\x00\x54\xffSMBr" + bytes(79)),
    ("smbv1", TCP, True, 445, SMB_NEGOTIATE + b"\0\0\0\x40\xffSMBs" + bytes(59)),
    ("smbv23", TCP, True, 445, SMB_NEGOTIATE + b"\0\0\0\x40\xfeSMB\x40" + bytes(59)),
    ("smbv23", TCP, True, 445, b"\x00\x00\x00\x54\xfeSMB\x40\x00" + bytes(60)),
    ("netbios", TCP, True, 139, b"\x81\0\0\x44\x20" + b"CA" * 16 + b"\0\x20" + b"CA" * 16 + b"\0"),
    ("nfs", UDP, True, 2049, pack(">IIIIII", 7, 0, 2, 100003, 3, 0) + bytes(16)),
    ("nfs", TCP, True, 111, pack(">IIIIIII", 0x80000028, 7, 0, 2, 100000, 2, 4) + bytes(16)),
    ("nfs", UDP, False, 2049, pack(">IIIIII", 7, 1, 0, 0, 0, 0) + bytes(16)),
    ("nfs", TCP, False, 2049, pack(">IIIIIII", 0x80000028, 7, 1, 0, 0, 0, 0) + bytes(16)),
    ("afp", TCP, True, 548, pack(">BBHIII", 0, 3, 1, 0, 0, 0)),
    ("afp", TCP, False, 548, pack(">BBHIII", 1, 4, 1, 0, 6, 0) + bytes(6)),
    ("iscsi", TCP, True, 3260, LOGIN + b"InitiatorName=iqn.2001-04.a\0"),
    ("iscsi", TCP, False, 3260, b"\x23\x87\0\0\0\0\0\x1c" + bytes(40) + b"TargetPortalGroupTag=1\0\0"),
    ("ceph", TCP, False, 6789, b"ceph v027" + bytes(20)),
    ("ceph", TCP, True, 3300, b"ceph v2\n\x10\0" + bytes(16)),
    ("lustre", TCP, True, 988, pack("<IIQ", 0xACCE7100, 1, 0x2000000000001)),
    ("lustre", TCP, True, 988, pack(">III", 0x45726963, 1, 0)),
    ("tftp", UDP, True, 69, b"\x00\x01boot.img\x00octet\x00"),
    ("tftp", UDP, True, 69, b"\x00\x02boot.img\x00netascii\x00"),
    ("tftp", UDP, True, 69, b"\x00\x02root\x00mail\x00"),
    ("tftp", UDP, True, 40001, b"\x00\x03\x00\x01" + bytes(512)),
    ("tftp", UDP, True, 40001, b"\x00\x05\x00\x01File not found\x00"),
    ("tftp", UDP, True, 40001, b"\x00\x06blksize\x001428\x00"),
    ("uftp", UDP, True, 1044, b"\x31\x01\0\x0c" + bytes(range(1, 13)) + b"\x01" + bytes(11)),
    ("uftp", UDP, True, 1044, b"\x50\x01" + bytes(13) + b"\0\x01\x02" + bytes(6)),
    ("flute", UDP, True, 40085, b"\x10\x10\x08\x00" + bytes(36) + b'<?xml version="1.0"?><FDT-Instance>'),
    ("syncthing", UDP, True, 21027, b"\x2e\xa7\xd9\x0b" + bytes(40)),
    ("syncthing", TCP, True, 22067, b"\x9e\x79\xbc\x40\0\0\0\0\0\0\0\0"),
    ("dropbox", UDP, True, 17500, b'{"host_int": 12345, "version": [2, 0], "port": 17500}'),
    ("subversion", TCP, False, 3690, b"( success ( 2 2 ( ) ( edit-pipeline svndiff1 ) ) ) "),
    ("subversion", TCP, True, 40002, b"( 2 ( edit-pipeline svndiff1 ) 26:svn://svn.example.org/repo 8:SVN/1.14 ( ) ) "),
    ("cvs", TCP, True, 2401, b"BEGIN AUTH REQUEST\n/cvsroot\nanonymous\nA\nEND AUTH REQUEST\n"),
    ("cvs", TCP, True, 2401, b"BEGIN VERIFICATION REQUEST\n/cvsroot\nanonymous\nA\nEND VERIFICATION REQUEST\n"),
    ("cvs", TCP, False, 2401, b"I LOVE YOU\n"),
    ("cvs", TCP, False, 2401, b"I HATE YOU\n"),
    ("distcc", TCP, True, 3632, b"DIST00000001ARGC00000003ARGV00000002cc"),
    ("distcc", TCP, False, 3632, b"DONE00000001STAT00000000SERR00000000"),
    ("nbd", TCP, False, 10809, b"NBDMAGICIHAVEOPT\0\x03"),
    ("nbd", TCP, False, 40002, b"NBDMAGIC\0\0\x42\x02\x81\x86\x12\x53" + bytes(136)),
    ("nbd", TCP, True, 10809, b"\0\0\0\x03IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0"),
    ("drbd", TCP, True, 7788, pack(">IHH", 0x83740267, 0xFFFE, 24) + bytes(24)),
    ("drbd", TCP, False, 7788, pack(">IhHII", 0x8620EC20, -1, 0xFFFE, 8, 0) + bytes(8)),
    ("ndmp", TCP, False, 10000, pack(">IIIIIII", 0x8000002C, 1, 1_700_000_000, 0, 0x502, 0, 0) + bytes(20)),
    ("ndmp", TCP, True, 10000, pack(">IIIIIII", 0x8000001C, 1, 1_700_000_000, 0, 0x900, 0, 0) + pack(">I", 4)),
    ("ndmp", TCP, False, 10000, pack(">IIIIIII", 0x8000001C, 2, 1_700_000_001, 1, 0x900, 1, 0) + bytes(4)),
    ("ncp", TCP, True, 524, b"DmdT" + pack(">III", 28, 1, 0) + b"\x11\x11\0\0\0\0\0\0\0\0\0\0"),
    ("ncp", TCP, False, 524, b"tNcP" + pack(">I", 16) + b"\x33\x33\0\x01\0\0\0\0"),
    ("bacula", TCP, False, 9102, b"\0\0\0\x25auth cram-md5 <1.1700000000@d> ssl=0\n"),
    ("bacula", TCP, True, 9103, b"\0\0\0\x25Hello Bacula SD: Start Job job.1 214\n"),
    ("bacula", TCP, True, 9102, b"\0\0\0\x1eHello Director dir-1 calling\n\0"),
]
TALKS = [
    ("tftp", UDP, 40001, [(b"\0\4\0\0", False), (b"\0\3\0\1text", True)]),
    ("tftp", UDP, 40001, [(b"\0\3\0\1text", False), (b"\0\4\0\1", True)]),
    ("tftp", UDP, 40001, [(b"\0\3\1\x77" + bytes(1428), False), (b"\0\4\1\x77", True)]),
    ("tftp", UDP, 40001, [(b"\0\4\1\x77", True), (b"\0\3\1\x78" + bytes(1428), False)]),
]
