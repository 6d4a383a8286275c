"""Takes in the form of FACEGOOD-Audio2Face: sound, and measured weights of another rig's blend shapes."""

from __future__ import annotations

from pathlib import Path

import torch

from ...core.files import existing_file
from ...core.npz import load_arrays
from ...drivers.speech.audio_features import FPS, interpolate
from ...drivers.speech.signal import audio_buffer
from ...flame_motion import BadInput, FlameSequence, Waveform, load_head
from ...flame_motion.retargeting.mouth import mouth_of
from .footage import Footage

# What each of the rig's shapes means on our head: axis and share. Corrective shapes (…Fix, …Open) and its tongue have
# none here; `mouth_stretch_c` is its jaw.
JAW = ("mouth_stretch_c", 0.3)  # rad when full
MEANS: dict[str, tuple[tuple[str, float], ...]] = {
    **{f"mouth_funnel_{part}": (("mouthFunnel", 0.25),) for part in ("dl", "dr", "ul", "ur")},
    **{f"mouth_pucker_{side}": (("mouthPucker", 0.5),) for side in "lr"},
    "mouth_oo_c": (("mouthPucker", 0.6), ("mouthFunnel", 0.3)),
    **{f"mouth_suck_d{side}": (("mouthRollLower", 0.5),) for side in "lr"},
    **{f"mouth_suck_u{side}": (("mouthRollUpper", 0.5),) for side in "lr"},
    "mouth_chinRaise_u": (("mouthShrugUpper", 1.0),),
    "mouth_chinRaise_d": (("mouthShrugLower", 1.0),),
    **{
        f"{theirs}_{side}": ((f"{ours}{'Left' if side == 'l' else 'Right'}", 1.0),)
        for theirs, ours in (
            ("mouth_press", "mouthPress"), ("mouth_lipCornerPull", "mouthSmile"), ("mouth_lipStretch", "mouthStretch"),
            ("mouth_lowerLipDepress", "mouthLowerDown"), ("mouth_upperLipRaise", "mouthUpperUp"),
            ("mouth_dimple", "mouthDimple"), ("mouth_lipCornerDepress", "mouthFrown"), ("nose_wrinkle", "noseSneer"),
        )
        for side in "lr"
    },
}  # fmt: skip


def facegood_takes(folder: Path) -> list[Path]:
    """The takes in a folder: TAKE.npz beside TAKE.flac, with names.txt; none where there is no names.txt."""
    if not (folder / "names.txt").is_file():
        return []
    return [path for path in sorted(folder.glob("*.npz")) if path.with_suffix(".flac").is_file()]


def facegood_footage(path: Path, speaker: str) -> Footage:
    """One take as footage. Its gaps and width are those of our head, since no picture shows them. BadInput."""
    # The first line is the count, and yet takes a place: column k is named by line k.
    names = existing_file(path.parent / "names.txt", "the names").read_text(encoding="utf-8").split()
    arrays = load_arrays(path)
    if "weights" not in arrays or arrays["weights"].shape[1] > len(names):
        raise BadInput(f"{path}: expected weights [T, {len(names) - 1}] with a name each in names.txt")
    weights, fps = torch.from_numpy(arrays["weights"]).float(), float(arrays["fps"])
    head = load_head()
    columns = {name: weights[:, k] for k, name in enumerate(names[: weights.shape[1]])}
    expression = torch.zeros(len(weights), head.expression.shape[-1])
    for theirs, ours in MEANS.items():
        for axis, share in ours:
            expression[:, head.expression_names.index(axis)] += share * columns[theirs]
    jaw = torch.zeros(len(weights), 3)
    jaw[:, 0] = JAW[1] * columns[JAW[0]]
    sound = audio_buffer(Waveform.open(path.with_suffix(".flac"))).samples
    frames = min(int(len(weights) / fps * FPS), len(sound) * int(FPS) // 16000)
    times = torch.arange(frames) * (fps / FPS)
    neutral = FlameSequence.neutral(frames, FPS, head)
    motion = FlameSequence(
        **{name: getattr(neutral, name) for name in ("shape", "rotation", "neck", "eyes", "eyelids", "translation")},
        expression=interpolate(expression, times), jaw=interpolate(jaw, times), fps=FPS, head=head.id,
    )  # fmt: skip
    mouth = mouth_of(head)
    gaps = torch.cat([motion.jaw, motion.expression], 1) @ mouth.gaps
    gaps[:, :3].clamp_(min=0)
    return Footage(path.stem, speaker, sound, motion, gaps, torch.ones(frames, dtype=torch.bool))
