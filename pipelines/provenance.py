"""C2PA manifests: signing what was made with the user's own key, and reading what a file says of its making."""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..core.errors import BadInput, MissingAsset
from ..core.files import PathLike, existing_file

SIGNED = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}  # C2PA has no place for it in Matroska
# Neither "trained algorithmic media", which holds nothing that a camera saw, nor plain "composite": every frame is made
# of the photo's own pixels, moved as trained models say, and filled in where the photo shows nothing.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
INPUTS = "flamecast.inputs"  # our own assertion: what went in, by name and hash
PAGE = "docs/consent.md says how to make a chain to try with"
PLAIN = {  # no picture of the photo goes into the manifest; long videos are not held in memory
    "builder": {"thumbnail": {"enabled": False}},
    "core": {"backing_store_memory_threshold_in_mb": 16},
}
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
WORDS = ("text", "emotion", "say")  # roles of inputs that are words, whatever file is called the same
MEDIA = ("image/", "video/", "audio/")


@dataclass(frozen=True)
class Input:
    """What went into a video: its role, what it is called, and the hash of its bytes where it is a file."""

    role: str  # photo, video, motion, speech, text, …
    name: str  # a file's name without its folder; for other things what they are
    sha256: str | None = None
    path: Path | None = None

    @classmethod
    def all_of(cls, given: Mapping[str, object]) -> tuple[Input, ...]:
        """Inputs by role. Words stay out of it: that there were some is told, not which. None is no input."""
        return tuple(cls._of(role, value) for role, value in given.items() if value is not None)

    @classmethod
    def _of(cls, role: str, value: object) -> Input:
        if not isinstance(value, (str, os.PathLike)):
            return cls(role, type(value).__name__)
        if role in WORDS:
            return cls(role, "words")
        if os.path.isfile(value):
            path = Path(value)
            with path.open("rb") as file:
                told = hashlib.sha256()
                while block := file.read(1 << 20):
                    told.update(block)
            return cls(role, path.name, told.hexdigest(), path)
        return cls(role, "demo" if value == "demo" else "words")

    def described(self) -> dict[str, str]:
        """As it stands in the manifest."""
        return {key: value for key, value in asdict(self).items() if key != "path" and value is not None}


