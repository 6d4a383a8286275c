"""Regions of the face, which an edit or another clip may be confined to: the mouth, the brows, the head."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from ...core.errors import BadInput
from ..channels import CHANNELS
from ..heads.head import Head
from ..sequence import FlameSequence
from .retarget import head_of, part_vertices, retarget

# Areas of the skin, each by the iBUG landmarks that lie in it.
AREAS: dict[str, tuple[int, ...]] = {
    "chin": tuple(range(4, 13)),
    "brows": tuple(range(17, 28)),  # with the root of the nose, which they pull along
    "nose": tuple(range(28, 36)),
    "eyes": tuple(range(36, 48)),
    "mouth": tuple(range(48, 68)),
}
Step = Callable[[FlameSequence], FlameSequence]  # a change of a clip
FIRMNESS = 300.0  # weight of staying still outside a region, against moving as wanted inside
# In inter-ocular distances: how much nearer to its own landmarks than to others skin inside is, and how far from them
# skin outside begins to be held, and is held in full. Between the two it may do as it must: skin does not tear.
INSIDE, FREE, HELD = 0.1, 0.2, 0.7


@dataclass(frozen=True)
class Region:
    """Areas whose skin belongs to it, and whole channels that do."""

    areas: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def __or__(self, other: Region) -> Region:
        return Region(self.areas | other.areas, self.channels | other.channels)


def _region(areas: str = "", channels: str = "") -> Region:
    return Region(frozenset(areas.split()), frozenset(channels.split()))


REGIONS: dict[str, Region] = {
    "mouth": _region("mouth chin", "jaw"),
    "lips": _region("mouth"),
    "jaw": _region("chin", "jaw"),
    "lids": _region("eyes", "eyelids"),
    "gaze": _region("", "eyes"),
    "eyes": _region("eyes", "eyelids eyes"),
    "brows": _region("brows"),
    "upper": _region("brows eyes", "eyelids eyes"),
    "lower": _region("mouth chin nose", "jaw"),
    "face": _region(" ".join(AREAS), "jaw eyelids eyes"),
    "head": _region("", "neck rotation translation"),
}


def find_region(text: str) -> Region:
    """`mouth`, or several joined: `mouth+brows`. BadInput with near matches."""
    found = Region()
    for name in (piece.strip() for piece in text.split("+")):
        if name not in REGIONS:
            near = difflib.get_close_matches(name.lower(), REGIONS, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(REGIONS)}"
            raise BadInput(f"there is no region {name!r}; {hint}")
        found |= REGIONS[name]
    return found


def restrict(before: FlameSequence, after: FlameSequence, region: Region, head: Head) -> FlameSequence:
    """`before`, but inside the region as in `after`: two clips of one head and length.

    Channels are taken whole; the change of expression is split by geometry (`split_axes`).
    """
    changes = {name: getattr(after, name) for name in CHANNELS if name in region.channels}
    change = after.expression - before.expression
    if region.areas == set(AREAS):
        changes["expression"] = after.expression
    elif region.areas and bool(change.any()):
        changes["expression"] = before.expression + change @ split_axes(head, region.areas).T
    return replace(before, **changes)


def confined(steps: Iterable[Step], region: Region | None, head: Head) -> Step:
    """Steps as one, each confined to a region where one is given."""

    def change(motion: FlameSequence) -> FlameSequence:
        for step in steps:
            changed = step(motion)
            motion = changed if region is None else restrict(motion, changed, region, head)
        return motion

    return change


def mix(base: FlameSequence, parts: Mapping[str, FlameSequence], head: Head | None = None) -> FlameSequence:
    """The base clip with regions from other clips, in order: `mix(base, {"mouth": speech, "head": nod})`.

    Clips of another head are retargeted, of another rate resampled; the result ends with the shortest. The identity is
    the base's. `head`: the base's, where its id cannot be loaded. BadInput for an unknown region.
    """
    own = head_of(base) if head is None else head
    regions = {name: find_region(name) for name in parts}
    clips = {name: clip.resample(base.fps) for name, clip in parts.items()}
    frames = min(len(clip) for clip in (base, *clips.values()))
    mixed = base[:frames]
    for name, clip in clips.items():
        cut = clip[:frames]
        fitted = cut if cut.head == own.id else retarget(cut, own, base.shape)
        mixed = restrict(mixed, fitted, regions[name], own)
    return mixed


@lru_cache(maxsize=64)
def split_axes(head: Head, areas: frozenset[str]) -> Tensor:
    """[E, E]: turns coefficients into those that move the skin of some areas alike and the rest of the face not at all.

    Least squares over the head's axes: a movement that no axes make in these areas alone is lost.
    """
    inside, outside = _area_movement(head, areas)
    ridge = 1e-5 * (inside + outside).diagonal().mean() * torch.eye(len(inside), dtype=inside.dtype)
    return torch.linalg.solve(inside + FIRMNESS * outside + ridge, inside).float()


def _area_movement(head: Head, areas: frozenset[str]) -> tuple[Tensor, Tensor]:
    """[E, E] m^2 twice: mean square movement of the skin inside the areas, and outside (float64).

    Tongue and lower teeth count as skin: else nothing would keep a tongue in its mouth.
    """
    skin = part_vertices(head, ("face", "lips", "lids", "tongue", "teeth_lower"))
    marks = head.points(head.landmark_faces, head.landmark_bary)
    points = torch.cat([marks.template, head.template[skin]])
    basis = torch.cat([marks.expression, head.expression[skin]]).double()
    # The landmarks count as much as all skin.
    weight = torch.cat([torch.full((68,), len(skin) / 68), torch.ones(len(skin))]).double()
    distance = {name: torch.cdist(points, marks.template[list(own)]).amin(1) for name, own in AREAS.items()}
    into = torch.stack([distance[name] for name in AREAS if name in areas]).amin(0)
    away = torch.stack([distance[name] for name in AREAS if name not in areas]).amin(0)
    unit = (marks.template[36:42].mean(0) - marks.template[42:48].mean(0)).norm()
    held = ((into / unit - FREE) / (HELD - FREE)).clamp(0, 1).square() * (into > away)
    inside, outside = (
        torch.einsum("n,nke,nkf->ef", mask, basis, basis) / mask.sum()
        for mask in (weight * (away - into > INSIDE * unit), weight * held)
    )
    return inside, outside
