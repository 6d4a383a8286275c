"""`flamecast inspect`: what a file says of itself, and whether its C2PA manifest is valid."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core.files import PathLike, decoded, existing_file
from ..core.npz import load_arrays
from ..flame_motion import BadInput, FlameSequence
from ..flame_motion.media.container import opened, video_stream
from ..flame_motion.media.photos import FORMATS
from ..flame_motion.media.video_writer import GENERATED_MARK
from .credentials import Credentials, read_credentials
from .exports.glb import JSON_CHUNK, MAGIC

KNOWN = "a video, a picture, a motion or portrait (.npz), a .glb or .gltf, or a report (.json)"
VERDICTS = {
    "none": "no manifest",
    "unknown": "not looked at",
    "trusted": "signed by {signer}, for whom a trusted authority vouches; not changed since",
    "unchanged": "signed by {signer}, for whom nobody that is trusted vouches; not changed since",
    "tampered": "TAMPERED WITH, or damaged: signed by {signer}, and no longer what was signed",
    "refused": "signed by {signer} with a certificate that does not hold",
}
REPORT: dict[str, tuple[type, ...]] = {  # fields of a report that are shown, and their types
    "flamecast": (str,), "photo": (str, type(None)), "driver": (dict, type(None)), "frames": (int,),
    "fps": (int, float), "problems": (list,), "videos": (list,),
}  # fmt: skip


def inspect_file(file: PathLike, trust: PathLike | None = None) -> dict[str, Any]:
    """What a file says of itself, as plain values; `kind` says what it is. Its content decides, not its name.

    trust: certificates (PEM) of authorities that may vouch for who signed. BadInput for a file that is none of those
    known, and for one that is damaged.
    """
    path = existing_file(file, "the file")
    if trust is not None:
        existing_file(trust, "the trusted certificates")
    start = path.open("rb").read(16)
    found: dict[str, Any] = {"file": str(path)}
    if start[:2] == b"PK":
        found |= _arrays(path)
    elif start[:4] == struct.pack("<I", MAGIC):
        found |= _model(path, _glb_json(path))
    elif start.lstrip()[:1] == b"{":
        found |= _json(path)
    else:
        found |= _media(path)
        found["c2pa"] = asdict(read_credentials(path, trust))
    report = _report_of(path)
    return found if report is None else {**found, "report": report}


def sentences(found: dict[str, Any]) -> list[str]:
    """The same as sentences, a line each; nothing that the file says of itself begins a line or moves a cursor."""
    lines = [f"{found['file']}: {_what(found)}"]
    if found["kind"] == "video":
        mark = found["mark"]
        lines.append(
            f"mark: {mark}" if found["generated"] else "mark: none of flamecast's, which does not prove it was filmed"
        )
    if "c2pa" in found:
        lines += _credential_lines(found["c2pa"])
    if "report" in found:
        report = found["report"]
        lines.append(f"report: {report['file']}, by flamecast {report['flamecast']}: {_sources(report)}")
        lines += [f"problem: {problem}" for problem in report["problems"]]
    return [_plain(line) for line in lines]


def _plain(text: str) -> str:
    """Text with control characters, line ends and marks that turn the direction of writing as backslash escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _what(found: dict[str, Any]) -> str:
    """What it is, in a phrase."""
    kind = found["kind"]
    if kind in ("video", "picture"):
        size = "{} x {} px".format(*found["size"])
        if kind == "picture":
            return f"a picture, {size}"
        rate = f"{found['seconds']:.2f} s at {found['fps']:g} frames a second"
        return f"a video, {size}, {rate}, {'with' if found['sound'] else 'without'} sound"
    if kind == "motion":
        axes = f"{found['identity_axes']} identity and {found['expression_axes']} expression axes"
        length = f"{found['frames']} frames at {found['fps']:g} Hz ({found['seconds']:.2f} s)"
        return f"a motion, {length}, head {found['head']} with {axes}"
    if kind == "portrait":
        size = "{} x {} px".format(*found["size"])
        return f"a fitted portrait, {size}, head {found['head']}, fit error {found['fit_error_percent']:.2f} %"
    if kind == "model":
        moves = f"{found['morph_targets']} morph targets, {found['seconds']:.2f} s of animation"
        return f"a glTF model by {found['made_by']}, {moves}"
    return f"a report of flamecast {found['flamecast']}: {_sources(found)}"


def _credential_lines(found: dict[str, Any]) -> list[str]:
    credentials = Credentials(**found)
    verdict = VERDICTS[credentials.state].format(signer=credentials.signer or "somebody")
    reasons = f" ({'; '.join(credentials.reasons)})" if credentials.reasons else ""
    lines = [f"C2PA: {verdict}{reasons}"]
    if credentials.made_by:
        source = f", {credentials.source_type}" if credentials.source_type else ""
        lines.append(f"C2PA says: made by {credentials.made_by}: {', '.join(credentials.actions)}{source}")
    for each in credentials.inputs:
        digest = f", SHA-256 {each['sha256']}" if "sha256" in each else ""
        lines.append(f"C2PA says: out of {each.get('role')} {each.get('name')}{digest}")
    for name in credentials.broken:
        lines.append(f"C2PA: BROKEN INPUT: {name} was changed after its own signer signed it, and went in so")
    return lines


def _sources(report: dict[str, Any]) -> str:
    """What went in, as a report has it: names of files without their folders."""
    driver = report.get("driver") or {}
    moved = [str(driver[key]) for key in ("kind", "file", "text", "signal") if driver.get(key)]
    parts = [f"photo {Path(report['photo']).name}"] if report.get("photo") else []
    parts += [f"driven by {moved[0]} {Path(moved[1]).name if moved[1:] else ''}".strip()] if moved else []
    return ", ".join(parts) or "no sources named"


