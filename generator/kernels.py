"""The compositing kernel of the warp generator: one pass over the picture, all cores."""

from __future__ import annotations

import numpy as np
from numba import njit, types

I64, F32, U8 = types.int64, types.float32, types.uint8


def _read(dtype: types.Type, ndim: int) -> types.Array:
    return types.Array(dtype, ndim, "C", readonly=True)


@njit(types.void(_read(U8, 3), F32, F32, types.Array(F32, 1, "C")), nogil=True, cache=True, error_model="numpy")
def _sample(image, x, y, out):
    """Bilinear image [H, W, C] at px (x, y), pixel centres at +0.5, continued at the edge; added to nothing: out is set."""
    height, width = image.shape[0], image.shape[1]
    x = min(max(x - np.float32(0.5), np.float32(0.0)), np.float32(width - 1))
    y = min(max(y - np.float32(0.5), np.float32(0.0)), np.float32(height - 1))
    x0, y0 = int(x), int(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    u, v = x - np.float32(x0), y - np.float32(y0)
    a, b = (np.float32(1) - u) * (np.float32(1) - v), u * (np.float32(1) - v)
    c, d = (np.float32(1) - u) * v, u * v
    for k in range(image.shape[2]):
        out[k] = a * image[y0, x0, k] + b * image[y0, x1, k] + c * image[y1, x0, k] + d * image[y1, x1, k]


@njit(types.float32(_read(U8, 3), F32, F32, I64), nogil=True, cache=True, error_model="numpy")
def _channel(image, x, y, k):
    """One channel of `_sample`."""
    height, width = image.shape[0], image.shape[1]
    x = min(max(x - np.float32(0.5), np.float32(0.0)), np.float32(width - 1))
    y = min(max(y - np.float32(0.5), np.float32(0.0)), np.float32(height - 1))
    x0, y0 = int(x), int(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    u, v = x - np.float32(x0), y - np.float32(y0)
    above = image[y0, x0, k] + u * (np.float32(image[y0, x1, k]) - np.float32(image[y0, x0, k]))
    below = image[y1, x0, k] + u * (np.float32(image[y1, x1, k]) - np.float32(image[y1, x0, k]))
    return above + v * (below - above)


@njit(types.void(_read(U8, 3), F32, F32, types.Array(F32, 1, "C")), nogil=True, cache=True, error_model="numpy")
def _sharp(image, x, y, out):
    """The first three channels of image at px (x, y) by Catmull-Rom splines, which blur less than `_sample`."""
    height, width = image.shape[0], image.shape[1]
    x = min(max(x - np.float32(0.5), np.float32(0.0)), np.float32(width - 1))
    y = min(max(y - np.float32(0.5), np.float32(0.0)), np.float32(height - 1))
    x0, y0 = int(x), int(y)
    if x0 < 1 or y0 < 1 or x0 > width - 3 or y0 > height - 3:
        _sample(image, x + np.float32(0.5), y + np.float32(0.5), out)
        return
    u, v = x - np.float32(x0), y - np.float32(y0)
    half = np.float32(0.5)
    one, two, three, four, five = np.float32(1), np.float32(2), np.float32(3), np.float32(4), np.float32(5)
    a0, a3 = half * u * (u * (two - u) - one), half * u * u * (u - one)
    a1, a2 = half * (u * u * (three * u - five) + two), half * u * (u * (four - three * u) + one)
    b0, b3 = half * v * (v * (two - v) - one), half * v * v * (v - one)
    b1, b2 = half * (v * v * (three * v - five) + two), half * v * (v * (four - three * v) + one)
    for k in range(3):
        total = np.float32(0)
        for r in range(4):
            row = y0 - 1 + r
            line = (
                a0 * image[row, x0 - 1, k] + a1 * image[row, x0, k] + a2 * image[row, x0 + 1, k] + a3 * image[row, x0 + 2, k]
            )
            total += (b0 if r == 0 else b1 if r == 1 else b2 if r == 2 else b3) * line
        out[k] = min(max(total, np.float32(0)), np.float32(255))


@njit(types.float32(types.float64, I64), nogil=True, cache=True, error_model="numpy")
def _mirrored(x, size):
    """x folded into 0..size as between two mirrors."""
    x = abs(x) % (2.0 * size)
    return np.float32(2.0 * size - x if x > size else x)


@njit(types.float32(F32), nogil=True, cache=True, error_model="numpy")
def _ramp(gap):
    """0 where a point stayed within a twentieth of a pixel, 1 from half a pixel on."""
    return min(max((gap - np.float32(0.05)) * np.float32(2.2), np.float32(0)), np.float32(1))


@njit(types.boolean(_read(U8, 2), I64, I64, U8), nogil=True, cache=True, error_model="numpy")
def _shows(photo_part, i, j, part):
    """Whether the photo shows that part at or right beside half-pixel (i, j)."""
    for y in range(max(i - 1, 0), min(i + 2, photo_part.shape[0])):
        for x in range(max(j - 1, 0), min(j + 2, photo_part.shape[1])):
            if photo_part[y, x] == part:
                return True
    return False


_HEAD_ARGUMENTS = (
    _read(U8, 3), _read(U8, 3), _read(types.int32, 2), _read(F32, 3), I64, I64, _read(U8, 1), _read(U8, 2), I64, I64, U8,
    F32, types.boolean, *[types.Array(F32, 1, "C")] * 4,
)  # fmt: skip


@njit(types.void(*_HEAD_ARGUMENTS), nogil=True, cache=True, error_model="numpy")
def _head_at(
    photo, texture, seen, at, y0, x0, part, photo_part, i, j, mouth_from, mouth_light, still, skin, baked, over, under
):
    """Adds what pixel (i, j) sees of the head, four samples from (y0, x0) on, to the color and opacity sums."""
    size = np.float32(texture.shape[0])
    first = seen[y0, x0]
    if first >= 0 and part[first] > 0:
        # One sharp sample where all four see one surface that the photo shows: the usual case.
        one, mean_x, mean_y, opacity, far = True, np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        first_x, first_y = at[y0, x0, 0] / at[y0, x0, 2], at[y0, x0, 1] / at[y0, x0, 2]
        for corner in range(4):
            y, x = y0 + corner // 2, x0 + corner % 2
            t = seen[y, x]
            if t < 0 or part[t] != part[first]:
                one = False
                break
            px, py = at[y, x, 0] / at[y, x, 2], at[y, x, 1] / at[y, x, 2]
            mean_x, mean_y, opacity = mean_x + px, mean_y + py, opacity + at[y, x, 5]
            far = max(far, abs(px - first_x), abs(py - first_y))
        if one and far < 2:
            mean_x, mean_y = mean_x * np.float32(0.25), mean_y * np.float32(0.25)
            gap = max(abs(mean_x - np.float32(j + 0.5)), abs(mean_y - np.float32(i + 0.5)))
            moved = _ramp(gap) if still and _shows(photo_part, 2 * i, 2 * j, part[first]) else np.float32(1)
            u, v = at[y0 + 1, x0 + 1, 3], at[y0 + 1, x0 + 1, 4]
            sure = _channel(texture, u * size, (np.float32(1) - v) * size, 3) / np.float32(255)
            sure = max(sure, np.float32(1) - moved)
            if moved > 0:
                _sharp(photo, mean_x, mean_y, skin)
            if sure < 1:
                _sample(texture, u * size, (np.float32(1) - v) * size, baked)
            dim = mouth_light if part[first] >= mouth_from else np.float32(1)
            for c in range(3):
                color = moved * skin[c] + (np.float32(1) - moved) * photo[i, j, c] if moved < 1 else skin[c]
                over[c] = opacity * (sure * color + (np.float32(1) - sure) * dim * baked[c])
            over[3] = opacity
            if opacity > 3.999:  # fully opaque for all that comes after
                over[3] = 4
            return
    for corner in range(4):
        y, x = y0 + corner // 2, x0 + corner % 2
        t = seen[y, x]
        if t < 0:
            continue
        px, py, opacity = at[y, x, 0] / at[y, x, 2], at[y, x, 1] / at[y, x, 2], at[y, x, 5]
        _sample(photo, px, py, skin)
        _sample(texture, at[y, x, 3] * size, (np.float32(1) - at[y, x, 4]) * size, baked)
        sure = baked[3] / np.float32(255)
        dim = mouth_light if part[t] >= mouth_from else np.float32(1)
        moved = np.float32(1)
        if still and part[t] > 0 and _shows(photo_part, 2 * i + corner // 2, 2 * j + corner % 2, part[t]):
            gap_x = px - np.float32(j + 0.25) - np.float32(0.5) * (corner % 2)
            gap_y = py - np.float32(i + 0.25) - np.float32(0.5) * (corner // 2)
            moved = _ramp(max(abs(gap_x), abs(gap_y)))
            sure = max(sure, np.float32(1) - moved)
        total = over if part[t] > 0 else under
        for c in range(3):
            color = moved * skin[c] + (np.float32(1) - moved) * photo[i, j, c] if moved < 1 else skin[c]
            total[c] += opacity * (sure * color + (np.float32(1) - sure) * dim * baked[c])
        total[3] += opacity


@njit(
    types.void(
        _read(U8, 3), _read(U8, 3), types.int32, _read(F32, 1), types.Array(F32, 1, "C"), I64, I64, _read(types.float64, 2),
        types.boolean, types.Array(F32, 1, "C"), types.Array(F32, 1, "C"),
    ),
    nogil=True,
    cache=True,
    error_model="numpy",
)  # fmt: skip
def _behind_head(photo, backdrop, shell_seen, shell_at, under, i, j, photo_from_target, still, person, plain):
    """What pixel (i, j) shows where the head leaves it free: backdrop, head under the shell, shell; into `plain`."""
    px, py = np.float32(j + 0.5), np.float32(i + 0.5)
    x, y, alpha, moved = px, py, np.float32(0), np.float32(1)
    if shell_seen >= 0:
        x, y = shell_at[0] / shell_at[2], shell_at[1] / shell_at[2]
        alpha = _channel(photo, x, y, 3) / np.float32(255)
    if still:  # where nothing moves, the photo itself: neither matte nor backdrop may show
        if shell_seen >= 0:
            moved = _ramp(max(abs(x - px), abs(y - py)))
        elif under[3] == 0:
            moved = np.float32(0)
    if moved > 0:
        if alpha < 1:
            if still:
                for c in range(3):
                    plain[c] = backdrop[i, j, c]
            else:
                h = photo_from_target
                w = h[2, 0] * px + h[2, 1] * py + h[2, 2]
                bx = (h[0, 0] * px + h[0, 1] * py + h[0, 2]) / w
                by = (h[1, 0] * px + h[1, 1] * py + h[1, 2]) / w
                _sample(backdrop, _mirrored(bx, backdrop.shape[1]), _mirrored(by, backdrop.shape[0]), plain)
            for c in range(3):
                plain[c] += np.float32(0.25) * (under[c] - under[3] * plain[c])
        if alpha > 0:
            _sharp(photo, x, y, person)
            for c in range(3):
                plain[c] = person[c] if alpha >= 1 else plain[c] + alpha * (person[c] - plain[c])
    if moved < 1:
        for c in range(3):
            plain[c] = moved * plain[c] + (np.float32(1) - moved) * photo[i, j, c] if moved > 0 else photo[i, j, c]


@njit(
    types.void(
        I64, I64, _read(U8, 3), _read(U8, 3), _read(U8, 3), _read(types.int32, 2), _read(F32, 3), _read(types.int32, 2),
        _read(F32, 3), I64, I64, _read(U8, 1), _read(U8, 2), U8, F32, _read(types.float64, 2), types.boolean,
        types.Array(U8, 3, "C"),
    ),
    nogil=True,
    cache=True,
    error_model="numpy",
)  # fmt: skip
def composite_rows(
    start, stop, photo, backdrop, texture, shell_seen, shell_at, face_seen, face_at, top, left, part, photo_part,
    mouth_from, mouth_light, photo_from_target, still, out,
):
    """Rows start..stop-1 of out [H, W, 3].

    photo [h, w, 4] uint8 with the matte in alpha, backdrop [h, w, 3], texture [R, R, 4] with its certainty in alpha;
    shell_at [H, W, 3] homogeneous photo px (x d, y d, d: linear on a triangle as px alone are not);
    face_at [2 h', 2 w', 6] the same, then uv and opacity, four samples a pixel of the window at (top, left);
    both valid where their *_seen >= 0; part [F] of the triangles drawn over the shell (0: under it),
    photo_part [2 h, 2 w] which of them the photo shows (0 = none); parts from mouth_from on are inside the mouth,
    where what the photo does not show is dimmed by mouth_light; photo_from_target homography [3, 3] of the backdrop;
    still: the target camera is the photo's own.
    """
    height, width = out.shape[0], out.shape[1]
    plain, person = np.empty(4, np.float32), np.empty(4, np.float32)
    skin, baked = np.empty(4, np.float32), np.empty(4, np.float32)
    over, under = np.empty(4, np.float32), np.empty(4, np.float32)  # color sums and, last, opacity sums
    for i in range(start, stop):
        for j in range(width):
            over[:] = 0
            under[:] = 0
            inside = 0 <= 2 * (i - top) < face_seen.shape[0] and 0 <= 2 * (j - left) < face_seen.shape[1]
            if inside:
                _head_at(
                    photo, texture, face_seen, face_at, 2 * (i - top), 2 * (j - left), part, photo_part, i, j,
                    mouth_from, mouth_light, still, skin, baked, over, under,
                )  # fmt: skip
            if over[3] < 4:
                _behind_head(
                    photo, backdrop, shell_seen[i, j], shell_at[i, j], under, i, j, photo_from_target, still, person, plain
                )
            for c in range(3):
                plain[c] += np.float32(0.25) * (over[c] - over[3] * plain[c])
                out[i, j, c] = np.uint8(min(max(plain[c] + np.float32(0.5), np.float32(0)), np.float32(255)))
