"""`flamecast head`: what a head looks like and what each of its axes does, on labelled pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..flame_motion import BadInput, FlameSequence, load_head
from ..flame_motion.controls import ANGLES, JOINTS, apply_controls
from ..flame_motion.files import atomic_path, check_writable, refuse_overwriting
from ..flame_motion.heads import PARTS
from ..flame_motion.looks import LOOKS, face_looks
from ..flame_motion.threads import one_torch_thread
from ..renderer import Cameras, around, clip, interpolate_fast, pinhole, rasterize, still, vertex_normals
from .console import Progress
from .options import HEAD
from .report import Done, check_file

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..flame_motion.heads import Head

COLUMNS, ROWS = 8, 5  # panels on a page
PANEL, CLOSE_UP = 224, 360  # px, side of a panel
LABEL = 18  # px, below each panel
FINER = 2  # each pixel is the mean of so many squared
KEY = (0.80, 0.30, 0.52)  # toward the main light, camera axes x right, y up, z to the camera: from the side
FILL = (-0.70, 0.10, 0.70)
AMBIENT, KEY_SHARE, FILL_SHARE, SHINE = 0.17, 0.80, 0.27, 0.12
PAPER, INK, INSIDE_OUT = (0.20, 0.21, 0.23), (235, 235, 235), (0.85, 0.0, 0.75)
FACE = ("face", "lips", "lids")
FULL_TURN = {"neck": 40.0, "eyes": 25.0}  # degrees, of controls that are angles
WITH_JAW = ("mouthClose", "tongueOut")
SHOWN = 0.01  # mm; what moves less, does not


@dataclass(frozen=True)
class Panel:
    """One picture: a pose of the head, seen from an angle."""

    label: str
    pose: FlameSequence  # one frame
    yaw: float = 0.0  # degrees the camera goes round, to the subject's left
    elevation: float = 0.0  # degrees up
    near: bool = True  # the face fills it; otherwise the whole head


@dataclass(frozen=True)
class Section:
    """Panels under one title."""

    title: str
    panels: list[Panel]


@one_torch_thread()
def write_head_sheet(
    head: str = HEAD, output: Path = Path("head.png"), *, axes: str | None = None, progress: Progress | None = None
) -> Done:
    """Draws a head (name or file) to OUTPUT.png and, where it takes more pages, OUTPUT_2.png and so on.

    axes: names of axes or controls, comma separated, to see those only, larger and from several sides. BadInput for an
    output that cannot be written and for unknown names.
    """
    check_file(output, ".png")
    model = load_head(head)
    refuse_overwriting([head], [output])
    sections = overview(model) if axes is None else [close_up(model, name.strip()) for name in axes.split(",")]
    columns, size = (COLUMNS, PANEL) if axes is None else (5, CLOSE_UP)
    pages = list(_pages(sections, columns))
    files = [output.with_name(f"{output.stem}_{k + 1}{output.suffix}") if k else output for k in range(len(pages))]
    for file in files:
        check_writable(file)
    artist = Artist(model, size)
    for number, (file, page) in enumerate(zip(files, pages)):
        if progress is not None:
            progress("pages", number, len(pages))
        picture = _draw_page(artist, page, columns, f"{model.id}   page {number + 1} of {len(pages)}")
        with atomic_path(file) as hidden:
            picture.save(hidden, format="PNG")
    return Done(files)


# -- what is shown -----------------------------------------------------------------------------------------------------


def overview(head: Head) -> list[Section]:
    """Neutral from eight directions and in close-up, joints and lids, every expression and identity axis."""
    rest = FlameSequence.neutral(1, 25.0, head)
    around_it = [Panel(f"seen from {yaw} deg", rest, yaw, near=False) for yaw in range(-135, 181, 45)]
    closer = [Panel(f"seen from {yaw} deg", rest, yaw) for yaw in (0, 25, 50, 75, 90, -45)]
    closer += [Panel("from above", rest, 20, 35), Panel("from below", rest, 20, -35)]
    named = [name for name in head.expression_names if not _is_learned(name)]
    learned = [name for name in head.expression_names if _is_learned(name)]
    sections = [Section("neutral", [*around_it, *closer]), Section("joints and lids", _joint_panels(head, rest))]
    if named:
        sections.append(
            Section("expression axes at 1", [panel for name in named for panel in _named(head, rest, name)])
        )
    if learned:
        sections.append(Section("learned expression axes at -1 and +1", _both_ways(head, rest, learned, 1.0)))
    identity = [f"identity_{k:02d}" for k in range(min(head.identity.shape[-1], 40))]
    sections.append(Section("identity axes at -2 and +2 standard deviations", _both_ways(head, rest, identity, 2.0)))
    return sections


def close_up(head: Head, name: str) -> Section:
    """One axis or control, half and full, from four sides. BadInput where the head has none of this name."""
    rest = FlameSequence.neutral(1, 25.0, head)
    full = 2.0 if name.startswith("identity_") else math.radians(FULL_TURN[ANGLES[name][0]]) if name in ANGLES else 1.0
    half, whole = posed(head, rest, name, full / 2), posed(head, rest, name, full)
    label, near = _moved(head, rest, name, full), ANGLES.get(name, ("",))[0] != "neck"
    views = [Panel(label, whole, _side(name) * yaw, near=near) for yaw in (0, 40, 90)]
    return Section(name, [Panel("neutral", rest, near=near), Panel("half", half, near=near), *views])


def posed(head: Head, rest: FlameSequence, name: str, amount: float) -> FlameSequence:
    """The rest pose with one axis (expression name or identity_NN) or control at `amount`. BadInput if unknown."""
    if name.startswith("identity_"):
        number = name.removeprefix("identity_")
        if not number.isdecimal() or int(number) >= head.identity.shape[-1]:
            raise BadInput(f"axis {name!r}: the head has identity_00 to identity_{head.identity.shape[-1] - 1:02d}")
        shape = torch.zeros(head.identity.shape[-1])
        shape[int(number)] = amount
        return replace(rest, shape=shape)
    return apply_controls(rest, {name: amount}, head)


def _joint_panels(head: Head, rest: FlameSequence) -> list[Panel]:
    both = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
    shown: list[tuple[str, dict[str, float], float]] = [
        ("lids half shut", dict.fromkeys(both, 0.5), 0),
        ("lids shut", both, 0),
        ("lids shut", both, 50),
        ("blink left", {"eyeBlinkLeft": 1.0}, 0),
    ]
    shown += [("jaw 12 deg", {"jawOpen": 12 / 25}, 0)]
    shown += [("jaw 25 deg", {"jawOpen": 1.0}, yaw) for yaw in (0, 40, 90)]
    shown += [(name, {name: 1.0}, 0) for name in ("jawLeft", "jawRight")]
    for side in ("Up", "Down", "In", "Out"):
        pair = {name: 1.0 for name in JOINTS if name.startswith(f"eyeLook{side}")}
        shown.append((f"eyes {side.lower()}", pair, 0))
    shown.append(("eyes left, lids 0.3", {"gazeYaw": math.radians(25), "eyeBlinkLeft": 0.3, "eyeBlinkRight": 0.3}, 0))
    panels = [Panel(label, apply_controls(rest, values, head), yaw) for label, values, yaw in shown]
    turns = ("yaw", -40, 0), ("yaw", 40, 0), ("yaw", 40, 140), ("pitch", -40, 0), ("pitch", -40, 70)
    for name, degrees, yaw in (*turns, ("pitch", 40, 0), ("pitch", 40, 70), ("roll", -40, 0), ("roll", 40, 0)):
        turned = apply_controls(rest, {name: math.radians(degrees)}, head)
        panels.append(Panel(f"{name} {degrees:+d} deg", turned, yaw, near=False))
    return panels


def _named(head: Head, rest: FlameSequence, name: str) -> list[Panel]:
    """An axis from the front and from its own side; those that go with an open jaw, with it on the second."""
    alone, label = posed(head, rest, name, 1.0), _moved(head, rest, name, 1.0)
    if name in WITH_JAW:
        return [Panel(label, alone), Panel(f"{name}, jaw open", apply_controls(alone, {"jawOpen": 0.6}, head))]
    return [Panel(label, alone), Panel(label, alone, _side(name) * 40)]


def _side(name: str) -> int:
    """The side to look from: -1 for what happens on the subject's right, otherwise 1."""
    return -1 if name.endswith("Right") else 1


