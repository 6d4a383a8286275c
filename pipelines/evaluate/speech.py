"""`flamecast evaluate speech`: the mouth that sound makes beside the mouth that spoke."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.files import PathLike
from ...drivers.speech import SpeechDriver
from ...drivers.speech.articulation import Articulation, ArticulationConfig, TrainedArticulation
from ...drivers.speech.audio_features import FPS, SAMPLE_RATE, AudioBuffer, AudioFeatures, load_features
from ...drivers.speech.driver import WEIGHTS
from ...flame_motion import BadInput, FlameSequence, Progress, load_head
from ...flame_motion.retargeting.mouth import Mouth, mouth_of
from ...training.loop import check_training
from ...training.options import TrainingOptions
from ...training.speech.footage import SHUT, Footage, correlation, load_footage
from ...training.speech.judge import Judge, JudgeConfig, load_judge, sync_wins

LAGS = 4  # frames either way that the best correlation is looked for in
MEANS = (
    "r_opening", "r_width", "r_pucker", "r_loudness", "lag", "amplitude", "amplitude_pucker", "jitter", "judge_real",
    "judge_ours",
)  # fmt: skip
MANY = 100  # clips: a person with more of them is trained on, and never tested


@dataclass(frozen=True, eq=False)
class Mouths:
    """What one clip's sound makes of a mouth, and how the judge of people unlike its own finds it."""

    clip: Footage
    features: Tensor  # [2 T, C]
    face: Tensor  # [T, 3 + E]
    judge: Judge


