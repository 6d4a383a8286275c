"""C2PA manifests: signs videos with the user's own key."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import mmap
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..core.errors import BadInput
from ..core.files import PathLike, existing_file
from .credentials import INPUTS, OFFLINE, load_c2pa, read_credentials, read_manifest, reason_of
from .signing_keys import algorithm_of, check_dates, pkcs8, read_certificates, read_private_key

SIGNED = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}  # C2PA has no place for it in Matroska
# Neither "trained algorithmic media", which holds nothing that a camera saw, nor plain "composite": every frame is made
# of the photo's own pixels, moved as trained models say, and filled in where the photo shows nothing.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
PAGE = "docs/consent.md says how to make a chain to try with"
PLAIN = {  # no picture of the photo goes into the manifest; long videos are not held in memory
    "builder": {"thumbnail": {"enabled": False}},
    "core": {"backing_store_memory_threshold_in_mb": 16},
}
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
        """Inputs by role. Of words only their presence is recorded, never the words themselves. None is no input."""
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
                digest = hashlib.sha256()
                while block := file.read(1 << 20):
                    digest.update(block)
            return cls(role, path.name, digest.hexdigest(), path)
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
        load_c2pa()
        chain_file, key_file = existing_file(cert, "the certificate"), existing_file(key, "the signing key")
        chain, private = read_certificates(chain_file), read_private_key(key_file)
        if chain[0].public_key() != private.public_key():
            raise BadInput(
                f"the key {key_file} does not belong to the first certificate of {chain_file}: "
                "name the key that the certificate was made for, and a chain that begins with that certificate"
            )
        check_dates(chain[0], chain_file)
        made = cls(chain_file.read_bytes(), pkcs8(private), algorithm_of(private, key_file))
        made._try(chain_file)
        return made

    def finish(self, target: Path, inputs: tuple[Input, ...]) -> partial[None]:
        """What `VideoWriter(finish=…)` calls with the path of a whole video before it gets its name `target`."""
        return partial(self.sign, target=target, inputs=inputs)

    def sign(self, path: PathLike, *, target: Path, inputs: tuple[Input, ...] = ()) -> None:
        """Signs the video at `path` in place; `target` is what it will be called. BadInput where that fails."""
        check_signable(target)
        c2pa = load_c2pa()
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
            raise BadInput(f"{target} cannot be signed: {reason_of(error)}") from error

    def _signer(self) -> Any:
        c2pa = load_c2pa()
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(self.algorithm, self.chain, self.key, None))

    def _builder(self, title: str, kind: str, inputs: tuple[Input, ...]) -> Any:
        """A manifest to be signed: by which program, out of which inputs, and the kind of digital source."""
        c2pa = load_c2pa()
        assertions = [{"label": INPUTS, "data": {"inputs": [each.described() for each in inputs]}}] if inputs else []
        program = {"name": "flamecast", "version": version("flamecast")}
        manifest = {"claim_generator_info": [program], "title": title, "format": kind, "assertions": assertions}
        builder = c2pa.Builder(manifest, context=c2pa.Context.from_dict(PLAIN | OFFLINE))
        parts: list[str] = []
        others: list[str] = []
        for each in inputs:
            if _add_ingredient(builder, each):
                (parts if each.role == "photo" else others).append(each.role)
        created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": program}
        builder.add_action(created | ({"parameters": {"ingredientIds": others}} if others else {}))
        if parts:  # C2PA wants each component placed
            builder.add_action({"action": "c2pa.placed", "parameters": {"ingredientIds": parts}})
        return builder

    def _try(self, chain_file: Path) -> None:
        """Signs one dot and reads it back. BadInput where C2PA refuses the chain."""
        from PIL import Image

        c2pa = load_c2pa()
        dot, signed = io.BytesIO(), io.BytesIO()
        Image.new("RGB", (1, 1)).save(dot, "png")
        dot.seek(0)
        try:
            with self._signer() as signer, self._builder("dot.png", "image/png", ()) as builder:
                builder.sign(signer, "image/png", dot, signed)
            found = read_manifest(signed, None)
        except c2pa.C2paError as error:
            raise BadInput(f"C2PA refuses the certificate {chain_file} ({reason_of(error)}); {PAGE}") from error
        if found.state not in ("unchanged", "trusted"):
            raise BadInput(f"C2PA refuses the certificate {chain_file} ({'; '.join(found.reasons)}); {PAGE}")


def broken_inputs(files: Mapping[str, object], signed: bool) -> list[str]:
    """A sentence for each file, by its role, whose own manifest is broken. signed: whether what is made of them is,
    which does not mend that.
    """
    rest = ": the signature of the output vouches for what was done to it, not for what it shows" if signed else ""
    return [
        f"the {role} {path} was changed after it was signed (its own C2PA manifest is broken){rest}"
        for role, path in files.items()
        if isinstance(path, (str, os.PathLike)) and role not in WORDS and _holds_manifest(Path(path))
        if read_credentials(path).state == "tampered"
    ]


def _holds_manifest(path: Path) -> bool:
    """Whether a file holds a manifest's name at all: loading what reads them takes longer than looking."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"c2pa") >= 0


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


def _media_type(name: str) -> str | None:
    """The type of a picture, film or sound by its name; None for anything else."""
    kind = mimetypes.guess_type(name)[0] or ""
    return kind if kind.startswith(MEDIA) else None


def _add_ingredient(builder: Any, given: Input) -> bool:
    """Adds a file to the manifest as C2PA does, with what its own manifest says; whether it could be."""
    kind = _media_type(given.name)
    if given.path is None or kind is None:
        return False
    relation = "componentOf" if given.role == "photo" else "inputTo"
    try:
        with given.path.open("rb") as file:
            builder.add_ingredient({"title": given.name, "relationship": relation, "label": given.role}, kind, file)
    except (
        load_c2pa().C2paError,
        OSError,
    ):  # of a kind that C2PA does not read; our own assertion names it all the same
        return False
    return True
