"""`AnimatePipeline`: photo and driver in, video out, streaming, in constant memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import PathLike, check_writable, refuse_overwriting
from ..core.plugins import load_plugin, option_names
from ..core.report import Clock, write_report
from ..core.threads import one_torch_thread
from ..drivers.registry import GROUP as DRIVERS
from ..drivers.registry import Driver, load_driver
from ..flame_motion import BadInput, Driven, FlameSequence, Progress, VideoClip, Waveform, load_head
from ..flame_motion.edit import apply_edit, edit_files
from ..flame_motion.media.encoder_thread import EncoderThread
from ..flame_motion.media.video_writer import Finish, VideoWriter, check_target
from ..flame_motion.retargeting.mouth import lips_shut
from ..flame_motion.retargeting.transfer import drive, strengthened
from ..generator import Generator, Portrait, load_generator
from .driving import Signal, check_edit, driven_by, mix_files, mixed, open_mix, open_signal, retargeted, retimed
from .fit import fit_photo
from .framing import framed
from .options import GENERATOR, HEAD, AnimateOptions
from .own_frame import own_frame
from .provenance import Input, Signature, check_signable, open_signature
from .saved import read_pipeline, write_pipeline
from .views import check_camera, place, view_targets

if TYPE_CHECKING:
    from ..flame_motion.tracking.landmarks import LandmarkDetector


@dataclass(frozen=True)
class Animation:
    """What a run made."""

    files: list[Path]  # the videos, one a view, then the report; empty without an output
    report: dict[str, Any]
    frames: np.ndarray | None = None  # [T, V, H, W, 3] uint8 when there was no output to write to
    problems: list[str] = field(default_factory=list)
    motion: FlameSequence | None = None  # what the portrait did, [T]: given back with a portrait, it is drawn again
    portrait: Portrait | None = None  # as it was drawn


@dataclass
class _Parts:
    """What a pipeline has loaded; each part once."""

    lock: threading.RLock = field(default_factory=threading.RLock)  # detectors and networks hold state: one call a time
    detector: LandmarkDetector | None = None
    generator: Generator | None = None
    drivers: dict[str, Driver] = field(default_factory=dict)
    signature: Signature | None = None


@dataclass(frozen=True)
class AnimatePipeline:
    """Animates portraits: `AnimatePipeline()("photo.jpg", video="driver.mp4", output="out.mp4")`.

    Detector, head, drivers and generator are loaded at first use and kept; a pipeline may be used from several threads,
    which then wait for each other.
    """

    head: str = HEAD  # name of a head, or a FLAME file
    generator: str = GENERATOR
    generator_options: dict[str, Any] = field(default_factory=dict)
    driver_options: dict[str, dict[str, Any]] = field(default_factory=dict)  # by driver
    sign_cert: PathLike | None = None  # a certificate chain (PEM) and its private key: videos get a C2PA manifest
    sign_key: PathLike | None = None
    _parts: _Parts = field(default_factory=_Parts, init=False, repr=False, compare=False)

    @classmethod
    def from_pretrained(cls, folder: PathLike) -> AnimatePipeline:
        """The pipeline that `save_pretrained` put into a folder. Raises BadInput."""
        return cls(**read_pipeline(Path(folder)))

    def save_pretrained(self, folder: PathLike) -> None:
        """Writes the pipeline's parts into a folder, each in one of its own, and `model_index.json`; no signing key."""
        loaded = {"generator": self._parts.generator, **{f"driver_{k}": v for k, v in self._parts.drivers.items()}}
        drivers = {name: self.driver_options.get(name, {}) for name in {**self._parts.drivers, **self.driver_options}}
        write_pipeline(Path(folder), self.head, (self.generator, self.generator_options), drivers, loaded)

    @one_torch_thread()
    def __call__(
        self,
        photo: PathLike | np.ndarray | Portrait,
        *,
        video: PathLike | VideoClip | None = None,
        motion: PathLike | FlameSequence | None = None,
        text: str | None = None,
        emotion: str | None = None,
        keep: str | None = None,
        keyframes: PathLike | None = None,
        speech: PathLike | Waveform | None = None,
        say: str | None = None,
        driver: str | None = None,
        signal: Any = None,
        progress: Progress | None = None,
        output: PathLike | None = None,
        **options: Any,
    ) -> Animation:
        """Animates `photo` by one of video, motion, text (with emotion), speech, words to say, or any driver's signal.

        photo: a file, `demo`, a uint8 RGB array [H, W, 3], or a fitted Portrait (or its .npz); `options` are those of
        `AnimateOptions`. With `output` the video is streamed to it, one file a view; without, the frames are returned
        in memory. progress(stage, done, of) is called as it goes. Raises BadInput or MissingAsset.
        """
        asked = AnimateOptions.of(options)
        targets = self._check(asked, output)
        sources = {
            "photo": photo, "video": video, "motion": motion, "keyframes": keyframes, "speech": speech, "signal": signal
        }  # fmt: skip
        words = {"text": text, "emotion": emotion, "say": say}
        if output is not None:
            named = [*(file for _, file in _named_files(asked)), self.sign_cert, self.sign_key]
            refuse_overwriting([*sources.values(), *named], [*targets, _report_path(output)])
        opened = open_signal(
            video=video, motion=motion, text=text, emotion=emotion, seconds=asked.seconds, keep=keep,
            keyframes=keyframes, mix=asked.mix, speech=speech, say=say, speaking=asked.speaking, driver=driver,
            signal=signal, fps=asked.fps, motion_fps=asked.motion_fps, head=self.head,
        )  # fmt: skip
        others = open_mix(asked.mix, self.head)
        with self._parts.lock:
            generator, clock = self._generator(), Clock()
            portrait, driven = self._fit_and_drive(photo, opened, asked, clock, progress)
            with clock.stage("transfer"):
                driven = retargeted(mixed(driven, others), portrait.head, portrait.pose.shape)
                identity = "photo"  # a motion of another head has the portrait's identity by now
                clip = opened.value if isinstance(opened.value, VideoClip) else None
                own = None if "retargeted_from" in driven.facts else own_frame(portrait, driven.motion, clip)
                if asked.mode == "absolute" and own is not None:
                    portrait, identity = portrait.with_identity(driven.motion.shape), "driver"
                portrait = framed(portrait, asked.framing, asked.size)
                posed = _posed(portrait, driven, asked, own)
                driven = retimed(driven, asked.edit)
                cameras = place(portrait, len(posed), asked.camera, asked.views, posed.fps)
            stream = generator(portrait, posed, cameras, seed=asked.seed, progress=progress)
            frames = None if targets else np.stack(list(stream))
            if targets:
                finishers = self._finishers(targets, sources | words, _named_files(asked))
                _encode(stream, targets, posed.fps, driven, clock, finishers)
        report = self._report(photo, portrait, posed, driven, asked, targets, clock) | {"identity": identity}
        files = [] if output is None else [*targets, _report_path(output)]
        if output is not None:
            write_report(_report_path(output), report)
        return Animation(files, report, frames, driven.problems, posed, portrait)

    def _check(self, asked: AnimateOptions, output: PathLike | None) -> list[Path]:
        """Refuses what cannot be done, before any work; returns the video of each view. BadInput or MissingAsset."""
        check_camera(asked.camera, asked.views)
        targets = [] if output is None else view_targets(Path(output), asked.views, asked.camera)
        for target in targets:
            check_target(target)
            if self._signature() is not None:
                check_signable(target)
        if output is not None:
            check_writable(_report_path(output))
        self._generator()
        load_head(self.head)
        check_edit(asked.edit, self.head)
        return targets

    def _signature(self) -> Signature | None:
        with self._parts.lock:
            if self._parts.signature is None:
                self._parts.signature = open_signature(self.sign_cert, self.sign_key)
            return self._parts.signature

    def _finishers(
        self, targets: list[Path], sources: dict[str, Any], named: list[tuple[str, str]]
    ) -> list[Finish | None]:
        """What is done to each whole video before it gets its name: it is signed, where there is a key."""
        signature = self._signature()
        given = [] if signature is None else [sources, *({role: file} for role, file in named)]
        inputs = tuple(each for part in given for each in Input.all_of(part))
        return [None if signature is None else signature.finish(target, inputs) for target in targets]

    def _generator(self) -> Generator:
        with self._parts.lock:
            if self._parts.generator is None:
                self._parts.generator = load_generator(self.generator, **self.generator_options)
            return self._parts.generator

    def _detector(self) -> LandmarkDetector:
        with self._parts.lock:
            if self._parts.detector is None:
                from ..flame_motion.tracking.detector import MediaPipeDetector

                self._parts.detector = MediaPipeDetector()
            return self._parts.detector

    def driver(self, name: str) -> Driver:
        """The driver of that name, loaded once, with the pipeline's head and detector where it takes them. BadInput."""
        if name not in self._parts.drivers:
            takes = option_names(load_plugin(DRIVERS, name)) or []
            shared: dict[str, Any] = {"head": self.head} if "head" in takes else {}
            if "detector" in takes:
                shared["detector"] = self._detector()
            self._parts.drivers[name] = load_driver(name, **{**shared, **self.driver_options.get(name, {})})
        return self._parts.drivers[name]

    def _fit_and_drive(
        self,
        photo: PathLike | np.ndarray | Portrait,
        opened: Signal,
        asked: AnimateOptions,
        clock: Clock,
        progress: Progress | None,
    ) -> tuple[Portrait, Driven]:
        """The portrait and the driver's motion, neither of which waits for the other."""

        def fit() -> tuple[Portrait, list[str]]:
            with clock.stage("fit"):
                return self._portrait(photo, asked.face, detector)

        def motion() -> Driven:
            with clock.stage("motion"):
                return driven_by(
                    opened, self.driver, head=self.head, seconds=asked.seconds, fps=asked.fps, seed=asked.seed,
                    progress=progress,
                )  # fmt: skip

        detector = self._detector()  # here: the thread beside could not have the lock that this one holds
        with ThreadPoolExecutor(1, "fit") as beside:
            portrait = beside.submit(fit)  # whichever fails first, both have ended before the error goes on
            driven = motion()
            fitted, notes = portrait.result()
        return fitted, replace(driven, problems=[*notes, *driven.problems])

    def _portrait(
        self, photo: PathLike | np.ndarray | Portrait, face: int, detector: LandmarkDetector
    ) -> tuple[Portrait, list[str]]:
        """The fitted portrait of whatever was given as a photo, and what to know of it."""
        if isinstance(photo, Portrait):
            return photo, []
        if isinstance(photo, np.ndarray):
            if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
                raise BadInput(f"photo must be uint8 [H, W, 3], got {photo.dtype} {list(photo.shape)}")
            return Portrait.fit_with_notes(photo, face=face, head=self.head, detector=detector)
        if str(photo).endswith(".npz"):
            return Portrait.load(photo), []
        return fit_photo(photo, face, self.head, detector)

    def _report(
        self,
        photo: Any,
        portrait: Portrait,
        motion: FlameSequence,
        driven: Driven,
        asked: AnimateOptions,
        targets: list[Path],
        clock: Clock,
    ) -> dict[str, Any]:
        height, width = portrait.image.shape[:2]
        return {
            "photo": str(photo) if isinstance(photo, (str, os.PathLike)) else type(photo).__name__,
            "fit_error_percent": round(float(portrait.error), 3),
            "driver": driven.facts,
            "head": motion.head,
            "generator": self.generator,
            "options": {name: value for name, value in asdict(asked).items() if value is not None},
            "videos": [str(target) for target in targets],
            "frames": len(motion),
            "fps": motion.fps,
            "size": [width, height],
            "problems": driven.problems,
            "frame_problems": driven.frame_problems,
            "timings": clock.table(len(motion)),
        }


