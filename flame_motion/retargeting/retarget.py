"""A clip moved to another head through geometry: the second surface moves as the first, at its own size."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from ...core.errors import BadInput
from ..heads.head import PARTS, Head, Skin
from ..heads.library import load_head
from ..rotations import matrix_from_axis_angle
from ..sequence import FlameSequence
from .lids import openings

STIFFNESS = 1e-3  # weight of the target's face moving at all, against errors of its points
IDLE = 1e-7  # of the largest eigenvalue: combinations of axes below it move nothing
JAW_TRUST = 0.02  # how strongly the source's jaw angle is kept where jaw and expression could do the same
ROUNDS = 3  # of Gauss-Newton; the jaw is within 1e-4 rad after three
CHUNK = 256  # frames solved at once: memory stays constant
MOVING = ("face", "lips", "lids", "teeth_lower", "tongue", "mouth")  # parts whose movement costs
NO_LIDS = 1e-4  # m that a blink moves lids, at least
IRISES = 468  # MediaPipe's landmarks from here on follow the gaze, not the face


def retarget(motion: FlameSequence, head: Head, shape: Tensor | None = None, own: Head | None = None) -> FlameSequence:
    """The clip on another head, with the identity `shape` [S] of that head (default: its mean person).

    Head and gaze angles are copied, lids keep what share of their way they have closed, and jaw and expression are
    solved frame by frame such that corresponding points leave the target's resting face as they leave the source's,
    in proportion to the size of the faces. The translation is scaled likewise. own: the motion's own head, where its
    id cannot be loaded. Frames do not influence each other: the result is as smooth as the source.
    """
    own = head_of(motion) if own is None else own
    own.check(motion)
    identity = torch.zeros(head.identity.shape[-1]) if shape is None else shape
    if own.id == head.id:
        return replace(motion, shape=identity)
    link = correspondence(own, head)
    here, joints_here = link.here.shaped(motion.shape)
    there, joints_there = link.there.shaped(identity)
    size = _spread(there) / _spread(here)
    parts = [
        _moved(link, piece, (here, joints_here), (there, joints_there), size)
        for piece in (motion[start : start + CHUNK] for start in range(0, len(motion), CHUNK))
    ]
    expression, jaw, eyelids = (torch.cat(values) for values in zip(*parts, strict=True))
    return replace(
        motion,
        shape=identity,
        expression=expression,
        jaw=jaw,
        eyelids=eyelids,
        translation=motion.translation * size,
        head=head.id,
    )


def head_of(motion: FlameSequence) -> Head:
    """The head a clip was made for. MissingAsset when it is not here.

    BadInput when it names a file, which may be anything: only heads known by name are loaded.
    """
    base = motion.head.partition("@")[0]
    if base.endswith((".pkl", ".npz")) or "/" in base or os.sep in base:
        raise BadInput(f"This motion was made for head {motion.head}: it names a file as its head, and none is opened.")
    return load_head(motion.head)


@dataclass(frozen=True, eq=False)
class Correspondence:
    """P points of the surface that two heads share (the 68 landmarks first), and the stiffness of the second's face."""

    here: Skin  # of the points [P], on the source
    there: Skin  # on the target
    weights: Tensor  # [P], sum 1
    stiffness: Tensor  # [E, E] m^2: what moving the target's face costs

    @cached_property
    def inverse(self) -> Tensor:
        """[E, E] 1/m^2, the inverse of the weighted normal matrix of the target's expression axes.

        A pseudo-inverse: combinations of axes that move nothing stay at rest instead of carrying rounding errors.
        """
        basis = self.there.expression.double()
        data = torch.einsum("p,pke,pkf->ef", self.weights.double(), basis, basis)
        return torch.linalg.pinv(data + STIFFNESS * self.stiffness, rtol=IDLE, hermitian=True).float()


@lru_cache(maxsize=8)
def correspondence(source: Head, target: Head) -> Correspondence:
    """Points that lie at the same place of both faces: landmarks, and the densest other set that both heads have."""
    known = source.mediapipe_faces is not None and target.mediapipe_faces is not None
    shared = torch.arange(IRISES if known else 0)
    for head in (source, target) if known else ():
        shared = shared[head.mediapipe_places()[0][shared] >= 0]
    weights = torch.full((68 + len(shared),), 1 / (68 + len(shared)))
    return Correspondence(_points(source, shared), _points(target, shared), weights, _stiffness(target))


