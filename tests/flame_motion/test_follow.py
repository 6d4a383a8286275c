"""One person is followed, however the others move; cuts are seen, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from flamecast.flame_motion import VideoClip
from flamecast.flame_motion.tracking.detector import MediaPipeDetector
from flamecast.flame_motion.tracking.follow import PATIENCE, Appearance, Follower
from flamecast.flame_motion.tracking.landmarks import Face
from flamecast.flame_motion.tracking.shots import CutDetector, Shot, shot_notes, shots_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FPS = 25.0


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, Face, Face]:
    """A picture with one person at the left and, mirrored top to bottom in looks, another at the right."""
    photo = astronaut()
    face = MediaPipeDetector().faces(photo)[0]
    other = (255 - photo)[:, ::-1]  # its negative is nobody we know
    x = face.points.copy()
    x[:, 0] += 2 * photo.shape[1] / 2
    return np.hstack([photo, other[:, ::-1]]), face, Face(x)


def test_the_other_person_is_not_taken_while_the_first_is_hidden(scene):
    image, first, other = scene
    follower = Follower(FPS)
    assert follower.choose(image, [first, other]) is not None
    for _ in range(20):
        assert follower.choose(image, [other]) is None
    again = follower.choose(image, [other, first])
    assert again is not None and again.person == 0 and np.array_equal(again.points, first.points)


def test_who_does_not_come_back_is_replaced_and_counted(scene):
    image, first, other = scene
    follower = Follower(FPS)
    follower.choose(image, [first])
    taken = [follower.choose(image, [other]) for _ in range(round(PATIENCE * FPS) + 1)]
    assert taken[:-1] == [None] * round(PATIENCE * FPS)
    assert taken[-1] is not None and taken[-1].person == 1


def test_after_a_cut_a_known_face_is_known_again_and_a_new_one_is_new(scene):
    image, first, other = scene
    follower = Follower(FPS)
    people = []
    for face in (first, other, first):
        follower.cut()
        chosen = follower.choose(image, [face])
        assert chosen is not None
        people.append(chosen.person)
    assert people == [0, 1, 0]


def test_points_that_jump_onto_somebody_else_are_refused(scene):
    image, first, other = scene
    follower = Follower(FPS)
    follower.choose(image, [first])
    assert follower.goes_on(image, first) is not None
    assert follower.goes_on(image, other) is None


def test_a_look_is_like_itself_in_any_light(scene):
    image, first, other = scene
    seen = Appearance.at(image, first)
    assert seen.likeness(Appearance.at(image, first)) == pytest.approx(1)
    assert seen.likeness(Appearance.at((0.7 * image).astype(np.uint8), first)) > 0.8
    assert seen.likeness(Appearance.at(image, other)) < 0.2


def test_a_new_picture_is_a_cut_and_half_a_picture_covered_is_not():
    photo = astronaut()
    covered = photo.copy()
    covered[:, :220] = 0
    frames = [photo, photo, covered, covered, photo, 255 - photo, 255 - photo]
    detector = CutDetector()
    assert [detector.feed(frame) for frame in frames] == [False] * 5 + [True, False]


def _row(places: list[float | None]) -> np.ndarray:
    """Landmarks [T, 478, 3] px of a face of 100 px at x; NaN for None."""
    face = np.random.default_rng(0).uniform(0, 100, (478, 3))
    return np.stack([np.full((478, 3), np.nan) if x is None else face + [x, 0, 0] for x in places])


def test_shots_part_where_a_cut_moves_the_face_or_the_person_changes():
    still, gap = _row([0, 0, 0, 0]), _row([0, None, 200, 200])
    same = np.zeros(4, int)
    assert shots_of(still, same, [2]) == [Shot(0, 4, 0)]  # a flash
    assert shots_of(gap, same, [1]) == [Shot(0, 1, 0), Shot(1, 4, 0)]
    assert shots_of(gap, np.array([0, 0, 1, 1]), []) == [Shot(0, 2, 0), Shot(2, 4, 1)]
    assert shots_of(_row([None, None]), np.zeros(2, int), [1]) == [Shot(0, 2, 0)]


def test_notes_say_when_and_who():
    cut, taken = shot_notes([Shot(0, 50, 0), Shot(50, 80, 1), Shot(80, 99, 2)], [50], FPS)
    assert cut == "from 2.00 s on another shot begins, with another face: it is counted from its own rest and place"
    assert taken == "from 3.20 s on another face is followed: the one before did not come back"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "inputs" / "two_people.mp4").exists(), reason="no real media: ../shared/data")
def test_the_one_who_was_hidden_is_followed_again():
    faces = list(MediaPipeDetector().track(VideoClip.open(DATA / "inputs" / "two_people.mp4"), FPS))
    seen = [face for face in faces if face is not None]
    assert all(face.points[:, 0].mean() < 200 and face.person == 0 for face in seen)
    hidden = [k for k, face in enumerate(faces) if face is None]
    assert 18 <= len(hidden) <= 24 and hidden[0] == 20 and faces[-1] is not None


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "clips").exists(), reason="no real media: ../shared/data")
@pytest.mark.parametrize("clip", sorted((DATA / "clips").glob("*.mp4")), ids=lambda path: path.stem)
def test_no_real_clip_of_one_person_is_cut(clip):
    detector = CutDetector()
    assert not any(detector.feed(frame) for frame in VideoClip.open(clip))
