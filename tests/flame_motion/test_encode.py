"""The encoder's thread: whatever fails, and wherever, the program goes on and is told."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from flamecast.flame_motion.media.encoder_thread import EncoderThread
from flamecast.flame_motion.media.video_writer import VideoWriter

FRAME = np.zeros((1, 16, 16, 3), np.uint8)


class Writer:
    """Stands for a VideoWriter that fails at one of its three stages."""

    def __init__(self, fails: str):
        self.fails = fails
        self._do("make")

    def _do(self, stage: str) -> None:
        if stage == self.fails:
            raise OSError(f"cannot {stage}")

    def __enter__(self) -> Writer:
        return self

    def write(self, frame: np.ndarray) -> None:
        self._do("write")

    def __exit__(self, *error: object) -> None:
        self._do("publish")


@pytest.mark.parametrize("stage", ["make", "write", "publish"])
def test_a_failing_writer_is_raised_and_never_waited_for(stage):
    raised: list[BaseException] = []

    def encode() -> None:
        try:
            with EncoderThread([lambda: Writer(stage)]) as encoder:  # type: ignore[list-item, return-value]
                for _ in range(30):  # more than the queue holds
                    encoder.put(FRAME)
        except OSError as error:
            raised.append(error)

    worker = threading.Thread(target=encode, daemon=True)
    worker.start()
    worker.join(timeout=20)
    assert not worker.is_alive(), "the encoder waits for a queue that nobody fills"
    assert [str(error) for error in raised] == [f"cannot {stage}"]


def test_a_failing_generator_drops_all_views(tmp_path):
    makers = [lambda name=name: VideoWriter(tmp_path / name, 25) for name in ("a.mp4", "b.mp4")]
    with pytest.raises(RuntimeError, match="ours"), EncoderThread(makers) as encoder:
        encoder.put(np.concatenate([FRAME, FRAME]))
        raise RuntimeError("ours")
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_views_must_be_that_of_the_writers(tmp_path):
    with pytest.raises(ValueError, match="expected 1 views a frame, got 2"):
        with EncoderThread([lambda: VideoWriter(tmp_path / "a.mp4", 25)]) as encoder:
            encoder.put(np.concatenate([FRAME, FRAME]))
    assert list(tmp_path.iterdir()) == []
