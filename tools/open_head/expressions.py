"""The 39 ARKit axes that joints and eyelids do not carry, sculpted as pulls on landmarks and spread smoothly.

Amounts are millimetres at amplitude 1 for the subject's left side (+x left, +y up, +z out); the right side mirrors it.
A pull on a lip row acts with a profile along the mouth; `reach` is how far skin around the pulled points gives way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from flamecast.core.easing import smoothstep

from .body import PARTS, Body
from .eyes import pushed_out
from .facemesh import LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_OUTER_LOWER, LIPS_OUTER_UPPER
from .mesh import fair, umbrella
from .settle import Pose, Settler
from .skinning import JAW

Vector = tuple[float, float, float]
ROWS = {"UO": LIPS_OUTER_UPPER, "UI": LIPS_INNER_UPPER, "LI": LIPS_INNER_LOWER, "LO": LIPS_OUTER_LOWER}
UPPER_LID = [466, 388, 387, 386, 385, 384, 398]  # subject's left, outer -> inner, corners left out
CHIN_FRONT = 199
LOWER_LID = [249, 390, 373, 374, 380, 381, 382]
LID_PROFILE = (0.45, 0.75, 0.95, 1.0, 0.95, 0.75, 0.4)


@dataclass(frozen=True)
class Pull:
    """Vectors at landmarks (left side) and at lip rows (row, profile, vector); both: the right side does the same."""

    points: dict[int, Vector] = field(default_factory=dict)
    lips: tuple[tuple[str, str, Vector], ...] = ()
    lids: tuple[float, float] = (0.0, 0.0)  # mm up of the upper and the lower lid's middle
    both: bool = False
    reach: float = 26.0

    @property
    def shut(self) -> bool:
        """Whether upper and lower lip move alike, so that they stay as far apart as they are."""
        upper, lower = ([pull[1:] for pull in self.lips if pull[0] == row] for row in ("UI", "LI"))
        return bool(upper) and sorted(upper) == sorted(lower)


def _profile(name: str, s: np.ndarray) -> np.ndarray:
    """Strength along the mouth, s from -1 (right corner) to 1 (left corner)."""
    return {
        "all": np.ones_like(s),
        "middle": np.cos(0.5 * np.pi * s) ** 1.2,
        "flat": 1 - np.abs(s) ** 4,
        "side": smoothstep(s),
        "ends": s * s,
        "other": np.clip(-s, 0, 1) ** 2,
        "corner": np.clip((s - 0.45) / 0.55, 0, 1) ** 1.5,
        "half": np.clip((s + 0.25) / 0.6, 0, 1) * (1 - np.clip(s, 0, 1) ** 3),
        "spread": s,
    }[name]


def _lips(profile: str, **rows: Vector) -> tuple[tuple[str, str, Vector], ...]:
    return tuple((row, profile, vector) for row, vector in rows.items())


def _same(profile: str, vector: Vector) -> tuple[tuple[str, str, Vector], ...]:
    return _lips(profile, UO=vector, UI=vector, LI=vector, LO=vector)


BROW = {
    336: 0,
    296: 1,
    334: 2,
    293: 3,
    300: 4,
    285: 0,
    295: 1,
    282: 2,
    283: 3,
    276: 4,
}  # landmark -> place, inner to outer


def _brow(*vectors: Vector) -> dict[int, Vector]:
    """Both rows of the left brow, one vector a place from the inner to the outer end."""
    return {v: vectors[k] for v, k in BROW.items()}


LEFT = {
    "browDown": Pull(
        {**_brow((-2.5, -6, 1), (-1.5, -6, 0.5), (-0.7, -5, 0), (0, -3.5, 0), (0, -2, 0)),
         9: (0, -2, 0.5), 8: (0, -1.2, 0)},
        reach=24,
    ),
    "browOuterUp": Pull(
        {**_brow((0, 0.5, 0), (0, 3, -0.3), (0, 6, -1), (0, 7.5, -2), (0.3, 6.5, -2)),
         333: (0, 4.5, -1), 298: (0, 4, -1.5)},
    ),
    "cheekSquint": Pull(
        {280: (0.8, 5, 2.8), 330: (0.2, 5.5, 2.8), 347: (0, 4.6, 1.5), 346: (0.4, 4.2, 1.3), 348: (0, 3.4, 1.2)},
        lids=(0.2, 1.2),
    ),
    "eyeSquint": Pull(
        {347: (0, 2.2, 0.8), 346: (0, 1.8, 0.6), 348: (0, 2, 0.7), 450: (0, 2, 0.6)}, lids=(0.2, 1.6), reach=18
    ),
    "eyeWide": Pull({}, lids=(2.6, -0.8), reach=13),
    "noseSneer": Pull(
        {279: (0.4, 3.2, -0.3), 358: (0.8, 3.5, -0.5), 429: (0.5, 4, 0.3), 420: (0, 3.2, 0.5), 437: (0, 2.2, 0.8),
         285: (-0.8, -1.8, 0.3), 426: (0.5, 2.5, 0.8), 327: (0.4, 1.5, 0)},
        _lips("half", UO=(0, 1.8, 0.2), UI=(0, 1.0, 0)),
        reach=20,
    ),
    "mouthSmile": Pull(
        {425: (1.5, 4, 2.5), 280: (0.5, 2.5, 1.5), 411: (3, 4.5, 0), 426: (2.5, 3, 1), 436: (5.5, 5.2, -1.3),
         432: (6, 4, -3.2), 410: (7.4, 6, -3.8)},
        (*_same("side", (7.5, 3.2, -4)), *_same("corner", (1.5, 4.5, -2.5)), *_same("half", (1.2, 0, -0.8))),
        reach=30,
    ),
    "mouthFrown": Pull(
        {432: (1.5, -5, -0.5), 422: (1.5, -5, -0.5), 410: (1, -4.5, 0)},
        (*_same("side", (0.5, -1.5, -0.5)), *_same("corner", (1, -5, -0.5))),
    ),
    "mouthDimple": Pull(
        {410: (3, 0.3, -3.5), 432: (3, 0, -3), 436: (2, 0.5, -1.5)},
        (*_same("side", (1.5, 0, -1)), *_same("corner", (2.5, 0.3, -3))),
    ),
    "mouthStretch": Pull(
        {432: (6, -3.5, -3), 422: (6, -4, -2), 410: (5, -2, -3)},
        (*_same("side", (5, -0.8, -2.5)), *_same("corner", (2.5, -2.2, -1.5))),
    ),
    "mouthPress": Pull(
        {},
        (*_lips("half", UO=(0, -2.2, -1.4), UI=(0, -0.2, -1.6), LI=(0, 0, -1.6), LO=(0, 2.4, -1.4)),
         *_same("corner", (1, 0.3, -1))),
        reach=16,
    ),
    "mouthUpperUp": Pull(
        {426: (0.3, 3, 0.5), 327: (0, 1, 0), 391: (0, 3.5, 0.3)},
        _lips("half", UO=(0.3, 4.5, 0.5), UI=(0.3, 5, 0.5)),
        reach=20,
    ),
    "mouthLowerDown": Pull(
        {418: (0.5, -4, 0), 424: (0.8, -3.5, -0.3)}, _lips("half", LI=(0.6, -5.5, 0), LO=(0.6, -6, 0)), reach=20
    ),
}  # fmt: skip

WHOLE = {
    "browInnerUp": Pull(
        {**_brow((0.3, 7, -0.5), (0, 5, -0.5), (0, 2, -0.3), (0, 0, 0), (0, 0, 0)),
         9: (0, 5.5, 0), 8: (0, 2.2, 0), 151: (0, 2.5, -0.5), 337: (0, 4, -0.8)},
        both=True,
    ),
    "cheekPuff": Pull(
        {411: (8, 0, 6), 427: (7, -2, 7), 425: (5, 1, 6), 434: (7, -2, 4), 436: (3.5, 0, 4.5), 416: (6, -1, 3),
         432: (3.5, -0.5, 4)},
        _same("all", (0, 0, 1.2)), both=True, reach=34,
    ),
    "jawForward": Pull({}),
    "mouthFunnel": Pull(
        {200: (0, -0.7, 0.7), 164: (0, 1.5, 1.5), 436: (-2, 0, 2), 432: (-2, 0, 2)},
        (*_lips("spread", UO=(-5.5, 0, 0), UI=(-5, 0, 0), LI=(-5, 0, 0), LO=(-5.5, 0, 0)),
         *_lips("middle", UO=(0, 2.5, 5), UI=(0, 3.8, 4.5), LI=(0, -4, 4.5), LO=(0, -3, 5)),
         *_same("all", (0, 0, 2)), *_same("ends", (0, 0, 1.5))),
        both=True, reach=30,
    ),
    "mouthPucker": Pull(
        {200: (0, 0.3, 1), 164: (0, 0, 1.5), 436: (-4, 0, 3), 432: (-4.5, 0, 3), 411: (-2, 0, 0.5)},
        (*_lips("spread", UO=(-8, 0, 0), UI=(-7.6, 0, 0), LI=(-7.6, 0, 0), LO=(-8, 0, 0)),
         *_lips("middle", UO=(0, 0.8, 5), UI=(0, 0, 4.5), LI=(0, 0, 4.5), LO=(0, -0.8, 5)),
         *_same("all", (0, 0, 3)), *_same("ends", (0, 0, 2.5))),
        both=True, reach=32,
    ),
    "mouthRollUpper": Pull({}, _lips("flat", UO=(0, -3.4, -2.2), UI=(0, 0.3, -3)), both=True, reach=14),
    "mouthRollLower": Pull({}, _lips("flat", LI=(0, -0.3, -3), LO=(0, 4.2, -2.4)), both=True, reach=14),
    "mouthShrugUpper": Pull(
        {164: (0, 2, 0.5)},
        _lips("flat", UO=(0, 3, 1), UI=(0, 2.8, 0.8), LI=(0, 2.6, 0.6), LO=(0, 1.5, 0.4)), both=True, reach=20,
    ),
    "mouthShrugLower": Pull(
        {199: (0, 3.5, 0.5), 175: (0, 3, 0), 18: (0, 4, 0.3), 200: (0, 4, 0.6), 428: (0, 3, 0.3)},
        _lips("flat", LO=(0, 3.5, 1.5), LI=(0, 2.6, 1.5), UI=(0, 2.6, 0.8), UO=(0, 1.8, 0.6)), both=True,
    ),
}  # fmt: skip
MOUTH_LEFT = Pull(
    {18: (5, 0, 0), 199: (2, 0, 0), 164: (3.5, 0, 0), 426: (3, 0, -0.5), 432: (4.5, 0, -2), 436: (4, 0, -2),
     206: (3.5, 0, 1), 212: (4.5, 0, 1.5), 216: (4, 0, 1.5)},
    (*_same("all", (6.5, 0, 0)), *_same("side", (0.5, 0.5, -3)), *_same("other", (0, -0.3, 3.5))), reach=30,
)  # fmt: skip
TONGUE_LIPS = Pull(
    {}, _lips("flat", UI=(0, 1.2, 0.3), UO=(0, 0.8, 0), LI=(0, -3.2, 0.5), LO=(0, -2, 0.5)), both=True, reach=16
)
JAW_FORWARD = np.array([0.0, -0.0018, 0.0055])  # m: forward, and down over the upper teeth
SHUT = 0.3  # share of the jaw's turn that both lips make when they stay shut over an open jaw
SQUINT_POSES = ((1.0, 0.0, 0.4), (1.0, 0.0, 0.8), (0.6, 0.0, 0.6), (0.5, 0.0, 0.88))  # while the lids shut
JAW_WITH = {"mouthClose": np.radians(25), "tongueOut": np.radians(15)}  # rad of jaw these axes are made for


def names() -> list[str]:
    """The named axes, in ARKit's alphabetical order."""
    sided = [f"{name}{side}" for name in LEFT for side in ("Left", "Right")]
    return sorted([*sided, *WHOLE, "mouthClose", "mouthLeft", "mouthRight", "tongueOut"])


