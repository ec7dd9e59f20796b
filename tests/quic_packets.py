"""Makes QUIC packets for tests, with `cryptography` and independently of the code under test."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SALTS = {
    0x00000001: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    0x6B3343CF: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    0xFF000016: "7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a",
    0xFF000017: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
    0xFF00001B: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
    0xFF00001D: "afbfec289993d24c9e9786f19c6111e04390a899",
    0xFF000020: "afbfec289993d24c9e9786f19c6111e04390a899",
    0xFF000022: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    0xFACEB001: "7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a",
    0xFACEB002: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
    0x709A50C4: "a707c203a59b47184a1d62ca570406ea7ae3e5d3",
}
INITIAL, ZERO_RTT, HANDSHAKE, RETRY = range(4)


def is_version_2(version: int) -> bool:
    return version in (0x6B3343CF, 0x709A50C4)


def varint(n: int) -> bytes:
    for i, size in enumerate((1, 2, 4, 8)):
        if n < 1 << (8 * size - 2):
            return (n | i << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(n)


def expand(secret: bytes, label: str, n: int) -> bytes:
    name = b"tls13 " + label.encode()
    info = n.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(hashes.SHA256(), n, info).derive(secret)


def keys(version: int, dcid: bytes, server: bool = False, salt: str = "") -> tuple[bytes, bytes, bytes]:
    """(key, IV, header protection key)."""
    mac = HMAC(bytes.fromhex(salt or SALTS[version]), hashes.SHA256())
    mac.update(dcid)
    secret = expand(mac.finalize(), "server in" if server else "client in", 32)
    prefix = "quicv2 " if is_version_2(version) else "quic "
    return expand(secret, prefix + "key", 16), expand(secret, prefix + "iv", 12), expand(secret, prefix + "hp", 16)


def seal(header: bytes, frames: bytes, number_len: int, number: int, with_keys: tuple[bytes, bytes, bytes]) -> bytes:
    """Protects a packet whose plain header ends with its packet number (RFC 9001, 5.3 and 5.4)."""
    key, iv, hp = with_keys
    nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
    body = AESGCM(key).encrypt(nonce, frames, header)
    ecb = Cipher(algorithms.AES(hp), modes.ECB()).encryptor()
    mask = ecb.update(body[4 - number_len :][:16])
    head = bytearray(header)
    head[0] ^= mask[0] & 0x0F
    for i in range(number_len):
        head[i - number_len] ^= mask[1 + i]
    return bytes(head) + body


def long_header(version: int, kind: int, dcid: bytes, scid: bytes, low: int = 0) -> bytes:
    bits = (kind + 1) % 4 if is_version_2(version) else kind
    return (
        bytes([0xC0 | bits << 4 | low])
        + version.to_bytes(4, "big")
        + bytes([len(dcid)]) + dcid
        + bytes([len(scid)]) + scid
    )  # fmt: skip


def initial(
    frames: bytes,
    *,
    version: int = 1,
    dcid: bytes = b"\x83\x94\xc8\xf0\x3e\x51\x57\x08",
    key_dcid: bytes | None = None,
    scid: bytes = b"client",
    token: bytes = b"",
    number: int = 0,
    number_len: int = 2,
    pad: int = 1200,
    server: bool = False,
    salt: str = "",
) -> bytes:
    """One Initial packet; padded with PADDING frames so that a datagram of it alone has `pad` bytes."""
    head = long_header(version, INITIAL, dcid, scid, number_len - 1) + varint(len(token)) + token
    frames += bytes(max(4 - number_len, pad - len(head) - 2 - number_len - len(frames) - 16))
    length = (number_len + len(frames) + 16) | 0x4000
    header = head + length.to_bytes(2, "big") + (number & (256**number_len - 1)).to_bytes(number_len, "big")
    return seal(header, frames, number_len, number, keys(version, dcid if key_dcid is None else key_dcid, server, salt))


def crypto(data: bytes, start: int = 0, end: int | None = None) -> bytes:
    """A CRYPTO frame with data[start:end]."""
    part = data[start:end]
    return b"\x06" + varint(start) + varint(len(part)) + part


def chopped(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The CRYPTO frames of data cut at these places."""
    at = sorted({0, len(data), *(c for c in cuts if 0 < c < len(data))})
    return [crypto(data, a, b) for a, b in pairwise(at)]


def client_hello(host: str = "www.example.com", alpn: Sequence[str] = ("h3",), extra: int = 0) -> bytes:
    """A TLS 1.3 ClientHello message; `extra` bytes go into an extension that nobody knows."""

    def block(n: int, data: bytes) -> bytes:
        return len(data).to_bytes(n, "big") + data

    def extension(kind: int, data: bytes) -> bytes:
        return kind.to_bytes(2, "big") + block(2, data)

    name = host.encode()
    extensions = extension(10, block(2, b"\x00\x1d\x00\x17"))
    extensions += extension(13, block(2, b"\x04\x03\x08\x04"))
    extensions += extension(16, block(2, b"".join(block(1, a.encode()) for a in alpn)))
    if extra:
        extensions += extension(0xFFCE, bytes(i * 7 & 0xFF for i in range(extra)))
    extensions += extension(43, block(1, b"\x03\x04"))
    if host:
        extensions += extension(0, block(2, b"\0" + block(2, name)))
    extensions += extension(51, block(2, b"\x00\x1d" + block(2, bytes(32))))
    extensions += extension(57, b"\x04\x04\x80\x10\x00\x00")
    body = b"\x03\x03" + bytes(range(32)) + b"\0" + block(2, b"\x13\x01\x13\x02") + b"\x01\x00" + block(2, extensions)
    return b"\x01" + block(3, body)
