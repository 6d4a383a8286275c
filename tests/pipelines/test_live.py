"""Live: the newest counts, what is dropped is counted, poses change without a jump, a recording keeps time."""

from __future__ import annotations

import math
import struct
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, VideoClip, Waveform, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.media.sound import SAMPLE_RATE
from flamecast.flame_motion.retargeting.mouth import lips_shut
from flamecast.generator import Portrait, load_generator
from flamecast.pipelines.fit import open_portrait
from flamecast.pipelines.framing import framed
from flamecast.pipelines.live import voice as voice_module
from flamecast.pipelines.live.follower import CapturedFrame, FollowerProcess, PosedFrame, VoiceFrame
from flamecast.pipelines.live.mailbox import Mailbox
from flamecast.pipelines.live.posing import FADE, PATIENCE, Poser
from flamecast.pipelines.live.protocol import EXACT, Header, encode_pose
from flamecast.pipelines.live.recorder import FPS, MicrophoneSound, Recorder
from flamecast.pipelines.live.session import DrawnFrame, LiveSession
from flamecast.pipelines.live.sources import play_file
from flamecast.pipelines.live.voice import BEHIND, Voice, play_sound

SIZE = 128


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return framed(open_portrait("demo")[0], "photo", SIZE)


@pytest.fixture(scope="module")
def process():
    started = FollowerProcess("open")
    yield started
    started.close()


@pytest.fixture
def follower(process, portrait):
    """Without what other tests showed it; warm, as `go_live` starts it."""
    process.start(portrait.pose, 25.0, portrait.image)
    return process


def same(first: FlameSequence, second: FlameSequence) -> bool:
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in CHANNELS)


def far(first: FlameSequence, second: FlameSequence) -> float:
    """m by which the two poses' vertices differ at most."""
    head = load_head()
    return float((head(first) - head(second)).norm(dim=-1).max())


def driver(jaw: float = 0.0, yaw: float = 0.0) -> FlameSequence:
    motion = FlameSequence.neutral(1, 25.0)
    return replace(motion, jaw=torch.tensor([[jaw, 0, 0]]), neck=torch.tensor([[0, yaw, 0]]))


# -- the mailbox -------------------------------------------------------------------------------------------------------


def test_what_is_not_taken_in_time_is_replaced_and_counted():
    box: Mailbox[int] = Mailbox()
    for number in range(5):
        box.put(number)
    assert box.take() == 4 and box.dropped == 4
    box.put(7)
    assert box.take() == 7 and box.dropped == 4


def test_closing_a_mailbox_ends_all_waiting():
    box: Mailbox[int] = Mailbox()
    got: list[int | None] = []
    thread = threading.Thread(target=lambda: got.append(box.take()))
    thread.start()
    box.close()
    thread.join(5)
    assert got == [None] and not thread.is_alive()
    box.put(1)
    assert box.take() is None
    box.wait_empty()  # does not wait for ever


# -- posing ------------------------------------------------------------------------------------------------------------


def test_without_a_rest_the_portrait_stays_as_in_the_photo(portrait):
    pose = Poser(portrait.pose)
    assert same(pose(driver(jaw=0.3), None, 0.0), portrait.pose)
    assert same(pose(None, None, 0.1, found=False), portrait.pose)


def test_the_drivers_rest_is_the_portraits_and_its_moves_are_followed(portrait):
    rest, pose = driver(yaw=0.2), Poser(portrait.pose)
    pose(rest, rest, 0.0)
    assert far(pose(rest, rest, FADE + 0.01), portrait.pose) < 1e-4
    turned = pose(driver(yaw=0.4), rest, FADE + 0.05)
    before = torch.linalg.vector_norm(turned.neck - portrait.pose.neck)
    assert float(before) == pytest.approx(0.2, abs=0.02)


