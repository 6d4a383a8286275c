"""People made up from textured heads: shapes and skins blended, hair dyed, hair exchanged, or made by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...generator.completion.atlas import (
    CENTER,
    COLUMNS,
    ROWS,
    directions_of,
    grid_faces,
    outermost,
    surface_points,
)
from ...generator.completion.seen import nearest
from .hair_masks import SkinMasks, skin_masks
from .heads import SKIN, Part, TexturedHead, blend, posed
from .wig_textures import SCALE, SHAPE
from .wigs import COVERS, Wig, hair_color, make_wig

PROCEDURAL, EXCHANGED = 0.5, 0.14  # of all people, whose hair is made by number, and is that of another head
HAIRED = 0.5  # of those without painted hair, who get another's
SHAVED = 0.12  # of those with painted hair
BLENDED = 0.75  # of all people, who have more than one parent
UNDER_HAIR = 0.002  # m that an exchanged wig stays outside the skull


@dataclass(frozen=True)
class Person:
    """A head at rest whose `hair`, if any, is its last part, and what its skin's texture shows."""

    head: TexturedHead
    masks: SkinMasks
    hair: str  # what was done: painted, bald, a name of wigs.KINDS, or exchanged


class PeopleBank:
    """Heads and the masks of their skin, from which people are drawn."""

    def __init__(self, heads: Sequence[TexturedHead]) -> None:
        self.heads = list(heads)
        self.masks = [_masks(head) for head in heads]
        kinds = [head.topology() for head in heads]
        self._kin = [kinds.index(kind) for kind in kinds]  # equal for heads that may be blended
        self.haired = [head for head in heads if head.part("hair") is not None]

    def draw(self, rng: np.random.Generator) -> Person:
        """Somebody."""
        order = rng.permutation(len(self.heads))[: rng.integers(2, 4) if rng.random() < BLENDED else 1]
        order = order[[self._kin[k] == self._kin[order[0]] for k in order]]
        parents = [self.heads[k] for k in order]
        shares = rng.dirichlet(np.full(len(parents), 1.5))
        head = blend(parents, shares)
        color = hair_color(rng)
        skin, masks = self._skin(order, rng)
        chance = rng.random()
        worn: Part | None = None
        kind = "painted" if masks.hair.max() > 0.5 else "bald"
        if chance < PROCEDURAL:
            skull, body = skull_and_body(head)
            wig = make_wig(skull, body, color, rng)
            kind, worn = wig.kind, wig_part(wig, head)
        elif (chance < PROCEDURAL + EXCHANGED or (kind == "bald" and rng.random() < HAIRED)) and self.haired:
            kind, worn = "exchanged", self._exchanged(head, color, rng)
        if kind == "painted" and rng.random() < SHAVED:
            kind = "bald"
        if kind in ("bald", "horseshoe"):
            skin = _shaved(skin, masks.hair)
            masks = SkinMasks(np.zeros_like(masks.hair), masks.collar)
        if kind not in COVERS and (worn is not None or rng.random() < 0.7):
            skin = _dyed(skin, masks.hair, color)
        parts = [_in_color(part, rng) for part in head.parts if part.name != "hair"]
        parts = [replace(part, texture=skin) if part.name == "skin" else part for part in parts]
        return Person(replace(head, parts=(*parts, *([] if worn is None else [worn]))), masks, kind)

    def _skin(self, order: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, SkinMasks]:
        """A skin texture [S, S, 3] uint8 that takes after the first two parents, and its masks, the first one's."""
        first = self.heads[order[0]].part("skin")
        assert first is not None
        masks = self.masks[order[0]]
        side = first.texture.shape[0]
        hair, collar = (_resized(mask, side) for mask in (masks.hair, masks.collar))
        out = first.texture.astype(np.float32)
        tone = np.exp(rng.normal() * 0.16) * np.exp(rng.normal(size=3) * 0.04)
        if len(order) > 1:
            second = self.heads[order[1]].part("skin")
            assert second is not None
            others = self.masks[order[1]]
            free = (1 - hair) * (1 - collar)
            share = rng.random() * 0.85
            both = free * (1 - _resized(others.hair, side)) * (1 - _resized(others.collar, side))
            means = [(t.astype(np.float32) * both[..., None]).sum((0, 1)) for t in (first.texture, second.texture)]
            gain = 1 + share * (means[1] / np.maximum(means[0], 1) - 1)
            out = out * (1 + free[..., None] * (gain - 1))
            out += share * both[..., None] * (second.texture - out)
        out = out * (1 + ((1 - hair) * (1 - collar))[..., None] * (tone - 1))
        return np.clip(out, 0, 255).astype(np.uint8), masks

    def _exchanged(self, head: TexturedHead, color: np.ndarray, rng: np.random.Generator) -> Part:
        """The hair of some head, made to fit another, dyed, now and then mirrored or cut."""
        giver = self.haired[rng.integers(len(self.haired))]
        hair = giver.part("hair")
        assert hair is not None
        vertices = (
            (hair.vertices - CENTER) * (_skull_size(head) / _skull_size(giver)) * np.exp(rng.normal(size=3) * 0.03)
        )
        faces = hair.faces
        if rng.random() < 0.5:
            vertices, faces = vertices * [-1, 1, 1], faces[:, ::-1]
        vertices = _outside(vertices * (1 + rng.uniform(0, 0.06)), head) + CENTER
        if rng.random() < 0.35:
            faces = faces[vertices[faces][..., 1].mean(1) > rng.uniform(-0.22, -0.05)]
        texture = hair.texture if rng.random() < 0.2 else _recolored(hair.texture, color)
        return _rigid(head, vertices, np.ascontiguousarray(faces), hair.uv, texture, hair.weld)