def _points(head: Head, shared: Tensor) -> Skin:
    """Skinning data of the 68 landmarks, then of some MediaPipe landmarks [K]. BadInput: not known."""
    faces, bary = head.landmark_faces, head.landmark_bary
    if bool(bary.isnan().any()):
        raise BadInput(
            f"head {head.id}: its file does not say where the 68 landmarks are, so no motion can be moved to or from it"
        )
    if len(shared):
        more = head.mediapipe_places()
        faces, bary = torch.cat([faces, more[0][shared]]), torch.cat([bary, more[1][shared]])
    return head.points(faces, bary)


def part_vertices(head: Head, names: tuple[str, ...]) -> Tensor:
    """Indices of the vertices of some parts, ascending."""
    wanted = torch.tensor([PARTS.index(name) for name in names])
    return head.faces[torch.isin(head.part, wanted)].unique()


def _stiffness(head: Head) -> Tensor:
    """[E, E] m^2: mean square movement of the face's vertices, float64."""
    basis = head.expression[part_vertices(head, MOVING)].double()
    return torch.einsum("nke,nkf->ef", basis, basis) / len(basis)


def _spread(points: Tensor) -> Tensor:
    """Size of a face in m: root mean square distance of its points [P, 3] from their centre."""
    return (points - points.mean(0)).square().sum(-1).mean().sqrt()


Rest = tuple[Tensor, Tensor]  # points [P, 3] and joints [5, 3] of one identity, m


