"""Footage of people who talk, and what training makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import signal

from flamecast.drivers.speech.articulation import Articulation, ArticulationConfig, add_emotion, close_contacts
from flamecast.drivers.speech.audio_features import FPS
from flamecast.drivers.speech.head_motion import sound_tokens
from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.retargeting.mouth import mouth_of
from flamecast.training.speech import augment
from flamecast.training.speech.facegood import facegood_footage, facegood_takes
from flamecast.training.speech.footage import Footage, footage_of, load_footage, measured_mouth, offset_of
from flamecast.training.speech.judge import FRAMES as JUDGED
from flamecast.training.speech.judge import Judge, JudgeConfig, sync_wins

HEAD = load_head()
MOUTH = mouth_of(HEAD)
FACEGOOD = Path(__file__).parents[2].parent / "shared" / "data" / "talk" / "facegood"


def _footage(frames: int = 200, speaker: str = "she") -> Footage:
    """A mouth that opens by chance, with a tone as loud as it is open."""
    rng = torch.Generator().manual_seed(1)
    opening = torch.nn.functional.avg_pool1d(torch.rand(1, 1, frames + 6, generator=rng), 7, 1)[0, 0]
    opening = ((opening - opening.min()) / 4).float()
    jaw = torch.stack([opening, torch.zeros(frames), torch.zeros(frames)], 1)
    motion = replace(FlameSequence.neutral(frames, FPS, HEAD), jaw=jaw, neck=0.1 * jaw.flip(1))
    gaps = torch.cat([jaw, motion.expression], 1) @ MOUTH.gaps
    time = torch.arange(frames * 640) / 16000
    samples = (600 * time).sin() * opening.repeat_interleave(640)
    return Footage("clip", speaker, samples, motion, gaps, torch.ones(frames, dtype=torch.bool))


def test_footage_comes_back_from_its_file(tmp_path):
    clip = _footage()
    clip.save(tmp_path / "a.npz")
    (back,) = load_footage(tmp_path)
    assert (back.name, back.speaker, back.offset) == ("clip", "she", 0.0)
    for name in ("mouth", "seen"):
        assert torch.equal(getattr(back, name), getattr(clip, name))
    assert torch.equal(back.motion.jaw, clip.motion.jaw) and torch.equal(back.motion.neck, clip.motion.neck)
    assert torch.allclose(back.samples, clip.samples, atol=1e-4)
    with pytest.raises(BadInput, match="expected a folder with footage"):
        load_footage(tmp_path / "nowhere")
    np.savez(tmp_path / "b.npz", other=np.zeros(3))
    with pytest.raises(BadInput, match="is no footage"):
        load_footage(tmp_path)


@pytest.mark.parametrize("late", [-0.2, -0.08, 0.0, 0.12, 0.4])
def test_a_picture_that_is_late_is_found_out_and_mended(late):
    clip = _footage()
    shown = clip.moved(late)  # the picture comes `late` seconds after what the sound makes
    offset, fit = offset_of(shown, clip.mouth)
    assert offset == pytest.approx(-late, abs=0.001) and fit > 0.98
    mended = shown.moved(offset)
    inside = slice(12, -12)
    assert torch.allclose(mended.mouth[inside], clip.mouth[inside], atol=0.02)
    assert int((~shown.seen).sum()) == pytest.approx(abs(late) * FPS, abs=1)


def test_what_a_mouth_does_is_measured_in_distances_of_the_eyes_whatever_the_size():
    points = np.random.default_rng(0).normal(0, 50, (30, 478, 3))
    for pair, apart in (((13, 14), 20.0), ((82, 87), 10.0), ((312, 317), 5.0), ((61, 291), 60.0), ((33, 263), 100.0)):
        points[:, pair[1], :2] = points[:, pair[0], :2] + [0, apart]
    assert measured_mouth(points) == pytest.approx(np.tile([0.2, 0.1, 0.05, 0.6], (30, 1)))
    assert measured_mouth(3 * points) == pytest.approx(measured_mouth(points))


def test_a_tracked_clip_is_counted_from_where_the_lips_meet():
    points = np.random.default_rng(0).normal(0, 1, (60, 478, 3))
    for pair in ((82, 87), (312, 317), (13, 14)):
        points[:, pair[1], :2] = points[:, pair[0], :2] + np.where(np.arange(60) % 4 == 0, 0.0, 20.0)[:, None] * [0, 1]
    points[:, 263, :2], points[:, 33, :2] = [100.0, 0.0], 0.0
    points[7] = np.nan
    smile = 0.3 * torch.ones(60, 63)
    smile[torch.arange(60) % 4 > 0] += 0.2
    motion = replace(FlameSequence.neutral(60, 30.0, HEAD), expression=smile)
    clip = footage_of("c", "he", torch.zeros(32000), motion, points)
    assert len(clip.mouth) == len(clip.motion) == 50 and not bool(clip.seen[6]) and int(clip.seen.sum()) == 49
    assert clip.motion.expression[0].abs().max() < 1e-6  # the first frame is shut
    assert float(clip.motion.expression[:, 0].max()) == pytest.approx(0.2, abs=1e-5)
    with pytest.raises(BadInput, match="expected a second with a face, got 24"):
        footage_of("c", "he", torch.zeros(32000), motion[:24], np.nan_to_num(points[10:34]))


@pytest.mark.parametrize("change", [change for change, _ in augment.CHANGES], ids=lambda change: change.__name__)
def test_other_voices_and_rooms_keep_the_timing(change):
    if change.__name__ == "_pitch":
        pytest.importorskip("librosa", reason="librosa comes with the extra `train`")
    rng = np.random.default_rng(0)
    syllables = np.repeat(rng.random(20) > 0.5, 1600).astype(np.float32)
    sound = (np.sin(np.arange(32000) * 0.1) * syllables * 0.3).astype(np.float32)
    made = change(sound, np.random.default_rng(3))
    assert made.shape == sound.shape and made.dtype == np.float32 and not np.array_equal(made, sound)
    loud = [np.sqrt(np.convolve(x.astype(float) ** 2, np.ones(400) / 400, "same")) for x in (sound, made)]
    likeness = signal.correlate(*(x - x.mean() for x in loud), "same")
    assert abs(int(likeness.argmax()) - 16000) < 480  # 30 ms
    assert np.corrcoef(*loud)[0, 1] > 0.7


@pytest.mark.parametrize("codec", augment.CODECS, ids=lambda codec: codec[0])
def test_a_codecs_delay_is_taken_back(codec, monkeypatch):
    monkeypatch.setattr(augment, "CODECS", (codec,))
    rng = np.random.default_rng(0)
    sound = np.convolve(rng.normal(size=24000), signal.firwin(101, 0.3), "same").astype(np.float32) * 0.3
    made = augment._codec(sound, rng)
    middle = slice(4000, 20000)
    assert abs(int(signal.correlate(made[middle], sound[middle], "same").argmax()) - 8000) <= 2


def test_a_faster_clip_says_the_same_in_less_time():
    clip = _footage()
    fast = augment.faster(clip, 1.25)
    assert len(fast.mouth) == len(fast.motion) == 160 and len(fast.samples) == len(clip.samples) / 1.25
    assert torch.allclose(fast.mouth[80], clip.mouth[100], atol=1e-6)


def test_lips_that_nearly_meet_meet_and_others_stay():
    rng = torch.Generator().manual_seed(0)
    face = torch.cat([torch.rand(400, 1, generator=rng) * 0.1 - 0.02, torch.zeros(400, 2),
                      0.1 * torch.randn(400, 63, generator=rng)], 1)  # fmt: skip
    made = close_contacts(face, MOUTH, 0.012)
    before, after = ((x @ MOUTH.gaps)[:, :3].mean(1) for x in (face, made))
    assert (after > -1e-4).all() and (made[:, 0] >= 0).all()
    assert after[before <= 0.012].abs().max() < 1e-4
    wide = (before > 0.036) & (face[:, 0] >= 0)
    assert wide.any() and torch.allclose(after[wide], before[wide], atol=1e-5)
    order = before.argsort()
    assert (after[order].diff() > -1e-4).all()  # no two gaps change places


def test_a_smile_says_p_b_and_m_with_closed_lips():
    clip = _footage().motion
    smile = torch.zeros(len(clip), 63)
    for name in ("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight"):
        smile[:, HEAD.expression_names.index(name)] = 0.6
    made = add_emotion(clip, replace(clip, expression=smile, jaw=clip.jaw + 0.2))
    said, shown = MOUTH.gap(clip), MOUTH.gap(made)
    assert torch.equal(made.jaw, clip.jaw)
    shut = said < 0.005
    assert shut.any() and shown[shut].max() < 0.01
    assert (shown[said > 0.06] > said[said > 0.06] + 0.01).all()  # an open mouth shows its teeth
    corner = lambda motion: HEAD.landmarks(motion)[:, 54]  # noqa: E731
    smiles = replace(clip, expression=smile)
    assert torch.allclose(corner(made) - corner(clip), corner(smiles) - corner(clip), atol=2e-3)  # m
    assert ((corner(made) - corner(clip)).norm(dim=-1) > 4e-3).all()


@pytest.mark.skipif(not FACEGOOD.is_dir(), reason="the takes of ../shared/data are not here")
def test_facegoods_shapes_are_read_by_meaning():
    takes = facegood_takes(FACEGOOD)
    assert len(takes) == 7
    clip = facegood_footage(takes[0], "actress")
    weights = np.load(takes[0])["weights"]
    names = (FACEGOOD / "names.txt").read_text().split()
    # The names are one line late: only so do left and right of a pair move alike.
    for left, right in (("mouth_funnel_dl", "mouth_funnel_dr"), ("mouth_pucker_l", "mouth_pucker_r")):
        assert np.corrcoef(weights[:, names.index(left)], weights[:, names.index(right)])[0, 1] > 0.99
    jaw = np.interp(
        np.arange(len(clip.mouth)) * 1.2, np.arange(len(weights)), weights[:, names.index("mouth_stretch_c")]
    )
    assert np.allclose(clip.motion.jaw[:, 0].numpy(), 0.3 * jaw, atol=1e-4)
    assert clip.mouth[:, 0].min() >= 0 and abs(len(clip.samples) / 16000 - len(clip.mouth) / 25) < 0.5


def test_footage_of_unequal_parts_is_refused(tmp_path):
    clip = _footage()
    with pytest.raises(BadInput, match=r"expected mouth \[200, 4\] and seen \[200\]"):
        replace(clip, mouth=clip.mouth[:50])
    with pytest.raises(BadInput, match=r"expected samples \[N\]"):
        replace(clip, samples=clip.samples[None])


def test_the_mouths_network_has_a_limited_reach_and_is_told_how_far_to_open():
    torch.manual_seed(0)
    net = Articulation(ArticulationConfig(12, 66, width=16, hidden=4)).eval()
    features = torch.randn(1, 200, 12)
    made = net(features, torch.zeros(1))
    assert made.shape == (1, 100, 66)
    features[:, 100:] = 0  # from frame 50 on
    changed = (net(features, torch.zeros(1)) - made).abs().amax((0, 2)) > 1e-6
    assert not changed[: 50 - net.reach].any() and changed[50 - net.reach + 1 :].all()
    assert not torch.allclose(net(features, torch.ones(1)), net(features, torch.zeros(1)))


def test_tokens_of_sound_are_means_over_four_frames():
    features = torch.randn(50, 6)
    tokens = sound_tokens(features)
    assert tokens.shape == (7, 6)
    assert torch.allclose(tokens[6], torch.nn.functional.layer_norm(features[48:].mean(0), (6,)), atol=1e-5)


def test_a_judge_that_knows_nothing_guesses_and_a_perfect_one_is_always_right():
    torch.manual_seed(0)
    judge = Judge(JudgeConfig(4)).eval()
    right, tried = sync_wins(judge, torch.rand(100, 4), torch.randn(200, 4))
    assert tried > 100 and 0.2 < right / tried < 0.8

    class Perfect(Judge):
        def embed_mouth(self, mouth):
            return mouth.transpose(1, 2)

        def embed_sound(self, features):
            return features[:, ::2].transpose(1, 2)

    mouth = torch.nn.functional.normalize(torch.randn(100, 4), dim=1)
    right, tried = sync_wins(Perfect(JudgeConfig(4)), mouth, mouth.repeat_interleave(2, 0))
    assert right == tried and JUDGED == 25