def test_a_new_rest_and_a_lost_face_change_the_pose_without_a_jump(portrait):
    """At 25 frames a second no vertex goes faster than what lies between the two poses, shared out over the fade."""
    pose, motion = Poser(portrait.pose), driver(jaw=0.3, yaw=0.3)
    first, second = driver(), driver(jaw=0.1, yaw=-0.2)
    shown, at = [pose(motion, first, 0.0)], 0.0
    for rest, found in [(first, True)] * 12 + [(second, True)] * 12 + [(second, False)] * 30:
        at += 0.04
        shown.append(pose(motion, rest, at, found=found))
    steps = [far(a, b) for a, b in zip(shown[:-1], shown[1:])]
    whole = max(far(shown[12], shown[24]), far(shown[24], shown[-1]), far(shown[0], shown[12]))
    assert max(steps) < whole * 1.6 * 0.04 / FADE  # the cubic is at most 1.5 times as fast as a straight line
    assert same(shown[-1], portrait.pose)
    held = round(PATIENCE / 0.04) - 1
    assert all(step == 0 for step in steps[24 : 24 + held])


def test_a_voice_without_words_leaves_open_lips_shut(portrait):
    """The astronaut smiles with her teeth; a mouth that speaks closes where the speech does."""
    rest = driver()
    silent, spoken = Poser(portrait.pose), Poser(portrait.pose)
    for at in (0.0, 1.0):
        plain, mouth = silent(rest, rest, at), spoken(rest, rest, at, speaks=True)
    assert far(plain, portrait.pose) < 1e-4
    assert far(mouth, lips_shut(portrait.pose)) < 1e-4 < 1e-3 < far(mouth, plain)


# -- the process that follows ------------------------------------------------------------------------------------------


def test_the_process_answers_what_posing_here_answers(portrait, follower):
    pose = Poser(portrait.pose)
    neutral = FlameSequence.neutral(1, 25.0)
    for number in range(15):
        motion = driver(jaw=0.02 * number, yaw=0.01 * number)
        answer = follower.pose(VoiceFrame(motion, 0.04 * number))
        here = pose(motion, neutral, 0.04 * number, speaks=True)
        assert answer.found and answer.calibrated and far(answer.pose, here) < 1e-6


def test_an_error_in_the_process_is_raised_here_and_it_continues(follower):
    with pytest.raises(AttributeError):
        follower.pose("no picture")
    assert follower.pose(VoiceFrame(driver(), 1.0)).found


def test_a_process_that_died_ends_the_session_with_a_sentence(portrait):
    dead = FollowerProcess("open")
    dead._process.kill()
    dead._process.join()
    with LiveSession(portrait, load_generator("warp"), dead, Audience()) as session:
        session.feed(VoiceFrame(driver(), 0.0))
        for _ in range(100):
            if session.failure is not None:
                break
            time.sleep(0.05)
    assert "has died" in str(session.failure)


# -- the session -------------------------------------------------------------------------------------------------------


class Audience:
    """Wants pictures, and keeps them; or draws poses itself, and keeps those."""

    def __init__(self, take=lambda shown: None, *, draws: bool = False) -> None:
        self.show, self.draws, self.poses = take, draws, []

    def wants_pictures(self) -> bool:
        return not self.draws

    def wants_poses(self) -> bool:
        return self.draws

    def pose(self, posed, frame, number) -> None:
        self.poses.append((number, posed, frame))


class Slow:
    """Follows at once, so that drawing is what is slow."""

    def __init__(self, pose: FlameSequence) -> None:
        self.fixed, self.calls = pose, []

    def pose(self, thing) -> PosedFrame:
        return PosedFrame(self.fixed, True, True)

    def calibrate(self) -> None:
        self.calls.append("calibrate")

    def set_strength(self, strength: float) -> None:
        self.calls.append(strength)


