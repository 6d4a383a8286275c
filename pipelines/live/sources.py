"""Where pictures of a driver come from: a file at its own pace, or a camera of this machine."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

from ...flame_motion import BadInput, VideoClip
from .following import Captured

Feed = Callable[[Captured], None]


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
            feed(Captured(image, due, number / clip.fps))
            shown += 1
        if not loop or stop.is_set():
            return
        gc.collect()  # closed decoders lie in cycles, with their frames; what `go_live` froze costs no time here


def play_camera(device: int, feed: Feed, stop: threading.Event) -> None:
    """Feeds what a camera of this machine sees, until `stop` is set. BadInput where there is none of that number."""
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
            feed(Captured(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), time.perf_counter()))
    finally:
        camera.release()
