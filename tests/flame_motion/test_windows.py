"""Windows tile a clip; cross-faded windows are the clip again."""

from __future__ import annotations

import pytest
import torch

from flamecast.flame_motion.windows import Window, crossfade_weights, merge, windows

SIZES = [(96, 12), (8, 4), (8, 6), (5, 0), (2, 1)]


@pytest.mark.parametrize(("size", "overlap"), SIZES)
@pytest.mark.parametrize("count", [0, 1, 4, 5, 95, 96, 97, 181, 1000])
def test_windows_keep_every_frame_once_and_overlap_as_asked(count, size, overlap):
    found = list(windows(count, size, overlap))
    assert [t for w in found for t in range(w.start, w.keep)] == list(range(count))
    assert all(w.stop - w.start <= size for w in found)
    assert all(b.start == a.stop - overlap == a.keep and b.stop - b.start > overlap for a, b in zip(found, found[1:]))
    assert not found or found[-1].stop == count


def test_windows_of_tracking_are_what_they_were():
    assert list(windows(200, 96, 12)) == [Window(0, 96, 84), Window(84, 180, 168), Window(168, 200, 200)]


@pytest.mark.parametrize("overlap", [-1, 4, 5])
def test_an_overlap_as_long_as_the_window_is_refused(overlap):
    with pytest.raises(ValueError, match="0 <= overlap < size"):
        list(windows(10, 4, overlap))


@pytest.mark.parametrize("overlap", [0, 1, 2, 5, 12])
def test_cross_fade_weights_ascend_and_are_a_partition_of_unity(overlap):
    weight = crossfade_weights(overlap)
    assert weight.shape == (overlap,) and bool(((weight > 0) & (weight < 1)).all()) and bool((weight.diff() > 0).all())
    assert torch.allclose(weight + weight.flip(0), torch.ones(overlap), atol=1e-6)


@pytest.mark.parametrize(("size", "overlap"), SIZES)
@pytest.mark.parametrize("count", [1, 5, 96, 97, 250])
def test_merging_the_windows_of_a_clip_gives_the_clip(count, size, overlap):
    clip = torch.randn(2, count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = [clip[:, w.start : w.stop] for w in windows(count, size, overlap)]
    merged = torch.cat(list(merge(parts, overlap)), -2)
    assert merged.shape == clip.shape and (merged - clip).abs().max() < 1e-12
    ones = torch.cat(list(merge(map(torch.ones_like, parts), overlap)), -2)
    assert (ones - 1).abs().max() < 1e-12


def test_merging_streams_and_equals_the_weighted_sum_over_the_whole():
    count, size, overlap = 100, 30, 8
    g = torch.Generator().manual_seed(1)
    spans = list(windows(count, size, overlap))
    parts = [torch.randn(w.stop - w.start, 4, generator=g, dtype=torch.float64) for w in spans]
    whole = torch.zeros(count, 4, dtype=torch.float64)
    rise = crossfade_weights(overlap).double()[:, None]
    for k, (span, part) in enumerate(zip(spans, parts, strict=True)):
        weight = torch.ones(len(part), 1, dtype=torch.float64)
        if k:
            weight[:overlap] *= rise
        if k < len(spans) - 1:
            weight[-overlap:] *= 1 - rise
        whole[span.start : span.stop] += weight * part
    taken: list[int] = []

    def source():
        for k, part in enumerate(parts):
            taken.append(k)
            yield part

    stream = merge(source(), overlap)
    out = [next(stream)]
    assert taken == [0]  # the first frames are there before the second window is asked for
    out += stream
    assert [len(x) for x in out[:-1]] == [w.keep - w.start for w in spans[:-1]] + [len(parts[-1]) - overlap]
    assert (torch.cat(out) - whole).abs().max() < 1e-12


def test_gradients_go_through_a_merge():
    parts = [torch.randn(6, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda *x: torch.cat(list(merge(x, 2)), -2), parts)


def test_a_part_shorter_than_the_overlap_is_refused():
    with pytest.raises(ValueError, match="shorter than the overlap"):
        list(merge([torch.zeros(9, 1), torch.zeros(2, 1)], 4))
    with pytest.raises(ValueError, match="expected 4"):
        list(merge([torch.zeros(2, 1), torch.zeros(9, 1)], 4))