def evaluate_speech(
    data: PathLike, *, folds: int = 0, steps: int = 800, copies: int = 3, features: str | None = None,
    motions: PathLike | None = None, seed: int = 0, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Correlation, lag, amplitude, closure and the judge's verdict on footage of `flamecast prepare speech`.

    folds: 0 takes the shipped weights, which may know these people; else mouth and judge are trained anew so many
    times (`steps`, `copies`, `features` as in `train speech-lips`), each without a share of the people, and tested on
    those. motions: a folder to write each clip's motion into. Raises BadInput.
    """
    if folds:
        check_training()
    clips, mouth = load_footage(data), mouth_of(load_head())
    encoder = load_features(features)
    if folds:
        found = _cross_validated(clips, encoder, mouth, folds, steps, copies, seed, progress)
    else:
        driver, judge = SpeechDriver(features), load_judge(WEIGHTS / "judge")[0]
        found = []
        for done, clip in enumerate(clips, 1):
            sound = AudioBuffer(clip.samples)
            found.append(Mouths(clip, encoder(sound), driver.mouth(sound, 0, len(clip.mouth)), judge))
            if progress is not None:
                progress("evaluate", done, len(clips))
    rows = {one.clip.name: _row(one, mouth) for one in found}
    if motions is not None:
        for one in found:
            _motion(one).save(Path(motions) / f"{one.clip.name}.npz")
    return {
        "folds": folds,
        "features": encoder.name,
        "clips": len(rows),
        "mean": _mean(list(rows.values())),
        "each": rows,
    }


def people_in_folds(clips: list[Footage], folds: int) -> list[list[str]]:
    """Whom each fold tests: all people but those with `MANY` clips, dealt out always alike. BadInput for too few."""
    names = [clip.speaker for clip in clips]
    people = [name for name in sorted(set(names)) if names.count(name) < MANY]
    if not 2 <= folds <= len(people):
        raise BadInput(f"folds: expected 2 to {len(people)}, of which each tests other people, got {folds}")
    order = np.random.default_rng(0).permutation(people)
    return [[str(name) for name in order[fold::folds]] for fold in range(folds)]


def _cross_validated(
    clips: list[Footage], encoder: AudioFeatures, mouth: Mouth, folds: int, steps: int, copies: int, seed: int,
    progress: Progress | None,
) -> list[Mouths]:  # fmt: skip
    """Every tested person's clips by a mouth and a judge that were trained without that person."""
    from lightning.pytorch import seed_everything

    from ...training.speech.judge_module import JudgeModule
    from ...training.speech.lip_shapes import fitted_lip_shapes
    from ...training.speech.lips import LipsModule, silent_sounds, windows_of
    from ...training.speech.train import JudgeTraining, LipsTraining, ShapesTraining, augmented

    footage = [(clip, features.half()) for clip, features in augmented(clips, encoder, copies, seed)]
    silent, found = silent_sounds(encoder, 100, seed), []
    lips_options = LipsTraining(steps=steps, seed=seed, batch_size=32)
    shapes_options = ShapesTraining()
    judge_options = JudgeTraining(steps=steps, seed=seed, batch_size=32)
    for fold, people in enumerate(people_in_folds(clips, folds)):
        seed_everything(seed, verbose=False)
        others = windows_of([pair for pair in footage if pair[0].speaker not in people], mouth, silent)
        speaking, judge = (
            Articulation(ArticulationConfig(encoder.width, others.face.shape[-1])),
            Judge(JudgeConfig(encoder.width)),
        )
        _train(LipsModule(speaking, mouth, lips_options), others, lips_options)
        _train(JudgeModule(judge, judge_options), others, judge_options)
        own = [pair for pair in footage if pair[0].speaker not in people and any(pair[0] is clip for clip in clips)]
        shapes = fitted_lip_shapes(own, silent, shapes_options.components, shapes_options.ridge)
        lips = TrainedArticulation(speaking.eval().requires_grad_(False), {}, shapes)
        judge = judge.eval().requires_grad_(False)
        for clip, features in footage:
            if clip.speaker in people and any(clip is own for own in clips):
                found.append(Mouths(clip, features.float(), lips(_even(features.float())), judge))
        if progress is not None:
            progress("folds", fold + 1, folds)
    return found


def _train(module: Any, windows: Any, options: TrainingOptions) -> None:
    """A plain loop of Lightning's, which keeps nothing."""
    from lightning.pytorch import Trainer

    from ...training.batches import StepData
    from ...training.callbacks import SeededBatches
    from ...training.speech.lips import WindowBatches

    trainer = Trainer(
        max_steps=options.steps, max_epochs=-1, gradient_clip_val=1.0, callbacks=[SeededBatches(options.seed)],
        accelerator="auto", devices=1, limit_val_batches=0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, StepData(WindowBatches(windows, options.batch_size, options.seed)))
    module.cpu()


def _even(features: Tensor) -> Tensor:
    """Whole frames of features."""
    return torch.cat([features, features[-1:]]) if len(features) % 2 else features


def _row(one: Mouths, mouth: Mouth) -> dict[str, Any]:
    """The measures of one clip."""
    frames = min(len(one.clip.mouth), len(one.face))
    real, seen = one.clip.mouth[:frames], one.clip.seen[:frames]
    made = one.face[:frames] @ mouth.gaps
    features = one.features[: 2 * frames]
    lags = [_lagged(real[:, 0], made[:, 0], seen, lag) for lag in range(-LAGS, LAGS + 1)]
    touches = closures(real[:, 0], seen, one.clip.samples)
    true, ours = (sync_wins(one.judge, shown, _even(features)) for shown in (real, made))
    return {
        "speaker": one.clip.speaker, "r_opening": correlation(real[seen, 0], made[seen, 0]),
        "r_width": correlation(real[seen, 3], made[seen, 3]), **_pucker(one, frames),
        "r_loudness": _loudness(one.clip, frames),
        "lag": int(np.argmax(lags)) - LAGS, "amplitude": float(made[seen, 0].std() / real[seen, 0].std()),
        "closed": _share([bool((made[max(k - 1, 0) : k + 2, 0] < SHUT).any()) for k in touches]),
        "closures": len(touches),
        "jitter": float(_jitter(made[:, 0]) / _jitter(real[:, 0])),
        "judge_real": _share_of(true), "judge_ours": _share_of(ours),
    }  # fmt: skip


def _pucker(one: Mouths, frames: int) -> dict[str, float]:
    """r of the axis that purses the lips with the tracked one, and its spread by that."""
    axis, seen = load_head().expression_names.index("mouthPucker"), one.clip.seen[:frames]
    real, made = one.clip.motion.expression[:frames, axis][seen], one.face[:frames, 3 + axis][seen]
    return {"r_pucker": correlation(real, made), "amplitude_pucker": float(made.std() / real.std().clamp_min(1e-6))}


def closures(gap: Tensor, seen: Tensor, samples: Tensor) -> list[int]:
    """Frames in which lips [T] meet amid speech: shut for at most 0.2 s between open ones, with sound near."""
    shut = ((gap < SHUT) & seen).tolist()
    found, start = [], None
    for frame, now in enumerate([*shut, False]):
        if now and start is None:
            start = frame
        elif not now and start is not None:
            if 0 < start and frame < len(shut) and frame - start <= 5:
                found.append((start + frame - 1) // 2)
            start = None
    loud = samples.abs().max()
    step = SAMPLE_RATE // round(FPS)
    near = lambda k: samples[max(k - 5, 0) * step : (k + 6) * step].abs().max() > 0.1 * loud  # noqa: E731
    return [frame for frame in found if bool(near(frame))]


def _lagged(real: Tensor, made: Tensor, seen: Tensor, lag: int) -> float:
    """r where what was made is `lag` frames late."""
    a, b, s = (real[:-lag], made[lag:], seen[:-lag]) if lag > 0 else (real[-lag:], made[: lag or None], seen[-lag:])
    return correlation(a[s], b[s])


def _loudness(clip: Footage, frames: int) -> float:
    """r of the gap with the sound's log level over 3 frames: what any model must beat."""
    step = SAMPLE_RATE // round(FPS)
    level = clip.samples[: frames * step].unflatten(0, (-1, step)).square().mean(1).sqrt()
    smooth = torch.nn.functional.avg_pool1d((level + 1e-4).log()[None, None], 3, 1, 1)[0, 0]
    count = min(len(smooth), frames)
    seen = clip.seen[:count]
    return correlation(clip.mouth[:count][seen, 0], smooth[:count][seen])


def _jitter(gap: Tensor) -> Tensor:
    """Mean size of the second difference."""
    return gap.diff().diff().abs().mean()


def _share(known: list[bool]) -> float | None:
    return sum(known) / len(known) if known else None


def _share_of(counted: tuple[int, int]) -> float | None:
    return counted[0] / counted[1] if counted[1] else None


def _mean(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means over clips; closures over all closures."""
    found: dict[str, float] = {}
    for name in MEANS:
        known = [row[name] for row in rows if row[name] is not None]
        found[name] = round(float(np.mean(known)), 3) if known else float("nan")
    events = sum(row["closures"] for row in rows)
    met = sum(row["closed"] * row["closures"] for row in rows if row["closures"])
    return found | {"closed": round(met / max(events, 1), 3), "closures": events}


def _motion(one: Mouths) -> FlameSequence:
    """What the sound makes, on the clock of the clip's own pictures."""
    frames = len(one.face)
    still = FlameSequence.neutral(frames, FPS, load_head())
    motion = replace(still, jaw=one.face[:, :3], expression=one.face[:, 3:])
    times = (torch.arange(frames, dtype=torch.float64) + one.clip.offset * FPS).clamp(0, frames - 1)
    return motion.sample(times, FPS)