def _masks(head: TexturedHead) -> SkinMasks:
    skin = head.part("skin")
    assert skin is not None
    return skin_masks(skin, bald=head.part("hair") is not None)  # under a mesh of hair, none is painted


def _resized(mask: np.ndarray, side: int) -> np.ndarray:
    import cv2

    return cv2.resize(mask, (side, side), interpolation=cv2.INTER_LINEAR)


def _dyed(texture: np.ndarray, hair: np.ndarray, color: np.ndarray) -> np.ndarray:
    """A skin texture whose painted hair (mask [SIDE, SIDE]) has another color."""
    mask = _resized(hair, texture.shape[0])[..., None]
    if mask.sum() < 50:
        return texture
    mean = (texture * mask).sum((0, 1)) / mask.sum()
    return (texture + mask * (_shifted(texture, mean, color) - texture)).astype(np.uint8)


def _shaved(texture: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """A skin texture whose painted hair (mask [SIDE, SIDE]) is painted over in the color of the skin around it."""
    import cv2

    side = texture.shape[0]
    mask = _resized(hair, side)
    free = (mask < 0.05).astype(np.float32)[..., None]
    skin = np.median(texture[int(0.35 * side) : int(0.55 * side), int(0.3 * side) : int(0.6 * side)].reshape(-1, 3), 0)
    reach = (0, 0), side / 24
    weight = cv2.GaussianBlur(free, *reach)[..., None]
    near = cv2.GaussianBlur(texture * free, *reach) / np.maximum(weight, 1e-3)
    filled = skin + np.clip(4 * weight, 0, 1) * (near - skin)
    cover = np.clip(1.5 * cv2.GaussianBlur(mask, (0, 0), 2.0), 0, 1)[..., None]
    return np.clip(texture + cover * (filled - texture), 0, 255).astype(np.uint8)


def _recolored(texture: np.ndarray, color: np.ndarray) -> np.ndarray:
    return _shifted(texture, texture.reshape(-1, 3).mean(0), color).astype(np.uint8)


def _shifted(texture: np.ndarray, mean: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Colors moved from one mean to another, their contrast growing with the brightness."""
    gain = np.clip((color.mean() + 25) / (mean.mean() + 25), 0.5, 2.2)
    return np.clip(color + (texture - mean) * gain, 0, 255)


def _in_color(part: Part, rng: np.random.Generator) -> Part:
    """Clothes in another color."""
    if part.name != "clothes" or rng.random() < 0.3:
        return part
    color = rng.uniform(15, 235, 3) * rng.uniform(0.4, 1)
    cloth = part.texture.astype(np.float32)
    own = np.median(cloth.reshape(-1, 3), 0)
    near = np.exp(-((np.linalg.norm(cloth - own, axis=-1, keepdims=True) / 60) ** 2))  # bare arms are no cloth
    dyed = np.clip(cloth * (color + 10) / (own + 10), 0, 255)
    return replace(part, texture=(cloth + near * (dyed - cloth)).astype(np.uint8))


def skull_and_body(head: TexturedHead) -> tuple[np.ndarray, np.ndarray]:
    """Distance [H, W] m of a head's skin at rest, and of skin and clothes; 0 where there is none."""
    meshes = posed(head, {})
    of = lambda names: outermost(*_joined([  # noqa: E731
        (v, p.faces) for v, p in zip(meshes, head.parts) if p.name in names
    ]))[0]  # fmt: skip
    return of(SKIN), of((*SKIN, "clothes"))


def _joined(meshes: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of several meshes as one."""
    first = np.cumsum([0, *(len(v) for v, _ in meshes)])
    return np.concatenate([v for v, _ in meshes]), np.concatenate([f + k for (_, f), k in zip(meshes, first)])


def wig_part(wig: Wig, head: TexturedHead) -> Part:
    """A wig as a mesh that follows the head; its last column is the first one again, for the texture's sake."""
    rows, columns = SHAPE
    points = surface_points(wig.radius)
    top = CENTER + [0, float(wig.radius[0].mean()), 0]
    vertices = np.concatenate([points.reshape(-1, 3), points[:, 0], top[None]])
    row, column = np.mgrid[0:rows, 0:columns]
    uv = np.stack([(column + 0.5) / columns, (row + 0.5) / rows], -1).reshape(-1, 2)
    seam = np.stack([np.ones(rows), uv.reshape(rows, columns, 2)[:, 0, 1]], -1)
    uv = np.concatenate([uv, seam, [[0.5, 0.0]]]).astype(np.float32)
    faces = grid_faces(SCALE).copy()
    there = np.append(wig.there.ravel(), wig.there[0].all())
    faces = faces[there[faces].all(1)]
    over_seam = (faces % columns).max(1) - (faces % columns).min(1) > columns // 2
    over_seam &= (faces < rows * columns).all(1)
    wraps = over_seam[:, None] & (faces % columns == 0)
    weld = np.concatenate([np.arange(rows * columns), np.arange(rows) * columns, [rows * columns]]).astype(np.int32)
    faces = np.where(
        wraps, rows * columns + faces // columns, np.where(faces == rows * columns, len(vertices) - 1, faces)
    )
    return _rigid(head, vertices, faces.astype(np.int32), uv, wig.texture, weld)


def _rigid(
    head: TexturedHead, vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, texture: np.ndarray, weld: np.ndarray
) -> Part:  # fmt: skip
    """Hair that turns with the skull."""
    weights = np.zeros((len(vertices), len(head.joints)))
    weights[:, list(head.joints).index("head")] = 1
    return Part("hair", vertices, faces, uv, texture, weights, weld, {})


def _skull_size(head: TexturedHead) -> np.ndarray:
    """[3] m: how wide, high and deep the upper half of the head is, from the atlas's centre."""
    skin = head.part("skin")
    assert skin is not None
    upper = skin.vertices[skin.vertices[:, 1] > 0] - CENTER
    return np.array([np.abs(upper[:, 0]).max(), upper[:, 1].max(), -upper[:, 2].min()])


def _outside(offset: np.ndarray, head: TexturedHead) -> np.ndarray:
    """Points [N, 3] m from the atlas's centre, those inside the skull moved out of it."""
    skull = skull_and_body(head)[0]
    skull = skull[nearest(skull > 0)]
    row, column = directions_of(offset + CENTER)
    level = np.hypot(offset[:, 0], offset[:, 2])
    wanted = skull[np.clip(row, 0, ROWS - 1).astype(int), column.astype(int) % COLUMNS] + UNDER_HAIR
    own = np.where(offset[:, 1] > 0, np.linalg.norm(offset, axis=1), level)
    grow = np.maximum(wanted / np.maximum(own, 1e-3), 1)
    return offset * np.stack([grow, np.where(offset[:, 1] > 0, grow, 1), grow], -1)
