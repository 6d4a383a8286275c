"""Trainings of the speech driver: the mouth, and what the head does beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...flame_motion import BadInput, load_head
from ..loop import command_of, fit

if TYPE_CHECKING:
    from torch import Tensor

    from .footage import Footage


def train_speech_lips(
    output: str,  # weights to write: OUTPUT.safetensors, and its card OUTPUT.json
    *,
    data: str = "footage",  # folder that `flamecast prepare speech` made
    run: str = "runs/speech_lips",  # folder of checkpoints and logs; a run that stopped goes on from there
    copies: int = 8,  # of each clip, in other voices and rooms
    most: int = 10000,  # clips of one person
    still: int = 400,  # sounds that nobody speaks in
    steps: int = 2000,
    batch: int = 32,
    rate: float = 1e-3,
    seed: int = 0,
    without: str = "",  # people left out, for tests: names, separated by commas
    features: str | None = None,  # folder of another speech encoder, of transformers; mel: log-mel
    width: int = 192,
    hidden: int = 24,
    dropout: float = 0.3,
    minutes: float | None = None,
    precision: str = "auto",
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
) -> list[Path]:
    """Trains the network of the mouth and writes its weights and card."""
    command = command_of("speech-lips", train_speech_lips, locals())
    from lightning.pytorch import seed_everything

    from ...core.networks import save_network
    from ...drivers.speech.articulation import Articulation, ArticulationConfig
    from ...drivers.speech.audio_features import load_features
    from ...flame_motion.retargeting.mouth import mouth_of
    from .lips import LipsModule, WindowBatches, still_sounds, windows_of

    began = time.time()
    head, hears = load_head(), load_features(features)
    mouth, clips = mouth_of(head), _clips(data, without, most)
    whole = windows_of(heard_copies(clips, hears, copies, seed), mouth, still_sounds(hears, still, seed))
    seed_everything(seed, verbose=False)
    config = ArticulationConfig(hears.width, whole.face.shape[-1], width=width, hidden=hidden, dropout=dropout)
    module = LipsModule(Articulation(config), mouth, steps, rate, seed)
    trainer = {"accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision}
    fitted = fit(module, whole, partial(WindowBatches, batch=batch, seed=seed), Path(run), steps, minutes, trainer)
    card = {
        "what": "speech driver: the mouth", "head": head.id, "features": hears.name, "data": _told(clips, without),
        "windows": len(whole.style), "command": command, "seed": seed,
        "minutes": round((time.time() - began) / 60, 1), **fitted,
    }  # fmt: skip
    save_network(Path(output), module.network, card)
    return [Path(output).with_suffix(ending) for ending in (".safetensors", ".json")]


def train_speech_head(
    output: str,  # weights to write: OUTPUT.safetensors, and its card OUTPUT.json
    *,
    data: str = "footage",  # folder that `flamecast prepare speech` made
    run: str = "runs/speech_head",  # folder of checkpoints and logs; a run that stopped goes on from there
    copies: int = 6,  # of each clip, in other voices and rooms
    most: int = 20,  # clips of one person
    hop: int = 25,  # frames between windows of a clip
    steps: int = 6000,
    batch: int = 64,
    rate: float = 5e-4,
    seed: int = 0,
    without: str = "",  # people left out, for tests: names, separated by commas
    features: str | None = None,  # folder of another speech encoder, of transformers
    start: str | None = "drivers/text/weights/motion",  # weights to go on from; null: from nothing, of these sizes:
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    blur: float = 0.5,  # noise on the sound's tokens, of their size
    minutes: float | None = None,
    precision: str = "auto",
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
) -> list[Path]:
    """Trains the diffusion model of head, gaze, blinks and brows, and writes its weights and card."""
    command = command_of("speech-head", train_speech_head, locals())
    import torch
    from lightning.pytorch import seed_everything

    from ...drivers.speech.audio_features import load_features
    from ...drivers.speech.head_motion import PATCH, HeadMotionChannels
    from ...flame_motion.diffusion import DenoiserConfig, MotionDenoiser
    from ...flame_motion.diffusion.denoiser import grown
    from ...flame_motion.diffusion.weights import Trained, load_weights, save_weights, spread_of
    from ..diffusion import DiffusionModule, LengthBatches, collate
    from .head_windows import head_motion_windows

    began = time.time()
    seed_everything(seed, verbose=False)
    head, hears = load_head(), load_features(features)
    lively = HeadMotionChannels(head)
    clips = _clips(data, without, most)
    windows: list[tuple[Tensor, Tensor]] = []
    for clip, heard in heard_copies(clips, hears, copies, seed):
        windows += head_motion_windows(clip.motion, heard, lively, hop)
    tokens, motions = [pair[0] for pair in windows], [pair[1] for pair in windows]
    mean, spread = spread_of(motions)
    if start is None:
        sizes = DenoiserConfig(lively.size, hears.width, width=width, layers=layers, heads=heads, patch=PATCH)
        denoiser = MotionDenoiser(sizes)
    else:
        before = load_weights(Path(start))
        denoiser = grown(before.denoiser.requires_grad_(True).train(), lively.size, hears.width)
        mean, spread = (
            torch.cat([old, new[len(old) :]]) for old, new in ((before.mean, mean), (before.spread, spread))
        )
    module = DiffusionModule(denoiser, steps, rate, kept=0.5, blur=blur, seed=seed)
    trainer = {"accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision}
    whole = collate(tokens, motions, mean, spread)
    torch.manual_seed(seed)
    fitted = fit(module, whole, partial(LengthBatches, batch=batch, seed=seed), Path(run), steps, minutes, trainer)
    card = {
        "what": "speech driver: head, gaze, blinks and brows", "head": head.id, "features": hears.name,
        "data": _told(clips, without), "windows": len(windows), "command": command, "start": start, "seed": seed,
        "minutes": round((time.time() - began) / 60, 1), **fitted,
    }  # fmt: skip
    save_weights(Path(output), Trained(denoiser, mean, spread, card))
    return [Path(output).with_suffix(ending) for ending in (".safetensors", ".json")]


def train_speech_judge(
    output: str,  # weights to write: OUTPUT.safetensors, and its card OUTPUT.json
    *,
    data: str = "footage",  # folder that `flamecast prepare speech` made
    run: str = "runs/speech_judge",
    copies: int = 2,
    most: int = 20,  # clips of one person
    steps: int = 1500,
    batch: int = 48,
    rate: float = 1e-3,
    seed: int = 1,
    without: str = "",
    width: int = 96,
    space: int = 48,
    minutes: float | None = None,
    precision: str = "auto",
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
) -> list[Path]:
    """Trains the lip-sync judge that `evaluate speech` measures with."""
    command = command_of("speech-judge", train_speech_judge, locals())
    from lightning.pytorch import seed_everything

    from ...core.networks import save_network
    from ...drivers.speech.audio_features import load_features
    from ...flame_motion.retargeting.mouth import mouth_of
    from .judge import Judge, JudgeConfig
    from .judge_module import JudgeModule
    from .lips import WindowBatches, windows_of

    began = time.time()
    hears, clips = load_features(), _clips(data, without, most)
    whole = windows_of(heard_copies(clips, hears, copies, seed), mouth_of(load_head()), [])
    seed_everything(seed, verbose=False)
    module = JudgeModule(Judge(JudgeConfig(hears.width, width, space)), steps, rate)
    trainer = {"accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision}
    fitted = fit(module, whole, partial(WindowBatches, batch=batch, seed=seed), Path(run), steps, minutes, trainer)
    card = {
        "what": "lip-sync judge, for evaluation only", "features": hears.name, "data": _told(clips, without),
        "windows": len(whole.style), "command": command, "seed": seed,
        "minutes": round((time.time() - began) / 60, 1), **fitted,
    }  # fmt: skip
    save_network(Path(output), module.judge, card)
    return [Path(output).with_suffix(ending) for ending in (".safetensors", ".json")]


def _clips(folder: str, without: str, most: int) -> list[Footage]:
    """The clips of a folder but for some people, at most so many of each. BadInput when nothing is left."""
    from .footage import load_footage

    left_out = {name.strip() for name in without.split(",") if name.strip()}
    found: list[Footage] = []
    for clip in load_footage(folder):
        if clip.speaker not in left_out and sum(other.speaker == clip.speaker for other in found) < most:
            found.append(clip)
    if not found:
        raise BadInput(f"{folder}: nothing is left to train on without {without}")
    return found


def heard_copies(clips: list[Footage], hears: Any, copies: int, seed: int) -> Iterator[tuple[Footage, Tensor]]:
    """Each clip with the features of its sound; then, as clips of their own, so many in other voices and rooms."""
    import numpy as np
    import torch

    from ...drivers.speech.audio_features import Heard
    from .augment import faster, perturbed

    for index, clip in enumerate(clips):
        yield clip, hears(Heard(clip.samples))
        for copy in range(copies):
            rng = np.random.default_rng([seed, index, copy])
            said = faster(clip, float(rng.uniform(0.87, 1.18))) if rng.random() < 0.5 else clip
            said = replace(said, samples=torch.from_numpy(perturbed(said.samples.numpy(), rng)))
            yield said, hears(Heard(said.samples))


def _told(clips: list[Footage], without: str) -> str:
    """What a card says of the data."""
    people = {clip.speaker for clip in clips}
    seconds = sum(len(clip.mouth) for clip in clips) / 25
    return f"{len(clips)} clips ({seconds / 60:.1f} min) of {len(people)} people, without {without or 'nobody'}"
