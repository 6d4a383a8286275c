"""Idling and listening: the statistics of people, no loop, no drift, and nods where one pauses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flamecast.drivers.idle import IdleDriver, IdleSignal
from flamecast.drivers.idle.curves import bumps, moments, reaches, smooth_noise
from flamecast.drivers.idle.eyes import SACCADE, blinks_of, gaze_of
from flamecast.drivers.idle.listening import pauses, speaking
from flamecast.drivers.speech import SpeechSignal
from flamecast.flame_motion import BadInput, FlameSequence, Waveform, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.retargeting.mouth import mouth_of
from flamecast.flame_motion.style.blinks import blinks_in
from flamecast.pipelines.opening import open_signal
from flamecast.pipelines.request import AnimateRequest, Clip, Drive
from flamecast.pipelines.stages import drive_signal

RATE = 16000
SPEECH = ((0.5, 3.0), (3.8, 6.5), (7.5, 9.0), (9.1, 12.0), (13.0, 13.3))  # s: two phrases go on, one is a cough


def _recording(spoken=SPEECH, seconds: float = 15.0) -> Waveform:
    """Noise that is a voice by its level."""
    rng, samples = np.random.default_rng(0), np.full(round(seconds * RATE), 1e-4)
    samples *= rng.normal(size=len(samples))
    for start, stop in spoken:
        samples[round(start * RATE) : round(stop * RATE)] = 0.2 * rng.normal(
            size=round(stop * RATE) - round(start * RATE)
        )
    return Waveform(samples.astype(np.float32).clip(-1, 1), RATE)


@pytest.fixture(scope="module")
def minutes() -> FlameSequence:
    """Ten minutes of waiting."""
    return IdleDriver()(600.0, seed=1).motion


def test_blinks_have_peoples_intervals(minutes):
    found = blinks_in(minutes.eyelids.mean(1).numpy(), 25.0)
    assert 13 <= len(found) / 10 <= 22  # a minute; Bentivoglio et al. 1997: 17 at rest
    gaps = np.diff([blink.at for blink in found])
    assert gaps.min() > 0.15 and np.median(gaps) < gaps.mean()  # few long ones: skewed to the right
    assert 0.5 < gaps.std() / gaps.mean() < 1.2  # neither a clock nor bursts
    assert 0.08 < np.median([blink.seconds for blink in found]) < 0.25
    assert max(blink.depth for blink in found) > 0.95
    assert 0 <= float(minutes.eyelids.min()) and float(minutes.eyelids.max()) <= 1


def test_saccades_keep_the_main_sequence_and_gaze_comes_back():
    gaze = gaze_of(np.random.default_rng(0), 600.0, listening=False)
    yaw, pitch = (np.array([value for _, _, value in track]) for track in (gaze.yaw, gaze.pitch))
    far = np.hypot(np.diff(yaw, prepend=0.0), np.diff(pitch, prepend=0.0))
    lengths = np.array([length for _, length, _ in gaze.yaw])
    assert np.allclose(lengths, SACCADE[0] + SACCADE[1] * far) and lengths.max() < 0.12
    starts = np.array([start for start, _, _ in gaze.yaw])
    assert np.all(np.diff(starts) > lengths[:-1])  # each ends before the next
    stays = np.diff(np.append(starts, 600.0))
    near = np.hypot(yaw, pitch) < 4
    assert 0.5 < stays[near].sum() / 600 < 0.85 and 4 < gaze.glances / 10 < 25
    calm = gaze_of(np.random.default_rng(0), 600.0, listening=True)
    assert calm.glances < 0.8 * gaze.glances  # who listens looks at the speaker


def test_eyes_stay_on_what_they_look_at_while_the_head_moves(minutes):
    gaze = (minutes.eyes[:, 0] + minutes.neck)[:, :2].rad2deg()
    steps = gaze.diff(dim=0).abs().max(1).values
    assert float(steps.median()) < 0.01  # between saccades nothing moves that is looked at
    assert torch.equal(minutes.eyes[:, 0], minutes.eyes[:, 1])


def test_a_head_neither_drifts_nor_loops(minutes):
    head = torch.cat([minutes.neck.rad2deg(), 1000 * minutes.translation], 1).numpy()
    assert np.abs(head[0]).max() == 0  # it begins as the portrait is
    spread, mean = head.std(0), head.mean(0)
    assert np.all(np.abs(mean) < 0.8 * spread + 0.8)
    thirds = [part.std(0) for part in np.array_split(head, 3)]
    assert np.all(thirds[2] < 2.2 * thirds[0])  # no farther at the end
    assert 0.5 < spread[1] < 4 and 0.4 < spread[0] < 2.5 and spread[3:].max() < 12
    yaw = head[:, 1] - head[:, 1].mean()
    power = np.fft.irfft(np.abs(np.fft.rfft(yaw, 2 * len(yaw))) ** 2)[: len(yaw)]
    likeness = power / power[0] * len(yaw) / np.arange(len(yaw), 0, -1)
    assert likeness[20 * 25 : -60 * 25].max() < 0.5  # never the same again
    assert np.abs(np.diff(head[:, :3], 2, axis=0)).max() * 625 < 1500  # deg/s2: nothing jerks


def test_it_breathes(minutes):
    up = minutes.translation[:, 1].numpy() * 1000
    hertz = np.fft.rfftfreq(len(up), 1 / 25)
    power = np.abs(np.fft.rfft(up - up.mean())) ** 2
    breaths = (hertz > 0.19) & (hertz < 0.33)
    beside = (hertz > 0.4) & (hertz < 0.54)
    assert power[breaths].sum() > 3 * power[beside].sum()


def test_lips_stay_together_and_the_same_seed_is_the_same():
    first, again, other = (IdleDriver()(20.0, seed=seed).motion for seed in (4, 4, 5))
    for name in CHANNELS:
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert not torch.equal(first.neck, other.neck)
    assert float(mouth_of(load_head()).gap(first).abs().max()) < 0.02 and not first.jaw.any()


def test_pauses_are_where_a_phrase_ends():
    sound = _recording()
    assert pauses(sound) == pytest.approx([3.0, 6.5, 12.0], abs=0.05)  # not the breath at 9.0, not after the cough
    talk = speaking(sound)
    assert talk[100] and not talk[170] and not speaking(Waveform(np.zeros(RATE, np.float32), RATE)).any()


def test_a_listener_nods_soon_after_pauses_and_never_in_a_silent_recording():
    nods, near = 0, 0
    spoken = [(k * 4.0 + 0.5, k * 4.0 + 3.2) for k in range(30)]
    sound = _recording(spoken, 121.0)
    for seed in range(3):
        driven = IdleDriver()(IdleSignal.listening(SpeechSignal(sound)), seed=seed)
        pitch = driven.motion.neck[:, 0].rad2deg().numpy()
        fast = pitch - np.convolve(np.pad(pitch, 12, mode="edge"), np.ones(25) / 25, "valid")
        peaks = [k for k in range(5, len(fast) - 5) if fast[k] > 1.2 and fast[k] == fast[k - 5 : k + 6].max()]
        nods += driven.facts["nods"]
        near += sum(any(0 < k / 25 - stop < 2.4 for _, stop in spoken) for k in peaks) / max(len(peaks), 1) / 3
        assert driven.facts["pauses"] == 30 and driven.sound is sound and len(driven.motion) == 3025
    assert 0.4 < nods / 90 < 0.9 and near > 0.9
    silent = IdleDriver()(IdleSignal.listening(SpeechSignal(Waveform(np.zeros(RATE * 20, np.float32), RATE))))
    assert silent.facts["nods"] == silent.facts["pauses"] == 0 and silent.facts["blinks"] > 0


def test_listeners_blink_at_pauses_more_often_than_chance():
    rng, stops = np.random.default_rng(2), [4.0 * k + 3 for k in range(140)]
    at = np.array([blink.at for blink in blinks_of(rng, 560.0, [], stops)])
    after = np.mean([(at[(at > stop) & (at < stop + 0.6)].size > 0) for stop in stops])
    before = np.mean([(at[(at > stop - 1.6) & (at < stop - 1.0)].size > 0) for stop in stops])
    assert after > 1.8 * before


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), 3601, True, "long"])
def test_no_time_and_too_much_are_refused_in_a_sentence(seconds):
    with pytest.raises(BadInput, match="idle: expected seconds above 0 and at most 3600"):
        IdleSignal(seconds)


def test_requests_idle_and_listen(tmp_path):
    signal = open_signal(Drive(idle=7.5), Clip())
    made = drive_signal(signal, lambda name: IdleDriver(), Clip(fps=30.0), head="open")
    assert signal.driver == "idle" and len(made.motion) == 225 and made.facts["kind"] == "idle"
    heard = open_signal(Drive(listen=_recording()), Clip(seconds=4.0))
    made = drive_signal(heard, lambda name: IdleDriver(), Clip(seconds=4.0), head="open")
    assert len(made.motion) == 100 and made.facts["listens"] and made.sound is not None
    assert AnimateRequest.of(idle=3).drive.driver_name == "idle"
    with pytest.raises(BadInput, match="speech and idle cannot drive at once"):
        open_signal(Drive(speech=_recording(), idle=3.0), Clip())
    with pytest.raises(BadInput, match="does not exist"):
        open_signal(Drive(listen=tmp_path / "gone.wav"), Clip())


def test_words_may_move_a_head_that_waits():
    signal = open_signal(Drive(idle=2.0, text="nods"), Clip())
    assert signal.driver == "mix" and set(signal.value.parts) == {"head+gaze"} and signal.value.base.driver == "idle"


def test_curves_reach_what_they_are_to_and_smooth_noise_has_unit_spread():
    times = np.arange(0, 10, 0.01)
    track = reaches(times, [(1, 0.5, 2.0), (1.2, 0.5, 3.0), (5, 1, 0.0)])  # the second waits for the first
    assert track[99] == 0 and track[150] == pytest.approx(2) and track[205] == pytest.approx(3) and track[-1] == 0
    assert bumps(times, [(2, 0.5, 1, 0.5, 0.7)]).max() == pytest.approx(0.7)
    rng = np.random.default_rng(0)
    assert smooth_noise(rng, 20000, 25.0, 0.3).std() == pytest.approx(1, rel=0.1)
    assert np.diff(moments(rng, 500, 3, 0.8, 0.5)).min() >= 0.5
