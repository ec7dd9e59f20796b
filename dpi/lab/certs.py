"""The lab's own certificate authority, and a certificate for any name, made when it is asked for."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dpi.errors import DpiError

KEPT = 512


class Authority:
    """A certificate authority kept in a directory: `ca.pem`, `ca.key`, and one `NAME.pem` a name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pem = directory / "ca.pem"
        key = directory / "ca.key"
        if not key.exists():
            self._make(key)
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise DpiError(f"{key}: not a key that the lab made")
        self._key = loaded
        self._certificate = x509.load_pem_x509_certificate(self.pem.read_bytes())
        self._contexts: dict[str, ssl.SSLContext] = {}

    def _make(self, key_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dpi lab CA")])
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.touch(mode=0o600)
        key_file.write_bytes(_private(key))

    def issue(self, host: str) -> Path:
        """A file with key and certificate for `host`."""
        file = self.directory / f"{host or 'default'}.pem"
        if file.exists():
            return file
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = []
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host or "default.invalid"))
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, (host or "default.invalid")[:64])])
        certificate = (
            _builder(subject, self._certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        # Two servers share the directory, and OpenSSL reads key and certificate one after the other: whoever is
        # second leaves the first one's file as it is.
        part = file.with_suffix(f".{os.getpid()}")
        part.write_bytes(_private(key) + certificate.public_bytes(serialization.Encoding.PEM))
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(part)
        part.unlink()
        return file

    def context(self, host: str) -> ssl.SSLContext:
        """A server's context that shows a certificate for `host`."""
        if host not in self._contexts:
            if len(self._contexts) >= KEPT:
                self._contexts.clear()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.issue(host))
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[host] = context
        return self._contexts[host]

    def server_context(self, default: str) -> ssl.SSLContext:
        """A context that picks the certificate by the client's SNI."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(default))
        context.set_alpn_protocols(["http/1.1"])

        def pick(socket: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name and len(name) < 254 and "/" not in name:
                socket.context = self.context(name.lower())

        context.sni_callback = pick
        return context


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
    )
