"""Trainings of the text driver: its two denoisers, and the judge of its evaluation."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Literal

from ...flame_motion import BadInput, load_head
from ..loop import command_of, fit

Part = Literal["motion", "emotion"]


def train_text(
    part: Part,
    output: str,  # weights to write: OUTPUT.safetensors, and its card OUTPUT.json
    *,
    run: str = "runs/text",  # folder of checkpoints and logs; a run that stopped goes on from there
    pairs: int = 24000,  # of words and motion, drawn by seed
    steps: int = 3000,
    batch: int = 64,
    rate: float = 6e-4,
    seed: int = 0,
    encoder: str | None = None,  # folder of another text encoder
    start: str | None = None,  # weights to go on from, of the same sizes
    width: int = 192,
    layers: int = 6,
    heads: int = 6,
    patch: int = 4,  # frames a token
    kept: float = 0.3,  # share of clips of which something is given, for editing
    blur: float = 0.3,  # noise on the words' tokens, of their size
    minutes: float | None = None,  # stop after so long, to go on later
    workers: int = 0,  # processes that make the corpus
    compiled: bool = False,  # by torch.compile: minutes to begin with, then several times faster on a GPU
    precision: str = "auto",  # 32-true, bf16-mixed; auto: bf16 where the processor has it
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",  # of Lightning: ddp, fsdp, …
) -> list[Path]:
    """Trains one of the text driver's two denoisers on the generated corpus and writes its weights and card."""
    command = command_of(f"text-{part}", train_text, locals())
    from lightning.pytorch import seed_everything

    from ...drivers.text.channels import CHANNELS
    from ...drivers.text.encoder import TextEncoder
    from ...flame_motion.diffusion import DenoiserConfig, MotionDenoiser
    from ...flame_motion.diffusion.weights import Trained, load_weights, save_weights, spread_of
    from ..diffusion import DiffusionModule, LengthBatches, collate
    from .data import TextCorpus

    if part not in CHANNELS:
        raise BadInput(f"part: expected {' or '.join(CHANNELS)}, got {part!r}")
    began = time.time()
    seed_everything(seed, verbose=False)
    head, words = load_head(), TextEncoder(encoder)
    corpus = TextCorpus(part, pairs, seed, words, head, workers=workers)
    mean, spread = spread_of(corpus.motions)
    denoiser = MotionDenoiser(
        DenoiserConfig(corpus.layout.size, words.width, width=width, layers=layers, heads=heads, patch=patch)
    )
    trained = None if start is None else load_weights(Path(start))
    if trained is not None:
        if trained.denoiser.config != denoiser.config:
            raise BadInput(f"start: {start} has other sizes: {trained.denoiser.config}, expected {denoiser.config}")
        denoiser.load_state_dict(trained.denoiser.state_dict())
        mean, spread = trained.mean, trained.spread
    module = DiffusionModule(denoiser, steps, rate, kept=kept, blur=blur, seed=seed)
    if compiled:
        module.denoiser.compile(mode="reduce-overhead", dynamic=False)
    trainer = {"accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision}
    whole = collate(corpus.tokens, corpus.motions, mean, spread)
    loader = partial(LengthBatches, batch=batch, seed=seed, padded=compiled)
    fitted = fit(module, whole, loader, Path(run), steps, minutes, trainer)
    card = {
        "what": f"text driver, {part} model", "head": head.id, "encoder": words.name,
        "data": f"{pairs} pairs of the generated corpus (training/text/corpus), no held-out wording",
        "command": command, "start": start if trained is None else trained.card,
        "seed": seed, "minutes": round((time.time() - began) / 60, 1), **fitted,
    }  # fmt: skip
    save_weights(Path(output), Trained(denoiser, mean, spread, card))
    return [Path(output).with_suffix(ending) for ending in (".safetensors", ".json")]


def train_evaluator(
    output: str,  # weights to write: OUTPUT.safetensors, and its card OUTPUT.json
    *,
    run: str = "runs/text_evaluator",
    pairs: int = 24000,
    steps: int = 3000,
    batch: int = 128,
    rate: float = 5e-4,
    seed: int = 1,
    encoder: str | None = None,
    width: int = 128,
    layers: int = 3,
    heads: int = 4,
    minutes: float | None = None,
    workers: int = 0,
    precision: str = "auto",
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
) -> list[Path]:
    """Trains the contrastive judge that `evaluate text` measures in, on the corpus with another seed."""
    command = command_of("text-evaluator", train_evaluator, locals())
    import torch
    from lightning.pytorch import seed_everything

    from ...drivers.text.encoder import TextEncoder
    from ...flame_motion.diffusion.weights import spread_of
    from ..diffusion import LengthBatches, collate
    from .data import TextCorpus
    from .evaluator import Evaluator, EvaluatorConfig, save_evaluator
    from .evaluator_module import EvaluatorModule, meaning

    began = time.time()
    seed_everything(seed, verbose=False)
    words = TextEncoder(encoder)
    corpus = TextCorpus("both", pairs, seed, words, load_head(), workers=workers)
    evaluator = Evaluator(EvaluatorConfig(corpus.layout.size, words.width, width, layers, heads))
    mean, spread = spread_of(corpus.motions)
    evaluator.mean, evaluator.spread = mean, spread
    meanings = [meaning(pair.script) for pair in corpus.pairs]
    plain = (torch.zeros_like(mean), torch.ones_like(spread))  # the evaluator normalises by itself
    trainer = {"accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision}
    module = EvaluatorModule(evaluator, steps, meanings, rate)
    whole = collate(corpus.tokens, corpus.motions, *plain)
    loader = partial(LengthBatches, batch=batch, seed=seed)
    fitted = fit(module, whole, loader, Path(run), steps, minutes, trainer)
    card = {
        "what": "contrastive judge of text and motion, for evaluation only", "head": load_head().id,
        "encoder": words.name, "data": f"{pairs} pairs of the generated corpus, seed {seed}, no held-out wording",
        "command": command, "seed": seed, "minutes": round((time.time() - began) / 60, 1),
        **fitted,
    }  # fmt: skip
    save_evaluator(Path(output), evaluator, card)
    return [Path(output).with_suffix(ending) for ending in (".safetensors", ".json")]