@dataclass(frozen=True)
class Signature:
    """A certificate chain and its private key, found to fit each other and to be what C2PA takes."""

    chain: bytes  # PEM, the signer's own certificate first
    key: bytes = field(repr=False)  # PEM, PKCS #8
    algorithm: str  # C2PA's name: es256, ps256, ed25519, …

    @classmethod
    def open(cls, cert: PathLike, key: PathLike) -> Signature:
        """Reads both files (PEM; the key without a passphrase) and signs a dot with them to try.

        BadInput for files that are none, do not belong together or are refused by C2PA; MissingAsset without c2pa.
        """
        _c2pa()
        chain_file, key_file = existing_file(cert, "the certificate"), existing_file(key, "the signing key")
        chain, private = _certificates(chain_file), _private_key(key_file)
        if chain[0].public_key() != private.public_key():
            raise BadInput(
                f"the key {key_file} does not belong to the first certificate of {chain_file}: "
                "name the key that the certificate was made for, and a chain that begins with that certificate"
            )
        _check_dates(chain[0], chain_file)
        made = cls(chain_file.read_bytes(), _pkcs8(private), _algorithm(private, key_file))
        made._try(chain_file)
        return made

    def finish(self, target: Path, inputs: tuple[Input, ...]) -> partial[None]:
        """What `VideoWriter(finish=…)` calls with the path of a whole video before it gets its name `target`."""
        return partial(self.sign, target=target, inputs=inputs)

    def sign(self, path: PathLike, *, target: Path, inputs: tuple[Input, ...] = ()) -> None:
        """Signs the video at `path` in place; `target` is what it will be called. BadInput where that fails."""
        check_signable(target)
        c2pa = _c2pa()
        kind = SIGNED[target.suffix.lower()]
        try:
            with tempfile.TemporaryFile(dir=target.parent) as signed:
                with open(path, "rb") as made, self._builder(target.name, kind, inputs) as builder:
                    with self._signer() as signer:
                        builder.sign(signer, kind, made, signed)
                signed.seek(0)
                with open(path, "wb") as file:
                    shutil.copyfileobj(signed, file, 1 << 20)
        except c2pa.C2paError as error:
            raise BadInput(f"{target} cannot be signed: {_reason(error)}") from error

    def _signer(self) -> Any:
        c2pa = _c2pa()
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(self.algorithm, self.chain, self.key, None))

    def _builder(self, title: str, kind: str, inputs: tuple[Input, ...]) -> Any:
        """A manifest to be signed: made here, out of what, and what of it a trained model made."""
        c2pa = _c2pa()
        told = [{"label": INPUTS, "data": {"inputs": [each.described() for each in inputs]}}] if inputs else []
        maker = {"name": "flamecast", "version": version("flamecast")}
        manifest = {"claim_generator_info": [maker], "title": title, "format": kind, "assertions": told}
        builder = c2pa.Builder(manifest, context=c2pa.Context.from_dict(PLAIN | OFFLINE))
        parts: list[str] = []
        others: list[str] = []
        for each in inputs:
            if _add_ingredient(builder, each):
                (parts if each.role == "photo" else others).append(each.role)
        created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": maker}
        builder.add_action(created | ({"parameters": {"ingredientIds": others}} if others else {}))
        if parts:  # C2PA wants each component placed
            builder.add_action({"action": "c2pa.placed", "parameters": {"ingredientIds": parts}})
        return builder

    def _try(self, chain_file: Path) -> None:
        """Signs one dot and reads it back. BadInput where C2PA refuses the chain."""
        from PIL import Image

        c2pa = _c2pa()
        dot, signed = io.BytesIO(), io.BytesIO()
        Image.new("RGB", (1, 1)).save(dot, "png")
        dot.seek(0)
        try:
            with self._signer() as signer, self._builder("dot.png", "image/png", ()) as builder:
                builder.sign(signer, "image/png", dot, signed)
            found = _read(signed, None)
        except c2pa.C2paError as error:
            raise BadInput(f"C2PA refuses the certificate {chain_file} ({_reason(error)}); {PAGE}") from error
        if found.state not in ("unchanged", "trusted"):
            raise BadInput(f"C2PA refuses the certificate {chain_file} ({'; '.join(found.reasons)}); {PAGE}")


