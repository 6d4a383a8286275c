"""Sources of a driver's frames and sound: a file at its own pace, a camera or the microphone of this machine."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

import numpy as np

from ...flame_motion import BadInput, FlameSequence, VideoClip
from ...flame_motion.media.sound import SAMPLE_RATE
from .follower import CapturedFrame, MotionFrame

Feed = Callable[[CapturedFrame], None]


def play_file(clip: VideoClip, feed: Feed, stop: threading.Event, *, loop: bool = False) -> None:
    """Feeds a clip's frames when each is due by the clip's own rate, until it ends or `stop` is set.

    loop: from the beginning again, without end. A frame that is decoded too late is fed late, and counts as late.
    """
    start, shown = time.perf_counter(), 0
    while True:
        for number, image in enumerate(clip):
            due = start + shown / clip.fps
            if stop.wait(max(0.0, due - time.perf_counter())):
                return
            feed(CapturedFrame(image, due, number / clip.fps))
            shown += 1
        if not loop or stop.is_set():
            return
        gc.collect()  # closed decoders lie in cycles, with their frames; what `go_live` froze costs no time here


def play_motion(
    motion: FlameSequence, feed: Callable[[MotionFrame], None], stop: threading.Event, *, loop: bool = False
) -> None:
    """Feeds a motion's frames when each is due by its rate, until it ends or `stop` is set; loop: without end."""
    start, shown = time.perf_counter(), 0
    while loop or shown < len(motion):
        number, due = shown % len(motion), start + shown / motion.fps
        if stop.wait(max(0.0, due - time.perf_counter())):
            return
        feed(MotionFrame(motion[number : number + 1], due, number / motion.fps))
        shown += 1


def play_camera(device: int, feed: Feed, stop: threading.Event) -> None:
    """Feeds the frames of a camera of this machine until `stop` is set. BadInput where none has that number."""
    import cv2

    camera = cv2.VideoCapture(device)
    try:
        if not camera.isOpened():
            raise BadInput(
                f"camera {device}: none answers there; plug one in, try another number, or let the page use its own"
            )
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        while not stop.is_set():
            good, picture = camera.read()
            if not good:
                raise BadInput(f"camera {device}: it stopped giving pictures")
            feed(CapturedFrame(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), time.perf_counter()))
    finally:
        camera.release()


def play_microphone(feed: Callable[[np.ndarray], None], stop: threading.Event) -> None:
    """Feeds the samples of this machine's microphone, [n] -1..1 at SAMPLE_RATE, until `stop` is set. BadInput."""
    instead = "or turn on the page's own, without --microphone"
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise BadInput(f"no microphone can be used ({error}): apt install libportaudio2, {instead}") from None

    def take(samples: np.ndarray, *_: object) -> None:
        feed(samples[:, 0].copy())

    try:
        with sounddevice.InputStream(SAMPLE_RATE, SAMPLE_RATE // 25, channels=1, dtype="float32", callback=take):
            stop.wait()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise BadInput(f"no microphone answers on this machine ({error}): plug one in, {instead}") from None
