"""`flamecast head`: the pages show the head that was given, lit and framed, and every axis of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.heads.head import PARTS
from flamecast.flame_motion.heads.materials import MATERIALS, face_materials
from flamecast.pipelines.sheets.head_sheet import close_up, overview, posed, write_head_sheet
from flamecast.pipelines.sheets.panels import INSIDE_OUT, PAPER, Artist, Panel

HEAD = load_head()
REST = FlameSequence.neutral(1, 25.0, HEAD)


def is_color(picture: np.ndarray, color: tuple[float, float, float]) -> np.ndarray:
    return (np.abs(picture.astype(int) - np.round(255 * np.array(color))) <= 1).all(-1)


@pytest.fixture(scope="module")
def artist() -> Artist:
    return Artist(HEAD, 96)


def test_every_axis_is_shown_and_every_direction():
    sections = {section.title: section.panels for section in overview(HEAD)}
    assert {panel.yaw for panel in sections["neutral"] if not panel.near} == {-135, -90, -45, 0, 45, 90, 135, 180}
    expressions = torch.cat([panel.pose.expression for panels in sections.values() for panel in panels])
    assert ((expressions == 1).sum(0) > 0).all()
    shapes = torch.stack([panel.pose.shape for panels in sections.values() for panel in panels])
    assert ((shapes == 2).sum(0) > 0).all() and ((shapes == -2).sum(0) > 0).all()
    labels = [panel.label for panels in sections.values() for panel in panels]
    assert all(any(label.startswith(name) for label in labels) for name in HEAD.expression_names)


@pytest.mark.parametrize("far, label", [(0.0123, "mouthSmileLeft 12.3 mm"), (0.0, "mouthSmileLeft: moves nothing")])
def test_a_label_says_how_far_the_axis_moves(far, label):
    expression = HEAD.expression.clone()
    axis = HEAD.expression_names.index("mouthSmileLeft")
    expression[..., axis] = 0
    expression[7, 1, axis] = far
    assert close_up(replace(HEAD, expression=expression), "mouthSmileLeft").panels[2].label == label


@pytest.mark.parametrize("yaw", [0, 45, 90, 180, -90])
def test_the_head_is_in_the_frame_and_nothing_is_inside_out(artist, yaw):
    picture = artist.draw(Panel("", REST, yaw, near=False))
    paper = is_color(picture, PAPER)
    edge = np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]])
    assert edge.all() and 0.15 < (~paper).mean() < 0.8
    assert is_color(picture, INSIDE_OUT).mean() < 0.002  # at most the rim of the open neck


def test_what_is_turned_inside_out_is_pink():
    flipped = replace(HEAD, faces=HEAD.faces[:, [0, 2, 1]], uv_faces=HEAD.uv_faces[:, [0, 2, 1]])
    picture = Artist(flipped, 64).draw(Panel("", REST))
    seen = ~is_color(picture, PAPER)
    assert is_color(picture, INSIDE_OUT)[seen].mean() > 0.95


def test_the_left_is_the_subjects_left(artist):
    """A wink of the subject's left eye changes the right half of a picture from the front."""
    wink = artist.draw(Panel("", posed(HEAD, REST, "eyeBlinkLeft", 1.0))).astype(int)
    changed = np.abs(wink - artist.draw(Panel("", REST))).sum(-1) > 30
    assert changed[:, 48:].sum() > 5 and changed[:, :48].sum() == 0


def test_looks_are_where_they_belong():
    materials = face_materials(HEAD)
    names = [material.name for material in MATERIALS]
    eyes = torch.isin(HEAD.part, torch.tensor([PARTS.index("eye_left"), PARTS.index("eye_right")]))
    for name, radius in (("iris", 0.0059), ("pupil", 0.0023)):
        chosen = materials == names.index(name)
        assert eyes[chosen].all()
        for eye in ("eye_left", "eye_right"):
            faces = HEAD.faces[chosen & (HEAD.part == PARTS.index(eye))]
            points = HEAD.template[faces.unique()]
            assert float((points.amax(0) - points.amin(0))[:2].max()) / 2 == pytest.approx(radius, rel=0.15)
    assert (materials[HEAD.part == PARTS.index("face")] == names.index("skin")).all()


def test_the_pages_are_pictures(tmp_path):
    done = write_head_sheet(output=tmp_path / "head.png", axes="jawOpen, identity_03")
    assert done.files == [tmp_path / "head.png"] and sorted(tmp_path.iterdir()) == done.files
    with Image.open(done.files[0]) as page:
        assert page.size[0] == 5 * 360 and page.size[1] > 2 * 360 and page.mode == "RGB"


@pytest.mark.parametrize("name", ["identity_99", "identity_", "identity_-1", "smirkle", ""])
def test_unknown_axes_are_refused(name):
    with pytest.raises(BadInput):
        posed(HEAD, REST, name, 1.0)
