"""Certificates of a test's own authority, good and bad."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """Signs server certificates; `trust` is the context of a client that knows it, `pem` itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("authority", self._key, datetime.now(UTC) - 90 * DAY, 365 * DAY, None)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.trust = ssl.create_default_context(cadata=self.pem)

    def server(
        self, *, address: str = "127.0.0.1", start: timedelta = -DAY, life: timedelta = 2 * DAY
    ) -> ssl.SSLContext:
        """The context of a server at this address, valid from `start` (from now) for `life`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign("server", key, datetime.now(UTC) + start, life, address)
        path = self._folder / "server.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(self, name, key, start, life, address) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), start, start + life)
            .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if address is None:
            builder = builder.add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            ).add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())