def test_every_picture_is_shown_or_counted_as_dropped_and_none_is_late(portrait):
    """Drawing takes four times as long as pictures take to come: a quarter is shown, each soon after it came."""
    shown: list[tuple[DrawnFrame, float]] = []

    def slowly(portrait, pose, cameras):
        time.sleep(0.08)
        yield np.zeros((1, 4, 4, 3), np.uint8)

    audience = Audience(lambda s: shown.append((s, time.perf_counter())))
    with LiveSession(portrait, slowly, Slow(portrait.pose), audience) as session:
        for number in range(60):
            session.feed(CapturedFrame(np.zeros((4, 4, 3), np.uint8), session.clock(), media=number / 50))
            time.sleep(0.02)
        time.sleep(0.3)
        numbers = session.numbers()
    assert numbers["fed"] == 60 == numbers["drawn"] + numbers["dropped"] and numbers["drawn"] == len(shown)
    assert 8 <= len(shown) <= 20
    late = [when - picture.at for picture, when in shown]
    assert max(late[1:]) < 3 * 0.08 + 0.15  # nothing queues up: the last is no later than the first
    media = [picture.media for picture, _ in shown]
    assert media == sorted(media) and media[-1] == 59 / 50  # the newest is always shown


def test_where_everybody_draws_nothing_is_drawn_here(portrait):
    def never(portrait, pose, cameras):
        raise AssertionError("nobody wants a picture")

    audience = Audience(draws=True)
    with LiveSession(portrait, never, Slow(portrait.pose), audience) as session:
        for number in range(5):
            session.feed(CapturedFrame(np.zeros((4, 4, 3), np.uint8), session.clock(), media=number / 25))
            session.settle(5)
        numbers = session.numbers()
    assert session.failure is None and numbers["drawn"] == numbers["fed"] == 5 and numbers["drawn_here"] == 0
    assert [(number, frame.media) for number, _, frame in audience.poses] == [(k + 1, k / 25) for k in range(5)]


def test_parameters_come_back_from_their_message(portrait):
    motion = replace(driver(jaw=0.3, yaw=0.4), expression=torch.linspace(-2, 2, 63)[None])
    message = encode_pose(motion, Header(7, 12.5, 3.25, 0.04, True, False))
    assert len(message) == 120 + 2 * 63 and 25 * len(message) <= 10_000
    magic, version, flags, number, tag, at, media = struct.unpack_from("<4sHHIddd", message)
    assert (magic, version, flags, number, tag, at, media) == (b"FLMP", 1, 1, 7, 12.5, 3.25, 0.04)
    exact = np.frombuffer(message, "<f4", 20, 40)
    for name, part in zip(EXACT, np.split(exact, [3, 6, 9, 15, 17])):
        assert np.array_equal(part, getattr(motion, name).flatten().numpy())
    rest = np.frombuffer(message, "<f2", offset=120)
    assert np.abs(rest - motion.expression[0].numpy()).max() <= 2**-10


def test_commands_are_sent_before_the_next_picture(portrait):
    follower = Slow(portrait.pose)
    with LiveSession(portrait, load_generator("warp"), follower, Audience()) as session:
        session.calibrate()
        session.set_strength(0.5)
        session.feed(CapturedFrame(np.zeros((4, 4, 3), np.uint8), 0.0))
        while session.numbers()["drawn"] == 0:
            time.sleep(0.01)
    assert follower.calls == ["calibrate", 0.5]


def test_the_numbers_are_of_what_was_shown_in_the_last_seconds(portrait):
    session = LiveSession(portrait, load_generator("warp"), Slow(portrait.pose), Audience())
    now = [100.0]
    session.clock = lambda: now[0]
    for number in range(101):
        now[0] = 100 + number / 20
        session.shown.mark(now[0] - 0.05)
    assert session.numbers()["fps"] == 20.0 and session.numbers()["latency_ms"] == pytest.approx(50)
    now[0] += 60
    assert session.numbers()["fps"] == 0.0 and session.numbers()["latency_ms"] is None


CLIP = Path(__file__).resolve().parents[3] / "shared" / "data" / "clips" / "liveportrait__driving_d19.mp4"


