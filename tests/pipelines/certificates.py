"""An authority and certificates to sign with, made anew for each session: a leaf as C2PA wants it, or a wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

EMAIL, SERVER = ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.SERVER_AUTH
KINDS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "k1": lambda: ec.generate_private_key(ec.SECP256K1()),
}


@dataclass(frozen=True)
class Authority:
    """Signs certificates, which are written into a folder."""

    folder: Path
    certificate: x509.Certificate
    key: Any

    @classmethod
    def made(cls, folder: Path, name: str = "Test Authority") -> Authority:
        """With its own certificate in `authority.pem`."""
        key = KINDS["p256"]()
        certificate = _certificate(name, key, None, key, days=(-2, 30), usage=None)
        (folder / "authority.pem").write_bytes(_pem(certificate))
        return cls(folder, certificate, key)

    def issue(
        self, name: str = "Jane Doe", *, kind: str = "p256", usage: Any = EMAIL, days: tuple[int, int] = (-1, 10),
        format: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None,
    ) -> tuple[Path, Path]:  # fmt: skip
        """A chain, the leaf first, and its key, as files. days: valid from and to, counted from now."""
        key = KINDS[kind]()
        leaf = _certificate(name, key, self.certificate, self.key, days=days, usage=usage)
        stem = f"{name} {kind} {len(list(self.folder.iterdir()))}".replace(" ", "_")
        chain, private = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        chain.write_bytes(_pem(leaf) + _pem(self.certificate))
        lock = NoEncryption() if password is None else BestAvailableEncryption(password)
        private.write_bytes(key.private_bytes(Encoding.PEM, format, lock))
        return chain, private


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _certificate(
    name: str, key: Any, issuer: x509.Certificate | None, signer: Any, *, days: tuple[int, int], usage: Any
) -> x509.Certificate:
    """A leaf with an extended key usage, or an authority (usage None)."""
    authority, now = usage is None, datetime.now(timezone.utc)
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Testing"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    making = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=subject if issuer is None else issuer.subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now + timedelta(days=days[0]),
        not_valid_after=now + timedelta(days=days[1]),
    )
    uses = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    making = making.add_extension(x509.BasicConstraints(authority, None), True).add_extension(uses, True)
    if not authority:
        making = making.add_extension(x509.ExtendedKeyUsage([usage]), False)
    making = making.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return making.add_extension(above, False).sign(signer, hashes.SHA256())
