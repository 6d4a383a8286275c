"""Encoding beside the generator: one thread writes all views while the next frame is made."""

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
    """`with EncoderThread(makers) as encoder: encoder.put(frames)`, frames uint8 [V, H, W, 3], one a frame of time.

    makers: one a view, called in the thread. When the block ends well all videos are finished and published; when it
    ends by an exception none is. An error of the encoder is raised by the next `put` or at the end of the block.
    """

    def __init__(self, makers: Sequence[Callable[[], VideoWriter]]):
        self._makers = makers
        self._queue: queue.Queue[np.ndarray | None | Dropped] = queue.Queue(_WAITING_FRAMES)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="encoder")
        self.seconds = 0.0  # s spent encoding

    def __enter__(self) -> EncoderThread:
        self._thread.start()
        return self

    def put(self, frames: np.ndarray) -> None:  # [V, H, W, 3] uint8
        if len(frames) != len(self._makers):
            raise ValueError(f"expected {len(self._makers)} views a frame, got {len(frames)}")
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
                writers = [stack.enter_context(make()) for make in self._makers]
                while (item := self._queue.get()) is not None:
                    if isinstance(item, Dropped):
                        raise item
                    start = time.perf_counter()
                    for writer, frame in zip(writers, item, strict=True):
                        writer.write(frame)
                    self.seconds += time.perf_counter() - start
        except Dropped:
            pass
        except BaseException as failure:  # handed to the thread that waits
            self._failure = failure
            while isinstance(item, np.ndarray):  # the generator must never wait for a queue that nobody empties
                item = self._queue.get()