def _named_files(asked: AnimateOptions) -> list[tuple[str, str]]:
    """The files that options name, each with its role."""
    files = [("mix", file) for file in mix_files(asked.mix)] + [("edit", file) for file in edit_files(asked.edit)]
    camera = asked.camera or ""
    return files + ([("camera", camera)] if camera.lower().endswith(".json") else [])


def _report_path(output: PathLike) -> Path:
    return Path(output).with_suffix(".json")


def _posed(portrait: Portrait, driven: Driven, asked: AnimateOptions, own: int | None) -> FlameSequence:
    """The portrait's own motion: driven, then edited. own: the driver's frame that the portrait is, if any."""
    source = lips_shut(portrait.pose) if driven.lips_meet and asked.mode == "relative" else portrait.pose
    first = None if own is None else driven.motion[own : own + 1]
    motion = drive(source, driven.motion, asked.mode, driven.rest, first)  # type: ignore[arg-type]
    motion = strengthened(source, motion, asked.strength)
    return motion if asked.edit is None else apply_edit(motion, asked.edit)


def _encode(
    stream: Iterator[np.ndarray],
    targets: list[Path],
    fps: float,
    driven: Driven,
    clock: Clock,
    finishers: list[Finish | None],
) -> None:
    """Generates and encodes side by side; `generate` is the time the frames took, `encode` that of the other thread."""
    makers = [
        partial(VideoWriter, target, fps, sound=driven.sound, finish=finish)
        for target, finish in zip(targets, finishers, strict=True)
    ]
    with clock.stage("generate and encode"):
        with EncoderThread(makers) as encoder:
            while True:
                with clock.stage("generate"):
                    frames = next(stream, None)
                if frames is None:
                    break
                encoder.put(frames)
    clock.seconds["encode"] = encoder.seconds
