"""Turned heads beside the truth: a ball whose answers are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from flamecast.flame_motion import BadInput
from flamecast.pipelines.evaluate import heads as evaluation
from flamecast.pipelines.evaluate.head_photos import PIVOT, REACH, HeadModel, hidden, outline, rate, shifted, wall
from flamecast.pipelines.evaluate.heads import (
    FAR_SECTION,
    PHOTO,
    Shot,
    chosen_morphs,
    measure_heads,
)
from flamecast.training.completion.heads import Part, TexturedHead

SIZE, RADIUS = 96, 0.09


def ball(name="ball", middle=PIVOT, radius=RADIUS, texture=None):
    """A textured ball as a part of a head, red on the subject's left and blue on the right."""
    up, around = np.meshgrid(np.linspace(0, np.pi, 49), np.linspace(-np.pi, np.pi, 97), indexing="ij")
    normal = np.stack([np.sin(up) * np.sin(around), np.cos(up), np.sin(up) * np.cos(around)], -1).reshape(-1, 3)
    corner = np.arange(48 * 97).reshape(48, 97)[:, :-1].reshape(-1, 1)
    faces = np.concatenate([corner + [0, 97, 98], corner + [0, 98, 1]]).astype(np.int32)
    uv = np.stack([(around / (2 * np.pi) + 0.5), up / np.pi], -1).reshape(-1, 2).astype(np.float32)
    if texture is None:
        texture = np.zeros((8, 64, 3), np.uint8)
        texture[:, 32:, 0] = texture[:, :32, 2] = 220
    count = len(normal)
    blink = {"Wink": (np.arange(count), np.full((count, 3), [0, 0.01, 0]))}
    return Part(name, normal * radius + middle, faces, uv, texture, np.ones((count, 1)), np.arange(count), blink)


def ball_head(*parts):
    """A head of balls that no joint moves."""
    names = ("neck", "head", "left_eye", "right_eye", "left_shoulder", "left_arm", "right_shoulder", "right_arm")
    joints = {"root": np.zeros(3)} | {name: np.zeros(3) for name in names}
    weights = np.eye(1, len(joints))
    parts = [Part(**{**vars(p), "weights": weights.repeat(len(p.vertices), 0)}) for p in parts or (ball(),)]
    return TexturedHead("ball", tuple(parts), joints)


@pytest.fixture(scope="module")
def model():
    return HeadModel(ball_head(), {}, SIZE)