def _moved(
    link: Correspondence, motion: FlameSequence, here: Rest, there: Rest, size: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Expression [T, E], jaw [T, 3] and lids [T, 2] of the target for some frames."""
    none = torch.zeros_like
    face = replace(
        motion, rotation=none(motion.rotation), neck=none(motion.neck), eyes=none(motion.eyes),
        eyelids=none(motion.eyelids), translation=none(motion.translation),
    )  # fmt: skip
    wanted = there[0] + size * (link.here.pose(*here, face) - here[0])
    expression, jaw = solve_face(link, wanted, there, motion.jaw)
    shut_here, shut_there = _blink(link.here, here[0]), _blink(link.there, there[0])
    closed = (motion.eyelids + _closing(link.here, motion.expression)) / shut_here
    lids = closed * shut_there - _closing(link.there, expression)
    return expression, jaw, lids.clamp(0, 1)


def _blink(skin: Skin, rest: Tensor) -> Tensor:
    """The value of its lid that shuts each eye of an identity [2]: 1, or less where the eyes are small."""
    whole = -openings(skin.eyelids).diagonal()
    return torch.where(whole > NO_LIDS, (openings(rest) / whole.clamp_min(NO_LIDS)).clamp(0.3, 1), 1.0)


def _closing(skin: Skin, expression: Tensor) -> Tensor:
    """How far the expression [T, E] closes each eye, in values of its lid [T, 2]; 0 where a head has no lids."""
    whole = -openings(skin.eyelids).diagonal()  # [2] m
    share = -(openings(skin.expression) @ expression.T).T
    return torch.where(whole > NO_LIDS, share / whole.clamp_min(NO_LIDS), 0.0)


# -- axes by name ------------------------------------------------------------------------------------------------------


def borrowed_names(head: Head) -> tuple[str, ...]:
    """Names of the built-in head's expression axes that this head lacks; `borrowed_axes` has what they do here."""
    own = set(head.expression_names)
    return tuple(name for name in load_head().expression_names if name not in own and not name.startswith("residual"))


@lru_cache(maxsize=8)
def borrowed_axes(head: Head) -> dict[str, Tensor]:
    """Coefficients [E] by name that move this head's face as 1 of the built-in head's axis moves that one's.

    Least squares over corresponding points of the mean faces, in proportion to their size.
    """
    ours, names = load_head(), borrowed_names(head)
    link = correspondence(ours, head)
    index = torch.tensor([ours.expression_names.index(name) for name in names], dtype=torch.long)
    wanted = _spread(link.there.template) / _spread(link.here.template) * link.here.expression[..., index]
    moment = torch.einsum("p,pke,pkn->en", link.weights, link.there.expression, wanted)
    return dict(zip(names, (link.inverse @ moment).T, strict=True))


# -- jaw and expression ------------------------------------------------------------------------------------------------


def solve_face(link: Correspondence, wanted: Tensor, rest: Rest, jaw: Tensor) -> tuple[Tensor, Tensor]:
    """Expression [T, E] and jaw [T, 3] that bring the target's points to `wanted` [T, P, 3], from a jaw [T, 3] rad.

    With the wanted points carried back through the jaw's skinning the expression is linear with constant axes, so it
    is eliminated (variable projection) and Gauss-Newton runs over the three angles of the jaw alone.
    """
    root = link.weights.sqrt()[:, None]
    basis = (link.there.expression * root[..., None]).flatten(0, 1)  # [3P, E]
    start, step = jaw, 1e-3 * torch.eye(3)
    expression = torch.zeros(len(jaw), basis.shape[1])
    trust = JAW_TRUST * _jaw_power(link, rest)
    for _ in range(ROUNDS):
        joint = rest[1][2] + expression @ link.there.joints_expression[2].T  # [T, 3]
        unposed = [
            (_unposed(link.there, wanted, joint, jaw + turn) - rest[0]).mul(root).flatten(1)
            for turn in (torch.zeros(3), *step)
        ]
        slope = (torch.stack(unposed[1:], 1) - unposed[0][:, None]) / 1e-3  # [T, 3, 3P] m/rad
        mixed = torch.cat([slope, unposed[0][:, None]], 1)
        onto = mixed @ basis @ link.inverse
        reduced = mixed - onto @ basis.T  # what the expression cannot explain, by angle and of the residual
        hessian = slope @ reduced[:, :3].transpose(1, 2) + trust * torch.eye(3)
        gradient = (slope @ reduced[:, 3, :, None]).squeeze(-1) + trust * (jaw - start)
        change = torch.linalg.solve(hessian, gradient)
        jaw = jaw - change
        expression = onto[:, 3] - (change[:, None] @ onto[:, :3]).squeeze(1)
    return expression, jaw


def _jaw_power(link: Correspondence, rest: Rest) -> Tensor:
    """Mean square speed of the points when the jaw turns, m^2 / rad^2."""
    lever = (rest[0] - rest[1][2]) * link.there.weights[:, 2:3]
    return (link.weights[:, None] * lever.square()).sum()


def _unposed(skin: Skin, points: Tensor, joint: Tensor, jaw: Tensor) -> Tensor:
    """Where posed points [T, P, 3] rest when only the jaw [T, 3] rad turns, about `joint` [T, 3]: skinning, inverted.

    A point of jaw weight w is posed by G = (1 - w) I + w R. In the plane across the jaw's axis that is the complex
    number 1 - w + w exp(ia), so its inverse has a closed form, written with sinc to be smooth at 0.
    """
    angle = jaw.norm(dim=-1)[:, None]  # [T, 1]
    w = skin.weights[:, 2]  # [P]
    versine = 1 - angle.cos()
    inside = 1 - 2 * w * (1 - w) * versine  # |.|^2 of that number
    first = -w * torch.sinc(angle / torch.pi) / inside
    second = w * (2 * w - 1) * 0.5 * torch.sinc(angle / (2 * torch.pi)).square() / inside
    arm = points - joint[:, None]
    axis = jaw[:, None].expand_as(arm)
    once = torch.linalg.cross(axis, arm)
    back = joint[:, None] + arm + first[..., None] * once + second[..., None] * torch.linalg.cross(axis, once)
    if skin.pose_correctives is None:
        return back
    bend = (matrix_from_axis_angle(jaw) - torch.eye(3)).flatten(1)  # [T, 9]; the jaw's are the second nine
    return back - torch.einsum("pkb,tb->tpk", skin.pose_correctives[..., 9:18], bend)
