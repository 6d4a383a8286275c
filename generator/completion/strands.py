"""Fine detail for hair that the photo hides: the person's own strands, from where it shows them.

On the atlas strands run roughly downwards, so detail is taken from the same height: what lies before the border of
the seen hair is mirrored behind it, again and again, around the back of the head.
"""

from __future__ import annotations

import numpy as np

from .atlas import blurred

FINE_REACH = 4.0  # texels: what varies over less is detail
STRONGEST = 0.3  # of the brightness, by which detail may differ from it
FARTHEST = 40  # rows from which on no detail is taken
LEAST_RUN = 24  # texels of hair side by side, from which detail may be taken
SURE = 0.7  # how surely a texel is hair, and the photo's


def continued_detail(color: np.ndarray, hair: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Detail [h, w, 3] to be added where hair is hidden, 0 elsewhere and where no hair is seen.

    color [h, w, 3] 0..255: the atlas so far; hair, shown [h, w] 0..1: how much of it is hair, and the photo's pixels.
    """
    import cv2

    usable = cv2.erode(((hair > SURE) & (shown > SURE)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    source = _sources(usable)
    if source is None:
        return np.zeros_like(color)
    weight = usable.astype(np.float32)
    near = np.maximum(blurred(weight, FINE_REACH), 1e-3)[..., None]
    smooth = blurred(color * weight[..., None], FINE_REACH) / near
    share = (color - smooth) / (smooth.mean(-1, keepdims=True) + 12)  # of the brightness there
    share = STRONGEST * np.tanh(share / STRONGEST)
    near = 1 - np.abs(source[0] - np.arange(len(hair))[:, None]) / FARTHEST
    detail = (share[source] * near.clip(0, 1)[..., None]) * (blurred(color, FINE_REACH).mean(-1, keepdims=True) + 12)
    return detail * (hair * (1 - shown))[..., None]


def _sources(usable: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The row and column [h, w] from which each texel takes its detail; None where there is none to take."""
    rows, columns = usable.shape
    found = [row for row in range(rows) if _longest_run(usable[row]) >= LEAST_RUN]
    if not found:
        return None
    away = np.abs(np.array(found)[None] - np.arange(rows)[:, None])  # [rows, rows with a source]
    row = np.array(found)[away.argmin(1)]
    column = {k: _mirrored_columns(usable[k]) for k in set(row.tolist())}
    return np.broadcast_to(row[:, None], usable.shape), np.stack([column[k] for k in row.tolist()])


def _longest_run(usable: np.ndarray) -> int:
    """Length of the longest run of a row [w] of bools that joins at its ends."""
    return max((end - start for start, end in _runs(usable)), default=0)


def _runs(usable: np.ndarray) -> list[tuple[int, int]]:
    """First and last + 1 of the runs of a row [w]; one over the seam ends beyond w."""
    width = len(usable)
    if usable.all():
        return [(0, width)]
    first = int(np.argmin(usable))  # starts where nothing is, so that no run is cut
    turned = np.roll(usable, -first).astype(np.int8)
    step = np.diff(np.concatenate([[0], turned, [0]]))
    return [(int(a) + first, int(b) + first) for a, b in zip(np.flatnonzero(step > 0), np.flatnonzero(step < 0))]


def _mirrored_columns(usable: np.ndarray) -> np.ndarray:
    """For each column of a row [w] the one it takes its detail from: itself within a long run, else mirrored in the
    border of the nearest long run, to and fro."""
    width = len(usable)
    column, best, out = np.arange(width), np.full(width, np.inf), np.zeros(width, int)
    for start, end in (run for run in _runs(usable) if run[1] - run[0] >= LEAST_RUN):
        length = end - start
        inside = (column - start) % width
        before, after = width - inside, inside - length + 1  # how far outside, on either side
        away = np.where(inside < length, 0, np.minimum(before, after))
        fold = np.where(before < after, before, after) - 1
        folded = fold % (2 * length)
        folded = np.where(folded < length, folded, 2 * length - 1 - folded)
        mirrored = np.where(before < after, start + folded, end - 1 - folded)
        source = np.where(inside < length, start + inside, mirrored) % width
        nearer = away < best
        best, out = np.where(nearer, away, best), np.where(nearer, source, out)
    return out
