"""Options that every training has, set by `flamecast train NAME key=value`; each training's own dataclass adds more."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path

from ..core.networks import weight_files
from ..core.options import Option, option, options_of


@dataclass(frozen=True)
class TrainingOptions:
    """How long, how fast and where a training runs."""

    output: str = option("out/weights", "weights to write: OUTPUT.safetensors, and its card OUTPUT.json")
    run: str = option("", "folder of checkpoints and logs, OUTPUT.run when empty; a run that stopped is resumed there")
    steps: int = option(1000, "steps of the optimizer, and of the learning rate's schedule")
    until: int | None = option(None, "step to stop at; a later run is resumed from there")
    minutes: float | None = option(None, "time to stop after; a later run is resumed from there")
    batch_size: int = option(32, "clips a batch")
    validate_every: int = option(500, "steps from one validation on held-out data to the next")
    accumulate: int = option(1, "batches a step")
    lr: float = option(1e-3, "the highest learning rate: it rises over `warmup_steps` and falls along a cosine to 0")
    warmup_steps: int = option(100, "steps until the learning rate is highest")
    ema_decay: float = option(0.99, "of the average of the weights, which every tenth step joins; 0: no average")
    seed: int = option(0, "of data, weights, batches and noise")
    precision: str = option("auto", "32-true or bf16-mixed; auto: bf16-mixed where the processor has it")
    accelerator: str = option("auto", "cpu, gpu, … as Lightning names them")
    devices: int = option(1, "how many of them")
    strategy: str = option("auto", "ddp, fsdp, … as Lightning names them")

    def __post_init__(self) -> None:
        """A run belongs to its output."""
        if not self.run:
            object.__setattr__(self, "run", f"{self.output}.run")


@dataclass(frozen=True)
class DiffusionOptions(TrainingOptions):
    """Options of a motion denoiser."""

    init_weights: str | None = option(None, "weights to start from; their sizes are kept")
    width: int = option(192, "of a token, a multiple of `heads`")
    layers: int = option(6, "transformer blocks")
    heads: int = option(6, "attention heads")
    patch: int = option(4, "frames a token")
    cond_drop_prob: float = option(0.1, "share of clips that are learned without tokens, for guidance")
    known_share: float = option(0.3, "share of clips of which some values are known, as in editing")
    token_noise: float = option(0.3, "noise on the tokens, of their spread: words nearby mean nearly the same")


def start_of(init_weights: str) -> Path:
    """The weights that a training starts from: a path, or else one of the package's own, as in a checkout of it."""
    here, own = Path(init_weights), Path(__file__).parents[1] / init_weights
    return own if not weight_files(here)[1].exists() and weight_files(own)[1].exists() else here


# Where and how far a training runs: the same model comes out.
PLACE = frozenset("output run until minutes validate_every workers precision accelerator devices strategy part".split())


def command_line(name: str, options: TrainingOptions) -> str:
    """The command that trains the same model: what differs from the defaults, less where it runs and ends."""
    given = {one.name: getattr(options, one.name) for one in fields(options) if one.name not in PLACE}
    defaults = {one.name: one.default for one in fields(options)}
    changed = [shlex.quote(f"{key}={value}") for key, value in given.items() if value != defaults[key]]
    return " ".join([f"flamecast train {name}", *changed])


def describe(options: TrainingOptions) -> list[str]:
    """A line for each option: its key and value, and its help."""
    known: dict[str, Option] = {}
    for kind in reversed(type(options).__mro__[:-1]):  # a class that only changes a default keeps the help
        known |= options_of(kind)
    return [f"{name}={getattr(options, name)}  # {one.help}" for name, one in known.items()]


def names_in(text: str) -> tuple[str, ...]:
    """The names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
