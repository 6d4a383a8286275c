"""`flamecast head`: what a head looks like and what each of its axes does, on labelled pages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...core.files import refuse_overwriting
from ...core.report import Done, check_beside, check_file, write_png
from ...core.threads import one_torch_thread
from ...flame_motion import BadInput, FlameSequence, Progress, load_head
from ...flame_motion.edit.controls import ANGLES, JOINTS, apply_controls, is_numbered
from ..request import HEAD
from .panels import Artist, Panel, Section, draw_page, pages_of

if TYPE_CHECKING:
    from ...flame_motion.heads.head import Head

COLUMNS, PANEL = 8, 224  # panels in a row, and the side of each, px
CLOSE_COLUMNS, CLOSE_PANEL = 5, 360  # the same of close-ups
FULL_TURN = {"neck": 40.0, "eyes": 25.0}  # degrees, of controls that are angles
WITH_JAW = ("mouthClose", "tongueOut")
SHOWN = 0.01  # mm; what moves less, does not


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
    columns, size = (COLUMNS, PANEL) if axes is None else (CLOSE_COLUMNS, CLOSE_PANEL)
    pages = list(pages_of(sections, columns))
    files = [output.with_name(f"{output.stem}_{k + 1}{output.suffix}") if k else output for k in range(len(pages))]
    for file in files[1:]:
        check_beside(file)
    artist = Artist(model, size)
    for number, (file, page) in enumerate(zip(files, pages)):
        if progress is not None:
            progress("pages", number, len(pages))
        picture = draw_page(artist, page, columns, f"{model.id}   page {number + 1} of {len(pages)}")
        write_png(file, picture)
    return Done(files)


# -- what is shown -----------------------------------------------------------------------------------------------------


def overview(head: Head) -> list[Section]:
    """Neutral from eight directions and in close-up, joints and lids, every expression and identity axis."""
    rest = FlameSequence.neutral(1, 25.0, head)
    around_it = [Panel(f"seen from {yaw} deg", rest, yaw, near=False) for yaw in range(-135, 181, 45)]
    closer = [Panel(f"seen from {yaw} deg", rest, yaw) for yaw in (0, 25, 50, 75, 90, -45)]
    closer += [Panel("from above", rest, 20, 35), Panel("from below", rest, 20, -35)]
    named = [name for name in head.expression_names if not is_numbered(name)]
    learned = [name for name in head.expression_names if is_numbered(name)]
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


def _moved(head: Head, rest: FlameSequence, name: str, amount: float) -> str:
    """The axis's name and its largest movement of any vertex, mm."""
    far = 1000 * float((head(posed(head, rest, name, amount)) - head(rest)).norm(dim=-1).max())
    return f"{name} {far:.1f} mm" if far > SHOWN else f"{name}: moves nothing"
