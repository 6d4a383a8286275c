"""The text driver: words become motion by two diffusion models, one for the head and one for the face."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ...flame_motion import BadInput, Driven, FlameSequence, Progress, TextPrompt, load_head
from ...flame_motion.diffusion import Conditioning, sample
from ...flame_motion.diffusion.weights import TrainedDenoiser, load_denoiser
from ...flame_motion.packing import Layout
from ...flame_motion.retargeting.rest import rest_of
from ...flame_motion.windows import windows
from .channels import CHANNELS, FPS, WINDOW_FRAMES, Part, combined_closure
from .correct import GOALS, LEAST_SHARE, LIMITS, corrected, done_share
from .course import laughing, yawning
from .encoder import TextEncoder
from .faces import corrected_face
from .keep import Fill
from .layers import LIDS, SHORTEST, Layer, layers_of, stacked
from .poses import with_done
from .prompt import IDLE, says_nothing
from .score import Score, read_score
from .unrest import restless

WEIGHTS = Path(__file__).parent / "weights"
MAX_SECONDS = 3600.0  # of a clip
CARRIED_FRAMES = 12  # frames of the window before, which the next one goes on from
RAMP_FRAMES = 20  # frames after those, over which the guidance scale rises from 1 to its full value
MAX_FILL_GUIDANCE = 1.5  # scale where some frames are kept: these say what to do, too
FASTER = "all of it is faster; give a longer clip"
FILLS = 0.3  # share of a head's movement where nothing is asked for, beside what is counted
SMOOTHING = 1.0  # frames, sigma of a Gaussian
LOOKAHEAD_FRAMES = 50  # of what is kept beyond a window's own end
COUNT_WORDS = re.compile(r"\b(once|twice|thrice|\d+x?|one|two|three|four|five|couple|times|single)\b", re.I)


class TextDriver:
    """Words become motion of the head and the face, on the built-in head; retarget it for others."""

    def __init__(
        self, encoder: str | None = None, weights: str | None = None, guidance: float = 4.0, steps: int = 20
    ) -> None:
        """encoder: a transformers folder other than the packaged one, together with weights trained on it.

        weights: a folder with motion and emotion (.safetensors, .json). guidance: scale of classifier-free guidance, 1
        for none; steps: of the sampler. Raises BadInput for steps below 1 and a negative scale.
        """
        if steps < 1 or guidance < 0:
            raise BadInput(f"text driver: expected steps >= 1 and guidance >= 0, got {steps} and {guidance:g}")
        self.guidance, self.steps = guidance, steps
        self._encoder, self._weights = encoder, WEIGHTS if weights is None else Path(weights)
        self.device = torch.device("cpu")
        self.head = load_head("open")

    @staticmethod
    def open(text: str) -> TextPrompt:
        """The signal that `--signal TEXT` stands for."""
        return TextPrompt(motion=text)

    @cached_property
    def encoder(self) -> TextEncoder:
        """The frozen text encoder, loaded at first use."""
        return TextEncoder(self._encoder).to(self.device)

    @cached_property
    def models(self) -> dict[Part, TrainedDenoiser]:
        """The two denoisers, loaded at first use."""
        return {part: load_denoiser(self._weights / part).to(self.device) for part in CHANNELS}

    def to(self, device: torch.device | str) -> TextDriver:
        """Moves the models, those not loaded yet included, to a device. Returns self; motions stay on the CPU."""
        self.device = torch.device(device)
        if "encoder" in self.__dict__:
            self.encoder.to(self.device)
        if "models" in self.__dict__:
            self.models = {part: model.to(self.device) for part, model in self.models.items()}
        return self

    def __call__(self, signal: TextPrompt | Fill, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The motion of a prompt, exactly round(duration * 25) frames; `problems` names the words it could not use.

        Of a `Fill`, the kept values come back bit for bit and the rest is generated. Raises BadInput for a prompt that
        does not fit its duration, and for more than an hour.
        """
        fill = signal if isinstance(signal, Fill) else None
        prompt = signal.prompt if isinstance(signal, Fill) else signal
        if signal.duration > MAX_SECONDS:
            raise BadInput(
                f"text: expected at most {MAX_SECONDS:g} s, got {signal.duration:g}; make several clips of it"
            )
        texts: dict[Part, str] = {
            "motion": prompt.motion if prompt.motion.strip() else prompt.emotion,
            "emotion": prompt.emotion if prompt.emotion.strip() else prompt.motion,
        }
        frames = max(1, round(prompt.duration * FPS)) if fill is None else len(fill.motion)
        seconds = frames / FPS
        scores: dict[Part, Score] = {part: read_score(text, seconds) for part, text in texts.items()}
        if prompt.emotion.strip():
            scores["emotion"].emotion = with_done(scores["emotion"].emotion, scores["motion"].emotion)
        packed = {part: self._part(part, score, frames, fill, seed, progress) for part, score in scores.items()}
        facts = {"text": prompt.motion, "emotion": prompt.emotion, "clauses": len(scores["motion"].motion)}
        motion = self._join(packed, frames, fill, scores["motion"], seed)
        if fill is None:
            named = lambda name: [event for event in scores["emotion"].emotion if event.name == name]  # noqa: E731
            motion = yawning(laughing(motion, named("laugh"), seed), named("yawn"), not scores["motion"].motion)
        return Driven(motion, facts, problems=_problems(prompt, scores), rest=self._rest(fill))

    def _part(
        self, part: Part, score: Score, frames: int, fill: Fill | None, seed: int, progress: Progress | None
    ) -> Tensor:
        """Packed motion [T, D] of one model on the CPU: of every layer of its score, put together."""
        model, layout = self.models[part], Layout.of(self.head, CHANNELS[part])
        rng = torch.Generator().manual_seed(seed * 2 + (part == "emotion"))
        layers = layers_of(score, part, frames, IDLE)
        if fill is not None:
            clip = self._known(part, model, fill)
            parts = [(one.text, one.start, one.stop) for one in layers if not one.beside]
            return torch.cat(list(self._continued(part, parts, clip, rng, progress, frames)))
        made: list[tuple[Layer, dict[str, np.ndarray]]] = []
        for layer, first in zip(layers, self._at_once(part, layers, frames, rng), strict=True):
            channels = self._of_layer(part, layer, first, layout, frames, rng)
            if layer.event is not None:
                channels = corrected(channels, layer.event, layer.frames(frames))
                if part == "emotion":
                    channels = corrected_face(channels, layer.event, self.head.expression_names, seed)
            elif part == "motion" and any(event.action.manner.count for event in score.motion):
                channels |= {"neck": FILLS * channels["neck"]}  # what is counted is seen best beside a quiet head
            if score.no_blinks and (layer.event is None or layer.event.name not in (*LIDS, "squint")):
                channels["eyelids"] = np.zeros_like(channels["eyelids"])
            made.append((layer, {name: value[: layer.frames(frames)] for name, value in channels.items()}))
            if progress is not None:
                progress(part, min(layer.stop, frames), frames)
        return layout.pack({name: torch.from_numpy(value) for name, value in stacked(made, frames).items()})

    def _at_once(self, part: Part, layers: Sequence[Layer], frames: int, rng: torch.Generator) -> list[Tensor | None]:
        """Packed motion [t, D] of every layer that fits into one window, from one batch; None of those that do not."""
        model = self.models[part]
        lengths = [max(layer.frames(frames), SHORTEST) for layer in layers]
        short = [k for k, length in enumerate(lengths) if length <= WINDOW_FRAMES - CARRIED_FRAMES]
        made: list[Tensor | None] = [None] * len(layers)
        if not short:
            return made
        noise = torch.zeros(len(short), max(lengths[k] for k in short), len(model.mean))
        exists = torch.zeros(noise.shape[:2], dtype=torch.bool)
        for row, k in enumerate(short):
            noise[row, : lengths[k]] = torch.randn(lengths[k], len(model.mean), generator=rng)
            exists[row, : lengths[k]] = True
        tokens, token_mask = self.encoder([IDLE if says_nothing(layers[k].text) else layers[k].text for k in short])
        conditioning = Conditioning(tokens, token_mask, exists.to(self.device))
        motion = sample(model.denoiser, noise.to(self.device), conditioning, steps=self.steps, guidance=self.guidance)
        for row, k in enumerate(short):
            made[k] = model.motion(motion[row, : lengths[k]]).cpu()
        return made

    def _of_layer(
        self, part: Part, layer: Layer, first: Tensor | None, layout: Layout, frames: int, rng: torch.Generator
    ) -> dict[str, np.ndarray]:
        """The channels [t, ...] of one layer; words that the network missed are said to it again, in other ones."""
        length = max(layer.frames(frames), SHORTEST)
        found: list[tuple[float, dict[str, np.ndarray]]] = []
        for text in (layer.text,) if layer.event is None else layer.event.wordings():
            if first is None:
                first = torch.cat(list(self._continued(part, [(text, 0, length)], None, rng, None, frames)))
            channels = {name: value.numpy() for name, value in layout.channels(first).items()}
            found.append((1.0 if layer.event is None else done_share(channels, layer.event), channels))
            if found[-1][0] >= LEAST_SHARE:
                break
            first = None
        return max(found, key=lambda one: one[0])[1]

    def _continued(
        self, part: Part, texts: list[tuple[str, int, int]], clip: tuple[Tensor, Tensor] | None, rng: torch.Generator,
        progress: Progress | None, frames: int,
    ) -> Iterator[Tensor]:  # fmt: skip
        """Packed motion [t, D] on the CPU of (text, first frame, end) one after the other, each window continuing."""
        model = self.models[part]
        before = torch.zeros(0, len(model.mean), device=self.device)  # the last frames that are final
        for said, first, end in texts:
            text = IDLE if says_nothing(said) else said
            for window in windows(end - first, WINDOW_FRAMES - CARRIED_FRAMES, 0 if clip is None else LOOKAHEAD_FRAMES):
                # What is counted is done once: "nods twice" over a minute is not a minute of nodding.
                goes_on = window.start == 0 or part == "emotion" or not COUNT_WORDS.search(text)
                span = slice(first + window.start, first + window.stop)
                generated = self._window(model, text if goes_on else IDLE, span, before, clip, rng)
                generated = generated[: window.keep - window.start]
                before = torch.cat([before, generated])[-CARRIED_FRAMES:]
                if progress is not None:
                    progress(part, first + window.keep, frames)
                yield model.motion(generated).cpu()

    def _window(
        self, model: TrainedDenoiser, text: str, span: slice, before: Tensor, clip: tuple[Tensor, Tensor] | None,
        rng: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Normalised motion [t, D] of the frames of `span`, continuing those `before` [c, D].

        clip: known values [T, D] of the whole clip and their mask [T, D] bool. The noise is drawn on the CPU, so that a
        seed means the same on every device.
        """
        frames, channels = span.stop - span.start, len(model.mean)
        if clip is None:
            known = torch.zeros(frames, channels, device=self.device)
            known_mask = torch.zeros(frames, channels, dtype=torch.bool, device=self.device)
        else:
            known, known_mask = clip[0][span], clip[1][span]
        known = torch.cat([before, known])[None]
        known_mask = torch.cat([torch.ones_like(before, dtype=torch.bool), known_mask])[None]
        tokens, token_mask = self.encoder([text])
        exists = torch.ones(known.shape[:2], dtype=torch.bool, device=self.device)
        conditioning = Conditioning(tokens, token_mask, exists, known, known_mask)
        noise = torch.randn(known.shape, generator=rng).to(self.device)
        scale = torch.full_like(known, self.guidance if clip is None else min(self.guidance, MAX_FILL_GUIDANCE))
        if len(before):  # the full scale at once would be a jump
            since = torch.arange(known.shape[1], device=self.device) - len(before)
            scale = 1 + (scale - 1) * (since / RAMP_FRAMES).clamp(0, 1)[None, :, None].expand_as(known)
        return sample(model.denoiser, noise, conditioning, steps=self.steps, guidance=scale)[0, len(before) :]

    def _known(self, part: Part, model: TrainedDenoiser, fill: Fill) -> tuple[Tensor, Tensor]:
        """Normalised motion [T, D] of which one model keeps some, and which [T, D] bool.

        Lids that stay are the motion model's alone; the emotion model is given open ones, so that it adds nothing.
        """
        channels = {name: getattr(fill.motion, name) for name in CHANNELS[part]}
        if part == "emotion":
            channels["eyelids"] = torch.zeros_like(channels["eyelids"])
        none = torch.zeros(len(fill.motion), dtype=torch.bool)
        masks = {
            name: _per_frame(fill.keep.get(name, none), value).expand_as(value).float()
            for name, value in channels.items()
        }
        layout = Layout.of(self.head, CHANNELS[part])
        return model.normal(layout.pack(channels).to(self.device)), layout.pack(masks).bool().to(self.device)

    def _rest(self, fill: Fill | None) -> FlameSequence:
        """What the motion is counted from: the neutral face for generated channels, their own rest for kept ones."""
        neutral = FlameSequence.neutral(1, FPS, self.head)
        if fill is None:
            return neutral
        own = rest_of(fill.motion) if fill.rest is None else fill.rest
        return replace(neutral, **{name: getattr(own, name) for name, kept in fill.keep.items() if bool(kept.any())})

    def _join(
        self, packed: dict[Part, Tensor], frames: int, fill: Fill | None, score: Score, seed: int
    ) -> FlameSequence:
        """One motion of both models' packed channels [T, D], the head held up as people's, the kept values put back."""
        channels = {part: Layout.of(self.head, CHANNELS[part]).channels(value) for part, value in packed.items()}
        lids = combined_closure(channels["motion"]["eyelids"], channels["emotion"]["eyelids"])
        values: dict[str, Any] = channels["motion"] | channels["emotion"] | {"eyelids": lids}
        for name in ("neck", "translation"):  # a head has mass: what lasts a frame or two is the model's noise
            smooth = gaussian_filter1d(values[name].numpy(), SMOOTHING, axis=0, mode="nearest")
            values[name] = torch.from_numpy(smooth)
        fixed = None if fill is None or "neck" not in fill.keep else fill.keep["neck"].numpy()
        neck, eyes = restless(values["neck"].numpy(), values["eyes"].numpy(), score, seed, fixed)
        values |= {"neck": torch.from_numpy(neck), "eyes": torch.from_numpy(eyes)}
        if fill is None:
            return replace(FlameSequence.neutral(frames, FPS, self.head), **values)
        for name, kept in fill.keep.items():
            old = getattr(fill.motion, name)
            values[name] = torch.where(_per_frame(kept, old), old, values[name])
        return replace(fill.motion, **values)


def _per_frame(mask: Tensor, values: Tensor) -> Tensor:
    """A mask [T] with as many axes as `values` [T, ...], to broadcast over them."""
    return mask.reshape(-1, *[1] * (values.ndim - 1))


def _problems(prompt: TextPrompt, scores: Mapping[Part, Score]) -> list[str]:
    """A sentence for each text of the prompt that could not be followed to the letter."""
    sentences = []
    texts: tuple[tuple[str, str, Part], ...] = (
        ("text", prompt.motion, "motion"),
        ("emotion", prompt.emotion, "emotion"),
    )
    for name, text, part in texts:
        if not text.strip():
            continue
        score = scores[part]
        if words := score.unused:
            shown = ", ".join(words[:8]) + (" …" if len(words) > 8 else "")
            nothing = not score.motion and not score.emotion
            idle = ": the portrait idles (expected English about a head or a face)" if nothing else ""
            sentences.append(f"{name}: could not use the words {shown}{idle}")
        for event in score.motion:
            goal, asked = GOALS.get(event.name), event.action.manner.degrees
            if goal is not None and asked is not None and goal.axis in LIMITS and asked > LIMITS[goal.axis]:
                sentences.append(f"{name}: a head turns {LIMITS[goal.axis]:g} degrees at most that way, not {asked:g}")
        if score.squeezed:
            sentences.append(f"{name}: the times add up to {score.squeezed:g} s: {FASTER}")
    return sentences
