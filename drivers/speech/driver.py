"""The speech driver: jaw and lips are regressed from sound; head, gaze, blinks and brows are sampled beside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import BadInput, Driven, FlameSequence, Progress, Waveform, load_head
from ...flame_motion.diffusion.weights import TrainedDenoiser, load_denoiser
from ...flame_motion.media.sound import mono_at
from .articulation import TrainedArticulation, load_articulation
from .audio_features import FPS, PER_FRAME, SAMPLE_RATE, STEP, AudioBuffer, AudioFeatures, FeatureSpan, load_features
from .head_motion import CARRIED_FRAMES, WINDOW_FRAMES, HeadMotionChannels, HeadMotionSampler, sharpen_blinks
from .level import Level, StreamLevel
from .options import SpeechOptions
from .signal import SpeechSignal, audio_buffer

WEIGHTS = Path(__file__).parent / "weights"
MAX_SECONDS = 4 * 3600.0  # of a sound
CHUNK_FRAMES = 5 * (WINDOW_FRAMES - CARRIED_FRAMES)  # frames computed at once, whole windows of head motion: 27 s
STREAM_LOOKAHEAD = 8  # frames of sound that the mouth of a streamed frame knows after its own, at least
STREAM_FRAMES = 4  # yielded at once
LATENCY = (STREAM_LOOKAHEAD + STREAM_FRAMES) / FPS  # s of a stream behind its sound, without the time to compute
STREAM_HISTORY = round(12 * FPS)  # frames of past sound that a stream keeps
STREAM_HEAD_KEEP, STREAM_HEAD_WINDOW = 25, 59  # frames of head motion per window, and the shorter window: less delay


class SpeechDriver:
    """Speech of any language becomes motion at 25 frames a second, on the built-in head; retarget it for others."""

    def __init__(
        self, features: str | None = None, weights: str | None = None, steps: int = 10, guidance: float = 1.5
    ) -> None:
        """features: a transformers folder (`folder@layer`) or "mel", together with weights trained on it.

        weights: a folder with lips and head (.safetensors, .json). steps: of the head's sampler; guidance: its scale of
        classifier-free guidance, 1 for none. Raises BadInput for steps below 1 and a negative scale.
        """
        if steps < 1 or guidance < 0:
            raise BadInput(f"speech driver: expected steps >= 1 and guidance >= 0, got {steps} and {guidance:g}")
        self.steps, self.guidance = steps, guidance
        self._features, self._weights = features, WEIGHTS if weights is None else Path(weights)
        self.device = torch.device("cpu")
        self.head = load_head("open")

    open = staticmethod(SpeechSignal.open)  # the signal that `--signal TEXT` stands for

    @cached_property
    def encoder(self) -> AudioFeatures:
        """The frozen audio encoder, loaded at first use."""
        encoder = load_features(self._features)
        encoder.to(self.device)
        return encoder

    @cached_property
    def articulation(self) -> TrainedArticulation:
        """The network of the mouth, loaded at first use. Raises BadInput if it was trained on other features."""
        return load_articulation(self._weights / "lips", self.encoder.name).to(self.device)

    @cached_property
    def head_motion(self) -> TrainedDenoiser:
        """The denoiser of head motion, loaded at first use. Raises BadInput if it was trained on other features."""
        path = self._weights / "head"
        model = load_denoiser(path)
        if (known := model.card.get("features")) != self.encoder.name:
            raise BadInput(f"{path} was trained on the features {known}, not on {self.encoder.name}")
        sizes = (len(model.mean), model.denoiser.config.context)
        if sizes != (HeadMotionChannels(self.head).size, self.encoder.width):
            raise BadInput(f"{path} holds a model of something else than the head motion of a speaker")
        return model.to(self.device)

    def to(self, device: torch.device | str) -> SpeechDriver:
        """Moves the models, those not loaded yet included, to a device. Returns self; motions stay on the CPU."""
        self.device = torch.device(device)
        if "encoder" in self.__dict__:
            self.encoder.to(self.device)
        if "articulation" in self.__dict__:
            self.articulation.to(self.device)
        if "head_motion" in self.__dict__:
            self.head_motion = self.head_motion.to(self.device)
        return self

    def __call__(
        self,
        signal: SpeechSignal | Waveform,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        options: SpeechOptions | None = None,
    ) -> Driven:
        """The motion of a sound, exactly round(duration * 25) frames (at least one), with the sound.

        Raises BadInput for a sound of more than four hours.
        """
        options = options or SpeechOptions()
        speech = signal if isinstance(signal, SpeechSignal) else SpeechSignal(signal)
        if speech.duration > MAX_SECONDS:
            raise BadInput(
                f"speech: expected at most {MAX_SECONDS:g} s, got {speech.duration:g}; make several clips of it"
            )
        frames = max(1, round(speech.duration * FPS))
        level, problems = Level.of(speech.sound), list(speech.problems)
        if speech.path is None and level.note is not None:  # a file's level is among its problems
            problems.append(f"the recording {level.note}")
        parts = self._generate(audio_buffer(level.amplified(speech.sound)), frames, seed, options, progress)
        return Driven(
            FlameSequence.concatenate(list(parts), fade=0),
            {"seconds": round(speech.duration, 3), **asdict(options)},
            speech.sound if speech.path is None else speech.path,
            problems,
            rest=FlameSequence.neutral(1, FPS, self.head),
            lips_meet=True,
        )

    def _generate(
        self, sound: AudioBuffer, frames: int, seed: int, options: SpeechOptions, progress: Progress | None
    ) -> Iterator[FlameSequence]:
        """The motion of a whole sound in chunks of `CHUNK_FRAMES`."""
        sampler = self._head_sampler(seed)
        for start in range(0, frames, CHUNK_FRAMES):
            stop = min(start + CHUNK_FRAMES, frames)
            features = self._features_of(sound, start, stop)
            mouth, head = self._mouth(features, start, stop, options.lips), []
            while sampler.done < stop:
                keep = min(WINDOW_FRAMES - CARRIED_FRAMES, stop - sampler.done)
                head.append(sampler.window(features, keep, keep))
            yield self._join(mouth, torch.cat(head), options)
            if progress is not None:
                progress("speech", stop, frames)

    def stream(
        self, chunks: Iterable[Waveform], *, seed: int = 0, options: SpeechOptions | None = None
    ) -> Iterator[FlameSequence]:
        """The motion of sound that comes in chunks of any length, `LATENCY` seconds behind it.

        The mouth is that of the whole sound, but for what depends on sound more than `STREAM_LOOKAHEAD` frames later. A
        very quiet voice is raised by what was heard of it so far.
        The head is as lively, but moves in another way: its windows are shorter and know less of the sound after them.
        """
        options, level = options or SpeechOptions(), StreamLevel(SAMPLE_RATE)
        sampler, sound, head, done = self._head_sampler(seed), AudioBuffer(torch.zeros(0)), torch.zeros(0, 0), 0
        for block in itertools.chain(mono_at(SAMPLE_RATE, chunks), [None]):  # None: the sound has ended
            if block is not None:
                sound = _extend(sound, level.amplified(block), done)
            seconds = sound.origin / (FPS * PER_FRAME) + len(sound.samples) / SAMPLE_RATE
            total = max(round(seconds * FPS), 1) if seconds > 0 else 0
            ready = int(seconds * FPS) - STREAM_LOOKAHEAD if block is not None else total
            if ready - done < (STREAM_FRAMES if block is not None else 1):
                continue
            while sampler.done < ready:
                features = self._features_of(sound, sampler.done, sampler.done + STREAM_HEAD_WINDOW)
                more = sampler.window(features, STREAM_HEAD_WINDOW, STREAM_HEAD_KEEP)
                head = more if len(head) == 0 else torch.cat([head, more])
            yield self._join(self.mouth(sound, done, ready, options.lips), head[: ready - done], options)
            head, done = head[ready - done :], ready

    def mouth(self, sound: AudioBuffer, start: int, stop: int, gain: float = 1.0) -> Tensor:
        """Jaw and lower face [stop - start, 3 + E] of frames start..stop, `gain` times as strong."""
        return self._mouth(self._features_of(sound, start, stop), start, stop, gain)

    def _head_sampler(self, seed: int) -> HeadMotionSampler:
        return HeadMotionSampler(self.head_motion, seed=seed, steps=self.steps, guidance=self.guidance)

    def _features_of(self, sound: AudioBuffer, start: int, stop: int) -> FeatureSpan:
        """The features that frames start..stop depend on."""
        reach = max(self.articulation.reach, CARRIED_FRAMES)
        return FeatureSpan.of(self.encoder, sound, PER_FRAME * (start - reach), PER_FRAME * (stop + reach))

    def _mouth(self, features: FeatureSpan, start: int, stop: int, gain: float) -> Tensor:
        """See `mouth`."""
        reach = self.articulation.reach
        first = max(start - reach, -(-features.start // PER_FRAME))
        values = features.slice(PER_FRAME * first, PER_FRAME * (stop + reach))
        if len(values) % PER_FRAME:
            values = torch.cat([values, values[-1:]])
        if len(values) < PER_FRAME * (stop - first):  # the last frame may begin where the sound ends
            values = torch.cat([values, values[-1:].expand(PER_FRAME * (stop - first) - len(values), -1)])
        return self.articulation(values, gain)[start - first : stop - first]

    def _join(self, mouth: Tensor, head: Tensor, options: SpeechOptions) -> FlameSequence:
        """One motion of the mouth [T, 3 + E] and packed head motion [T, D], scaled by the options."""
        channels = HeadMotionChannels(self.head).channels(head)
        return replace(
            FlameSequence.neutral(len(mouth), FPS, self.head),
            jaw=mouth[:, :3],
            expression=mouth[:, 3:] + channels["expression"] * options.style_strength,
            neck=channels["neck"] * options.head_motion,
            translation=channels["translation"] * options.head_motion,
            eyes=channels["eyes"] * options.style_strength,
            eyelids=(sharpen_blinks(channels["eyelids"]) * options.blinks).clamp(0, 1),
        )


def _extend(sound: AudioBuffer, block: np.ndarray, done: int) -> AudioBuffer:
    """The sound with a block [N] added, without the past that no frame from `done` on depends on."""
    samples = torch.cat([sound.samples, torch.from_numpy(np.ascontiguousarray(block))])
    gone = max(PER_FRAME * (done - STREAM_HISTORY) - sound.origin, 0)
    return AudioBuffer(samples[gone * STEP :].clone() if gone else samples, sound.origin + gone)