def named_axes(body: Body, mirror: np.ndarray, settle: Settler, express: sparse.csr_matrix) -> dict[str, np.ndarray]:
    """Displacement of the whole head [N, 3] m for every named axis; mirror [N] pairs left and right.

    express [N, skin] carries a displacement of the skin to everything welded to it.
    """
    flip = np.array([-1.0, 1.0, 1.0])
    solver = _Spreader(body, mirror)
    poses = [Pose(1.1), Pose(1.0, np.radians(15))]
    axes = {}
    for name, pull in {**LEFT, "mouth": MOUTH_LEFT}.items():
        blinks = [Pose(*pose) for pose in SQUINT_POSES] if pull.lids[1] > 0 else []
        axes[f"{name}Left"] = settle(express @ solver(pull), [*poses, *blinks], "hold" if pull.shut else "part")
        axes[f"{name}Right"] = axes[f"{name}Left"][mirror] * flip
    for name, pull in WHOLE.items():
        axes[name] = settle(express @ solver(pull), poses, "hold" if pull.shut else "part", even=True)
    axes["jawForward"] = settle(body.weights[:, 2:3] * JAW_FORWARD, poses, "free", even=True)
    axes["mouthClose"] = settle(mouth_close(body), [Pose(1.0, JAW_WITH["mouthClose"])], "free", even=True, margin=0.0)
    tongue = express @ solver(TONGUE_LIPS) + tongue_out(body)
    axes["tongueOut"] = settle(tongue, [Pose(1.0, JAW_WITH["tongueOut"])], "free", even=True)
    return axes