def open_signature(cert: PathLike | None, key: PathLike | None) -> Signature | None:
    """The signature of `--sign-cert` and `--sign-key`; None where neither is given. BadInput for one alone."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, lacking = ("--sign-key", "--sign-cert") if cert is None else ("--sign-cert", "--sign-key")
        raise BadInput(f"{given} goes with {lacking}: a certificate chain and its private key, both PEM files")
    return Signature.open(cert, key)


def check_signable(target: Path) -> None:
    """Raises BadInput for a file that can hold no C2PA manifest."""
    if target.suffix.lower() not in SIGNED:
        raise BadInput(f"the output {target} cannot be signed: only {', '.join(SIGNED)} hold a C2PA manifest; name one")


@dataclass(frozen=True)
class Credentials:
    """What the C2PA manifest of a file says, and whether it may be believed."""

    # none; unchanged (since it was signed, by whoever that is); trusted (and an authority that is trusted vouches for
    # the signer); tampered; refused (whole, with a certificate that C2PA does not take: expired, say); unknown
    state: str
    signer: str | None = None  # name and organization, as the certificate has them
    made_by: str | None = None  # the program
    actions: tuple[str, ...] = ()  # c2pa.created, …
    source_type: str | None = None  # the last word of IPTC's digital source type
    inputs: tuple[dict[str, str], ...] = ()  # role, name, sha256
    reasons: tuple[str, ...] = ()  # why it is not to be believed


def read_credentials(path: PathLike, trust: PathLike | None = None) -> Credentials:
    """Reads the C2PA manifest inside a file. trust: certificates (PEM) of authorities that may vouch for signers.

    Nothing is fetched from a network. Without the package c2pa the state is `unknown`. BadInput for trust that is none.
    """
    anchors = None if trust is None else existing_file(trust, "the trusted certificates").read_bytes()
    if trust is not None:
        _certificates(Path(trust))
    try:
        _c2pa()
    except MissingAsset as missing:
        return Credentials("unknown", reasons=(str(missing),))
    with open(path, "rb") as file:
        return _read(file, anchors)


def _read(file: Any, anchors: bytes | None) -> Credentials:
    """Of an open file. A manifest that cannot be parsed any more counts as tampered with."""
    c2pa = _c2pa()
    settings: dict[str, Any] = dict(OFFLINE)
    if anchors is not None:
        settings["trust"] = {"user_anchors": anchors.decode("utf-8", "replace")}
    file.seek(0)
    try:
        with c2pa.Reader(None, file, context=c2pa.Context.from_dict(settings)) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Credentials("none")
    except c2pa.C2paError.NotSupported:
        return Credentials("none")
    except c2pa.C2paError as error:
        return Credentials("tampered", reasons=(f"its manifest cannot be read: {_reason(error)}",))
    failed = [] if "validation_results" not in store else store["validation_results"]["activeManifest"]["failure"]
    failures = {each["code"]: each.get("explanation") or each["code"] for each in failed}
    untrusted = failures.pop("signingCredential.untrusted", None)
    of_signer = [
        code for code in failures if code.startswith(("signingCredential.", "timeStamp.")) or "Validity" in code
    ]
    if len(of_signer) < len(failures):
        state = "tampered"
    elif failures or store.get("validation_state") == "Invalid" and untrusted is None:
        state = "refused"
    else:
        state = "trusted" if store.get("validation_state") == "Trusted" else "unchanged"
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    return Credentials(state, reasons=tuple(failures.values()), **_told(manifest))


def _told(manifest: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Credentials` that a manifest says."""
    signed = manifest.get("signature_info") or {}
    names = list(dict.fromkeys(name for name in (signed.get("common_name"), signed.get("issuer")) if name))
    maker = (manifest.get("claim_generator_info") or [{}])[0]
    data = {each["label"].split("__")[0]: each.get("data") or {} for each in manifest.get("assertions", ())}
    actions = data.get("c2pa.actions.v2", data.get("c2pa.actions", {})).get("actions", [])
    sources = [str(each["digitalSourceType"]).rpartition("/")[2] for each in actions if "digitalSourceType" in each]
    return {
        "signer": names[0] + (f" ({names[1]})" if names[1:] else "") if names else None,
        "made_by": " ".join(str(maker[key]) for key in ("name", "version") if key in maker) or None,
        "actions": tuple(each.get("action", "") for each in actions),
        "source_type": sources[0] if sources else None,
        "inputs": _inputs_told(data.get(INPUTS)),
    }


def _inputs_told(content: Any) -> tuple[dict[str, str], ...]:
    """What our own assertion lists, where it is as we write it: others may sign anything under its name."""
    listed = content.get("inputs") if isinstance(content, dict) else None
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return tuple({str(key): str(value) for key, value in each.items()} for each in entries)


def _add_ingredient(builder: Any, given: Input) -> bool:
    """Adds a file to the manifest as C2PA does, with what its own manifest says; whether it could be."""
    kind = mimetypes.guess_type(given.name)[0] or ""
    if given.path is None or not kind.startswith(MEDIA):
        return False
    relation = "componentOf" if given.role == "photo" else "inputTo"
    try:
        with given.path.open("rb") as file:
            builder.add_ingredient({"title": given.name, "relationship": relation, "label": given.role}, kind, file)
    except (_c2pa().C2paError, OSError):  # of a kind that C2PA does not read; our own assertion names it all the same
        return False
    return True


def _certificates(path: Path) -> list[Any]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise BadInput(
            f"the certificate {path} holds no certificate: expected a chain as PEM, the signer's first"
        ) from error


def _private_key(path: Path) -> Any:
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


def _pkcs8(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _algorithm(key: Any, path: Path) -> str:
    """C2PA's name of how such a key signs. BadInput for a kind that C2PA does not take."""
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


def _check_dates(certificate: Any, path: Path) -> None:
    now = datetime.now(timezone.utc)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        raise BadInput(f"the certificate {path} is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d} only: renew it")


def _reason(error: Exception) -> str:
    """C2PA's own words, on one line."""
    return " ".join(str(error).split())[:160].rstrip(".")


def _c2pa() -> Any:
    """The package. MissingAsset where it is not installed."""
    try:
        import c2pa
        import cryptography  # noqa: F401
    except ImportError:
        raise MissingAsset('signing and reading signatures needs more: pip install "flamecast[sign]"') from None
    return c2pa