@pytest.mark.skipif(not CLIP.exists(), reason="no real media: ../shared/data is not here")
def test_a_real_face_is_followed_at_its_own_pace(portrait, follower):
    clip = VideoClip.open(CLIP).first(4.0)
    shown: list[DrawnFrame] = []
    with LiveSession(portrait, load_generator("warp"), follower, Audience(shown.append)) as session:
        start = time.perf_counter()
        play_file(clip, session.feed, threading.Event())
        taken = time.perf_counter() - start
        while (numbers := session.numbers())["drawn"] + numbers["dropped"] < numbers["fed"]:
            assert time.perf_counter() < start + 60
            time.sleep(0.05)
    assert (
        clip.frame_count / clip.fps - 1 / clip.fps <= taken < 8.0
    )  # by the clip's own clock, not as fast as it can be read
    assert numbers["fed"] == clip.frame_count == numbers["drawn"] + numbers["dropped"]
    assert numbers["face"] and numbers["calibrated"] and numbers["faces"] == numbers["drawn"] > 0
    assert not np.array_equal(shown[0].picture, shown[-1].picture)


# -- recording ---------------------------------------------------------------------------------------------------------


def picture(level: int) -> np.ndarray:
    return np.full((32, 32, 3), level, np.uint8)


def test_a_recording_keeps_the_time_of_pictures_that_come_unevenly(tmp_path):
    target = tmp_path / "live.mp4"
    recorder = Recorder(target)
    times = [10.0, 10.04, 10.3, 10.31, 11.0]
    for number, at in enumerate(times, 1):
        recorder.put(DrawnFrame(picture(40 * number), at, 0.0, 0.0, number))
    assert not target.exists()  # not before it is whole
    assert recorder.close() == target and recorder.dropped == 0
    clip = VideoClip.open(target)
    assert clip.fps == FPS and clip.frame_count == round(1.0 * FPS) + 1
    levels = [round(float(frame.mean()) / 40) for frame in clip]
    assert levels == [1, *[2] * 7, *[4] * 17, 5]  # each from its time on; the third lasted no frame


def test_a_recording_has_the_sound_of_its_own_time(tmp_path):
    microphone = MicrophoneSound()
    seconds = 2.0
    tone = np.sin(2 * np.pi * 440 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    loud = np.where(np.arange(len(tone)) < SAMPLE_RATE, 0.0, 0.5 * tone)  # silent for the first second
    for start in range(0, len(loud), 1920):
        microphone.add(loud[start : start + 1920])
    recorder = Recorder(tmp_path / "live.mp4", microphone.starting)
    for number in range(26):
        recorder.put(DrawnFrame(picture(100), 5 + number / 25, 0.5 + number / 25, 0.0, number + 1))
        time.sleep(0.002)
    recorder.close()
    sound = Waveform.open(tmp_path / "live.mp4")
    level = np.abs(np.asarray(sound.samples))
    rate = int(sound.sample_rate)
    assert level[: round(0.45 * rate)].max() < 0.02 < 0.3 < level[round(0.55 * rate) : round(0.9 * rate)].max()


def test_a_recording_without_a_picture_leaves_no_file(tmp_path):
    assert Recorder(tmp_path / "live.mp4").close() is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadInput):
        Recorder(tmp_path / "live.txt")


# -- the voice ---------------------------------------------------------------------------------------------------------


def test_a_recording_gives_its_frames_when_they_are_due():
    sound = Waveform(0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32), 16000)
    given: list[tuple[VoiceFrame, float]] = []
    voice = Voice(lambda thing: given.append((thing, time.perf_counter())))
    play_sound(sound, voice, threading.Event())
    assert len(given) == 25 and [round(thing.media * 25) for thing, _ in given] == list(range(25))
    assert all(thing.motion.fps == 25 and len(thing.motion) == 1 for thing, _ in given)
    early = [when - thing.at - BEHIND for thing, when in given]
    assert min(early) > -0.002  # never before its time: the sound comes first
    assert voice.given_up == 0


