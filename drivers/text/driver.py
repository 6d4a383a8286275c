"""The text driver: two diffusion models read the words, one moves the head, one the face."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ...flame_motion import BadInput, Driven, FlameSequence, Progress, TextPrompt, load_head
from ...flame_motion.diffusion import Condition, sample
from ...flame_motion.diffusion.weights import Trained, load_weights
from ...flame_motion.packing import Layout
from ...flame_motion.retargeting.transfer import rest_of
from ...flame_motion.windows import windows
from .channels import CHANNELS, FPS, WINDOW_FRAMES, Part, combined_closure
from .encoder import TextEncoder
from .keep import Fill
from .prompt import IDLE, Clause, clauses, says_nothing, unknown_words

WEIGHTS = Path(__file__).parent / "weights"
LONGEST_CLIP = 3600.0  # s
CARRIED = 12  # frames of what came before, given to the next window
EASED = 20  # frames after those, until guidance is whole
FILLING = 1.5  # guidance at most where frames are kept: they say what to do, too
SMOOTH = 1.0  # frames
AHEAD = 50  # frames that a window sees of what is kept beyond its own end
COUNTED = re.compile(r"\b(once|twice|thrice|\d+x?|one|two|three|four|five|couple|times|single)\b", re.I)


class TextDriver:
    """Words become head motion and emotion. Made on the built-in head; retarget for others."""

    def __init__(
        self, encoder: str | None = None, weights: str | None = None, guidance: float = 4.0, steps: int = 20
    ) -> None:
        """encoder: a transformers folder other than the packaged one, together with weights trained on it.

        weights: a folder with motion and emotion (.safetensors, .json); guidance: how strictly words are followed;
        steps: of the sampler.
        """
        if steps < 1 or guidance < 0:
            raise BadInput(f"text driver: expected steps >= 1 and guidance >= 0, got {steps} and {guidance:g}")
        self.guidance, self.steps = guidance, steps
        self._encoder, self._weights = encoder, WEIGHTS if weights is None else Path(weights)
        self.head = load_head("open")

    @staticmethod
    def open(text: str) -> TextPrompt:
        """What the command line's text stands for."""
        return TextPrompt(motion=text)

    @cached_property
    def encoder(self) -> TextEncoder:
        """The frozen text encoder, loaded when first needed."""
        return TextEncoder(self._encoder)

    @cached_property
    def models(self) -> dict[Part, Trained]:
        """The two denoisers, loaded when first needed."""
        return {part: load_weights(self._weights / part) for part in CHANNELS}

    def __call__(self, signal: TextPrompt | Fill, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The prompt's motion, exactly round(duration * 25) frames; what could not be used is said in `problems`.

        Of a `Fill`, what it keeps comes back bit for bit, and the rest is filled in.
        """
        fill = signal if isinstance(signal, Fill) else None
        prompt = signal.prompt if isinstance(signal, Fill) else signal
        if signal.duration > LONGEST_CLIP:
            raise BadInput(
                f"text: expected at most {LONGEST_CLIP:g} s, got {signal.duration:g}; make several clips of it"
            )
        texts: dict[Part, str] = {
            "motion": prompt.motion if prompt.motion.strip() else prompt.emotion,
            "emotion": prompt.emotion if prompt.emotion.strip() else prompt.motion,
        }
        frames = max(1, round(prompt.duration * FPS)) if fill is None else len(fill.motion)
        plans = {part: clauses(text, frames / FPS, WINDOW_FRAMES / FPS) for part, text in texts.items()}
        packed = {
            part: torch.cat(list(self._play(part, plan, frames, fill, seed, progress))) for part, plan in plans.items()
        }
        facts = {"text": prompt.motion, "emotion": prompt.emotion, "clauses": len(plans["motion"])}
        return Driven(self._joined(packed, frames, fill), facts, problems=_unused(prompt), rest=self._rest(fill))

    def _play(
        self, part: Part, plan: list[Clause], frames: int, fill: Fill | None, seed: int, progress: Progress | None
    ) -> Iterator[Tensor]:
        """Packed motion [t, D] of one model, clause by clause and window by window, each going on from the last."""
        model = self.models[part]
        rng = torch.Generator().manual_seed(seed * 2 + (part == "emotion"))
        held = None if fill is None else self._held(part, model, fill)
        done = torch.zeros(0, len(model.mean))  # the last frames that are final
        for clause in plan:
            first, end = (min(round(time * FPS), frames) for time in (clause.start, clause.stop))
            text = IDLE if says_nothing(clause.text) else clause.text
            for window in windows(end - first, WINDOW_FRAMES - CARRIED, 0 if fill is None else AHEAD):
                # What is counted is done once: "nods twice" over a minute is no nodding all along.
                goes_on = window.start == 0 or part == "emotion" or not COUNTED.search(text)
                span = slice(first + window.start, first + window.stop)
                made = self._window(model, text if goes_on else IDLE, span, done, held, rng)
                made = made[: window.keep - window.start]
                done = torch.cat([done, made])[-CARRIED:]
                if progress is not None:
                    progress(part, first + window.keep, frames)
                yield model.motion(made)

    def _window(
        self, model: Trained, text: str, span: slice, before: Tensor, held: tuple[Tensor, Tensor] | None,
        rng: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Normalised motion [t, D] of the frames of `span`, which follow those `before` [c, D]; `held`: of the clip."""
        frames = span.stop - span.start
        given, kept = torch.zeros(frames, len(model.mean)), torch.zeros(frames, len(model.mean), dtype=torch.bool)
        if held is not None:
            given, kept = held[0][span], held[1][span]
        given = torch.cat([before, given])[None]
        kept = torch.cat([torch.ones_like(before, dtype=torch.bool), kept])[None]
        tokens, mask = self.encoder([text])
        cond = Condition(tokens, mask, torch.ones(given.shape[:2], dtype=torch.bool), given, kept)
        noise = torch.randn(given.shape, generator=rng)
        guidance = torch.full_like(given, self.guidance if held is None else min(self.guidance, FILLING))
        if len(before):  # exaggeration comes in gently: at once, it would be a jump
            since = torch.arange(given.shape[1]) - len(before)
            guidance = 1 + (guidance - 1) * (since / EASED).clamp(0, 1)[None, :, None].expand_as(given)
        return sample(model.denoiser, noise, cond, steps=self.steps, guidance=guidance)[0, len(before) :]

    def _held(self, part: Part, model: Trained, fill: Fill) -> tuple[Tensor, Tensor]:
        """The normalised motion [T, D] that one model keeps, and where [T, D] bool.

        Of lids that stay, the motion model knows all, and the emotion model that it adds nothing.
        """
        channels = {name: getattr(fill.motion, name) for name in CHANNELS[part]}
        if part == "emotion":
            channels["eyelids"] = torch.zeros_like(channels["eyelids"])
        none = torch.zeros(len(fill.motion), dtype=torch.bool)
        masks = {
            name: fill.keep.get(name, none).reshape(-1, *[1] * (value.ndim - 1)).expand_as(value).float()
            for name, value in channels.items()
        }
        layout = Layout.of(self.head, CHANNELS[part])
        return model.normal(layout.pack(channels)), layout.pack(masks).bool()

    def _rest(self, fill: Fill | None) -> FlameSequence:
        """What the motion is counted from: what words make, from the neutral face; what is kept, from its own rest."""
        neutral = FlameSequence.neutral(1, FPS, self.head)
        if fill is None:
            return neutral
        own = rest_of(fill.motion) if fill.rest is None else fill.rest
        return replace(neutral, **{name: getattr(own, name) for name, kept in fill.keep.items() if bool(kept.any())})

    def _joined(self, packed: dict[Part, Tensor], frames: int, fill: Fill | None) -> FlameSequence:
        """One motion of both; lids close as far as both models together say."""
        made = {part: Layout.of(self.head, CHANNELS[part]).channels(value) for part, value in packed.items()}
        lids = combined_closure(made["motion"]["eyelids"], made["emotion"]["eyelids"])
        values: dict[str, Any] = made["motion"] | made["emotion"] | {"eyelids": lids}
        for name in (
            "neck",
            "translation",
        ):  # a head has weight: what is shorter than a frame or two is the model's grain
            smooth = gaussian_filter1d(values[name].numpy(), SMOOTH, axis=0, mode="nearest")
            values[name] = torch.from_numpy(smooth)
        if fill is None:
            return replace(FlameSequence.neutral(frames, FPS, self.head), **values)
        for name, kept in fill.keep.items():
            old = getattr(fill.motion, name)
            values[name] = torch.where(kept.reshape(-1, *[1] * (old.ndim - 1)), old, values[name])
        return replace(fill.motion, **values)


def _unused(signal: TextPrompt) -> list[str]:
    """A sentence about the words that mean nothing to the models."""
    sentences = []
    for name, text in (("text", signal.motion), ("emotion", signal.emotion)):
        if words := unknown_words(text):
            shown = ", ".join(words[:8]) + (" …" if len(words) > 8 else "")
            idle = ": the portrait idles (expected English about a head or a face)" if says_nothing(text) else ""
            sentences.append(f"{name}: could not use the words {shown}{idle}")
    return sentences
