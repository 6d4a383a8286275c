"""Makes sculpted or learned displacements possible: no face turns inside out, nothing goes through anything else.

A displacement is first bent by rules (lips do not pass through each other or the teeth, lids stay off the eyeballs),
then posed as it will be used; where faces are flipped or pierce each other it is smoothed, in a growing neighbourhood,
and the rules applied again, until nothing is left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flamecast.core.mesh_normals import face_normals

from . import eyes, mouth
from .body import PARTS, Body
from .checks import intersecting
from .mesh import edges, fair, gathered, umbrella
from .skinning import CORNER_SOFT, CORNER_STIFF, JAW

CONTACT = 0.00018  # m that shut lips or lids may lie in each other
OWN = ("face", "lips", "lids", "mouth", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue")
NEAR_LIPS, NEAR_LIDS = 0.010, 0.008  # m, how far a correction of the border of lips or lids reaches
TEETH_CLEAR = (0.0008, 0.0018, 0.0014)  # m from the teeth to the lips and the bag's next two rings
MARGIN = 0.25  # least cosine between a face and itself at rest that is sought first, for combinations
ROUNDS = 80


class Pose(NamedTuple):
    """How a displacement is used: its amplitude, the jaw's angle in rad, how far both lids are shut (0 to 1)."""

    amount: float
    jaw: float = 0.0
    lids: float = 0.0


