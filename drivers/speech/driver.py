"""The speech driver: the mouth follows the sound, and head, gaze, blinks and brows are alive beside it."""

from __future__ import annotations

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
from .audio_features import FPS, PER_FRAME, SAMPLE_RATE, STEP, AudioFeatures, Heard, Stretch, load_features
from .head_motion import CARRIED_FRAMES, WINDOW_FRAMES, HeadMotionChannels, HeadMotionSampler, sharpen_blinks
from .options import SpeechOptions
from .signal import SpeechSignal, heard

WEIGHTS = Path(__file__).parent / "weights"
LONGEST = 4 * 3600.0  # s
SPAN = 5 * (WINDOW_FRAMES - CARRIED_FRAMES)  # frames whose sound is heard at once: whole windows of the head, 27 s
AHEAD = 8  # frames of sound after its own that a streamed frame has heard at least
EVERY = 4  # frames that a stream makes at once
LATENCY = (AHEAD + EVERY) / FPS  # s that a stream lies behind its sound, computing not counted
LOOKED_BACK = round(12 * FPS)  # frames of sound that a stream keeps
BESIDE, LIVE = 25, 59  # frames of head motion that a stream makes at once, of so long a window: it is soon made


class SpeechDriver:
    """Speech in any language becomes motion at 25 frames a second. Made on the built-in head; retarget for others."""

    def __init__(
        self, features: str | None = None, weights: str | None = None, steps: int = 10, guidance: float = 1.5
    ) -> None:
        """features: a transformers folder (`folder@layer`) or `mel`, together with weights trained on it.

        weights: a folder with lips and head (.safetensors, .json); steps, guidance: of the sampler of the head.
        """
        if steps < 1 or guidance < 0:
            raise BadInput(f"speech driver: expected steps >= 1 and guidance >= 0, got {steps} and {guidance:g}")
        self.steps, self.guidance = steps, guidance
        self._features, self._weights = features, WEIGHTS if weights is None else Path(weights)
        self.head = load_head("open")

    open = staticmethod(SpeechSignal.open)  # what the command line's text stands for

    @cached_property
    def hears(self) -> AudioFeatures:
        """The frozen speech encoder, loaded when first needed."""
        return load_features(self._features)

    @cached_property
    def lips(self) -> TrainedArticulation:
        """The mouth's network, loaded when first needed. BadInput where it was trained on other features."""
        return load_articulation(self._weights / "lips", self.hears.name)

    @cached_property
    def beside(self) -> TrainedDenoiser:
        """The head's denoiser, loaded when first needed. BadInput where it was trained on other features."""
        model = load_denoiser(self._weights / "head")
        if (known := model.card.get("features")) != self.hears.name:
            raise BadInput(f"{self._weights / 'head'} was trained on the features {known}, not on {self.hears.name}")
        if (len(model.mean), model.denoiser.config.context) != (HeadMotionChannels(self.head).size, self.hears.width):
            raise BadInput(f"{self._weights / 'head'} holds a model of something else than a head that hears speech")
        return model

    def __call__(
        self,
        signal: SpeechSignal | Waveform,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        options: SpeechOptions | None = None,
    ) -> Driven:
        """The sound's motion, exactly round(duration * 25) frames (at least one), and the sound."""
        options = options or SpeechOptions()
        spoken = signal if isinstance(signal, SpeechSignal) else SpeechSignal(signal)
        if spoken.duration > LONGEST:
            raise BadInput(f"speech: expected at most {LONGEST:g} s, got {spoken.duration:g}; make several clips of it")
        sound, frames = heard(spoken.sound), max(1, round(spoken.duration * FPS))
        player, made = self._player(seed), []
        for start in range(0, frames, SPAN):
            stop = min(start + SPAN, frames)
            span = self._stretch(sound, start, stop)
            mouth, beside = self._mouth(span, start, stop, options.lips), []
            while player.done < stop:
                keep = min(WINDOW_FRAMES - CARRIED_FRAMES, stop - player.done)
                beside.append(player.window(span, keep, keep))
            made.append(self._joined(mouth, torch.cat(beside), options))
            if progress is not None:
                progress("speech", stop, frames)
        return Driven(
            FlameSequence.concatenate(made, fade=0),
            {"seconds": round(spoken.duration, 3), **asdict(options)},
            spoken.sound if spoken.path is None else spoken.path,
            list(spoken.problems),
            rest=FlameSequence.neutral(1, FPS, self.head),
            lips_meet=True,
        )

    def stream(
        self, chunks: Iterable[Waveform], *, seed: int = 0, options: SpeechOptions | None = None
    ) -> Iterator[FlameSequence]:
        """The motion of sound that comes in chunks of any length, `LATENCY` seconds behind it.

        A frame of the mouth has heard at least `AHEAD` frames of sound after its own: but for what it has not heard, it
        is what the whole sound would give. The head is as lively, but moves in its own way: it is made in shorter
        pieces, each without the sound after it.
        """
        options = options or SpeechOptions()
        player, sound, beside, done = self._player(seed), Heard(torch.zeros(0)), torch.zeros(0, 0), 0
        for block in _then_none(mono_at(SAMPLE_RATE, chunks)):
            if block is not None:
                sound = _longer(sound, block, done)
            seconds = sound.origin / (FPS * PER_FRAME) + len(sound.samples) / SAMPLE_RATE
            ended = max(round(seconds * FPS), 1) if seconds > 0 else 0
            ready = int(seconds * FPS) - AHEAD if block is not None else ended
            if ready - done < (EVERY if block is not None else 1):
                continue
            while player.done < ready:
                span = self._stretch(sound, player.done, player.done + LIVE)
                more = player.window(span, LIVE, BESIDE)
                beside = more if len(beside) == 0 else torch.cat([beside, more])
            yield self._joined(self.mouth(sound, done, ready, options.lips), beside[: ready - done], options)
            beside, done = beside[ready - done :], ready

    def _player(self, seed: int) -> HeadMotionSampler:
        return HeadMotionSampler(self.beside, seed=seed, steps=self.steps, guidance=self.guidance)

    def mouth(self, sound: Heard, start: int, stop: int, gain: float = 1.0) -> Tensor:
        """Jaw and lower face [stop - start, 3 + E] of those frames."""
        return self._mouth(self._stretch(sound, start, stop), start, stop, gain)

    def _stretch(self, sound: Heard, start: int, stop: int) -> Stretch:
        """The features that those frames hang on."""
        reach = max(self.lips.network.reach, CARRIED_FRAMES)
        return Stretch.of(self.hears, sound, PER_FRAME * (start - reach), PER_FRAME * (stop + reach))

    def _mouth(self, span: Stretch, start: int, stop: int, gain: float) -> Tensor:
        """See `mouth`."""
        reach = self.lips.network.reach
        first = max(start - reach, -(-span.start // PER_FRAME))
        features = span.between(PER_FRAME * first, PER_FRAME * (stop + reach))
        if len(features) % PER_FRAME:
            features = torch.cat([features, features[-1:]])
        if len(features) < PER_FRAME * (stop - first):  # the last frame may begin where the sound ends
            features = torch.cat([features, features[-1:].expand(PER_FRAME * (stop - first) - len(features), -1)])
        return self.lips(features, gain)[start - first : stop - first]

    def _joined(self, mouth: Tensor, beside: Tensor, options: SpeechOptions) -> FlameSequence:
        """One motion of both, each part as strong as asked for."""
        lively = HeadMotionChannels(self.head).channels(beside)
        return replace(
            FlameSequence.neutral(len(mouth), FPS, self.head),
            jaw=mouth[:, :3],
            expression=mouth[:, 3:] + lively["expression"] * options.style_strength,
            neck=lively["neck"] * options.head_motion,
            translation=lively["translation"] * options.head_motion,
            eyes=lively["eyes"] * options.style_strength,
            eyelids=(sharpen_blinks(lively["eyelids"]) * options.blinks).clamp(0, 1),
        )


def _longer(sound: Heard, block: np.ndarray, done: int) -> Heard:
    """The sound with what came, less what no frame from `done` on hangs on."""
    samples = torch.cat([sound.samples, torch.from_numpy(np.ascontiguousarray(block))])
    gone = max(PER_FRAME * (done - LOOKED_BACK) - sound.origin, 0)
    return Heard(samples[gone * STEP :].clone() if gone else samples, sound.origin + gone)


def _then_none(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray | None]:
    """The blocks, then None: the end is known only once it came."""
    yield from blocks
    yield None
