"""Live Link Face's stream: read as its CSV is, whatever else comes over the port; a replayed stream drives a page."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from websockets.sync.client import connect

from flamecast.flame_motion import BadInput, FlameSequence
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.formats.arkit import ANGLES, NAMES, Take
from flamecast.flame_motion.formats.arkit_csv import write_arkit_csv
from flamecast.flame_motion.formats.load import from_arkit_csv
from flamecast.pipelines.live.follower import MotionFrame
from flamecast.pipelines.live.livelink import COLUMNS, FPS, TIME, VERSION, open_livelink, play_livelink, values_of
from flamecast.pipelines.live.options import LiveOptions
from flamecast.pipelines.live.protocol import MAGIC, PARAMETERS
from flamecast.pipelines.live.sources import play_motion

from .test_live_server import Server


def face(seed: int = 0) -> np.ndarray:
    """Values of a stream [61], as no two faces have them."""
    chance = np.random.default_rng(seed)
    return np.where(np.isin(COLUMNS, ANGLES), chance.uniform(-0.4, 0.4, 61), chance.uniform(0, 1, 61))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])


@contextmanager
def listening(port: int):
    """What `play_livelink` feeds, as a list that grows."""
    fed: list[MotionFrame] = []
    stop, listener = threading.Event(), open_livelink(port)
    thread = threading.Thread(target=play_livelink, args=(listener, fed.append, stop), daemon=True)
    thread.start()
    try:
        yield fed
    finally:
        stop.set()
        thread.join(5)
        listener.close()
    assert not thread.is_alive()


def packet_of(values: np.ndarray, frame: int = 0, name: str = "flamecast") -> bytes:
    """The packet that `values_of` reads as these values [61], or [0]; names stand in it as UTF-8."""
    names = b"".join(struct.pack(">i", len(text)) + text for text in (b"0" * 36, name.encode()))
    start = bytes([VERSION]) + names + TIME.pack(frame, 0.0, round(FPS), 1)
    return start if len(values) == 0 else start + bytes([len(values)]) + np.asarray(values, ">f4").tobytes()


def until(fed: list, count: int) -> None:
    end = time.monotonic() + 20
    while len(fed) < count and time.monotonic() < end:
        time.sleep(0.01)


def test_a_packet_is_laid_out_as_the_app_does():
    values = face()
    device, name = b"8FA5E2C0-0D5A-4C5B-9B0E-6A2F0C7C1D11", "Müllers iPhone".encode()
    head = struct.pack(">Bi36si", 6, 36, device, len(name)) + name + struct.pack(">ifii", 77, 0.25, 60, 1)
    packet = head + struct.pack(">B61f", 61, *values)
    assert np.array_equal(values_of(packet), values.astype(np.float32))
    assert len(values_of(head)) == 0  # no face is seen
    assert (
        np.array_equal(values_of(packet_of(values)), values.astype(np.float32)) and len(values_of(packet_of([]))) == 0
    )
    places = [COLUMNS.index(name) for name in ("jawForward", "jawLeft", "jawRight", "mouthLeft", "mouthRight")]
    assert places == [14, 15, 16, 21, 22] and sorted(COLUMNS) == sorted(NAMES)


def test_what_is_no_packet_is_nothing():
    whole, chance = packet_of(face()), random.Random(0)
    broken = [whole[:length] for length in range(len(whole)) if length != len(packet_of([]))] + [whole + b"\0"]
    broken += [b"\5" + whole[1:], whole[:1] + struct.pack(">i", -1) + whole[5:], whole[:1] + b"\x7f" + whole[2:]]
    broken += [packet_of(np.full(61, value)) for value in (np.nan, np.inf, 100.0, -3.0e38)]
    broken += [chance.randbytes(chance.randrange(600)) for _ in range(500)]
    assert [values_of(packet) for packet in broken] == [None] * len(broken)
    for _ in range(2000):  # damaged by chance: nothing, or a face within its limits
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] = chance.randrange(256)
        values = values_of(bytes(damaged))
        assert values is None or len(values) == 0 or np.abs(values).max() <= 10


def test_the_stream_moves_a_face_as_its_csv_does_and_rubbish_does_not(tmp_path):
    values = [face(seed) for seed in range(3)]
    columns = {name: np.array([each[COLUMNS.index(name)] for each in values], np.float32) for name in NAMES}
    write_arkit_csv(tmp_path / "take.csv", Take(columns, 60.0, []))
    wanted, _ = from_arkit_csv(tmp_path / "take.csv")
    port = free_port()
    with (
        listening(port) as fed,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        other.sendto(b"rubbish", ("127.0.0.1", port))
        other.sendto(b"", ("127.0.0.1", port))
        for number, each in enumerate(values):
            phone.sendto(packet_of(each), ("127.0.0.1", port))
            until(fed, number + 1)
            other.sendto(packet_of(face(9)), ("127.0.0.1", port))  # one sender is listened to
            phone.sendto(packet_of(each)[:-1], ("127.0.0.1", port))
            phone.sendto(bytes(2048), ("127.0.0.1", port))
        faces = [frame.motion for frame in fed if frame.motion is not None]
        until(fed, len(fed) + 1)
        assert fed[-1].motion is None  # the phone has fallen silent
    assert len(faces) == 3
    for number, motion in enumerate(faces):
        assert isinstance(motion, FlameSequence)
        for name in CHANNELS:
            torch.testing.assert_close(
                getattr(motion, name), getattr(wanted[number : number + 1], name), atol=2e-6, rtol=0
            )


def test_a_port_in_use_is_said_and_a_phone_drives_alone(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"--livelink {port}: this UDP port cannot be listened on"):
            open_livelink(port)
    with pytest.raises(BadInput, match="a camera and Live Link Face cannot drive at once"):
        LiveOptions("demo", camera_device=0, livelink=11111)
    assert LiveOptions("demo", livelink=11111).source == "Live Link Face"


def test_a_motion_file_is_fed_when_its_frames_are_due_and_again():
    fed: list[MotionFrame] = []
    motion = FlameSequence.neutral(4, 50.0)
    begun = time.perf_counter()
    play_motion(motion, fed.append, threading.Event())
    assert len(fed) == 4 and time.perf_counter() - begun >= 3 / 50
    assert [frame.media for frame in fed] == pytest.approx([0, 0.02, 0.04, 0.06])
    assert np.diff([frame.at for frame in fed]) == pytest.approx([0.02] * 3)
    stop, again = threading.Event(), []

    def feed(frame: MotionFrame) -> None:
        again.append(frame.media)
        if len(again) == 9:
            stop.set()

    play_motion(motion, feed, stop, loop=True)
    assert again == pytest.approx([0, 0.02, 0.04, 0.06] * 2 + [0])


@pytest.mark.slow
def test_a_phones_take_drives_live(tmp_path):
    """The file of the app, on the page, with `go_live` as the command calls it."""
    values = {name: np.zeros(120) for name in NAMES} | {"jawOpen": np.repeat([0.0, 0.8], 60)}
    write_arkit_csv(tmp_path / "take.csv", Take(values, 30.0, []))
    jaws: list[float] = []
    server = Server(tmp_path, motion=tmp_path / "take.csv", loop=True)
    assert LiveOptions("demo", motion=tmp_path / "take.csv").source == "take.csv"
    with connect(server.socket_address, max_size=None) as page:
        page.send('{"type": "draw", "by": "page"}')
        end = time.monotonic() + 60
        while time.monotonic() < end and not (jaws and max(jaws) - min(jaws) > 0.15):
            message = page.recv(timeout=20)
            if isinstance(message, bytes) and message[:4] == MAGIC:
                jaws.append(np.frombuffer(message, "<f4", 9, PARAMETERS.size)[6])
    server.stop.set()
    server.thread.join(60)
    assert isinstance(server.result.get(), dict) and max(jaws) - min(jaws) > 0.15


@pytest.mark.slow
def test_a_replayed_stream_drives_the_page(tmp_path):
    """A second of rest, then the mouth opens and the head turns; damaged packets come between."""
    port = free_port()
    server = Server(tmp_path, livelink=port)
    still, moved = np.zeros(61), np.zeros(61)
    still[COLUMNS.index("headYaw")] = 0.3  # the phone stands aside
    moved[[COLUMNS.index("jawOpen"), COLUMNS.index("headYaw")]] = 0.8, 0.5
    seen: list[np.ndarray] = []  # [9] rotation, neck and jaw
    stop = threading.Event()

    def phone() -> None:
        chance, begun = random.Random(0), time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.wait(1 / 60):
                packet = packet_of(still if time.monotonic() - begun < 4 else moved)
                sender.sendto(packet, ("127.0.0.1", port))
                sender.sendto(packet[: chance.randrange(len(packet))], ("127.0.0.1", port))

    with connect(server.socket_address, max_size=None) as page:
        page.send('{"type": "draw", "by": "page"}')
        thread = threading.Thread(target=phone, daemon=True)
        thread.start()
        end = time.monotonic() + 60
        while time.monotonic() < end and not (len(seen) > 20 and seen[-1][6] - seen[0][6] > 0.15):
            message = page.recv(timeout=20)
            if isinstance(message, bytes) and message[:4] == MAGIC:
                seen.append(np.frombuffer(message, "<f4", 9, PARAMETERS.size))
        stop.set()
        thread.join(5)
    server.stop.set()
    server.thread.join(60)
    assert isinstance(server.result.get(), dict)
    assert seen[-1][6] - seen[0][6] > 0.15  # rad: the jaw
    assert seen[-1][4] - seen[0][4] == pytest.approx(0.2, abs=0.1)  # the turn since the rest
