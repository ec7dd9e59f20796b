"""Real QUIC handshakes without sockets: aioquic's connections hand each other their datagrams."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from handshakes import self_signed

CLIENT, SERVER = ("192.0.2.1", 40000), ("192.0.2.2", 443)
V1, V2 = QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2


@dataclass
class Handshake:
    """Datagrams in the order in which they passed: (sent by the client, payload)."""

    datagrams: list[tuple[bool, bytes]] = field(default_factory=list)
    done: bool = False

    @property
    def from_client(self) -> list[bytes]:
        return [data for client, data in self.datagrams if client]

    @property
    def from_server(self) -> list[bytes]:
        return [data for client, data in self.datagrams if not client]


@cache
def certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate, key = self_signed("quic.test", [])
    private = serialization.load_pem_private_key(key, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return x509.load_der_x509_certificate(certificate), private


def shake(
    host: str = "www.example.com",
    alpn: tuple[str, ...] = ("h3",),
    versions: tuple[QuicProtocolVersion, ...] = (V1,),
    server_versions: tuple[QuicProtocolVersion, ...] = (V1, V2),
    retry: bool = False,
    ids: int = 8,
) -> Handshake:
    """Runs a handshake to its end.  Many or long ALPN names make a ClientHello of several datagrams."""
    chain, key = certificate()
    client = QuicConnection(
        configuration=QuicConfiguration(
            is_client=True,
            server_name=host,
            alpn_protocols=list(alpn),
            verify_mode=0,
            original_version=versions[0],
            supported_versions=list(versions),
            connection_id_length=ids,
        )
    )
    seen = Handshake()
    now = 0.0
    client.connect(SERVER, now)
    server: QuicConnection | None = None
    if retry:
        server = _after_retry(client, seen, alpn, server_versions)
    for _ in range(12):
        now += 0.01
        for data, _to in client.datagrams_to_send(now):
            seen.datagrams.append((True, data))
            if server is None:
                server = QuicConnection(
                    configuration=_server(chain, key, alpn, server_versions),
                    original_destination_connection_id=data[6 : 6 + data[5]],
                )
            server.receive_datagram(data, CLIENT, now)
        assert server is not None
        for data, _to in server.datagrams_to_send(now):
            seen.datagrams.append((False, data))
            client.receive_datagram(data, SERVER, now)
        if client._handshake_confirmed:
            seen.done = True
            break
    return seen


def _server(
    chain: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    alpn: tuple[str, ...],
    versions: tuple[QuicProtocolVersion, ...],
) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=False,
        alpn_protocols=[alpn[0]],
        certificate=chain,
        private_key=key,
        supported_versions=list(versions),
    )


def _after_retry(
    client: QuicConnection, seen: Handshake, alpn: tuple[str, ...], versions: tuple[QuicProtocolVersion, ...]
) -> QuicConnection:
    """Answers the client's first Initial with a Retry, as aioquic's own server does."""
    from aioquic.buffer import Buffer
    from aioquic.quic.packet import encode_quic_retry, pull_quic_header

    sent = [data for data, _to in client.datagrams_to_send(0.0)]
    seen.datagrams += [(True, data) for data in sent]
    header = pull_quic_header(Buffer(data=sent[0]))
    assert header.version is not None
    answer = encode_quic_retry(
        version=header.version,
        source_cid=b"retried!",
        destination_cid=header.source_cid,
        original_destination_cid=header.destination_cid,
        retry_token=b"token" * 7,
    )
    seen.datagrams.append((False, answer))
    client.receive_datagram(answer, SERVER, 0.0)
    chain, key = certificate()
    return QuicConnection(
        configuration=_server(chain, key, alpn, versions),
        original_destination_connection_id=header.destination_cid,
        retry_source_connection_id=b"retried!",
    )
