"""The endpoint behind TLS."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pepeunit.codecs.mqtt import packets as p
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.world import NODE, served


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For the server and for a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


def test_messages_travel_over_tls_and_a_plain_client_is_cut_off(tmp_path: Path) -> None:
    server, trusting = contexts(tmp_path)
    with served(tls=server) as place:
        with BareClient(place.port) as client:
            client.socket = trusting.wrap_socket(client.socket, server_hostname="localhost")
            client.connect()
            assert client.subscribe(NODE) == [1]
            big = bytes(200_000)
            client.send(*(client.packet(NODE, big, 1, number + 1) for number in range(20)))
            heard = [client.next() for _ in range(40)]
            assert sum(packet[0] == p.PUBACK for packet in heard) == 20
            assert sum(packet[0] == p.PUBLISH | 2 for packet in heard) == 20
        with BareClient(place.port) as plain:
            plain.send(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a")
            assert plain.next() is None
