"""`FlameSequence`: the one editable form every signal takes before it becomes a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import BadInput
from ..core.files import PathLike
from ..core.npz import load_arrays, save_arrays
from . import rotations
from .channels import CHANNELS, ROTATIONS, axes_of
from .clip_checks import checked_fps, checked_tensors
from .heads.head import DEFAULT_HEAD, Head
from .heads.library import load_head
from .smplx_parameters import channels_of_smplx, smplx_parameters
from .windows import crossfade_weights

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class FlameSequence:
    """A clip of head parameters: one person, T frames at a constant rate. float32 tensors, checked when made.

    Angles are axis-angle in radians, right-handed about the FLAME axes: pitch +x looks down, yaw +y turns to the
    subject's left, roll +z tilts toward the subject's right shoulder; the jaw opens about +x.
    """

    shape: Tensor  # [S] identity coefficients
    expression: Tensor  # [T, E]
    rotation: Tensor  # [T, 3] rad, the whole body about joint 0
    neck: Tensor  # [T, 3] rad, the head on the torso
    jaw: Tensor  # [T, 3] rad
    eyes: Tensor  # [T, 2, 3] rad, left and right
    eyelids: Tensor  # [T, 2] left and right, 0 open, 1 shut
    translation: Tensor  # [T, 3] m
    fps: float
    head: str  # "name@hash": coefficients of different heads never mix

    def __post_init__(self) -> None:
        """Check every field and make it a float32 tensor. BadInput names the field, what was expected and what came."""
        object.__setattr__(self, "fps", checked_fps(self.fps))
        if not isinstance(self.head, str) or not self.head:
            raise BadInput(f"FlameSequence.head: expected a head id such as 'open@1a2b3c4d', got {self.head!r}")
        tensors = checked_tensors({name: getattr(self, name) for name in ("shape", *CHANNELS)})
        for name, tensor in tensors.items():
            object.__setattr__(self, name, tensor)

    # -- making ----------------------------------------------------------------------------------------------------

    @classmethod
    def neutral(cls, frames: int, fps: float, head: PathLike | Head = DEFAULT_HEAD) -> FlameSequence:
        """`frames` frames of the head's mean person looking ahead. `head`: a Head, its id, its name or its file."""
        if isinstance(frames, bool) or not isinstance(frames, (int, np.integer)) or frames < 1:
            raise BadInput(f"frames: expected a whole number of at least 1, got {frames!r}")
        known = load_head(head)
        blank: dict[str, Any] = {
            name: torch.zeros(int(frames), *axes_of(name, known.expression.shape[-1])) for name in CHANNELS
        }
        return cls(shape=torch.zeros(known.identity.shape[-1]), **blank, fps=fps, head=known.id)

    @classmethod
    def load(cls, path: PathLike) -> FlameSequence:
        """Read what `save` wrote, bit for bit. BadInput for any other file; nothing in it is ever executed."""
        arrays = load_arrays(path)
        wanted = {"format_version", *(field.name for field in fields(cls))}
        if missing := sorted(wanted - arrays.keys()):
            raise BadInput(f"{path}: not a flamecast motion file: it lacks {', '.join(missing)}")
        version = arrays["format_version"]
        if version.shape != () or version.dtype.kind not in "iu" or int(version) != FORMAT_VERSION:
            raise BadInput(
                f"{path}: motion format {version.tolist()!r}, and this flamecast reads {FORMAT_VERSION}; upgrade it"
            )
        head, fps = arrays["head"], arrays["fps"]
        if head.shape != () or head.dtype.kind != "U" or fps.shape != () or fps.dtype.kind not in "fiu":
            raise BadInput(f"{path}: head must be one text and fps one number, got {head.dtype} and {fps.dtype}")
        try:
            values: dict[str, Any] = {name: _tensor_of(name, arrays[name]) for name in ("shape", *CHANNELS)}
            return cls(**values, fps=float(fps), head=str(head))
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error

    def save(self, path: PathLike) -> None:
        """Write an `.npz` of plain arrays to `path` exactly as spelled; whole or not at all."""
        arrays: dict[str, np.ndarray] = {"format_version": np.array(FORMAT_VERSION)}
        for field in fields(self):
            value = getattr(self, field.name)
            arrays[field.name] = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.array(value)
        save_arrays(path, arrays)

    @classmethod
    def from_smplx(
        cls, parameters: Mapping[str, Any], fps: float, head: PathLike | Head, eyelids: Any = None
    ) -> FlameSequence:
        """The clip of keyword arguments of smplx's FLAME (tensors or arrays): what `to_smplx` gives.

        `expression` [T, E] must be given; what else is not is 0. head: the FLAME that the coefficients are for, a Head,
        its id, its name or its file; expression axes beyond those given are 0. eyelids [T, 2]: open when None.
        `from_smplx(motion.to_smplx(), motion.fps, motion.head, motion.eyelids)` is `motion` bit for bit. BadInput for
        an unknown name, for sizes that do not fit, and for betas that change from frame to frame.
        """
        known = load_head(head)
        values: dict[str, Any] = channels_of_smplx(parameters, known)
        lids = torch.zeros(len(values["expression"]), 2) if eyelids is None else eyelids
        return cls(**values, eyelids=lids, fps=fps, head=known.id)

    def to_smplx(self) -> dict[str, Tensor]:
        """A FLAME head's clip as keyword arguments of smplx's FLAME: `flame(**motion.to_smplx()).vertices` [T, N, 3] m.

        `global_orient`, `neck_pose`, `jaw_pose`, `leye_pose`, `reye_pose` [T, 3] rad axis-angle, `transl` [T, 3] m,
        `betas` [T, S] and `expression` [T, E]; make `flame` with `num_betas=S, num_expression_coeffs=E`. `eyelids`,
        `fps` and `head` have no place there: keep them beside it.
        """
        return smplx_parameters(self, self.shape)

    # -- looking ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """The number of frames."""
        return self.expression.shape[0]

    @property
    def duration(self) -> float:
        """Seconds: frames over fps."""
        return len(self) / self.fps

    def __repr__(self) -> str:
        sizes = f"S={self.shape.shape[0]}, E={self.expression.shape[1]}"
        return f"FlameSequence({len(self)} frames at {self.fps:g} fps, {sizes}, head={self.head!r})"

    def __getitem__(self, frames: slice) -> FlameSequence:
        """`motion[a:b]`: those frames, as views; `motion[i:i+1]` for one. An empty slice is refused."""
        if not isinstance(frames, slice):
            raise TypeError(f"motion[...] takes a slice such as motion[10:20], got {frames!r}")
        start, stop, step = frames.indices(len(self))
        if step != 1:
            raise BadInput(
                f"motion[{start}:{stop}:{step}]: only step 1; resample(fps) changes the rate, frames(index) picks some"
            )
        if stop <= start:
            raise BadInput(f"motion[{start}:{stop}] has no frame (the clip has {len(self)})")
        return replace(self, **{name: getattr(self, name)[start:stop] for name in CHANNELS})

    def frames(self, index: Tensor) -> FlameSequence:
        """Some frames by number: index [N] whole numbers in 0..T-1, in any order; a copy whose fps means nothing."""
        if index.ndim != 1 or len(index) == 0 or index.is_floating_point() or index.dtype == torch.bool:
            raise BadInput(f"frames: expected whole numbers [N], N >= 1, got {index.dtype} {list(index.shape)}")
        if int(index.min()) < 0 or int(index.max()) >= len(self):
            raise BadInput(
                f"frames: expected numbers in 0..{len(self) - 1}, got {int(index.min())}..{int(index.max())}"
            )
        return replace(self, **{name: getattr(self, name)[index] for name in CHANNELS})

    def to(self, target: torch.device | str) -> FlameSequence:
        """The same clip on another device."""
        return replace(self, **{name: getattr(self, name).to(target) for name in ("shape", *CHANNELS)})

    # -- changing --------------------------------------------------------------------------------------------------

    def sample(self, positions: Tensor, fps: float) -> FlameSequence:
        """The clip at fractional frame `positions` [N] (held beyond its ends) as a clip at `fps`: a time warp.

        Rotations go along geodesics of SO(3), the rest linearly; whole positions give the frame back bit for bit.
        """
        positions = positions.to(device=self.expression.device, dtype=torch.float64).clamp(0, len(self) - 1)
        before = positions.floor().long()
        after = (before + 1).clamp_max(len(self) - 1)
        weight = (positions - before).to(torch.float32)
        values: dict[str, Any] = {}
        for name, axes in CHANNELS.items():
            track = getattr(self, name)
            if name in ROTATIONS:
                values[name] = rotations.interpolate(track, positions)
            else:
                share = weight.reshape(-1, *[1] * len(axes))
                values[name] = torch.where(share == 0, track[before], torch.lerp(track[before], track[after], share))
        return replace(self, **values, fps=fps)

    def resample(self, fps: float) -> FlameSequence:
        """The same clip at another rate: exactly round(duration * fps) frames (at least 1), frame k at time k / fps."""
        fps = checked_fps(fps)
        if fps == self.fps:
            return self
        count = max(1, round(self.duration * fps))
        return self.sample(torch.arange(count, dtype=torch.float64) * (self.fps / fps), fps)

    def mix(self, **channels: FlameSequence) -> FlameSequence:
        """This clip with whole channels taken from others: `motion.mix(jaw=speech, expression=speech, neck=text)`.

        All must share this clip's head, fps and number of frames.
        """
        for name, other in channels.items():
            if name not in CHANNELS:
                raise BadInput(f"mix: no channel {name!r}; the channels are {', '.join(CHANNELS)}")
            _check_same(self, other, f"mix: {name}")
            if len(other) != len(self):
                raise BadInput(f"mix: {name} has {len(other)} frames, expected {len(self)}; slice or resample it")
        return replace(self, **{name: getattr(other, name) for name, other in channels.items()})

    @staticmethod
    def concatenate(clips: Sequence[FlameSequence], fade: float = 0.2) -> FlameSequence:
        """One clip after the other; the last `fade` seconds of each melt into the first of the next.

        Neighbours overlap by round(fade * fps) frames (less when a clip is shorter than two fades), so the result is
        that much shorter per joint; fade=0 is a hard cut. All share head, fps and identity.
        """
        if not clips:
            raise BadInput("concatenate: expected at least one clip, got none")
        if not (0 <= fade < float("inf")):
            raise BadInput(f"concatenate: fade must be 0 s or more, got {fade!r}")
        first, overlaps = clips[0], []
        for index, clip in enumerate(clips[1:], 1):
            _check_same(first, clip, f"concatenate: clip {index}")
            if not torch.equal(first.shape, clip.shape):
                raise BadInput(f"concatenate: clip {index} is another person (its shape differs); give all one shape")
            overlaps.append(min(round(fade * first.fps), len(clips[index - 1]) // 2, len(clip) // 2))
        ramps = [crossfade_weights(overlap, first.expression.device) for overlap in overlaps]
        tracks: dict[str, Any] = {
            name: _joined(name, [getattr(clip, name) for clip in clips], ramps) for name in CHANNELS
        }
        return replace(first, **tracks)


def _joined(name: str, tracks: Sequence[Tensor], ramps: Sequence[Tensor]) -> Tensor:
    """One channel's tracks [T, ...] one after the other, neighbours cross-faded by ramps [overlap] between them.

    The overlap is at most half of each clip, so that no frame takes part in two cross-fades.
    """
    pieces = [tracks[0]]
    for track, ramp in zip(tracks[1:], ramps, strict=True):
        overlap, left = len(ramp), pieces.pop()
        tail, start = left[len(left) - overlap :], track[:overlap]
        share = ramp.reshape(-1, *[1] * (track.ndim - 1 - (name in ROTATIONS)))
        middle = rotations.blend(tail, start, share) if name in ROTATIONS else torch.lerp(tail, start, share)
        pieces += [left[: len(left) - overlap], middle, track[overlap:]]
    return torch.cat(pieces)


def _check_same(first: FlameSequence, other: FlameSequence, what: str) -> None:
    """Refuse to combine clips of different heads or rates."""
    if other.head != first.head:
        raise BadInput(f"{what} is for head {other.head}, expected {first.head}; retarget it first")
    if other.fps != first.fps:
        raise BadInput(f"{what} runs at {other.fps:g} fps, expected {first.fps:g}; resample({first.fps:g}) it first")
    if other.expression.shape[1] != first.expression.shape[1]:
        sizes = f"{other.expression.shape[1]} expression coefficients, expected {first.expression.shape[1]}"
        raise BadInput(f"{what} has {sizes}")


def _tensor_of(name: str, array: np.ndarray) -> Tensor:
    if array.dtype.kind != "f":
        raise BadInput(f"FlameSequence.{name}: expected floating-point numbers, got {array.dtype}")
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
