"""Trainings of the speech driver: the mouth, what the head does beside it, and the judge of lip sync."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...flame_motion import BadInput, load_head
from ..loop import card_of, run_training
from ..options import DiffusionOptions, TrainingOptions, names_in, option

if TYPE_CHECKING:
    from torch import Tensor

    from ...drivers.speech.audio_features import AudioFeatures
    from ..batches import StepData
    from .footage import Footage
    from .lips import Windows


@dataclass(frozen=True)
class SpeechOptions(TrainingOptions):
    """Which footage a speech training takes."""

    data: str = option("footage", "folder that `flamecast prepare speech` made")
    held_out: str = option("", "people left out, and validated on: names, separated by commas")
    copies: int = option(8, "of each clip, in other voices and rooms")
    max_clips: int = option(20, "clips of one person, at most")
    features: str | None = option(None, "folder of another speech encoder of transformers (FOLDER@LAYER), or mel")


@dataclass(frozen=True)
class LipsTraining(SpeechOptions):
    """Options of `flamecast train speech-lips`."""

    steps: int = 2000
    max_clips: int = 10000
    silent_sounds: int = option(400, "sounds that nobody speaks in, to which the mouth stays shut")
    width: int = option(192, "of the convolutions")
    hidden: int = option(24, "numbers that the mouth is made of")
    dropout: float = option(0.3, "of whole channels")


@dataclass(frozen=True)
class ShapesTraining(SpeechOptions):
    """Options of `flamecast train speech-lip-shapes`, which is done in closed form."""

    copies: int = 0
    max_clips: int = 10000
    silent_sounds: int = option(100, "sounds that nobody speaks in, in which lips keep their rest")
    components: int = option(64, "numbers that a sound's features are first reduced to")
    ridge: float = option(1.0, "weight of small numbers, of the mean power of what is seen")


@dataclass(frozen=True)
class HeadTraining(SpeechOptions, DiffusionOptions):
    """Options of `flamecast train speech-head`."""

    steps: int = 6000
    batch_size: int = 64
    lr: float = 5e-4
    warmup_steps: int = 300
    copies: int = 6
    init_weights: str | None = "drivers/text/weights/motion"
    width: int = 128
    layers: int = 4
    heads: int = 4
    known_share: float = 0.5
    token_noise: float = 0.5
    hop: int = option(25, "frames from one window of a clip to the next")


@dataclass(frozen=True)
class JudgeTraining(SpeechOptions):
    """Options of `flamecast train speech-judge`."""

    steps: int = 1500
    batch_size: int = 48
    warmup_steps: int = 1
    seed: int = 1
    copies: int = 2
    width: int = option(96, "of the convolutions")
    space: int = option(48, "numbers that mouth and sound are compared by")


def train_speech_lips(options: LipsTraining) -> list[Path]:
    """Trains the network of the mouth; its weights and card. BadInput."""
    from lightning.pytorch import seed_everything

    from ...core.networks import save_network
    from ...drivers.speech.articulation import Articulation, ArticulationConfig
    from ...flame_motion.retargeting.mouth import mouth_of
    from .lips import LipsModule, silent_sounds, windows_of

    began, footage = time.time(), FootageSplit.load(options)
    mouth, encoder = mouth_of(load_head()), footage.encoder
    silent = silent_sounds(encoder, options.silent_sounds, options.seed)
    windows = windows_of(footage.augmented(), mouth, silent)
    seed_everything(options.seed, verbose=False)
    sizes = ArticulationConfig(
        encoder.width, windows.face.shape[-1], width=options.width, hidden=options.hidden, dropout=options.dropout
    )
    module = LipsModule(Articulation(sizes), mouth, options)
    unseen = windows_of(footage.unseen(), mouth, []) if footage.held_out else None
    facts = run_training(module, _windows_data(windows, unseen, options), options)
    card = card_of("speech driver: the mouth", "speech-lips", options, began, facts) | footage.card
    return save_network(Path(options.output), module.network, card | {"windows": len(windows)})


def train_speech_lip_shapes(options: ShapesTraining) -> list[Path]:
    """Fits the linear map that rounds and presses the lips; its weights and card. BadInput."""
    from ...core.networks import save_network
    from ...drivers.speech.lip_shapes import AXES
    from .lip_shapes import fitted_lip_shapes
    from .lips import silent_sounds

    began, footage = time.time(), FootageSplit.load(options)
    silent = silent_sounds(footage.encoder, options.silent_sounds, options.seed)
    network = fitted_lip_shapes(footage.augmented(), silent, options.components, options.ridge)
    card = card_of("speech driver: rounding and pressing of the lips", "speech-lip-shapes", options, began, {})
    return save_network(Path(options.output), network, card | footage.card | {"axes": list(AXES)}, half=False)


def train_speech_head(options: HeadTraining) -> list[Path]:
    """Trains the diffusion model of head, gaze, blinks and brows; its weights and card. BadInput."""
    from lightning.pytorch import seed_everything

    from ...core.networks import save_network
    from ...drivers.speech.head_motion import PATCH, HeadMotionChannels
    from ..batches import StepData
    from ..diffusion import DiffusionModule, new_denoiser
    from ..motion_pairs import MotionPairBatches, MotionPairs, statistics_of
    from .head_windows import head_motion_windows

    began, footage = time.time(), FootageSplit.load(options)
    seed_everything(options.seed, verbose=False)
    channels = HeadMotionChannels(load_head())

    def windows_of(clips: Iterator[tuple[Footage, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        found = (head_motion_windows(clip.motion, features, channels, options.hop) for clip, features in clips)
        return [pair for pairs in found for pair in pairs]

    windows = windows_of(footage.augmented())
    statistics = statistics_of([motion for _, motion in windows])
    trained = new_denoiser(channels.size, footage.encoder.width, statistics, replace(options, patch=PATCH))

    def batches(of: list[tuple[Tensor, Tensor]]) -> MotionPairBatches:
        pairs = MotionPairs.collate(of, trained.mean, trained.spread)
        return MotionPairBatches(pairs, options.batch_size, options.seed)

    data = StepData(batches(windows), batches(windows_of(footage.unseen())) if footage.held_out else None)
    facts = run_training(DiffusionModule(trained.denoiser, options), data, options)
    what = "speech driver: head, gaze, blinks and brows"
    card = card_of(what, "speech-head", options, began, facts) | footage.card
    card |= {"windows": len(windows), "init_weights": options.init_weights}
    return save_network(Path(options.output), trained, card)


def train_speech_judge(options: JudgeTraining) -> list[Path]:
    """Trains the lip-sync judge that `evaluate speech` measures with; its weights and card. BadInput."""
    from lightning.pytorch import seed_everything

    from ...core.networks import save_network
    from ...flame_motion.retargeting.mouth import mouth_of
    from .judge import Judge, JudgeConfig
    from .judge_module import JudgeModule
    from .lips import windows_of

    began, footage, mouth = time.time(), FootageSplit.load(options), mouth_of(load_head())
    windows = windows_of(footage.augmented(), mouth, [])
    seed_everything(options.seed, verbose=False)
    module = JudgeModule(Judge(JudgeConfig(footage.encoder.width, options.width, options.space)), options)
    unseen = windows_of(footage.unseen(), mouth, []) if footage.held_out else None
    facts = run_training(module, _windows_data(windows, unseen, options), options)
    what = "lip-sync judge, for evaluation only"
    card = card_of(what, "speech-judge", options, began, facts) | footage.card
    return save_network(Path(options.output), module.judge, card | {"windows": len(windows)})


@dataclass(frozen=True)
class FootageSplit:
    """The clips that a training takes and those that it is validated on, and the encoder of their sound."""

    options: SpeechOptions
    encoder: AudioFeatures
    clips: list[Footage]
    held_out: list[Footage]

    @classmethod
    def load(cls, options: SpeechOptions) -> FootageSplit:
        """At most `max_clips` of each person. BadInput where nothing is left, and for a folder without footage."""
        from ...drivers.speech.audio_features import load_features
        from .footage import load_footage

        left_out = names_in(options.held_out)
        clips: list[Footage] = []
        held_out: list[Footage] = []
        for clip in load_footage(options.data):
            part = held_out if clip.speaker in left_out else clips
            if sum(other.speaker == clip.speaker for other in part) < options.max_clips:
                part.append(clip)
        if not clips:
            raise BadInput(f"{options.data}: nothing is left to train on without {options.held_out}")
        return cls(options, load_features(options.features), clips, held_out)

    def augmented(self) -> Iterator[tuple[Footage, Tensor]]:
        """The clips to train on, with their features, and their copies."""
        return augmented(self.clips, self.encoder, self.options.copies, self.options.seed)

    def unseen(self) -> Iterator[tuple[Footage, Tensor]]:
        """The clips to validate on, with their features."""
        return augmented(self.held_out, self.encoder, 0, self.options.seed)

    @property
    def card(self) -> dict[str, Any]:
        """What a card says of the data."""
        people = {clip.speaker for clip in self.clips}
        minutes = sum(len(clip.mouth) for clip in self.clips) / 25 / 60
        return {
            "head": load_head().id,
            "features": self.encoder.name,
            "data": f"{len(self.clips)} clips ({minutes:.1f} min) of {len(people)} people",
            "held_out": self.options.held_out,
        }


def augmented(
    clips: list[Footage], encoder: AudioFeatures, copies: int, seed: int
) -> Iterator[tuple[Footage, Tensor]]:  # fmt: skip
    """Each clip with the features of its sound; then, as clips of their own, so many in other voices and rooms."""
    import numpy as np
    import torch

    from ...drivers.speech.audio_features import AudioBuffer
    from .augment import faster, perturbed

    for index, clip in enumerate(clips):
        yield clip, encoder(AudioBuffer(clip.samples))
        for copy in range(copies):
            rng = np.random.default_rng([seed, index, copy])
            other = faster(clip, float(rng.uniform(0.87, 1.18))) if rng.random() < 0.5 else clip
            other = replace(other, samples=torch.from_numpy(perturbed(other.samples.numpy(), rng)))
            yield other, encoder(AudioBuffer(other.samples))


def _windows_data(windows: Windows, unseen: Windows | None, options: TrainingOptions) -> StepData:
    """Windows as Lightning takes them."""
    from ..batches import StepData
    from .lips import WindowBatches

    held_out = None if unseen is None else WindowBatches(unseen, options.batch_size, options.seed)
    return StepData(WindowBatches(windows, options.batch_size, options.seed), held_out)
