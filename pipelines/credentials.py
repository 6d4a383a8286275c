"""Reading the C2PA manifest of a file: what it says of the file's making, and whether it is valid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import MissingAsset
from ..core.extras import how_to_install
from ..core.files import PathLike, existing_file
from .signing_keys import read_certificates

INPUTS = "flamecast.inputs"  # our own assertion: what went in, by name and hash
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


@dataclass(frozen=True)
class Credentials:
    """What the C2PA manifest of a file says, and whether it is valid."""

    # none; unchanged (since it was signed, by whoever that is); trusted (and an authority that is trusted vouches for
    # the signer); tampered; refused (whole, with a certificate that C2PA does not take: expired, say); unknown
    state: str
    signer: str | None = None  # name and organization, as the certificate has them
    made_by: str | None = None  # the program
    actions: tuple[str, ...] = ()  # c2pa.created, …
    source_type: str | None = None  # the last word of IPTC's digital source type
    inputs: tuple[dict[str, str], ...] = ()  # role, name, sha256
    reasons: tuple[str, ...] = ()  # why it is not valid
    broken: tuple[str, ...] = ()  # names of inputs whose own manifests were broken when they went in


def read_credentials(path: PathLike, trust: PathLike | None = None) -> Credentials:
    """Reads the C2PA manifest inside a file. trust: certificates (PEM) of authorities that may vouch for signers.

    Nothing is fetched from a network. Without the package c2pa the state is `unknown`. BadInput for trust that is none.
    """
    anchors = None if trust is None else existing_file(trust, "the trusted certificates").read_bytes()
    if trust is not None:
        read_certificates(Path(trust))
    try:
        load_c2pa()
    except MissingAsset as missing:
        return Credentials("unknown", reasons=(str(missing),))
    with open(path, "rb") as file:
        return read_manifest(file, anchors)


def read_manifest(file: Any, anchors: bytes | None) -> Credentials:
    """Reads an open file. anchors: trusted certificates (PEM). A manifest that cannot be parsed was tampered with."""
    c2pa = load_c2pa()
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
        return Credentials("tampered", reasons=(f"its manifest cannot be read: {reason_of(error)}",))
    failures = _failures(store)
    untrusted = failures.pop("signingCredential.untrusted", None)
    if _of_content(failures):
        state = "tampered"
    elif failures or store.get("validation_state") == "Invalid" and untrusted is None:
        state = "refused"
    else:
        state = "trusted" if store.get("validation_state") == "Trusted" else "unchanged"
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    return Credentials(state, reasons=tuple(failures.values()), **_fields_of(manifest))


def _failures(validated: dict[str, Any]) -> dict[str, str]:
    """What does not hold of a manifest that was validated, or of an input's, by C2PA's code, in its words."""
    results = validated.get("validation_results") or {}
    failed = (results.get("activeManifest") or {}).get("failure", [])
    return {each["code"]: each.get("explanation") or each["code"] for each in failed}


def _of_content(failures: dict[str, str]) -> bool:
    """Whether a file was changed since it was signed, which is more than a signer whom nobody knows."""
    return any(
        not code.startswith(("signingCredential.", "timeStamp.")) and "Validity" not in code for code in failures
    )


def _fields_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Credentials` that a manifest fills."""
    signed = manifest.get("signature_info") or {}
    names = list(dict.fromkeys(name for name in (signed.get("common_name"), signed.get("issuer")) if name))
    program = (manifest.get("claim_generator_info") or [{}])[0]
    data = {each["label"].split("__")[0]: each.get("data") or {} for each in manifest.get("assertions", ())}
    actions = data.get("c2pa.actions.v2", data.get("c2pa.actions", {})).get("actions", [])
    sources = [str(each["digitalSourceType"]).rpartition("/")[2] for each in actions if "digitalSourceType" in each]
    return {
        "signer": names[0] + (f" ({names[1]})" if names[1:] else "") if names else None,
        "made_by": " ".join(str(program[key]) for key in ("name", "version") if key in program) or None,
        "actions": tuple(each.get("action", "") for each in actions),
        "source_type": sources[0] if sources else None,
        "inputs": _inputs_of(data.get(INPUTS)),
        "broken": tuple(
            str(each.get("title")) for each in manifest.get("ingredients", ()) if _of_content(_failures(each))
        ),
    }


def _inputs_of(content: Any) -> tuple[dict[str, str], ...]:
    """The inputs that our own assertion lists; none where it is not as we write it: others may use its name."""
    listed = content.get("inputs") if isinstance(content, dict) else None
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return tuple({str(key): str(value) for key, value in each.items()} for each in entries)


def reason_of(error: Exception) -> str:
    """C2PA's own words, on one line."""
    return " ".join(str(error).split())[:160].rstrip(".")


def load_c2pa() -> Any:
    """The package c2pa. MissingAsset where it is not installed."""
    try:
        import c2pa
        import cryptography  # noqa: F401
    except ImportError:
        raise MissingAsset(f"signing and reading signatures needs more: {how_to_install('sign')}") from None
    return c2pa