class Settler:
    """Bends and smooths displacements [N, 3] m of the whole head; see the module's text."""

    def __init__(self, body: Body, mirror: np.ndarray) -> None:
        self.body, self.mirror = body, mirror
        self.rest = body.vertices
        self.shut = np.zeros_like(self.rest)  # [N, 3] m: both lids shut, once they are made
        count = len(self.rest)
        self.laplacian = umbrella(body.faces, count, self.rest)
        self.edges = edges(body.faces)
        self.own = np.isin(body.part, [PARTS.index(p) for p in OWN])
        self.gap_free = _distance(self.rest, self.rest[body.lips]) < NEAR_LIPS
        self.gap_free[body.lips] = False
        self.lid_free = []
        for eye in body.eyes.values():
            near = _distance(self.rest, self.rest[eye.loop]) < NEAR_LIDS
            near[eye.loop] = False
            near[np.concatenate(list(body.ball.values()))] = False
            self.lid_free.append(near)
        self.front = self._front_of_mouth()
        size = len(body.lips)
        self.outer = np.append(np.arange(body.skin), self.front[-3 * size : -2 * size])  # skin and the bag's first ring
        self.outer_at = np.concatenate([self.rest[: body.skin], self.rest[body.lips]])  # that ring goes with its lip
        self.teeth = np.isin(body.part, [PARTS.index(p) for p in ("teeth_upper", "teeth_lower")])[self.own]
        self.stiff = np.ones(count, bool)  # eyeballs and teeth keep their shape
        self.stiff[np.unique(body.faces[np.isin(body.part, [PARTS.index(p) for p in ("face", "lips", "lids")])])] = (
            False
        )
        self.stiff[self.front] = False

    def __call__(
        self,
        shift: np.ndarray,
        poses: list[Pose],
        lips: str = "part",
        even: bool = False,
        margin: float = MARGIN,
        held: np.ndarray | None = None,
    ) -> np.ndarray:
        """The displacement, settled for all `poses`; lips: "part" (they may only part), "hold" (their distance stays)
        or "free"; even: the two halves of the face mirror each other; held: vertices that smoothing leaves alone."""
        extra = np.zeros(len(shift))
        shift = self.ruled(shift, lips)
        for k in range(ROUNDS):
            bad, bitten = self.bad(shift, poses, margin * max(0.1, 1 - k / 30))
            if not (bad | bitten).any():
                break
            extra[bitten] += 0.0003
            for _ in range(1 + k // 10):
                bad[self.edges[bad[self.edges].any(1)]] = True
            bad[self.stiff] = False
            if held is not None:
                bad[held] = False
            for _ in range(2):
                shift = shift + 0.5 * bad[:, None] * (self.laplacian @ shift)
            if even:
                shift = 0.5 * (shift + shift[self.mirror] * [-1, 1, 1])
                extra = np.maximum(extra, extra[self.mirror])
            shift = self.ruled(shift, lips, extra)
        return shift

    def jaw(self, angles: list[float]) -> None:
        """Smooth the body's own jaw weights where opening the jaw by `angles` rad turns faces inside out."""
        weights = self.body.weights
        for k in range(ROUNDS):
            bad = self.bad(0 * self.rest, [Pose(0.0, angle) for angle in angles])[0]
            bad[self.stiff] = False
            if not bad.any():
                break
            for _ in range(1 + k // 10):
                bad[self.edges[bad[self.edges].any(1)]] = True
            change = 0.5 * (bad & ~self.stiff) * (self.laplacian @ weights[:, 2])
            change = 0.5 * (change + change[self.mirror])
            weights[:, 2] += change
            weights[:, 1] -= change

    def posed(self, shift: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [N, 3] m and blended rotations [N, 3, 3]."""
        c, s = np.cos(pose.jaw), np.sin(pose.jaw)
        turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        rotation = np.eye(3) + self.body.weights[:, 2, None, None] * (turn - np.eye(3))
        shaped = self.rest + pose.amount * shift + pose.lids * self.shut
        return (rotation @ (shaped - JAW)[..., None])[..., 0] + JAW, rotation

    def bad(self, shift: np.ndarray, poses: list[Pose], margin: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [N] bool of faces that are flipped or go through each other, and of those that go through teeth."""
        bad, bitten = np.zeros(len(self.rest), bool), np.zeros(len(self.rest), bool)
        faces = self.body.faces[self.own]
        for pose in poses:
            points, rotation = self.posed(shift, pose)
            bad[faces[folded(self.rest, points, rotation, faces, margin)]] = True
            pairs, depth = intersecting(points, faces)
            pairs = pairs[depth > CONTACT]
            on_teeth = self.teeth[pairs].any(1)
            bad[faces[pairs[~on_teeth]]] = True
            bitten[faces[pairs[on_teeth]]] = True
        return bad, bitten

    def ruled(self, shift: np.ndarray, lips: str, extra: np.ndarray | float = 0.0) -> np.ndarray:
        """The rules alone; extra [N] m: additional distance from the teeth."""
        shift = shift.copy()
        if lips != "free":
            shift = self.held(shift) if lips == "hold" else self._lips_apart(shift)
        for corner in (62, 292):
            shift[self.outer] = gathered(shift[self.outer], self.outer_at, self.rest[corner], CORNER_STIFF, CORNER_SOFT)
        shift = self._off_teeth(shift, extra)
        for eye in self.body.eyes.values():
            local = self.rest - eye.centre
            radius = np.linalg.norm(local, axis=1)
            near = (radius < 1.7 * eyes.RADIUS) & (local[:, 2] > -0.002) & (np.abs(shift).max(1) > 1e-6) & ~self.stiff
            shift = shift.copy()
            floor = np.where(np.arange(len(shift)) < self.body.skin, eyes.MARGIN_FLOOR, eyes.RIM_FLOOR)
            shift[near] = eyes.cleared(local[near], shift[near], eyes.RADIUS + floor[near])
        return shift

    def held(self, shift: np.ndarray) -> np.ndarray:
        """A displacement [N, C] that leaves lips and lids as far apart as they are: the joint and the lids' own shapes
        open and shut them. Linear."""
        upper, lower = self._lip_rows()
        shift = self._closer(shift, upper, lower, shift[upper] - shift[lower], self.gap_free)
        for eye, free in zip(self.body.eyes.values(), self.lid_free):
            upper, lower = eye.upper[1:-1], eye.lower[1:-1]
            shift = self._closer(shift, upper, lower, shift[upper] - shift[lower], free)
        return shift

    def _lips_apart(self, shift: np.ndarray) -> np.ndarray:
        """The distance of the inner lips never shrinks."""
        upper, lower = self._lip_rows()
        gap = np.minimum(shift[upper] - shift[lower], 0) * [0, 1, 0]
        return self._closer(shift, upper, lower, gap, self.gap_free)

    def _lip_rows(self) -> tuple[np.ndarray, np.ndarray]:
        loop = self.body.lips
        half = len(loop) // 2
        return loop[1:half], loop[:half:-1]

    def _closer(
        self, shift: np.ndarray, upper: np.ndarray, lower: np.ndarray, gap: np.ndarray, free: np.ndarray
    ) -> np.ndarray:
        """`shift` with two rows moved towards each other by gap [K, C]; the free vertices [N] near them follow."""
        fix = np.zeros_like(shift)
        fix[upper], fix[lower] = -0.5 * gap, 0.5 * gap
        return shift + fair(fix, self.laplacian, free, order=1)

    def _off_teeth(self, shift: np.ndarray, extra: np.ndarray | float) -> np.ndarray:
        """Lips and the front of the mouth bag stay outside the dental arch."""
        clear = self.clear + np.broadcast_to(extra, len(shift))[self.front]
        middle = mouth.lip_middle(self.rest)
        half = np.array([mouth.ARCH_WIDTH, mouth.ARCH_DEPTH]) + 0.0007 + clear[:, None]
        at = (self.rest + shift - middle)[self.front][:, [0, 2]] - [0, mouth.ARCH_BACK]
        size = np.linalg.norm(at / half, axis=1)
        low = (size < 1) & (at[:, 1] > 0)
        result = shift.copy()
        index = self.front[low]
        result[index[:, None], [0, 2]] += (1 / size[low] - 1)[:, None] * at[low]
        return result

    def _front_of_mouth(self) -> np.ndarray:
        """Indices of the lips and of the bag's rings in front of the teeth."""
        faces, part = self.body.faces, self.body.part
        lips = np.unique(faces[part == PARTS.index("lips")])
        fresh = lips[lips >= self.body.skin]  # the bag's first ring
        self.clear = np.repeat(TEETH_CLEAR, [len(lips), len(fresh), len(fresh)])
        return np.concatenate([lips, *(fresh + len(fresh) * k for k in (1, 2))])


def folded(
    rest: np.ndarray, posed: np.ndarray, rotation: np.ndarray, faces: np.ndarray, margin: float = 0.0
) -> np.ndarray:
    """Faces [F] bool that are turned inside out or nearly so: `checks.flipped` with a margin for combinations."""
    before = (rotation[faces].mean(1) @ face_normals(rest, faces)[..., None])[..., 0]
    return (before * face_normals(posed, faces)).sum(1) < margin


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - others[None], axis=-1).min(1)
