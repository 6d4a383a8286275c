"""Certificate chains and private keys (PEM), as far as C2PA takes them."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..core.errors import BadInput


def read_certificates(path: Path) -> list[Any]:
    """The certificates of a chain. BadInput for a file that holds none."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise BadInput(
            f"the certificate {path} holds no certificate: expected a chain as PEM, the signer's first"
        ) from error


def read_private_key(path: Path) -> Any:
    """A private key without a passphrase. BadInput for any other file."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(path.read_bytes(), None)
    except TypeError as error:
        raise BadInput(
            f"the signing key {path} has a passphrase: write it without one, `openssl pkey -in …`"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(f"the signing key {path} is no private key: expected one as PEM") from error


def pkcs8(key: Any) -> bytes:
    """A key as PEM, PKCS #8."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def algorithm_of(key: Any, path: Path) -> str:
    """C2PA's name of the algorithm that signs with such a key. BadInput for a kind that C2PA does not take."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        return curves[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    raise BadInput(
        f"the signing key {path} is of a kind that C2PA does not take: P-256, P-384, P-521, Ed25519 or RSA-2048"
    )


def check_dates(certificate: Any, path: Path) -> None:
    """BadInput for a certificate that is not valid now."""
    now = datetime.now(timezone.utc)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        raise BadInput(f"the certificate {path} is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d} only: renew it")