def _both_ways(head: Head, rest: FlameSequence, names: Iterable[str], amount: float) -> list[Panel]:
    """Each axis down and up; what changes identity is seen from the side too."""
    panels = []
    for name in names:
        yaws = (20, 90) if name.startswith("identity_") else (15,)
        for sign in (-amount, amount):
            label = f"{name} {sign:+g}"
            panels += [Panel(label, posed(head, rest, name, sign), yaw, near=len(yaws) == 1) for yaw in yaws]
    return panels


def _is_learned(name: str) -> bool:
    """Whether an expression axis has a number instead of a meaning."""
    return name.rsplit("_", 1)[-1].isdecimal()


def _moved(head: Head, rest: FlameSequence, name: str, amount: float) -> str:
    """The axis's name and by how many millimetres it moves what it moves most."""
    far = 1000 * float((head(posed(head, rest, name, amount)) - head(rest)).norm(dim=-1).max())
    return f"{name} {far:.1f} mm" if far > SHOWN else f"{name}: moves nothing"


# -- drawing -----------------------------------------------------------------------------------------------------------


class Artist:
    """Draws poses of one head, all to the same scale and in the same light."""

    def __init__(self, head: Head, size: int) -> None:
        self.head, self.size = head, size
        self.color = torch.tensor([look.color for look in LOOKS])[face_looks(head)].numpy()  # [F, 3] sRGB
        shiny = torch.tensor([1.0 - look.roughness for look in LOOKS])[face_looks(head)]
        self.shine = SHINE * shiny.numpy() / 0.4
        on_face = torch.isin(head.part, torch.tensor([PARTS.index(part) for part in FACE]))
        self.cameras = {
            True: self._framing(head.template[head.faces[on_face if bool(on_face.any()) else slice(None)].unique()]),
            False: self._framing(head.template),
        }

    def _framing(self, points: Tensor) -> tuple[Cameras, Tensor]:
        """A camera from the front that holds all `points` [M, 3] m however it goes round them, and its pivot [3]."""
        middle = (points.amin(0) + points.amax(0)) / 2
        reach = float((points - middle).norm(dim=1).quantile(0.98))
        distance, pixels = 6 * reach, self.size * FINER
        pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
        pose[:3, 3] = torch.tensor([0.0, 0.0, distance]) - pose[:3, :3] @ middle
        focal = 0.48 * pixels * distance / reach
        return pinhole(pixels, pixels, focal=focal, camera_from_world=pose), middle

    def draw(self, panel: Panel) -> np.ndarray:
        """One panel, uint8 [size, size, 3]. What is seen from behind is pink: a flipped face, or a look inside."""
        base, pivot = self.cameras[panel.near]
        camera = around(base, pivot, still(float(panel.yaw), float(panel.elevation)))
        vertices, faces = self.head(panel.pose), self.head.faces
        corners = clip(camera, vertices)[0]  # [1, N, 4]
        seen = rasterize(corners, faces, camera.height, camera.width)  # [1, H, W]
        turn = camera.camera_from_world[0, :3, :3] * torch.tensor([[1.0], [-1.0], [-1.0]])
        normals = vertex_normals(vertices[0], faces) @ turn.T
        normal = interpolate_fast(seen, corners, faces, normals[None], unit=True)[0]
        index = seen[0].numpy().clip(0)
        # The light stays on the side away from which the face looks, so that it always grazes.
        light = self._lit(normal * np.array([1 if panel.yaw >= 0 else -1, 1, 1], np.float32), index)
        light[_from_behind(corners[0], faces).numpy()[index]] = INSIDE_OUT
        light[seen[0].numpy() < 0] = PAPER
        fine = light.reshape(self.size, FINER, self.size, FINER, 3).mean((1, 3))
        return (fine.clip(0, 1) * 255 + 0.5).astype(np.uint8)

    def _lit(self, normal: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Colours [H, W, 3] of unit normals [H, W, 3] (x right, y up, z to the camera) on the faces `index` [H, W]."""
        key, fill = (np.array(d, np.float32) / np.linalg.norm(d) for d in (KEY, FILL))
        halfway = (key + (0, 0, 1)) / np.linalg.norm(key + (0, 0, 1))
        diffuse = AMBIENT + KEY_SHARE * (normal @ key).clip(0) + FILL_SHARE * (normal @ fill).clip(0)
        gloss = self.shine[index] * (normal @ halfway).clip(0) ** 40
        return self.color[index] * diffuse[..., None] + gloss[..., None]


def _from_behind(corners: Tensor, faces: Tensor) -> Tensor:
    """Which faces [F] turn their back to the camera, from clip space [N, 4] (y down: outside is anticlockwise)."""
    place = corners[:, :2] / corners[:, 3:]
    a, b, c = place[faces].unbind(1)
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] > 0


def _pages(sections: Sequence[Section], columns: int) -> Iterable[list[tuple[str | None, list[Panel]]]]:
    """Rows of panels, `ROWS` a page; the title stands above a section's first row, and above each page's."""
    page: list[tuple[str | None, list[Panel]]] = []
    for section in sections:
        rows = [section.panels[start : start + columns] for start in range(0, len(section.panels), columns)]
        for number, row in enumerate(rows):
            if len(page) == ROWS:
                yield page
                page = []
            page.append((section.title if number == 0 or not page else None, row))
    yield page


def _draw_page(artist: Artist, rows: list[tuple[str | None, list[Panel]]], columns: int, heading: str) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    small, large = ImageFont.load_default(13), ImageFont.load_default(20)
    title_height = 30
    height = sum(artist.size + LABEL + (title_height if title else 0) for title, _ in rows)
    paper = tuple(round(255 * share) for share in PAPER)
    page = Image.new("RGB", (columns * artist.size, height), paper)
    pen = ImageDraw.Draw(page)
    top = 0
    for number, (title, panels) in enumerate(rows):
        if title:
            pen.text((8, top + 4), title, INK, large)
            if number == 0:
                pen.text((page.width - 8, top + 8), heading, INK, small, anchor="ra")
            top += title_height
        for column, panel in enumerate(panels):
            left = column * artist.size
            page.paste(Image.fromarray(artist.draw(panel)), (left, top))
            pen.text((left + artist.size / 2, top + artist.size + 1), panel.label, INK, small, anchor="ma")
        top += artist.size + LABEL
    return page
