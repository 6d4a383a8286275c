"""Footage prepared, models trained and measured, from the commands' own doors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.drivers.speech import SpeechDriver
from flamecast.drivers.speech.articulation import load_articulation
from flamecast.drivers.speech.audio_features import FPS
from flamecast.flame_motion import BadInput, FlameSequence, Waveform, load_head
from flamecast.flame_motion.diffusion import Conditioning, DenoiserConfig, MotionDenoiser
from flamecast.flame_motion.diffusion.weights import load_denoiser
from flamecast.flame_motion.media.video_writer import VideoWriter
from flamecast.flame_motion.retargeting.mouth import mouth_of
from flamecast.pipelines.evaluate.speech import closures, evaluate_speech, people_in_folds
from flamecast.training.diffusion import extended
from flamecast.training.speech import augment
from flamecast.training.speech.footage import Footage, load_footage
from flamecast.training.speech.judge import load_judge
from flamecast.training.speech.lips import WindowBatches, Windows
from flamecast.training.speech.prepare import prepare_speech
from flamecast.training.train import train

HEAD = load_head()
SMALL = ["batch_size=4", "width=16", "precision=32-true", "accelerator=cpu", "features=mel"]


def _clip(name: str, speaker: str, frames: int = 100) -> Footage:
    rng = np.random.default_rng(len(speaker))
    opening = np.convolve(rng.random(frames + 4), np.ones(5) / 5, "valid").astype(np.float32) / 3
    jaw = torch.from_numpy(np.stack([opening, 0 * opening, 0 * opening], 1))
    motion = replace(FlameSequence.neutral(frames, FPS, HEAD), jaw=jaw, neck=jaw[:, [1, 0, 2]] / 2)
    gaps = torch.cat([jaw, motion.expression], 1) @ mouth_of(HEAD).gaps
    samples = torch.from_numpy(np.sin(np.arange(frames * 640) * 0.2) * np.repeat(opening, 640)).float()
    return Footage(name, speaker, samples, motion, gaps, torch.ones(frames, dtype=torch.bool))


@pytest.fixture
def footage(tmp_path) -> Path:
    folder = tmp_path / "footage"
    for name, speaker in (("a", "Ann"), ("b", "Ann"), ("c", "Bob"), ("d", "Carla")):
        _clip(name, speaker).save(folder / f"{name}.npz")
    return folder


def test_the_mouth_is_trained_and_goes_on_where_it_stopped(tmp_path, footage):
    made = [
        f"data={footage}",
        f"run={tmp_path / 'run'}",
        f"output={tmp_path / 'lips'}",
        *SMALL,
        "copies=1",
        "silent_sounds=4",
    ]
    train("speech-lips", [*made, "steps=2", "held_out=Bob"])
    card = load_articulation(tmp_path / "lips", "log-mel").card
    assert card["steps"] == 2 and "3 clips" in card["data"] and card["held_out"] == "Bob" and card["val_loss"] > 0
    assert card["command"].startswith("flamecast train speech-lips") and "held_out=Bob" in card["command"]
    train("speech-lips", [*made, "steps=3", "held_out=Bob"])
    assert load_articulation(tmp_path / "lips", "log-mel").card["steps"] == 3
    with pytest.raises(BadInput, match="was trained on the features log-mel, not on whisper-base-3"):
        load_articulation(tmp_path / "lips", "whisper-base-3")
    with pytest.raises(BadInput, match="nothing is left to train on"):
        train("speech-lips", [*made, "held_out=Ann,Bob,Carla", f"run={tmp_path / 'other'}"])


@pytest.mark.parametrize("name", ["speech-lips", "speech-head", "speech-judge"])
def test_a_resumed_training_of_speech_is_an_unbroken_one_to_the_bit(tmp_path, footage, name):
    """The same batches, noise, dropout and learning rates, and with them the same weights and card."""
    more = {"speech-lips": ["silent_sounds=4"], "speech-head": ["init_weights=null", "layers=1", "heads=2"]}
    made = {}
    for run, stops in (("whole", [8]), ("parts", [4, 8])):
        where = [f"data={footage}", f"run={tmp_path / run}", f"output={tmp_path / run / 'made'}", *SMALL, "steps=8"]
        for stop in stops:
            where_to = [*where, *more.get(name, []), "copies=0", "held_out=Bob", f"until={stop}"]
            weights, card = train(name, where_to)
        made[run] = weights.read_bytes(), json.loads(card.read_text()) | {"minutes": 0}
    assert made["whole"] == made["parts"] and made["whole"][1]["val_loss"] > 0


def test_batches_of_windows_go_by_step_and_rank_alone():
    count = torch.arange(50)
    windows = Windows(*[count[:, None].float()] * 4, style=count.float(), share=torch.ones(50))
    batches = WindowBatches(windows, 8, seed=1)
    drawn = [batches.at(number).style.tolist() for number in range(12)]
    assert [WindowBatches(windows, 8, seed=1).at(number).style.tolist() for number in reversed(range(12))] == drawn[
        ::-1
    ]
    ranks = [[batches.at(step, rank, 2).style.tolist() for step in range(6)] for rank in range(2)]
    assert [batch for pair in zip(*ranks) for batch in pair] == drawn and len({tuple(b) for b in drawn}) == 12


def test_the_same_seed_trains_the_same_mouth(tmp_path, footage):
    for name in ("one", "two"):
        where = [f"data={footage}", f"run={tmp_path / f'run_{name}'}", f"output={tmp_path / name}", *SMALL]
        train("speech-lips", [*where, "copies=1", "silent_sounds=4", "steps=3"])
    one, two = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_the_head_is_trained_and_a_driver_uses_both(tmp_path, footage):
    where = [f"data={footage}", f"run={tmp_path / 'run'}", f"output={tmp_path / 'w' / 'head'}", *SMALL, "copies=0"]
    train("speech-head", [*where, "steps=1", "init_weights=null", "layers=1", "heads=2"])
    assert load_denoiser(tmp_path / "w" / "head").card["features"] == "log-mel"
    where = [f"data={footage}", f"run={tmp_path / 'run2'}", f"output={tmp_path / 'w' / 'lips'}", *SMALL, "copies=0"]
    train("speech-lips", [*where, "steps=1", "silent_sounds=4"])
    driver = SpeechDriver(features="mel", weights=str(tmp_path / "w"), steps=2)
    assert len(driver(Waveform(np.zeros(24000, np.float32), 16000))) == 38


def test_what_rounds_the_lips_is_fitted_and_used_by_the_mouth_beside_it(tmp_path, footage):
    where = [f"data={footage}", f"output={tmp_path / 'w' / 'lip_shapes'}", "features=mel", "silent_sounds=4"]
    train("speech-lip-shapes", [*where, "components=8", "held_out=Bob"])
    card = json.loads((tmp_path / "w" / "lip_shapes.json").read_text())
    assert "3 clips" in card["data"] and card["features"] == "log-mel" and "components=8" in card["command"]
    where = [f"data={footage}", f"run={tmp_path / 'run'}", f"output={tmp_path / 'w' / 'lips'}", *SMALL, "copies=0"]
    train("speech-lips", [*where, "steps=1", "silent_sounds=4"])
    lips = load_articulation(tmp_path / "w" / "lips", "log-mel")
    assert lips.shapes is not None and lips.shapes.config.components == 8


def test_the_judge_is_trained(tmp_path, footage):
    where = [f"data={footage}", f"run={tmp_path / 'run'}", f"output={tmp_path / 'judge'}", "copies=0", "batch_size=4"]
    train("speech-judge", [*where, "steps=1", "width=8", "space=4", "precision=32-true", "accelerator=cpu"])
    judge, card = load_judge(tmp_path / "judge")
    assert judge.config.space == 4 and card["steps"] == 1


def test_a_denoiser_grown_by_channels_does_what_it_did_when_nothing_is_said():
    torch.manual_seed(0)
    before = MotionDenoiser(DenoiserConfig(5, 8, width=16, layers=2, heads=2)).eval()
    for block in before.blocks:
        torch.nn.init.normal_(block.modulation.weight, std=0.1)
    after = extended(before, 9, 12).eval()
    x, t, frames = torch.randn(2, 19, 9), torch.tensor([10.0, 700.0]), torch.ones(2, 19, dtype=torch.bool)
    silent = [Conditioning(torch.zeros(2, 3, c), torch.zeros(2, 3, dtype=torch.bool), frames) for c in (8, 12)]
    assert torch.allclose(before(x[..., :5], t, silent[0]), after(x, t, silent[1])[..., :5], atol=1e-5)
    with pytest.raises(BadInput, match="at least the 5 channels"):
        extended(before, 4, 8)


def test_people_are_held_out_whole(footage):
    clips = load_footage(footage)
    folds = people_in_folds(clips, 2)
    assert sorted(sum(folds, [])) == ["Ann", "Bob", "Carla"]
    with pytest.raises(BadInput, match="expected 2 to 3"):
        people_in_folds(clips, 4)


def test_a_mouth_measured_against_itself_is_perfect(monkeypatch, footage):
    known = {round(float(clip.samples.abs().sum()), 3): clip for clip in load_footage(footage)}

    def told(self, sound, start, stop, gain=1.0):
        motion = known[round(float(sound.samples.abs().sum()), 3)].motion
        return torch.cat([motion.jaw, motion.expression], 1)[start:stop]

    monkeypatch.setattr(SpeechDriver, "mouth", told)
    found = evaluate_speech(footage)
    mean = found["mean"]
    assert (mean["r_opening"], mean["lag"], mean["amplitude"], mean["jitter"]) == pytest.approx((1, 0, 1, 1), abs=1e-3)
    assert found["clips"] == 4 and mean["judge_real"] == pytest.approx(mean["judge_ours"])


def test_held_out_people_are_measured_by_models_trained_anew(monkeypatch, tmp_path, footage):
    monkeypatch.setattr(augment, "perturbed", lambda samples, rng: samples * 0)  # what only training may hear
    found = evaluate_speech(footage, folds=2, steps=1, copies=2, features="mel", motions=tmp_path / "motions")
    assert found["clips"] == 4 and -1 <= found["mean"]["r_opening"] <= 1
    for name in "abcd":
        motion = FlameSequence.load(tmp_path / "motions" / f"{name}.npz")
        assert len(motion) == 100 and motion.expression[30:70].std(0).max() > 1e-4  # silence would move nothing
    json.dumps(found)


def test_lips_that_meet_amid_speech_are_counted():
    gap = torch.full((100,), 0.1)
    gap[20:23] = gap[50] = 0.0  # two touches,
    gap[60:80] = 0.0  # a pause,
    gap[90:] = 0.0  # and the end
    loud = torch.sin(torch.arange(64000) * 0.3)
    assert closures(gap, torch.ones(100, dtype=torch.bool), loud) == [21, 50]
    quiet = torch.cat([loud[:6400], 0.01 * loud[6400:]])
    assert closures(gap, torch.ones(100, dtype=torch.bool), quiet) == []


def test_footage_that_shows_no_speech_is_left_out_and_said(tmp_path):
    rng = np.random.default_rng(0)
    sound = Waveform(rng.normal(0, 0.2, 32000).clip(-1, 1).astype(np.float32), 16000)
    with VideoWriter(tmp_path / "still.mp4", 25, sound=sound) as writer:
        for _ in range(40):
            writer.write(np.ascontiguousarray(astronaut()[:320, 60:380]))
    (tmp_path / "text.mp4").write_text("a letter\n" * 50)
    with pytest.raises(
        BadInput, match="none of 2 clips can be used: still: still.mp4: the mouth does not move; text: "
    ):
        prepare_speech([tmp_path / "still.mp4", tmp_path / "text.mp4"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "text.mp4").write_text("another letter")
    with pytest.raises(BadInput, match="several clips are called text"):
        prepare_speech([tmp_path / "text.mp4", tmp_path / "again"], tmp_path / "out")
    (tmp_path / "bare").mkdir()
    with pytest.raises(BadInput, match="expected videos"):
        prepare_speech([tmp_path / "bare"], tmp_path / "more")


def test_a_clip_whose_sound_is_another_does_not_fit(tmp_path, monkeypatch):
    from flamecast.training.speech import prepare

    clip = _clip("talks", "Ann", 200)
    for name, fit in (("fits", True), ("strange", False)):
        other = replace(clip, name=name) if fit else replace(_clip(name, "Somebody else", 200), samples=clip.samples)
        other.save(tmp_path / "out" / ".tracked" / f"{name}-0.npz")
        (tmp_path / f"{name}.mp4").write_text("never opened")
    _clip("strange", "Ann").save(tmp_path / "out" / "strange.npz")  # as left by footage of that name that did fit
    monkeypatch.setattr(prepare, "content", lambda path: "0")
    truth = torch.cat([clip.motion.jaw, clip.motion.expression], 1)
    monkeypatch.setattr(SpeechDriver, "mouth", lambda self, sound, start, stop, gain=1.0: truth[start:stop])
    done = prepare_speech([tmp_path / "fits.mp4", tmp_path / "strange.mp4"], tmp_path / "out")
    assert [path.stem for path in (tmp_path / "out").glob("*.npz")] == ["fits"]
    assert len(done.problems) == 1 and "sound and picture do not fit" in done.problems[0]
    (kept,) = load_footage(tmp_path / "out")
    assert kept.offset == 0 and torch.allclose(kept.mouth, clip.mouth)
