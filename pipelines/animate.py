"""`AnimatePipeline`: photo and driver in, video out, streaming, in constant memory."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import PathLike, refuse_overwriting
from ..core.plugins import DRIVERS, GENERATOR_OPTIONS, call_options, load_plugin, option_names
from ..core.report import Clock, check_beside, check_report, write_report
from ..core.threads import one_torch_thread
from ..drivers.registry import Driver, load_driver
from ..flame_motion import Driven, FlameSequence, Progress, VideoClip, load_head
from ..flame_motion.edit import edit_files
from ..flame_motion.media.video_writer import Finish, check_target
from ..flame_motion.style import PRESETS
from ..generator import Generator, Portrait, load_generator
from .fit import Fitted, Sight, look_at, open_portrait
from .opening import Signal, check_edit, mix_files, open_mix, open_signal
from .provenance import Input, Signature, broken_inputs, check_signable, open_signature
from .request import AnimateRequest, Components, refuse_unused
from .saved import read_pipeline, write_pipeline
from .stages import Posed, drive_signal, pose, shortened, write_videos
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
    unedited: FlameSequence | None = None  # the motion before the request's edit


@dataclass
class _Parts:
    """What a pipeline has loaded; each part once."""

    lock: threading.RLock = field(default_factory=threading.RLock)  # detectors and networks hold state: one call a time
    detector: LandmarkDetector | None = None
    generator: Generator | None = None
    drivers: dict[str, Driver] = field(default_factory=dict)
    signature: Signature | None = None
    device: Any = None  # a torch device that parts are moved to; None: where they were loaded
    folder: Path | None = None  # that the pipeline was saved to


@dataclass(frozen=True)
class AnimatePipeline(Components):
    """Animates portraits: `AnimatePipeline()("photo.jpg", video="driver.mp4", output="out.mp4")`.

    Detector, head, drivers and generator are loaded at first use and kept; a pipeline may be used from several threads,
    which then wait for each other. cache: whether fitted portraits are kept on disk for the next process
    (`portrait_cache`): for programs of one user, who knows of it; a server leaves it off.
    """

    cache: bool = False
    _parts: _Parts = field(default_factory=_Parts, init=False, repr=False, compare=False)

    @classmethod
    def from_pretrained(cls, folder: PathLike) -> AnimatePipeline:
        """The pipeline that `save_pretrained` put into a folder, with the weights that lie there. Raises BadInput."""
        pipeline = cls(**read_pipeline(Path(folder)))
        pipeline._parts.folder = Path(folder)
        return pipeline

    def save_pretrained(self, folder: PathLike) -> None:
        """Writes the pipeline's parts into a folder, each in one of its own, and `model_index.json`; no signing key."""
        names = {**self._parts.drivers, **self.driver_options}
        loaded = {"generator": self._generator(), **{f"driver_{name}": self.driver(name) for name in names}}
        drivers = {name: self.driver_options.get(name, {}) for name in names}
        write_pipeline(Path(folder), self.head, (self.generator, self.generator_options), drivers, loaded)

    def to(self, device: Any) -> AnimatePipeline:
        """Moves drivers and generator to a torch device, those that are loaded later, too; returns the pipeline.

        What works on the CPU alone (the rasterizer's kernels, landmark detection, `warp`) stays there.
        """
        with self._parts.lock:
            self._parts.device = device
            for component in (self._parts.generator, *self._parts.drivers.values()):
                self._placed(component)
        return self

    @one_torch_thread()
    def __call__(
        self, photo: PathLike | np.ndarray | Portrait, *, progress: Progress | None = None, **options: Any
    ) -> Animation:
        """Animates `photo` by one of video, motion, text (with emotion), speech, words to say, or any driver's signal.

        photo: a file, `demo`, a uint8 RGB array [H, W, 3], or a fitted Portrait (or its .npz). options: those of
        `AnimateRequest`, and what drivers and generators declare, by name. With `output` the video is streamed to it,
        one file a view; without, the frames are returned in memory. progress(stage, done, of) is called as it goes.
        Raises BadInput or MissingAsset.
        """
        return self.run(AnimateRequest.of(photo=photo, **options), progress)

    @one_torch_thread()
    def run(
        self, request: AnimateRequest, progress: Progress | None = None, longest: float | None = None,
        portraits: Path | None = None,
    ) -> Animation:  # fmt: skip
        """Does a request. Raises BadInput or MissingAsset before any work where it can.

        longest: s that the output lasts at most, whatever an edit makes of the driver's time. portraits: a folder to
        keep fitted portraits in, whatever `cache` says.
        """
        targets, clock = self._check(request), Clock()
        with self._parts.lock, clock.stage("fit"):
            sight = self._look_at(request, portraits)  # before any weights are loaded
        self._generator()
        signal = open_signal(request.drive, request.clip, request.mix, self.head)
        clips = open_mix(request.mix, self.head)
        options = call_options(GENERATOR_OPTIONS, self.generator, request.options.get(self.generator, {}))
        with self._parts.lock:
            portrait, driven = self._fit_and_drive(request, sight, signal, clock, progress)
            with clock.stage("transfer"):
                video = signal.value if isinstance(signal.value, VideoClip) else None
                posed = shortened(pose(portrait, driven, request, clips, video=video), longest)
                view, motion = request.view, posed.motion
                cameras = place(posed.portrait, len(motion), view.camera, view.views, motion.fps)
            stream = self._generator()(posed.portrait, motion, cameras, seed=request.seed, progress=progress, **options)
            frames = None if targets else np.stack(list(stream))
            if targets:
                finishers, problems = self._finishers(targets, request)
                posed = replace(posed, driven=replace(posed.driven, problems=[*posed.driven.problems, *problems]))
                write_videos(stream, targets, posed, clock, finishers)
        report = self._report(request, posed, targets, clock)
        files = []
        if request.output is not None:
            files = [*targets, _report_path(request.output)]
            write_report(files[-1], report)
        return Animation(files, report, frames, posed.driven.problems, motion, posed.portrait, posed.unedited)

    def _check(self, request: AnimateRequest) -> list[Path]:
        """Refuses what cannot be done, before any work; returns the video of each view. BadInput or MissingAsset."""
        view, output = request.view, request.output
        check_camera(view.camera, view.views)
        targets = [] if output is None else view_targets(Path(output), view.views, view.camera)
        for target in targets:
            check_target(target)
            if target != Path(output or ""):
                check_beside(target)
            if self._signature() is not None:
                check_signable(target)
        if output is not None:
            check_report(_report_path(output))
        refuse_unused(GENERATOR_OPTIONS, request.options, {self.generator})
        load_head(self.head)
        check_edit(request.edit, self.head)
        if output is not None:
            named = [*(file for _, file in _named_files(request)), self.sign_cert, self.sign_key]
            refuse_overwriting([*_sources(request).values(), *named], [*targets, _report_path(output)])
        return targets

    def _signature(self) -> Signature | None:
        with self._parts.lock:
            if self._parts.signature is None:
                self._parts.signature = open_signature(self.sign_cert, self.sign_key)
            return self._parts.signature

    def _finishers(self, targets: list[Path], request: AnimateRequest) -> tuple[list[Finish | None], list[str]]:
        """What is done to each whole video before it gets its name: it is signed, where there is a key. And what the
        user should know of what it is made from."""
        signature = self._signature()
        problems = broken_inputs(_sources(request), signature is not None)
        if signature is None:
            return [None] * len(targets), problems
        words = {name: getattr(request.drive, name) for name in ("text", "emotion", "say")}
        given = [_sources(request) | words, *({role: file} for role, file in _named_files(request))]
        inputs = tuple(each for part in given for each in Input.all_of(part))
        return [signature.finish(target, inputs) for target in targets], problems

    def _placed(self, component: Any) -> Any:
        """A part on the pipeline's device, where it can move."""
        move = getattr(component, "to", None)
        if self._parts.device is not None and move is not None:
            move(self._parts.device)
        return component

    def _saved(self, component: str) -> Path | None:
        """The folder that a part was saved to, where this pipeline comes from one."""
        return None if self._parts.folder is None else self._parts.folder / component

    def _generator(self) -> Generator:
        with self._parts.lock:
            if self._parts.generator is None:
                made = load_generator(self.generator, saved=self._saved("generator"), **self.generator_options)
                self._parts.generator = self._placed(made)
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
            given = {**shared, **self.driver_options.get(name, {})}
            self._parts.drivers[name] = self._placed(load_driver(name, saved=self._saved(f"driver_{name}"), **given))
        return self._parts.drivers[name]

    def _look_at(self, request: AnimateRequest, portraits: Path | None) -> Fitted | Sight:
        """The photo, or its portrait where an earlier run kept that."""
        return look_at(request.photo, request.face, self._detector, head=self.head, cache=portraits or self.cache)

    def _fit_and_drive(
        self, request: AnimateRequest, sight: Fitted | Sight, signal: Signal, clock: Clock, progress: Progress | None
    ) -> tuple[Portrait, Driven]:
        """The portrait and the driver's motion, neither of which waits for the other."""

        def fit() -> tuple[Portrait, list[str]]:
            with clock.stage("fit"):
                return open_portrait(sight, head=self.head)

        def motion() -> Driven:
            with clock.stage("motion"):
                return drive_signal(
                    signal, self.driver, request.clip, head=self.head, seed=request.seed, progress=progress
                )

        with ThreadPoolExecutor(1, "fit") as beside:
            portrait = beside.submit(fit)  # whichever fails first, both have ended before the error goes on
            driven = motion()
            fitted, notes = portrait.result()
        return fitted, replace(driven, problems=[*notes, *driven.problems])

    def _report(self, request: AnimateRequest, posed: Posed, targets: list[Path], clock: Clock) -> dict[str, Any]:
        photo, motion, driven = request.photo, posed.motion, posed.driven
        height, width = posed.portrait.image.shape[:2]
        return {
            "photo": str(photo) if isinstance(photo, (str, os.PathLike)) else type(photo).__name__,
            "fit_error_percent": round(float(posed.portrait.error), 3),
            "driver": driven.facts,
            "head": motion.head,
            "generator": self.generator,
            "options": request.report(),
            "videos": [str(target) for target in targets],
            "frames": len(motion),
            "fps": motion.fps,
            "size": [width, height],
            "problems": driven.problems,
            "frame_problems": driven.frame_problems,
            "timings": clock.table(len(motion)),
            "identity": posed.identity,
        }


def _sources(request: AnimateRequest) -> dict[str, Any]:
    """What the video is made from, by its role."""
    drive = request.drive
    names = ("video", "motion", "keyframes", "speech", "listen", "signal")
    return {"photo": request.photo, **{name: getattr(drive, name) for name in names}}


def _named_files(request: AnimateRequest) -> list[tuple[str, str]]:
    """The files that options name, each with its role."""
    files = [("mix", file) for file in mix_files(request.mix)] + [("edit", file) for file in edit_files(request.edit)]
    camera, style = request.view.camera or "", request.drive.style
    files += [("style", style)] if style is not None and style not in PRESETS else []
    return files + ([("camera", camera)] if camera.lower().endswith(".json") else [])


def _report_path(output: PathLike) -> Path:
    return Path(output).with_suffix(".json")