def test_a_voice_that_is_stopped_shows_nothing_more(monkeypatch):
    monkeypatch.setattr(voice_module, "LATE", math.inf)  # a busy machine is no reason to give up what is waited for
    given: list[VoiceFrame] = []
    shown = threading.Event()

    def show(thing: VoiceFrame) -> None:
        given.append(thing)
        shown.set()
        voice._closed.wait()

    voice = Voice(show)
    voice.add(Waveform(np.zeros(32000, np.float32), 16000), time.perf_counter())
    shown.wait()
    voice.close()
    time.sleep(0.1)
    assert len(given) == 1


def test_a_voice_that_falls_behind_at_the_end_of_the_sound_ends(monkeypatch):
    """Before, it waited for ever for an end that it had taken already."""
    monkeypatch.setattr(voice_module, "LATE", 0.0)
    voice = Voice(lambda thing: None)

    class Slow:
        def stream(self, chunks, seed):
            list(chunks)
            yield FlameSequence.neutral(1, 25)
            while voice._late is None:
                time.sleep(0.001)
            yield FlameSequence.neutral(1, 25)

    voice._driver = Slow()  # type: ignore[assignment]
    voice.add(Waveform(np.zeros(640, np.float32), 16000), time.perf_counter() - 5)
    voice.add(Waveform(np.zeros(640, np.float32), 16000), time.perf_counter() - 5)
    ending = threading.Thread(target=voice.finish, daemon=True)
    ending.start()
    ending.join(timeout=20)
    assert not ending.is_alive()


def test_the_end_of_a_recording_is_not_waited_for_by_who_stops_it(monkeypatch):
    """All of it was given, and what is made of it takes for ever: Ctrl+C ends it."""
    monkeypatch.setattr(voice_module, "CLOSING", 0.1)
    voice, stop, begun, release = Voice(lambda thing: None), threading.Event(), threading.Event(), threading.Event()

    class Hanging:
        def stream(self, chunks, seed):
            list(chunks)
            begun.set()
            release.wait()
            yield FlameSequence.neutral(1, 25)

    voice._driver = Hanging()  # type: ignore[assignment]
    sound = Waveform(np.zeros(640, np.float32), 16000)
    playing = threading.Thread(target=play_sound, args=(sound, voice, stop), daemon=True)
    playing.start()
    assert begun.wait(20)
    stop.set()
    playing.join(20)
    release.set()
    assert not playing.is_alive()


def test_a_voice_that_fails_says_so_and_ends():
    voice = Voice(lambda thing: None)
    voice._driver = type("Broken", (), {"stream": lambda self, chunks, seed: [1 / 0]})()
    voice.add(Waveform(np.zeros(640, np.float32), 16000), time.perf_counter())
    with pytest.raises(ZeroDivisionError):
        voice.finish()
    voice.close()  # and does not wait for ever


def test_a_voice_that_is_far_too_late_drops_what_waits_and_begins_anew(monkeypatch):
    """Its driver takes no time, so that no other work of this machine makes it late once more."""
    monkeypatch.setattr(voice_module, "LATE", 3.0)
    given: list[VoiceFrame] = []
    voice = Voice(given.append)

    class Instant:
        def stream(self, chunks, seed):
            for _ in chunks:
                yield FlameSequence.neutral(1, 25)

    voice._driver = Instant()  # type: ignore[assignment]
    chunk = Waveform(np.zeros(640, np.float32), 16000)
    for _ in range(25):  # as if they had taken five seconds to come here
        voice.add(chunk, time.perf_counter() - 5)
    start, count = time.perf_counter(), 0
    while not (given and voice.given_up) and count < 200:
        count += 1
        time.sleep(max(0.0, start + 0.04 * count - time.perf_counter()))
        voice.add(chunk, start + 0.04 * count)
    voice.finish()
    assert voice.given_up == 1
    assert given and all(thing.at >= start - 0.01 and thing.media >= 0.99 for thing in given)