def test_a_ball_is_photographed_where_it_is(model):
    front, side, back = (model.photo(angle) for angle in (0, 90, 180))
    for photo in (front, side, back):
        rows, columns = np.nonzero(photo.head)
        assert abs(rows.mean() + 0.5 - SIZE / 2) < 0.5 > abs(columns.mean() + 0.5 - SIZE / 2)
        away = np.linalg.norm(photo.place[photo.head] - PIVOT, axis=-1)
        assert np.allclose(away, RADIUS, atol=4e-4) and np.isnan(photo.place[~photo.person]).all()
    left, right = front.picture[:, SIZE // 2 + 4 :][front.head[:, SIZE // 2 + 4 :]], front.picture[:, : SIZE // 2 - 4]
    assert (left[:, 0] > left[:, 2]).all()  # the subject's left is on the picture's right
    assert (right[front.head[:, : SIZE // 2 - 4]][:, 2] > 100).all()
    seen = side.picture[side.head]
    assert (seen[:, 0] > seen[:, 2]).mean() > 0.95  # from the subject's left, the red half
    assert np.abs(front.picture[~front.person].astype(float) - wall(SIZE)[~front.person]).max() <= 0.5


def test_what_a_photo_hides_is_known(model):
    front = model.photo(0)
    assert not hidden(front, front)[4:-4, 4:-4][front.head[4:-4, 4:-4]].mean() > 0.05  # the very rim
    side = model.photo(60)
    unseen = hidden(side, front)
    # Of a ball seen from 60 degrees, what lies more than about 90 degrees from the front is hidden.
    facing = (side.place - PIVOT)[..., 2] / RADIUS
    assert unseen[side.head & (facing < -0.05)].all() and unseen[side.head & (facing > 0.35)].mean() < 0.05
    assert hidden(model.photo(180), front)[model.photo(180).head].mean() > 0.99


def test_the_truth_is_rated_best_and_a_shift_is_forgiven(model):
    front, side = model.photo(0), model.photo(45)
    unseen = hidden(side, front)
    own = rate(side.picture, side, unseen)
    assert own["l1"] == own["hidden"] == 0 and own["ssim"] == pytest.approx(1) and own["outline"] > 0.97
    moved = cv2.warpAffine(side.picture, np.float32([[1, 0, 7], [0, 1, -5]]), (SIZE, SIZE), borderMode=1)
    assert 5 < REACH and np.array_equal(shifted(moved, side.picture, side.head)[8:-8, 8:-8], side.picture[8:-8, 8:-8])
    assert rate(moved, side, unseen)["l1"] == 0
    copied = rate(front.picture, side, unseen)
    assert copied["l1"] > 20 and copied["hidden"] > 0 and copied["ssim"] < 0.9
    smaller = HeadModel(ball_head(ball(radius=0.8 * RADIUS)), {}, SIZE).photo(45)
    assert rate(smaller.picture, side, unseen)["outline"] == pytest.approx(0.64, abs=0.04)  # of areas
    assert not outline(wall(SIZE).round().astype(np.uint8)).any()


def test_clothes_are_no_head():
    below = ball("clothes", middle=(0, -0.15, -0.07))
    photo = HeadModel(ball_head(ball(), below), {}, SIZE).photo(0)
    assert photo.person.sum() > 1.2 * photo.head.sum() and not (photo.head & ~photo.person).any()


def test_morphs_are_those_of_the_head(model):
    head = ball_head()
    assert chosen_morphs(head, None) == {} and chosen_morphs(head, "Wink=0.5") == {"Wink": 0.5}
    moved = HeadModel(head, {"Wink": 1.0}, SIZE).photo(0)
    assert np.allclose(np.nanmean(moved.place[..., 1]), np.nanmean(model.photo(0).place[..., 1]) + 0.01, atol=2e-3)
    with pytest.raises(BadInput, match="ball has no morph 'Smirk'; it has Wink"):
        chosen_morphs(head, "Smirk=1")
    with pytest.raises(BadInput, match="expected smile, open, blink or NAME=WEIGHT"):
        chosen_morphs(head, "wide")


class _Turner:
    """Draws a ball as it is from every side, or where it is not the photo's own, black."""

    head, heads = "open", ball_head()

    def __call__(self, photo, *, motion, views, size):
        angles = [float(view) for view in views.split(",")]
        frames = np.stack([HeadModel(self.heads, {}, size).photo(angle + self.turned).picture for angle in angles])
        return type("Animation", (), {"frames": frames[None]})

    turned = 0.0


@pytest.mark.parametrize("turned", [0.0, 25.0])
def test_what_is_drawn_right_is_rated_right(monkeypatch, turned):
    pipeline = _Turner()
    pipeline.turned = turned
    monkeypatch.setattr(evaluation, "AnimatePipeline", lambda generator: pipeline)
    found = measure_heads([ball_head()], "mine", Shot((-40.0, -20.0, 40.0), turned, None, SIZE))
    mine, photo = found.rows["mine"], found.rows[PHOTO]
    angles = ["-40 degrees", "-20 degrees", "40 degrees"] if turned else ["20 degrees", "40 degrees"]
    assert list(mine) == [*angles, FAR_SECTION] == list(photo)
    assert all(section["l1"] == 0 and section["ssim"] == pytest.approx(1) for section in mine.values())
    assert all(section["l1"] > 5 for section in photo.values())
    far = [photo[name]["l1"] for name in (("-40 degrees", "-20 degrees") if turned else ("40 degrees",))]
    assert photo[FAR_SECTION]["l1"] == pytest.approx(np.mean(far))
    assert len(found.parts) == 1 and not found.notes


def test_a_head_without_a_face_is_left_out_in_a_sentence():
    with pytest.raises(BadInput, match="none of 1 heads can be used: ball is left out: .*face"):
        measure_heads([ball_head()], "warp", Shot((30.0,), size=128))