def mouth_close(body: Body) -> np.ndarray:
    """Displacement [N, 3] m that, under a jaw of JAW_WITH["mouthClose"], brings both lips to where they meet at SHUT.

    Skinning turns a vertex by its weight; the displacement is what turns it by another weight instead.
    """
    lips = np.unique(body.faces[(body.part == PARTS.index("lips"))])
    skin, weight = body.vertices[: body.skin], body.weights[:, 2:3]
    laplacian = umbrella(body.faces, len(body.vertices), body.vertices)
    middle = skin[LIPS_INNER_UPPER[5]]
    change = np.zeros_like(weight)
    change[lips] = SHUT - weight[lips]
    free = np.linalg.norm((body.vertices - middle) * [0.8, 1, 0.7], axis=1) < 0.034
    free &= body.vertices[:, 1] > body.vertices[CHIN_FRONT, 1]
    free[lips] = False
    free[lips.max() + 1 + len(body.lips) :] = False  # the bag's second ring gives way, what lies behind does not
    change = fair(change, laplacian, free, order=1)
    for _ in range(6):
        change += 0.5 * free[:, None] * (laplacian @ change)
    angle = JAW_WITH["mouthClose"]
    c, s = np.cos(angle), np.sin(angle)
    bend = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) - np.eye(3)
    now, wanted = (np.eye(3) + w[..., None] * bend for w in (weight, weight + change))
    local = (body.vertices - JAW)[..., None]
    return np.linalg.solve(now, wanted @ local)[..., 0] - local[..., 0]


