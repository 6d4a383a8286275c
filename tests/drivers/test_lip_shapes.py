"""Rounding and pressing of lips beside the network of the mouth."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flamecast.core.networks import save_network
from flamecast.drivers.speech.articulation import SHAPES, load_articulation
from flamecast.drivers.speech.driver import WEIGHTS
from flamecast.drivers.speech.lip_shapes import (
    AXES,
    SHARE,
    SIZE,
    WAKE_FRAMES,
    LipShapes,
    LipShapesConfig,
    load_lip_shapes,
    with_shapes,
)
from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.retargeting.mouth import mouth_of
from flamecast.training.speech.footage import Footage
from flamecast.training.speech.lip_shapes import fitted_lip_shapes

HEAD = load_head()
COLUMNS = [3 + HEAD.expression_names.index(name) for name in AXES]


def _opening(jaw: torch.Tensor) -> torch.Tensor:
    """A face [T, 3 + E] whose jaw alone is open."""
    face = torch.zeros(len(jaw), 3 + len(HEAD.expression_names))
    face[:, 0] = jaw
    return face


def _gaps(face: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    gaps = face @ mouth_of(HEAD).gaps
    return gaps[:, :3].mean(1), gaps[:, 3]


def test_axes_are_those_asked_for_and_opening_and_width_lie_between_both_guesses():
    face = _opening(torch.linspace(0.1, 0.2, 40))
    shapes = torch.tensor([0.15, -0.04, 0.3, 0.1, 0.0, 0.0, 0.05, 0.05]).expand(40, -1)
    shaped = with_shapes(face, shapes, HEAD)
    assert torch.allclose(shaped[:, COLUMNS], SIZE * shapes[:, 2:], atol=1e-5)
    for was, now, guess in zip(_gaps(face), _gaps(shaped), (0.15, -0.04)):
        assert torch.allclose(now, was + SHARE * (guess - was), atol=1e-4)
    assert bool((shaped[:, 0] >= 0).all())


def test_where_nobody_speaks_nothing_changes_and_lips_that_touch_still_do():
    shapes = torch.full((60, 2 + len(AXES)), 0.2)
    assert torch.equal(with_shapes(_opening(torch.zeros(60)), shapes, HEAD), _opening(torch.zeros(60)))
    jaw = torch.zeros(60)
    jaw[20:30] = 0.2
    shaped = with_shapes(_opening(jaw), shapes, HEAD)
    assert torch.equal(shaped[: 20 - WAKE_FRAMES], torch.zeros(20 - WAKE_FRAMES, shaped.shape[1]))
    assert float(_gaps(shaped)[0][16:20].abs().max()) < 1e-4  # rounded already, and not yet open
    assert float(shaped[18, COLUMNS[0]]) == pytest.approx(SIZE * 0.2, abs=1e-4)


def _talk(name: str, speaker: str, frames: int, rng: torch.Generator) -> tuple[Footage, torch.Tensor]:
    """Made-up features, and a mouth that is linear in them 40 ms later."""
    features = torch.randn(2 * frames, 32, generator=rng)
    heard = torch.nn.functional.layer_norm(features, (32,))[0::2]
    late = torch.cat([heard[1:], heard[-1:]])
    expression = torch.zeros(frames, len(HEAD.expression_names))
    expression[:, COLUMNS[0] - 3] = 0.2 * late[:, 3]
    mouth = torch.stack([0.05 + 0.02 * late[:, 5]] * 3 + [0.03 * late[:, 7]], 1)
    motion = replace(FlameSequence.neutral(frames, 25.0, HEAD), expression=expression)
    return Footage(
        name, speaker, torch.zeros(frames * 640), motion, mouth, torch.ones(frames, dtype=torch.bool)
    ), features


def test_what_is_linear_in_the_sound_is_learned_from_one_person_for_another():
    rng = torch.Generator().manual_seed(0)
    fitted = fitted_lip_shapes([_talk("a", "Ann", 4000, rng)], [], components=32, ridge=1e-6)
    other, features = _talk("b", "Bob", 500, rng)
    made = fitted(features)
    for column, real in (
        (0, other.mouth[:, 0]),
        (1, other.mouth[:, 3]),
        (2, other.motion.expression[:, COLUMNS[0] - 3]),
    ):
        assert float(torch.corrcoef(torch.stack([made[5:-5, column], real[5:-5]]))[0, 1]) > 0.97
    assert not fitted.training and len(made) == 500
    with pytest.raises(BadInput, match="expected footage"):
        fitted_lip_shapes([], [], 8, 1.0)


def test_weights_of_other_features_or_axes_are_refused(tmp_path):
    card = {"features": "log-mel", "axes": list(AXES)}
    save_network(tmp_path / "a", LipShapes(LipShapesConfig(8, 4)), card)
    assert load_lip_shapes(tmp_path / "a", "log-mel")[1]["axes"] == list(AXES)
    with pytest.raises(BadInput, match="trained on the features log-mel, not on whisper"):
        load_lip_shapes(tmp_path / "a", "whisper-base-3")
    save_network(tmp_path / "b", LipShapes(LipShapesConfig(8, 4)), card | {"axes": ["tongueOut"]})
    with pytest.raises(BadInput, match="shapes other axes"):
        load_lip_shapes(tmp_path / "b", "log-mel")


def test_the_weights_that_ship_round_the_lips_of_speech(tmp_path):
    with_map = load_articulation(WEIGHTS / "lips", "whisper-base-3")
    assert with_map.shapes is not None and with_map.reach == with_map.network.reach + WAKE_FRAMES
    for end in (".safetensors", ".json"):
        (tmp_path / f"lips{end}").symlink_to((WEIGHTS / "lips").with_suffix(end))
    assert SHAPES == "lip_shapes" and load_articulation(tmp_path / "lips", "whisper-base-3").shapes is None
    features = torch.randn(200, 512, generator=torch.Generator().manual_seed(0))
    face, part = with_map(features), with_map(features[40:160])
    inside = slice(with_map.reach, 60 - with_map.reach)
    assert torch.allclose(face[20:80][inside], part[inside], atol=1e-5)  # in parts as in one
    assert torch.allclose(with_map(features, 0.5), with_map(features) * 0.5, atol=1e-5)
