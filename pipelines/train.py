"""`flamecast train`: the models that come with flamecast, made again, or made from other settings."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..configs.load import load_config
from ..flame_motion import BadInput, load_head
from ..flame_motion.files import PathLike

if TYPE_CHECKING:
    from ..drivers.text.data import LengthBatches
    from ..flame_motion.diffusion.module import Batch

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
    command = _command(f"text-{part}", train_text, locals())
    from lightning.pytorch import seed_everything

    from ..drivers.text.data import CHANNELS, LengthBatches, TextCorpus
    from ..drivers.text.encoder import TextEncoder
    from ..flame_motion.diffusion import DenoiserConfig, MotionDenoiser
    from ..flame_motion.diffusion.module import DiffusionModule, collate
    from ..flame_motion.diffusion.weights import Trained, load_weights, save_weights, spread_of

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
    fitted = _fit(module, whole, loader, Path(run), steps, minutes, trainer)
    card = {
        "what": f"text driver, {part} model", "head": head.id, "encoder": words.name,
        "data": f"{pairs} pairs of the generated corpus (drivers/text/corpus), no held-out wording",
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
    command = _command("text-evaluator", train_evaluator, locals())
    import torch
    from lightning.pytorch import seed_everything

    from ..drivers.text.data import LengthBatches, TextCorpus
    from ..drivers.text.encoder import TextEncoder
    from ..drivers.text.evaluator import Evaluator, EvaluatorConfig, save_evaluator
    from ..drivers.text.evaluator_module import EvaluatorModule, meaning
    from ..flame_motion.diffusion.module import collate
    from ..flame_motion.diffusion.weights import spread_of

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
    fitted = _fit(module, whole, loader, Path(run), steps, minutes, trainer)
    card = {
        "what": "contrastive judge of text and motion, for evaluation only", "head": load_head().id,
        "encoder": words.name, "data": f"{pairs} pairs of the generated corpus, seed {seed}, no held-out wording",
        "command": command, "seed": seed, "minutes": round((time.time() - began) / 60, 1),
        **fitted,
    }  # fmt: skip
    save_evaluator(Path(output), evaluator, card)
    return [Path(output).with_suffix(ending) for ending in (".safetensors", ".json")]


def _fit(
    module: Any, whole: Batch, loader: Callable[[Batch], LengthBatches], run: Path, steps: int, minutes: float | None,
    trainer: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Lightning's loop, from the last checkpoint in `run` on; what the card says of it."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
    from lightning.pytorch.loggers import CSVLogger

    last = run / "last.ckpt"
    fitter = Trainer(
        **trainer | {"precision": _precision(trainer["precision"])},
        max_steps=steps, max_time=None if minutes is None else {"minutes": minutes}, gradient_clip_val=1.0,
        logger=CSVLogger(run, name="log"), log_every_n_steps=50, enable_model_summary=False,
        callbacks=[
            TQDMProgressBar(refresh_rate=50),
            EMAWeightAveraging(decay=0.99, update_every_n_steps=10),  # each costs a GPU as much as a step
            ModelCheckpoint(run, save_last=True, train_time_interval=timedelta(minutes=1), save_top_k=0),
        ],
    )  # fmt: skip
    batches = loader(whole.to(fitter.strategy.root_device))
    fitter.fit(module, batches, ckpt_path=str(last) if last.exists() else None, weights_only=False)
    fitter.save_checkpoint(last)
    return {
        "steps": fitter.global_step,
        "batch": batches.batch,
        "loss": round(float(fitter.callback_metrics["loss"]), 4),
    }


def _precision(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    return "bf16-mixed" if torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported() else "32-true"


def _command(name: str, training: Callable[..., Any], given: dict[str, Any]) -> str:
    """The command line that gives the same model: what differs from the defaults, less where it runs and ends."""
    placed = ("part", "output", "run", "minutes", "workers", "accelerator", "devices", "strategy", "precision")
    told = {
        key: given[key]
        for key, known in inspect.signature(training).parameters.items()
        if key not in placed and given[key] != known.default
    }
    return " ".join([f"flamecast train {name}", *(f"{key}={value}" for key, value in told.items())])


TRAININGS: dict[str, Callable[..., list[Path]]] = {
    "text_motion": train_text, "text_emotion": train_text, "text_evaluator": train_evaluator,
}  # fmt: skip


def train(name: str, overrides: list[str], config: PathLike | None = None) -> list[Path]:
    """Runs a training by name (`text-motion`), with `key=value` overrides of its preset. Raises BadInput."""
    key = name.replace("-", "_")
    if key not in TRAININGS:
        known = ", ".join(sorted(training.replace("_", "-") for training in TRAININGS))
        raise BadInput(f"train {name!r}: there is no such training; known are: {known}")
    try:
        options = load_config(config or key, TRAININGS[key], overrides)
    except ValueError as error:
        raise BadInput(str(error)) from error
    try:
        import lightning  # noqa: F401
    except ImportError:
        raise BadInput('training needs Lightning: pip install "flamecast[train]"') from None
    return TRAININGS[key](**options)
