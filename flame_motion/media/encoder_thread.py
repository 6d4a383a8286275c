"""Encoding in a thread: all views are written while the generator makes the next frame."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType

import numpy as np

from .video_writer import VideoWriter

_WAITING_FRAMES = 8  # how far the generator may run ahead; bounds the memory


class Dropped(Exception):
    """Ends the writers' blocks without a file when the generator failed."""


class EncoderThread:
    """`with EncoderThread(openers) as encoder: encoder.put(frames)`, frames uint8 [V, H, W, 3], one a frame of time.

    openers: make the writer of each view, called in the thread. When the block ends well all videos are finished and
    published; when it ends by an exception none is. An error of the encoder is raised by the next `put` or at the end
    of the block.
    """

    def __init__(self, openers: Sequence[Callable[[], VideoWriter]]):
        self._openers = openers
        self._queue: queue.Queue[np.ndarray | None | Dropped] = queue.Queue(_WAITING_FRAMES)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="encoder")
        self.seconds = 0.0  # s spent encoding

    def __enter__(self) -> EncoderThread:
        self._thread.start()
        return self

    def put(self, frames: np.ndarray) -> None:  # [V, H, W, 3] uint8
        if len(frames) != len(self._openers):
            raise ValueError(f"expected {len(self._openers)} views a frame, got {len(frames)}")
        self._queue.put(frames)
        if self._failure is not None:
            raise self._failure

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None if kind is None else Dropped())
        self._thread.join()
        if kind is None and self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        item: np.ndarray | Dropped | None = np.empty(0)
        try:
            with ExitStack() as stack:
                writers = [stack.enter_context(opener()) for opener in self._openers]
                while (item := self._queue.get()) is not None:
                    if isinstance(item, Dropped):
                        raise item
                    start = time.perf_counter()
                    for writer, frame in zip(writers, item, strict=True):
                        writer.write(frame)
                    self.seconds += time.perf_counter() - start
        except Dropped:
            pass  # it was raised to end the writers without a file
        except BaseException as failure:  # raised in the thread that waits
            self._failure = failure
            while isinstance(item, np.ndarray):  # keep emptying the queue: the generator must never wait for it
                item = self._queue.get()
