"""Skinning against `smplx` (extra `flame`), the oracle of ours, on a model of FLAME's size in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import MissingAsset
from ...core.extras import how_to_install
from ...flame_motion.heads.flame.topology import FACES, IDENTITY, VERTICES
from ...flame_motion.heads.head import PARENTS, Head
from ...flame_motion.sequence import FlameSequence

EXPRESSION = 100


@dataclass(frozen=True)
class SkinningTimes:
    """Best times of a whole clip, s, and how far apart (m) the two results are at most."""

    ours: float
    smplx: float
    error: float

    @property
    def ratio(self) -> float:
        """How many times as fast as smplx ours is."""
        return self.smplx / self.ours


def noise_head(seed: int = 0) -> Head:
    """A head of FLAME's sizes and pose correctives whose numbers are noise: speed does not depend on them."""
    g = torch.Generator().manual_seed(seed)
    r = lambda *size: torch.randn(*size, generator=g)  # noqa: E731
    n = VERTICES
    return Head(
        id="noise@0", template=0.1 * r(n, 3), identity=1e-3 * r(n, 3, IDENTITY), expression=1e-3 * r(n, 3, EXPRESSION),
        expression_names=tuple(f"expression_{k:03d}" for k in range(EXPRESSION)), pose_correctives=1e-3 * r(n, 3, 36),
        joint_regressor=r(5, n).softmax(1), weights=r(n, 5).softmax(1), eyelids=torch.zeros(n, 3, 2),
        faces=torch.randint(0, n, (FACES, 3), generator=g), uv=torch.rand(9, 2, generator=g),
        uv_faces=torch.randint(0, 9, (FACES, 3), generator=g), part=torch.ones(FACES, dtype=torch.int64),
        landmark_faces=torch.zeros(68, dtype=torch.int64), landmark_bary=r(68, 3).softmax(1),
    )  # fmt: skip


def noise_motion(head: Head, frames: int, seed: int = 1) -> FlameSequence:
    """A motion of noise for a head; the eyelids, which smplx does not have, stay open."""
    g = torch.Generator().manual_seed(seed)
    r = lambda *size: torch.randn(*size, generator=g)  # noqa: E731
    return FlameSequence(
        shape=r(head.identity.shape[-1]), expression=r(frames, head.expression.shape[-1]),
        rotation=0.5 * r(frames, 3), neck=0.5 * r(frames, 3), jaw=0.3 * r(frames, 3), eyes=0.3 * r(frames, 2, 3),
        eyelids=torch.zeros(frames, 2), translation=0.1 * r(frames, 3), fps=25.0, head=head.id,
    )  # fmt: skip


def smplx_vertices(head: Head) -> Callable[[FlameSequence], Tensor]:
    """smplx's own skinning of a head: motion -> [T, N, 3] m. MissingAsset where smplx is not installed."""
    try:
        from smplx.lbs import lbs
    except ImportError as error:
        raise MissingAsset(
            f"smplx is not installed: {how_to_install('flame')} (its licence is non-commercial)"
        ) from error
    directions = torch.cat([head.identity, head.expression], -1).contiguous()
    correctives = head.pose_correctives
    assert correctives is not None
    bend, parents = correctives.reshape(-1, 36).T.contiguous(), torch.tensor(PARENTS)

    def vertices(motion: FlameSequence) -> Tensor:
        betas = torch.cat([motion.shape.expand(len(motion), -1), motion.expression], 1)
        pose = torch.cat([motion.rotation, motion.neck, motion.jaw, motion.eyes.flatten(1)], 1)
        posed, _ = lbs(betas, pose, head.template, directions, bend, head.joint_regressor, parents, head.weights)
        return posed + motion.translation[:, None]

    return vertices


@torch.no_grad()
def skinning_times(frames: int = 100, rounds: int = 7) -> SkinningTimes:
    """A clip skinned by us and by smplx in turn, the best of some rounds each, with torch's present thread count."""
    head = noise_head()
    motion, theirs = noise_motion(head, frames), smplx_vertices(head)
    error = float((head(motion) - theirs(motion)).abs().max())
    times: dict[str, list[float]] = {"ours": [], "smplx": []}
    for _ in range(rounds):
        for name, call in (("ours", head), ("smplx", theirs)):
            start = time.perf_counter()
            call(motion)
            times[name].append(time.perf_counter() - start)
    return SkinningTimes(min(times["ours"]), min(times["smplx"]), error)
