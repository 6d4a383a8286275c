"""`AnimatePipeline`: photo and driver in, video out, streaming, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..flame_motion import BadInput, FlameSequence, VideoClip, load_head
from ..flame_motion.edit import apply_edit, edit_files
from ..flame_motion.files import check_writable, refuse_overwriting
from ..flame_motion.threads import one_torch_thread
from ..flame_motion.transfer import drive, shows_driver
from ..generator import Portrait, load_generator
from ..renderer import Cameras
from .console import Progress
from .driving import (
    Driving,
    Source,
    check_edit,
    mix_files,
    mixed,
    open_mix,
    open_signal,
    retargeted,
    retimed,
    to_motion,
)
from .fit import fit_photo
from .framing import framed
from .media.encoder_thread import EncoderThread
from .media.video_writer import VideoWriter, check_target
from .options import GENERATOR, HEAD, AnimateOptions
from .report import Clock, write_report
from .views import check_camera, place, view_targets

CONFIG = "pipeline.json"


@dataclass(frozen=True)
class Animation:
    """What a run made."""

    files: list[Path]  # the videos, one a view, then the report; empty without an output
    report: dict[str, Any]
    frames: np.ndarray | None = None  # [T, V, H, W, 3] uint8 when there was no output to write to
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class AnimatePipeline:
    """Animates portraits: `AnimatePipeline()("photo.jpg", video="driver.mp4", output="out.mp4")`."""

    head: str = HEAD  # name of a head, or a FLAME file
    generator: str = GENERATOR

    @classmethod
    def from_pretrained(cls, folder: Source) -> AnimatePipeline:
        """The pipeline that `save_pretrained` put into a folder. Raises BadInput."""
        path = Path(folder) / CONFIG
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{folder} holds no pipeline: {CONFIG} was expected there ({error})") from error
        known = {"head", "generator"}
        if not isinstance(config, dict) or set(config) != known:
            raise BadInput(f"{path} must hold {sorted(known)}, got {config}")
        return cls(**config)

    def save_pretrained(self, folder: Source) -> None:
        """Writes the pipeline's choices into a folder."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps({"head": self.head, "generator": self.generator}, indent=2)
        (Path(folder) / CONFIG).write_text(text + "\n", encoding="utf-8")

    @one_torch_thread()
    def __call__(
        self,
        photo: Source | np.ndarray | Portrait,
        *,
        video: Source | VideoClip | None = None,
        motion: Source | FlameSequence | None = None,
        text: str | None = None,
        speech: Source | None = None,
        progress: Progress | None = None,
        output: Source | None = None,
        **options: Any,
    ) -> Animation:
        """Animates `photo` by one of video, motion, text or speech; `options` are those of `AnimateOptions`.

        photo: a file, `demo`, a uint8 RGB array [H, W, 3], or a fitted Portrait (or its .npz). With `output` the video
        is streamed to it, one file a view; without, the frames are returned in memory. progress(stage, done, of) is
        called as it goes. Raises BadInput or MissingAsset.
        """
        asked = AnimateOptions.of(options)
        targets = self._check(asked, output)
        if output is not None:
            files = [*edit_files(asked.edit), *mix_files(asked.mix)]
            refuse_overwriting([photo, video, motion, speech, asked.camera, *files], [*targets, _report_path(output)])
        signal = open_signal(video=video, motion=motion, text=text, speech=speech, fps=asked.fps, head=self.head)
        others = open_mix(asked.mix, self.head)
        clock = Clock()
        with clock.stage("fit"):
            portrait = self._portrait(photo, asked.face)
        with clock.stage("motion"):
            driving = to_motion(
                signal, head=self.head, seconds=asked.seconds, fps=asked.fps, seed=asked.seed, progress=progress
            )
            driving = retargeted(mixed(driving, others), portrait.head, portrait.pose.shape)
            identity = "photo"
            if asked.mode == "absolute" and shows_driver(portrait.pose, driving.motion):
                portrait, identity = portrait.with_identity(driving.motion.shape), "driver"
            portrait = framed(portrait, asked.framing, asked.size)
            posed = _posed(portrait, driving, asked)
        driving = retimed(driving, asked.edit)
        cameras = place(portrait, len(posed), asked.camera, asked.views, posed.fps)
        stream = _stream(portrait, posed, cameras, self.generator, progress)
        frames = None if targets else np.stack(list(stream))
        if targets:
            _encode(stream, targets, posed.fps, driving, clock)
        report = self._report(photo, portrait, posed, driving, asked, targets, clock) | {"identity": identity}
        if output is None:
            return Animation([], report, frames, driving.problems)
        write_report(_report_path(output), report)
        return Animation([*targets, _report_path(output)], report, None, driving.problems)

    def _check(self, asked: AnimateOptions, output: Source | None) -> list[Path]:
        """Refuses what cannot be done, before any work; returns the video of each view. BadInput or MissingAsset."""
        check_camera(asked.camera, asked.views)
        targets = [] if output is None else view_targets(Path(output), asked.views, asked.camera)
        for target in targets:
            check_target(target)
        if output is not None:
            check_writable(_report_path(output))
        load_generator(self.generator)
        load_head(self.head)
        check_edit(asked.edit, self.head)
        return targets

    def _portrait(self, photo: Source | np.ndarray | Portrait, face: int) -> Portrait:
        """The fitted portrait of whatever was given as a photo."""
        if isinstance(photo, Portrait):
            return photo
        if isinstance(photo, np.ndarray):
            if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
                raise BadInput(f"photo must be uint8 [H, W, 3], got {photo.dtype} {list(photo.shape)}")
            return Portrait.fit(photo, face=face, head=self.head)
        if str(photo).endswith(".npz"):
            return Portrait.load(photo)
        return fit_photo(photo, face, self.head)

    def _report(
        self,
        photo: Any,
        portrait: Portrait,
        motion: FlameSequence,
        driving: Driving,
        asked: AnimateOptions,
        targets: list[Path],
        clock: Clock,
    ) -> dict[str, Any]:
        height, width = portrait.image.shape[:2]
        return {
            "photo": str(photo) if isinstance(photo, (str, PathLike)) else type(photo).__name__,
            "fit_error_percent": round(float(portrait.error), 3),
            "driver": driving.facts,
            "head": motion.head,
            "generator": self.generator,
            "options": {name: value for name, value in asdict(asked).items() if value is not None},
            "videos": [str(target) for target in targets],
            "frames": len(motion),
            "fps": motion.fps,
            "size": [width, height],
            "problems": driving.problems,
            "frame_problems": driving.frame_problems,
            "timings": clock.table(len(motion)),
        }