def _media(path: Path) -> dict[str, Any]:
    """A picture or a video. BadInput for anything else."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as picture:
            return {"kind": "picture", "size": list(picture.size)}
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass  # no picture: perhaps a video
    try:
        with opened(path) as container:
            return _video(path, container)
    except BadInput as error:
        raise BadInput(f"{error}; known are {KNOWN}") from error


def _video(path: Path, container: Any) -> dict[str, Any]:
    """What an open PyAV container says. BadInput for one without pictures."""
    import av

    video = video_stream(container)
    if video is None or video.codec_context is None:
        raise BadInput(f"{path} holds no moving picture")
    comments = {key.lower(): value for key, value in {**video.metadata, **container.metadata}.items()}
    return {
        "kind": "video",
        "size": [video.codec_context.width, video.codec_context.height],
        "fps": float(video.average_rate or 0),
        "seconds": (container.duration or 0) / av.time_base,
        "sound": bool(container.streams.audio),
        "mark": comments.get("comment"),
        "generated": comments.get("comment") == GENERATED_MARK,
    }


def _arrays(path: Path) -> dict[str, Any]:
    """A motion or a portrait. BadInput for other archives."""
    arrays = load_arrays(path)
    if "format_version" in arrays and "expression" in arrays:
        motion = FlameSequence.load(path)
        return {
            "kind": "motion",
            "frames": len(motion),
            "fps": motion.fps,
            "seconds": motion.duration,
            "head": motion.head,
            "identity_axes": motion.shape.shape[-1],
            "expression_axes": motion.expression.shape[-1],
        }
    if "pose_expression" in arrays:
        from ..generator import Portrait

        portrait = Portrait.load(path)
        height, width = portrait.image.shape[:2]
        return {
            "kind": "portrait",
            "size": [width, height],
            "head": portrait.pose.head,
            "fit_error_percent": float(portrait.error),
        }
    held = _plain(", ".join(sorted(arrays)[:8])) or "nothing"
    raise BadInput(f"{path} is an archive, and no motion or portrait of flamecast: it holds {held}; expected {KNOWN}")


def _parsed(text: str | bytes) -> Any:
    """The content of JSON without NaN, infinity and endless nesting, so that it can be written again. ValueError."""
    try:
        content = json.loads(text)
        json.dumps(content, indent=1, allow_nan=False)
        return content
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _glb_json(path: Path) -> Any:
    """The JSON chunk of a `.glb`. BadInput for a damaged one."""
    data = path.read_bytes()
    try:
        length, kind = struct.unpack_from("<II", data, 12)
        if kind != JSON_CHUNK or len(data) != struct.unpack_from("<I", data, 8)[0]:
            raise ValueError("its length is not what it says")
        return _parsed(data[20 : 20 + length])
    except (struct.error, ValueError) as error:
        raise BadInput(f"{path} is a damaged .glb ({error}): export it again") from error


def _json(path: Path) -> dict[str, Any]:
    """A `.gltf` or a report. BadInput for other JSON."""
    try:
        content = _parsed(decoded(path.read_bytes()))
    except ValueError as error:
        raise BadInput(f"{path} is no whole JSON ({error}): expected {KNOWN}") from error
    if isinstance(content, dict) and isinstance(content.get("asset"), dict):
        return _model(path, content)
    report = _report(content)
    if report is None:
        raise BadInput(f"{path} is JSON, and no report of flamecast and no .gltf: expected {KNOWN}")
    return {"kind": "report", **{key: value for key, value in report.items() if key != "videos"}}


def _report(content: Any) -> dict[str, Any] | None:
    """The fields of a report that are shown; None for what is no report of ours, or holds other than what we write."""
    if not isinstance(content, dict) or "flamecast" not in content:
        return None
    found = {key: content[key] for key in REPORT if key in content}
    if not all(isinstance(value, REPORT[key]) for key, value in found.items()):
        return None
    texts = [*found.get("problems", ()), *found.get("videos", ())]
    return found if all(isinstance(text, str) for text in texts) else None


def _model(path: Path, content: Any) -> dict[str, Any]:
    """What a glTF document holds. BadInput where it is none."""
    try:
        targets = [len(part.get("targets", ())) for mesh in content.get("meshes", ()) for part in mesh["primitives"]]
        times = [a["samplers"][c["sampler"]]["input"] for a in content.get("animations", ()) for c in a["channels"]]
        ends = [content["accessors"][number]["max"][0] for number in times]
        return {
            "kind": "model",
            "made_by": str(content["asset"].get("generator", "a program that does not say its name")),
            "morph_targets": max(targets, default=0),
            "seconds": float(max(ends, default=0.0)),
        }
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        raise BadInput(f"{path} is no whole glTF document ({error!r}): export it again") from error


def _report_of(path: Path) -> dict[str, Any] | None:
    """What the report beside a file says, where there is one that speaks of it."""
    for stem in dict.fromkeys((path.stem, path.stem.rpartition("_view")[0])):
        beside = path.with_name(f"{stem}.json")
        if not stem or beside == path or not beside.is_file():
            continue
        try:
            report = _report(_parsed(decoded(beside.read_bytes())))
        except (ValueError, OSError):
            continue
        if report is not None and path.name in [Path(name).name for name in report.get("videos", [path.name])]:
            kept = {key: report.get(key) for key in ("flamecast", "photo", "driver")}
            return {"file": str(beside), **kept, "problems": report.get("problems", [])}
    return None
