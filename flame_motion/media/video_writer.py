"""Video files of H.264 and AAC, streamed into a file that appears only when it is whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import BadInput
from ...core.files import PathLike, atomic_path, check_writable
from .sound import SAMPLE_RATE, Samples, Sound

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
Finish = Callable[[str], None]  # called with a path
GENERATED_MARK = "AI-generated: a still portrait animated by flamecast"
# ffmpeg's numbers. The matrix is BT.601's because readers that ignore the tag (OpenCV) assume it at every size; the
# rest is BT.709's, as of sRGB. Readers that honour the tags get the same colours.
_BT709, _BT601, _LIMITED_RANGE = 1, 6, 1


class VideoWriter:
    """`with VideoWriter("out.mp4", fps=25, sound=clip_path) as writer: writer.write(frame)`.

    Frames are uint8 RGB [H, W, 3], all of one size; an odd side is padded by one repeated row or column, because 4:2:0
    colour needs even sides. The sound (a Waveform, a Sound, or a media file whose track is streamed) is cut to the
    length of the picture. Leaving the block by an exception leaves no file; so does writing no frame. finish: called
    with the path of the whole file before it gets its name, to sign it.
    """

    def __init__(
        self,
        target: str | Path,
        fps: float,
        *,
        sound: Samples | PathLike | Sound | None = None,
        crf: int = 16,
        preset: str = "veryfast",
        finish: Finish | None = None,
    ):
        check_target(target)
        self.target, self.fps = Path(target), Fraction(fps).limit_denominator(1001)
        self.frames = 0
        self._options = {"crf": str(crf), "preset": preset}
        self._sound = Sound.of(sound) if sound is not None else None
        self._samples = 0
        self._finish = finish
        self._stack = ExitStack()
        self._container: Any = None

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, frame: np.ndarray) -> None:  # [H, W, 3] uint8 RGB
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"frame must be uint8 [H, W, 3], got {frame.dtype} {list(frame.shape)}")
        if self._container is None:
            self._open(frame.shape[0], frame.shape[1])
        if frame.shape[:2] != self._size:
            raise ValueError(f"every frame must have the size of the first {self._size}, got {frame.shape[:2]}")
        self._container.mux(self._video.encode(self._yuv(frame)))
        self.frames += 1
        self._write_sound()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        """Finishes the file and publishes it, or drops it after an exception."""
        if self._container is None:
            return None
        try:
            if kind is None:
                self._container.mux(self._video.encode(None))
                if self._sound is not None:
                    self._container.mux(self._audio.encode(None))
            self._container.close()
            if kind is None and self._finish is not None:
                self._finish(self._path)
        except BaseException as failure:  # it goes on: the unfinished file must not get its name
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        return self._stack.__exit__(kind, error, trace)

    def _open(self, height: int, width: int) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._size, self._pad = (height, width), (height % 2, width % 2)
        self._path = path = self._stack.enter_context(atomic_path(self.target))
        kind = CONTAINERS[self.target.suffix.lower()]
        options = {"movflags": "+faststart"} if kind != "matroska" else {}
        self._container = av.open(path, "w", format=kind, options=options)
        self._container.metadata["comment"] = GENERATED_MARK
        video = self._container.add_stream("libx264", rate=self.fps, options=self._options)
        video.width, video.height = width + self._pad[1], height + self._pad[0]
        video.pix_fmt, video.codec_context.time_base = "yuv420p", 1 / self.fps
        codec = video.codec_context
        codec.colorspace, codec.color_range = _BT601, _LIMITED_RANGE
        codec.color_primaries = codec.color_trc = _BT709
        self._video, self._reformatter = video, VideoReformatter()
        if self._sound is not None:
            layout = "mono" if self._sound.channels == 1 else "stereo"
            self._audio = self._container.add_stream("aac", rate=SAMPLE_RATE, layout=layout)
            self._audio.bit_rate = 96_000 * self._sound.channels

    def _yuv(self, frame: np.ndarray) -> Any:
        import av
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        if any(self._pad):
            frame = np.pad(frame, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")
        picture = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
        )
        picture.pts, picture.time_base = self.frames, 1 / self.fps
        return picture

    def _write_sound(self) -> None:
        """Writes the sound up to the end of the last frame: interleaved, and never longer than the picture."""
        if self._sound is None:
            return
        import av

        samples = self._sound.take(round(self.frames / self.fps * SAMPLE_RATE) - self._samples)
        if samples.shape[1] == 0:
            return
        layout = "mono" if self._sound.channels == 1 else "stereo"
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += samples.shape[1]
        self._container.mux(self._audio.encode(block))


def check_target(target: str | Path) -> None:
    """Raises BadInput when no video can be written to `target`."""
    suffix = Path(target).suffix.lower()
    if suffix not in CONTAINERS:
        raise BadInput(f"the output {target} must end in one of {', '.join(CONTAINERS)}, got {suffix or 'no ending'}")
    check_writable(target)