def _report_path(output: Source) -> Path:
    return Path(output).with_suffix(".json")


def _posed(portrait: Portrait, driving: Driving, asked: AnimateOptions) -> FlameSequence:
    """The portrait's own motion: driven, then edited."""
    motion = drive(portrait.pose, driving.motion, asked.mode)  # type: ignore[arg-type]
    return motion if asked.edit is None else apply_edit(motion, asked.edit)


def _stream(
    portrait: Portrait, motion: FlameSequence, cameras: Cameras, generator: str, progress: Progress | None
) -> Iterator[np.ndarray]:  # [V, H, W, 3] uint8
    for done, frames in enumerate(load_generator(generator)(portrait, motion, cameras), 1):
        yield frames
        if progress is not None:
            progress("generate", done, len(motion))


def _encode(stream: Iterator[np.ndarray], targets: list[Path], fps: float, driving: Driving, clock: Clock) -> None:
    """Generates and encodes side by side; `generate` is the time the frames took, `encode` that of the other thread."""
    makers = [partial(VideoWriter, target, fps, sound=driving.sound) for target in targets]
    with clock.stage("generate and encode"):
        with EncoderThread(makers) as encoder:
            while True:
                with clock.stage("generate"):
                    frames = next(stream, None)
                if frames is None:
                    break
                encoder.put(frames)
    clock.seconds["encode"] = encoder.seconds
