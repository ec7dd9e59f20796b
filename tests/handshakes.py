"""Handshake bytes for tests: real ones out of OpenSSL, and ones built field by field for what OpenSSL never sends."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOT_BEFORE = datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(2051, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)  # from 2050 on a GeneralizedTime


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def words(values: list[int]) -> bytes:
    return b"".join(v.to_bytes(2, "big") for v in values)


def ssh_offer(*lists: bytes) -> bytes:
    """A KEXINIT (RFC 4253, 6 and 7.1) with these lists, all ten or as many as are given, in a packet."""
    kex = (
        b"curve25519-sha256",
        b"ssh-ed25519",
        b"aes128-ctr",
        b"aes256-ctr",
        b"hmac-sha1",
        b"hmac-md5",
        b"none",
        b"zlib",
    )
    named = (*lists, *kex[len(lists) :], b"", b"")[:10]
    message = b"\x14" + bytes(range(16)) + b"".join(vector(4, each) for each in named) + bytes(5)
    padding = 4 + -(len(message) + 9) % 8
    return vector(4, bytes([padding]) + message + bytes(padding))


def record(data: bytes, kind: int = 22, version: int = 0x0301) -> bytes:
    return bytes([kind]) + version.to_bytes(2, "big") + vector(2, data)


def records(message: bytes, sizes: Iterator[int] | list[int]) -> bytes:
    """The message over records of these sizes, the rest in the last."""
    out = b""
    for size in sizes:
        if message[:size]:
            out += record(message[:size])
        message = message[size:]
    return out + (record(message) if message else b"")


def server_name(host: bytes) -> bytes:
    return vector(2, b"\0" + vector(2, host))


def client_hello(
    extensions: list[tuple[int, bytes]],
    ciphers: list[int] | None = None,
    version: int = 0x0303,
    cookie: bytes | None = None,
) -> bytes:
    """A ClientHello message, handshake header included."""
    body = version.to_bytes(2, "big") + bytes(32) + vector(1, bytes(32))
    if cookie is not None:
        body += vector(1, cookie)
    body += vector(2, words(ciphers or [0x1301, 0xC02F])) + b"\1\0"
    body += vector(2, b"".join(kind.to_bytes(2, "big") + vector(2, data) for kind, data in extensions))
    return b"\1" + vector(3, body)


def dtls_record(fragment: bytes, kind: int = 22, version: int = 0xFEFD, epoch: int = 0) -> bytes:
    return bytes([kind]) + words([version, epoch]) + bytes(6) + vector(2, fragment)


def dtls_fragment(message: bytes, start: int = 0, end: int | None = None, number: int = 0) -> bytes:
    """A fragment of a handshake message that has TLS's header."""
    return message[:4] + words([number]) + start.to_bytes(3, "big") + vector(3, message[4:][start:end])


def openssl_hello(
    host: str | None = "www.example.org",
    alpn: list[str] | None = None,
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> bytes:
    """What OpenSSL's client sends first, records included."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = highest
    if alpn:
        context.set_alpn_protocols(alpn)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(into, out, server_hostname=host)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("a handshake without a server")


def self_signed(common_name: str, names: list[str], organisation: str | None = None) -> tuple[bytes, bytes]:
    """A certificate (DER) and its key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    name = x509.Name(attributes)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    return (
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def server_flight(
    folder: Path, version: ssl.TLSVersion, certificate: bytes, key: bytes, alpn: list[str] | None = None
) -> bytes:
    """What OpenSSL's server answers a hello that offers this version with."""
    pem = folder / "server.pem"
    pem.write_bytes(ssl.DER_cert_to_PEM_cert(certificate).encode() + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if alpn:
        context.set_alpn_protocols(alpn)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(into, out, server_side=True)
    into.write(openssl_hello(alpn=alpn, highest=version))
    try:
        server.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("a handshake in one flight")


def made_flight() -> tuple[bytes, bytes]:
    """The messages of a server that speaks TLS 1.2, without records, and the certificate in them."""
    own = self_signed("example.org", ["*.a.example", "b.example"], "Example Ltd")[0]
    hello = b"\2" + vector(3, b"\3\3" + bytes(32) + vector(1, bytes(32)) + b"\xc0\x2f\0")
    return hello + b"\x0b" + vector(3, vector(3, vector(3, own))) + b"\x0c" + vector(3, bytes(90)), own
