"""Real photos as samples of the completion network: what one shows is the truth of what a drawing from aside hides."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from flamecast.core.npz import save_arrays
from flamecast.flame_motion import BadInput
from flamecast.generator import Portrait
from flamecast.generator.completion.atlas import COLUMNS, ROWS
from flamecast.generator.completion.frame import atlas_view
from flamecast.generator.completion.merge import with_whole_head
from flamecast.generator.completion.network import Completed
from flamecast.generator.completion.seen import look
from flamecast.renderer.cameras.paths import around, still
from flamecast.training.completion import prepare
from flamecast.training.completion.data import CompletionBatches, pack
from flamecast.training.completion.loss import TrueAtlas, loss_terms
from flamecast.training.completion.real_photos import _coarse, _truth, real_view, seen_from_aside
from flamecast.training.completion.samples import Sample, sample_arrays


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return cv2.resize(astronaut(), (256, 256), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def portrait(photo) -> Portrait:
    return with_whole_head(Portrait.fit(photo))


def answer(like: TrueAtlas, seed: int) -> Completed:
    """Any answer of the network."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda channels: torch.rand(len(like.skin), channels, *like.skin.shape[2:], generator=generator)  # noqa: E731
    radius = lambda: 0.08 + 0.04 * draw(1)  # noqa: E731
    logit = lambda: 6 * draw(1) - 3  # noqa: E731
    return Completed(draw(3), draw(3), draw(3), radius(), radius(), logit(), logit(), logit())


def test_from_its_own_place_the_photo_is_seen_as_it_is(portrait):
    drawn = seen_from_aside(portrait, around(portrait.camera, portrait.vertices()[0].mean(0), still([0.0], [0.0])))
    assert np.abs(drawn.image.astype(int) - portrait.image).mean() < 1
    assert np.abs(drawn.matte - portrait.matte).mean() < 0.02
    truth = _truth(portrait, atlas_view(drawn))
    shown = _coarse(truth.skin_there.astype(np.float32)) > 127
    assert truth.seen[shown].mean() > 0.95  # nothing that the photo shows is hidden


def test_what_both_show_looks_alike_and_something_is_hidden(portrait):
    drawn, truth = real_view(portrait, np.random.default_rng(0))
    both, shown = truth.seen > 0, _coarse(truth.skin_there.astype(np.float32)) > 127
    assert 0.1 < (shown & ~both).sum() / shown.sum() < 0.9
    color = np.stack([_coarse(truth.skin[..., k].astype(np.float32)) for k in range(3)], -1)
    seen = look(drawn)
    known = both & seen.visible & (seen.matte > 0.9)
    alike = np.abs(seen.color.astype(float) - color)[known].mean()
    assert alike < 0.4 * np.abs(color[known] - color[known].mean(0)).mean()  # as seen through the fitted surface
    outline = truth.outline[(truth.outline > 0) & (truth.rim > 200)].astype(float)
    assert 0.05 < outline.min() and len(outline) > 100


def test_a_photo_teaches_only_what_it_shows(portrait, tmp_path):
    drawn, truth = real_view(portrait, np.random.default_rng(1))
    sample = Sample(drawn.image, (255 * drawn.matte).astype(np.uint8), atlas_view(drawn), look(drawn), truth, "photo")
    save_arrays(tmp_path / "photo_a_000_0.npz", sample_arrays(sample), compress=False)
    _, true = CompletionBatches(pack(tmp_path), 1, varied=False).at(0)
    assert float(true.real) == 1
    one, other = answer(true, 0), answer(true, 1)
    shown, beyond = true.skin_there + true.hair_there > 0, (true.outline == 0) & (true.rim == 0)
    mixed = {}
    for name, value in vars(one).items():  # what it shows from one answer, the rest from another
        mask = ~beyond if name == "outside_radius" else shown
        mixed[name] = torch.where(mask.expand_as(value), value, getattr(other, name))
    a, b = loss_terms(one, true), loss_terms(Completed(**mixed), true)
    for name in ("skin", "hair", "color", "hair_there", "outline", "rim"):
        assert torch.allclose(a[name], b[name], atol=1e-6), name
    for name in ("skin_radius", "radius", "slope", "skin_there", "collar_there"):
        assert float(a[name]) == 0, name
    inside = torch.where(true.outline > 0, true.outline - 0.001, one.outside_radius)
    terms = loss_terms(Completed(**vars(one) | {"outside_radius": inside}), true)
    assert float(terms["outline"]) == 0 and float(terms["rim"]) == pytest.approx(0.05, rel=0.02)


def test_preparing_goes_on_and_photos_are_held_out_by_name(tmp_path, photo, monkeypatch):
    folder, made = tmp_path / "photos", []
    folder.mkdir()
    for name in ("anna", "ben"):
        cv2.imwrite(str(folder / f"{name}.png"), photo[..., ::-1])
    monkeypatch.setattr(prepare, "MediaPipeDetector", lambda: None)
    monkeypatch.setattr(prepare, "make_real_sample", lambda image, detector, seed: made.append((image.shape, seed)))
    out = tmp_path / "out"
    with pytest.raises(BadInput, match="a face was found in none of 2 photos"):
        prepare.prepare_photos([folder], out, views=1, seed=3)
    with pytest.raises(BadInput, match="none of 2 photos"):
        prepare.prepare_photos([folder / "anna.png", folder / "ben.png"], out, views=2, seed=3)
    assert made == [((256, 256, 3), (3, k)) for k in range(4)]
    assert sorted(f.name for f in out.glob("*.npz")) == [
        f"photo_{n}_003_{k}.npz" for n in ("anna", "ben") for k in (0, 1)
    ]
    held = tmp_path / "held"
    held.mkdir()
    (held / "photo_carla_000_0.npz").touch()
    prepare.check_held_out(out, held)
    (held / "photo_ben_009_0.npz").touch()
    with pytest.raises(BadInput, match="1 of its photos are in .* ben for one"):
        prepare.check_held_out(out, held)
    with pytest.raises(BadInput, match="expected photos"):
        prepare.prepare_photos([tmp_path / "nothing"], out)


def test_the_atlas_of_a_photo_has_the_networks_size(portrait):
    _, truth = real_view(portrait, np.random.default_rng(2))
    assert truth.seen.shape == truth.outline.shape == truth.rim.shape == (ROWS, COLUMNS)
