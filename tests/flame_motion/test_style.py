"""Style by example: what is measured of a motion arrives in another one, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from flamecast.flame_motion import BadInput, FlameSequence, load_head
from flamecast.flame_motion.channels import CHANNELS
from flamecast.flame_motion.retargeting.mouth import mouth_of
from flamecast.flame_motion.style import PRESETS, USUAL, Blinks, Style, measure_style, preset, restyled
from flamecast.flame_motion.style.blinks import blinks_in, with_blinks
from flamecast.flame_motion.style.statistics import TRACKS

FPS = 25.0


def _drift(rng: np.random.Generator, frames: int, columns: int, seconds: float) -> torch.Tensor:
    """Smooth random tracks [T, columns] of unit spread."""
    from scipy.ndimage import gaussian_filter1d

    track = gaussian_filter1d(rng.normal(size=(frames + 200, columns)), seconds * FPS, axis=0)[100:-100]
    return torch.from_numpy(track / track.std(0)).float()


def _lids(frames: int, gap: float, seconds: float = 0.16) -> torch.Tensor:
    """Lids [T, 2] that blink every `gap` s, about so long at half height."""
    moments = np.arange(frames) / FPS
    since = np.abs((moments + gap / 2) % gap - gap / 2)
    return torch.from_numpy(np.repeat(0.95 * (1 - since / seconds).clip(0, 1)[:, None], 2, 1)).float()


@pytest.fixture(scope="module")
def made() -> FlameSequence:
    """A minute of somebody who speaks, of made-up numbers."""
    rng, frames, head = np.random.default_rng(3), 1500, load_head()
    still = FlameSequence.neutral(frames, FPS, head)
    expression = torch.zeros(frames, len(head.expression_names))
    for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight"):
        expression[:, head.expression_names.index(name)] = 0.1 * _drift(rng, frames, 1, 0.4)[:, 0]
    smile = 0.15 * _drift(rng, frames, 1, 0.3)[:, 0]
    for name in ("mouthSmileLeft", "mouthSmileRight"):
        expression[:, head.expression_names.index(name)] = smile
    jaw = torch.zeros(frames, 3)
    jaw[:, 0] = (0.06 * _drift(rng, frames, 1, 0.08)[:, 0]).clamp(min=0)
    neck = torch.deg2rad(2.0 * _drift(rng, frames, 3, 0.6) + 0.6 * _drift(rng, frames, 3, 0.1))
    shift = 0.003 * _drift(rng, frames, 3, 0.6)
    return replace(still, expression=expression, jaw=jaw, neck=neck, translation=shift, eyelids=_lids(frames, 3.0))


def _bigger_head(motion: FlameSequence, factor: float) -> FlameSequence:
    return replace(motion, neck=factor * motion.neck)


def test_its_own_style_leaves_a_motion_as_it_is(made):
    same, times = restyled(made, measure_style(made))
    for name in CHANNELS:
        assert torch.allclose(getattr(same, name), getattr(made, name), atol=2e-3), name
    assert all(time == pytest.approx(1, abs=0.01) for time in times.values())
    assert torch.equal(same.eyelids, made.eyelids)


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.0])
def test_a_head_that_moves_twice_as_far_makes_another_do_so(made, factor):
    style = measure_style(_bigger_head(made, factor))
    moved, times = restyled(made, style)
    got, was = measure_style(moved), measure_style(made)
    for name in ("pitch", "yaw", "roll"):
        assert got.tracks[name].spread == pytest.approx(factor * was.tracks[name].spread, rel=0.05), name
        assert times[name] == pytest.approx(factor, rel=0.05)
    for name in ("brows_raised", "brows_lowered", "opening", "width"):  # nothing else changes
        assert got.tracks[name].spread == pytest.approx(was.tracks[name].spread, rel=0.03), name


def test_tempo_is_taken_over_without_moving_anything_in_time(made):
    nervous = measure_style(made)
    tracks = dict(nervous.tracks)
    tracks["yaw"] = replace(tracks["yaw"], slow=tracks["yaw"].slow / 2, quick=tracks["yaw"].quick * 2)
    moved, _ = restyled(made, replace(nervous, tracks=tracks))
    got, was = measure_style(moved).tracks["yaw"], nervous.tracks["yaw"]
    assert got.quick / got.slow > 2.5 * was.quick / was.slow
    fast = [np.diff(m.neck[:, 1].numpy(), 2) for m in (made, moved)]
    assert np.corrcoef(*fast)[0, 1] > 0.98


def test_mouth_and_brows_take_the_styles_spread_and_lips_that_meet_still_do(made):
    style = measure_style(made)
    tracks = dict(style.tracks)
    for name, factor in (("opening", 1.6), ("brows_raised", 2.0), ("brows_lowered", 0.5)):
        tracks[name] = replace(tracks[name], slow=factor * tracks[name].slow, quick=factor * tracks[name].quick)
    moved, _ = restyled(made, replace(style, tracks=tracks))
    got = measure_style(moved).tracks
    for name in ("opening", "brows_raised", "brows_lowered"):
        assert got[name].spread == pytest.approx(tracks[name].spread, rel=0.1), name
    gap, before = (mouth_of(load_head()).gap(motion) for motion in (moved, made))
    assert torch.allclose(gap, 1.6 * before, atol=0.01)


@pytest.mark.parametrize("per_minute, seconds", [(6.0, 0.16), (12.0, 0.3), (30.0, 0.16), (45.0, 0.12)])
def test_blinks_come_as_often_and_as_long_as_the_styles(made, per_minute, seconds):
    style = replace(measure_style(made), blinks=Blinks(per_minute, seconds))
    moved, _ = restyled(made, style, seed=5)
    again, _ = restyled(made, style, seed=5)
    assert torch.equal(moved.eyelids, again.eyelids)
    found = measure_style(moved).blinks
    assert found is not None and found.per_minute == pytest.approx(per_minute, rel=0.2)
    assert found.seconds == pytest.approx(seconds, rel=0.3, abs=0.02)
    assert 0 <= float(moved.eyelids.min()) and float(moved.eyelids.max()) <= 1


def test_isolated_blinks_are_kept_and_new_ones_do_not_overlap():
    crowded = _lids(1500, 3.0).numpy()
    fewer = with_blinks(crowded, FPS, 10.0, 0.16, np.random.default_rng(0))
    kept = [blink.at for blink in blinks_in(fewer.mean(1), FPS)]
    assert len(kept) in (10, 11) and all(min(abs(at - k * 3.0) for k in range(21)) < 0.06 for at in kept)
    more = [
        blink.at for blink in blinks_in(with_blinks(crowded, FPS, 40.0, 0.16, np.random.default_rng(0)).mean(1), FPS)
    ]
    assert len(more) >= 37 and min(np.diff(more)) > 0.3


def test_words_keep_a_wide_turn_and_take_the_style_for_small_ones(made):
    wide = replace(made, neck=torch.zeros_like(made.neck))
    wide.neck[:, 1] = torch.deg2rad(torch.linspace(0, 45, len(made)))
    small = _bigger_head(made, 0.3)
    calm, lively = preset("calm"), preset("lively")
    turned, _ = restyled(wide, lively, asked={"head"})
    assert float(turned.neck[-1, 1].rad2deg()) == pytest.approx(45, abs=1)
    spreads = [
        measure_style(restyled(small, style, asked={"head"})[0]).tracks["yaw"].spread for style in (calm, lively)
    ]
    own = measure_style(small).tracks["yaw"].spread
    assert spreads[0] < 0.75 * own < 1.3 * own < spreads[1]


def test_a_tilted_head_and_a_smile_are_rests_that_come_over_in_part(made):
    style = measure_style(made)
    tracks = style.tracks | {
        "roll": replace(style.tracks["roll"], rest=20.0),
        "yaw": replace(style.tracks["yaw"], rest=30.0),
    }
    moved, _ = restyled(made, replace(style, tracks=tracks))
    tilt = (moved.neck - made.neck).mean(0).rad2deg()
    assert (
        float(tilt[2]) == pytest.approx(6, abs=0.3) and abs(float(tilt[1])) < 0.3
    )  # where the camera stood is no style


def test_a_file_gives_the_style_again(made, tmp_path):
    style = measure_style(made, "me.mp4")
    style.save(tmp_path / "me.style.json")
    assert Style.load(tmp_path / "me.style.json") == style
    assert (tmp_path / "me.style.json").stat().st_size < 4000
    assert style.seconds == 60 and style.source == "me.mp4"


@pytest.mark.parametrize(
    "text",
    ["[", "[]", "7", "{}", '{"flamecast_style": 2}', '{"flamecast_style": 1, "tracks": {}, "blinks": null}'],
)
def test_a_file_that_is_no_style_is_refused_in_a_sentence(text, tmp_path):
    file = tmp_path / "bad.style.json"
    file.write_text(text)
    with pytest.raises(BadInput, match="bad.style.json is none: expected what"):
        Style.load(file)


@pytest.mark.parametrize("number", [float("nan"), -1.0, 1e9, "far"])
def test_numbers_that_no_style_has_are_refused(made, number, tmp_path):
    measure_style(made).save(tmp_path / "a.style.json")
    found = json.loads((tmp_path / "a.style.json").read_text())
    found["tracks"]["yaw"]["slow"] = number
    (tmp_path / "a.style.json").write_text(json.dumps(found))
    with pytest.raises(BadInput, match="a.style.json is none"):
        Style.load(tmp_path / "a.style.json")


def test_too_short_a_clip_is_refused_and_a_short_one_says_nothing_about_blinks(made):
    with pytest.raises(BadInput, match=r"lasts 1\.0 s, expected 2 s"):
        measure_style(made[:25], "me.mp4")
    assert measure_style(made[:150]).blinks is None


def test_presets_differ_as_their_names_say():
    calm, usual, lively = (preset(name) for name in ("calm", USUAL, "lively"))
    for name in set(TRACKS) - {"smile"}:
        assert calm.tracks[name].spread < usual.tracks[name].spread < lively.tracks[name].spread, name
    assert calm.blinks.per_minute < lively.blinks.per_minute
    assert all("people" in preset(name).source and preset(name).seconds > 60 for name in PRESETS)