class _Spreader:
    """Turns pulls into smooth displacements of the skin: a thin plate through the pulled points, still beyond reach."""

    def __init__(self, body: Body, mirror: np.ndarray) -> None:
        self.body, self.mirror = body, mirror
        self.vertices = body.vertices[: body.skin]
        self.faces = body.faces[(body.faces < body.skin).all(1)]
        self.laplacian = umbrella(self.faces, body.skin, self.vertices)
        self.margins = np.concatenate([eye.loop for eye in body.eyes.values()])

    def __call__(self, pull: Pull) -> np.ndarray:
        pulled: dict[int, np.ndarray] = {}

        def give(vertex: int, vector: np.ndarray) -> None:
            pulled[vertex] = pulled.get(vertex, np.zeros(3)) + vector / 1000

        for vertex, vector in pull.points.items():
            give(vertex, np.array(vector))
            if pull.both and self.mirror[vertex] != vertex:
                give(int(self.mirror[vertex]), np.array(vector) * [-1, 1, 1])
        self._lip_pulls(pull, give)
        for row, up in zip((UPPER_LID, LOWER_LID), pull.lids):
            for vertex, share in zip(row, LID_PROFILE):
                give(vertex, np.array([0, up * share, 0]))
        return self._spread(pulled, pull.reach / 1000)

    def _lip_pulls(self, pull: Pull, give: Callable[[int, np.ndarray], None]) -> None:
        seen: dict[int, dict[int, np.ndarray]] = {}
        for k, (row, profile, vector) in enumerate(pull.lips):
            strength = _profile(profile, np.linspace(-1, 1, 11))
            for vertex, share in zip(ROWS[row], strength):
                seen.setdefault(vertex, {}).setdefault(k, share * np.array(vector))
        for vertex, parts in seen.items():
            rows = max(1, sum(vertex in row for row in ROWS.values()))  # a corner belongs to two rows: take their mean
            give(vertex, np.sum(list(parts.values()), 0) / rows)

    def _spread(self, pulled: dict[int, np.ndarray], reach: float) -> np.ndarray:
        shift = np.zeros_like(self.vertices)
        active = [v for v, d in pulled.items() if np.abs(d).max() > 0]
        if not active:
            return shift
        near = np.full(len(shift), np.inf)
        for v in active:
            near = np.minimum(near, np.linalg.norm(self.vertices - self.vertices[v], axis=1))
        free = near < reach
        free[self.margins] = False
        for v, d in pulled.items():
            shift[v], free[v] = d, False
        self._between(shift, free, active)
        shift = fair(shift, self.laplacian, free)
        soft = (near < reach)[:, None] * np.isin(np.arange(len(shift)), self.margins, invert=True)[:, None]
        for _ in range(2):
            shift = shift + 0.5 * soft * (self.laplacian @ shift)
        return self._outside_eyes(shift)

    def _between(self, shift: np.ndarray, free: np.ndarray, active: list[int]) -> None:
        """Lid margin vertices between two landmarks take their mean."""
        for eye in self.body.eyes.values():
            loop = eye.loop
            if np.isin(loop, active).any():
                shift[loop[1::2]] = 0.5 * (shift[loop[::2]] + shift[np.roll(loop[::2], -1)])

    def _outside_eyes(self, shift: np.ndarray) -> np.ndarray:
        for eye in self.body.eyes.values():
            shift = pushed_out(eye, self.vertices, shift, np.abs(shift).max(1) > 1e-6)
        return shift


def tongue_out(body: Body) -> np.ndarray:
    """Displacement [N, 3] m of the tongue itself: the tip comes out between the teeth and flattens."""
    shift = np.zeros((len(body.vertices), 3))
    points = body.vertices[body.tongue]
    share = np.clip((points[:, 2] - points[:, 2].min()) / np.ptp(points[:, 2]), 0, 1)
    middle = points[:, 1].mean()
    lift = 0.0085 * np.sin(np.pi * np.minimum(share, 0.6)) + 0.0065 * share
    shift[body.tongue, 2] = 0.032 * share**1.3
    droop = 0.011 * np.clip((share - 0.55) / 0.45, 0, 1) ** 2  # over the lower lip, by its own weight
    shift[body.tongue, 1] = lift - droop - 0.45 * share * (points[:, 1] - middle)
    shift[body.tongue, 0] = -0.25 * share * points[:, 0]
    return shift
