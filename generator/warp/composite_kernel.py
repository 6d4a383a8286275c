"""The compositing kernel of the warp generator: one pass over the picture, all cores.

A pixel's colors are tuples of scalars throughout: small arrays would be written to memory and read back at every step,
which was measured to cost more than all the arithmetic.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ...core.compiled import compiled, inlined

I64, F32, U8 = types.int64, types.float32, types.uint8
ZERO, ONE, TWO, HALF, QUARTER, FULL = (np.float32(v) for v in (0, 1, 2, 0.5, 0.25, 255))

# Photo pixels in one of the target: a shell of fewer gives way to the head under it, and with the second it is gone.
STRETCHED, TORN = np.float32(0.35), np.float32(0.12)
# Shares of being turned: until which the completed head comes out beyond the photo's outline, and from which on it
# takes the place of what the photo shows.
OUTLINE_BY, REPLACED_FROM = np.float32(0.7), np.float32(0.33)
SOFT = np.float32(0.1)  # of how far it comes out: its edge then
FAR = np.float32(1e6)  # m
IN_FRONT = np.float32(0.06)  # m by which it must be so at first, as long as the head shows the photo's side
SAME_DEPTH = np.float32(0.008)  # m by which the completed head must be nearer to hide the face
# How a shoulder goes on beyond the photo's sides: its slope there, and how much steeper it gets over a photo's width.
FALLS, BENDS = np.float32(0.5), np.float32(2)
EDGE_FADE = np.float32(2)  # px beyond the photo's edge over which what it cuts off of a head gives way

SLIT = np.uint8(255)  # where the model's lips are apart in the photo and the photo's own are not
TEETH = 2  # parts, the first of those inside the mouth
TEETH_LIT = np.float32(0.7)  # of the light outside, that they have when all else is dark
SLIT_LIT = np.float32(8)  # times the squared light of the mouth, which is all there is from .35 on

# Channels, and whether to sample by splines. A helper is compiled anew for every number that is written out in a call.
RED, GREEN, BLUE, ALPHA, COMPLETED, OUTSIDE = (np.int64(k) for k in range(6))
SHARP, SMOOTH = np.bool_(True), np.bool_(False)

_helper = inlined(fastmath=True)


def _read(dtype: types.Type, ndim: int) -> types.Array:
    return types.Array(dtype, ndim, "C", readonly=True)


@_helper
def _corner(image, x, y):
    """The pixel left of and above px (x, y), centres at +0.5, its neighbour's steps, and the shares beyond it."""
    x = min(max(x - HALF, ZERO), np.float32(image.shape[1] - 1))
    y = min(max(y - HALF, ZERO), np.float32(image.shape[0] - 1))
    x0, y0 = int(x), int(y)
    return (
        x0,
        y0,
        min(x0 + 1, image.shape[1] - 1),
        min(y0 + 1, image.shape[0] - 1),
        x - np.float32(x0),
        y - np.float32(y0),
    )


@_helper
def _channel(image, x, y, k):
    """One channel of image [H, W, C] at px (x, y), bilinear, continued at the edge."""
    x0, y0, x1, y1, u, v = _corner(image, x, y)
    above = image[y0, x0, k] + u * (np.float32(image[y0, x1, k]) - np.float32(image[y0, x0, k]))
    below = image[y1, x0, k] + u * (np.float32(image[y1, x1, k]) - np.float32(image[y1, x0, k]))
    return above + v * (below - above)


@_helper
def _sample(image, x, y):
    """The first three channels of image at px (x, y), bilinear."""
    return _channel(image, x, y, RED), _channel(image, x, y, GREEN), _channel(image, x, y, BLUE)


@_helper
def _spline(t):
    """Catmull-Rom weights of the four pixels around a point a share t beyond the second."""
    three, four, five = np.float32(3), np.float32(4), np.float32(5)
    return (
        HALF * t * (t * (TWO - t) - ONE),
        HALF * (t * t * (three * t - five) + TWO),
        HALF * t * (t * (four - three * t) + ONE),
        HALF * t * t * (t - ONE),
    )


@_helper
def _row(image, y, x, k, a):
    """Channel k of four neighbouring pixels from (y, x) on, weighted by a."""
    return a[0] * image[y, x, k] + a[1] * image[y, x + 1, k] + a[2] * image[y, x + 2, k] + a[3] * image[y, x + 3, k]


@_helper
def _sharp(image, x, y):
    """As `_sample`, by Catmull-Rom splines, which blur less."""
    x0, y0, _, _, u, v = _corner(image, x, y)
    if x0 < 1 or y0 < 1 or x0 > image.shape[1] - 3 or y0 > image.shape[0] - 3:
        return _sample(image, x, y)
    a, b = _spline(u), _spline(v)
    red, green, blue = ZERO, ZERO, ZERO
    for r in range(4):
        red += b[r] * _row(image, y0 - 1 + r, x0 - 1, RED, a)
        green += b[r] * _row(image, y0 - 1 + r, x0 - 1, GREEN, a)
        blue += b[r] * _row(image, y0 - 1 + r, x0 - 1, BLUE, a)
    return min(max(red, ZERO), FULL), min(max(green, ZERO), FULL), min(max(blue, ZERO), FULL)


@_helper
def _mix(a, b, share):
    """Colors a and b, `share` of b."""
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])


@_helper
def _pixel(image, i, j):
    """Pixel (i, j) as a color."""
    return np.float32(image[i, j, 0]), np.float32(image[i, j, 1]), np.float32(image[i, j, 2])


@_helper
def _mirrored(x, size):
    """x folded into 0..size as between two mirrors."""
    x = abs(x) % (2.0 * size)
    return np.float32(2.0 * size - x if x > size else x)


@_helper
def _ramp(gap):
    """0 where a point stayed within a twentieth of a pixel, 1 from half a pixel on."""
    return min(max((gap - np.float32(0.05)) * np.float32(2.2), ZERO), ONE)


@_helper
def _shows(photo_part, i, j, part):
    """Whether the photo shows that part at or right beside half-pixel (i, j)."""
    if photo_part[i, j] == part:
        return True
    for y in range(max(i - 1, 0), min(i + 2, photo_part.shape[0])):
        for x in range(max(j - 1, 0), min(j + 2, photo_part.shape[1])):
            if photo_part[y, x] == part:
                return True
    return False


@_helper
def _moved(photo_part, i, j, part, gap, mouth_from, lips_moved):
    """How far what half-pixel (i, j) shows of a part is from what the photo shows there, 0 to 1.

    gap: px between its place and that in the photo; between lips that the model parts and the photo does not, what
    counts is lips_moved, px.
    """
    if _shows(photo_part, i, j, part):
        return _ramp(gap)
    if part >= mouth_from and _shows(photo_part, i, j, SLIT):
        return _ramp(lips_moved)
    return ONE


@_helper
def _surface(photo, texture, at, y, x, source_x, source_y, sharp, part, mouth_from, mouth_light, moved, still_color):
    """Color of the head's surface point `at[y, x]`, of a part, that lies at px (source_x, source_y) in the photo."""
    more = at[y, x, 7]  # light, by folds and shades; 0 beyond the skin of the face
    u, v = at[y, x, 3] * np.float32(texture.shape[1]), (ONE - at[y, x, 4]) * np.float32(texture.shape[0])
    sure = max(_channel(texture, u, v, ALPHA) / FULL, ONE - moved)
    color = still_color
    if moved > 0:
        shown = _sharp(photo, source_x, source_y) if sharp else _sample(photo, source_x, source_y)
        lit = _lit(part, mouth_from, mouth_light)
        color = _mix(still_color, (shown[0] * lit, shown[1] * lit, shown[2] * lit), moved)
    if sure < 1:
        baked, dim = _sample(texture, u, v), _dim(part, mouth_from, mouth_light)
        color = _mix(color, (baked[0] * dim, baked[1] * dim, baked[2] * dim), ONE - sure)
    # Of red skin loses as much as of blue: the light that is left in a fold has been through it.
    return color[0] + more * min(color[0], color[2]), color[1] + more * color[1], color[2] + more * color[2]


@_helper
def _under_shut_lid(lids, at, y, x, shut_left, shut_right, moved, color):
    """The color of the point of a lid at `at[y, x]`, which the photo shows as `color`, when it is shut that far."""
    size = np.float32(lids.shape[0])
    shut = shut_left if at[y, x, 3] > HALF else shut_right
    if shut == 0:
        return color
    u, v = at[y, x, 3] * size, (ONE - at[y, x, 4]) * size
    return _mix(color, _sample(lids, u, v), shut * moved * _channel(lids, u, v, ALPHA) / FULL)


@_helper
def _dim(part, mouth_from, mouth_light):
    """How lit what the photo does not show of a part is: teeth stand in front of the mouth's dark."""
    if part < mouth_from:
        return ONE
    return TEETH_LIT + (ONE - TEETH_LIT) * mouth_light if part < mouth_from + TEETH else mouth_light


@_helper
def _lit(part, mouth_from, mouth_light):
    """How lit what the photo does show of a part is: what is seen between lips that all but shut is dark."""
    return ONE if part < mouth_from else min(ONE, SLIT_LIT * mouth_light * mouth_light)


@_helper
def _agrees(seen, at, y0, x0, behind, part):
    """Whether the four samples from (y0, x0) on see one surface of the face, and the mean photo px and opacity."""
    first = seen[y0, x0]
    mean_x, mean_y, opacity, far = ZERO, ZERO, ZERO, ZERO
    first_x, first_y = at[y0, x0, 0] / at[y0, x0, 2], at[y0, x0, 1] / at[y0, x0, 2]
    for corner in range(4):
        y, x = y0 + corner // 2, x0 + corner % 2
        t = seen[y, x]
        if t < 0 or part[t] != part[first] or not _is_in_front(at, y, x, behind):
            return False, ZERO, ZERO, ZERO
        px, py = at[y, x, 0] / at[y, x, 2], at[y, x, 1] / at[y, x, 2]
        mean_x, mean_y, opacity = mean_x + px, mean_y + py, opacity + at[y, x, 5]
        far = max(far, max(abs(px - first_x), abs(py - first_y)))
    return far < 2, mean_x * QUARTER, mean_y * QUARTER, opacity * QUARTER


@_helper
def _is_in_front(at, y, x, behind):
    """Whether the face is what is seen at sample (y, x), the completed head being in a depth of `behind` m."""
    return at[y, x, 6] < behind + SAME_DEPTH


@_helper
def _covered(seen, y, x):
    """How much of pixel (y, x) of a mesh that is sampled once a pixel it covers: less than 1 along its outline."""
    count = 0
    for i in range(max(y - 1, 0), min(y + 2, seen.shape[0])):
        for j in range(max(x - 1, 0), min(x + 2, seen.shape[1])):
            count += seen[i, j] >= 0
    return min(max((np.float32(count) - np.float32(3)) / np.float32(6), ZERO), ONE)


@_helper
def _completed(texture, seen, at, y, x):
    """What pixel (y, x) of the window shows of the completed head: color times opacity, opacity, and hair's share."""
    u, v = at[y, x, 0] * np.float32(texture.shape[1]), (ONE - at[y, x, 1]) * np.float32(texture.shape[0])
    opacity = at[y, x, 2] * _covered(seen, y, x)
    r, g, b = _sharp(texture, u, v)
    return opacity * r, opacity * g, opacity * b, opacity, _channel(texture, u, v, ALPHA) / FULL


@_helper
def _head(
    photo, texture, lids, seen, at, y0, x0, behind, part, photo_part, i, j, lid, shut_left, shut_right, mouth_from,
    mouth_light, lips_moved, still,
):  # fmt: skip
    """What pixel (i, j) sees of the face, four samples from (y0, x0) on: its color times its opacity, and that.

    behind: m, how far away the completed head is there.
    """
    unmoved = _pixel(photo, i, j)
    first = seen[y0, x0]
    if first >= 0:
        agree, x, y, opacity = _agrees(seen, at, y0, x0, behind, part)
        if agree:  # one sharp sample where all see one surface: the usual case
            moved = ONE
            if still:
                gap = max(abs(x - np.float32(j + 0.5)), abs(y - np.float32(i + 0.5)))
                moved = _moved(photo_part, 2 * i, 2 * j, part[first], gap, mouth_from, lips_moved)
            color = _surface(
                photo, texture, at, y0 + 1, x0 + 1, x, y, SHARP, part[first], mouth_from, mouth_light, moved, unmoved
            )
            if part[first] == lid:
                color = _under_shut_lid(lids, at, y0 + 1, x0 + 1, shut_left, shut_right, moved, color)
            r, g, b = color
            return opacity * r, opacity * g, opacity * b, opacity
    red, green, blue, total = ZERO, ZERO, ZERO, ZERO
    for corner in range(4):
        y, x = y0 + corner // 2, x0 + corner % 2
        t = seen[y, x]
        if t < 0 or not _is_in_front(at, y, x, behind):
            continue
        px, py, opacity = at[y, x, 0] / at[y, x, 2], at[y, x, 1] / at[y, x, 2], at[y, x, 5] * QUARTER
        moved = ONE
        if still:
            gap_x = px - np.float32(j + 0.25) - HALF * np.float32(corner % 2)
            gap_y = py - np.float32(i + 0.25) - HALF * np.float32(corner // 2)
            gap = max(abs(gap_x), abs(gap_y))
            moved = _moved(photo_part, 2 * i + corner // 2, 2 * j + corner % 2, part[t], gap, mouth_from, lips_moved)
        color = _surface(photo, texture, at, y, x, px, py, SMOOTH, part[t], mouth_from, mouth_light, moved, unmoved)
        if part[t] == lid:
            color = _under_shut_lid(lids, at, y, x, shut_left, shut_right, moved, color)
        r, g, b = color
        red, green, blue, total = red + opacity * r, green + opacity * g, blue + opacity * b, total + opacity
    return red, green, blue, total


@_helper
def _carried(row, by_x, j):
    """Where in the photo pixel j of a row comes from: row and by_x as `_along` has them."""
    x = j + 0.5
    d = np.float32(by_x[2] * x + row[2])
    return np.float32(by_x[0] * x + row[0]) / d, np.float32(by_x[1] * x + row[1]) / d


@_helper
def _along(photo_from_target, t, i):
    """Homogeneous photo px at the left end of row i of triangle t, and their step from pixel to pixel."""
    m, y = photo_from_target, i + 0.5
    row = m[t, 0, 1] * y + m[t, 0, 2], m[t, 1, 1] * y + m[t, 1, 2], m[t, 2, 1] * y + m[t, 2, 2]
    return row, (m[t, 0, 0], m[t, 1, 0], m[t, 2, 0])


@_helper
def _stretched(photo_from_target, t, i, j, x, y):
    """How far beyond use triangle t, which shows the photo's px (x, y) at pixel (i, j), is stretched: 0 to 1."""
    m = photo_from_target
    d = m[t, 2, 0] * (j + 0.5) + m[t, 2, 1] * (i + 0.5) + m[t, 2, 2]
    by_x = (m[t, 0, 0] - x * m[t, 2, 0]) / d, (m[t, 1, 0] - y * m[t, 2, 0]) / d
    by_y = (m[t, 0, 1] - x * m[t, 2, 1]) / d, (m[t, 1, 1] - y * m[t, 2, 1]) / d
    share = np.float32(abs(by_x[0] * by_y[1] - by_x[1] * by_y[0]))  # of a photo's pixel in one of the target
    return min(max((STRETCHED - share) / (STRETCHED - TORN), ZERO), ONE)


@_helper
def _gives_way(photo, x, y, stretched, turned):
    """How far the shell, which shows the photo's px (x, y), gives way to the completed head under it, and everywhere.

    Where it is stretched it does to what is under it; where the head is turned, and beyond the photo's edge, it does
    for all that the completed head stands for: hair in front of a wall, too.
    """
    beyond = max(max(-x, x - np.float32(photo.shape[1])), -y) / EDGE_FADE
    share = max(turned, min(max(beyond, ZERO), ONE))
    everywhere = ZERO
    if share > 0:
        everywhere = share * _channel(photo, x, y, COMPLETED) / FULL
    return max(stretched, everywhere), everywhere


@_helper
def _fallen(photo, x, y):
    """The px y of the photo that is shown at its px (x, y): beyond its sides a shoulder falls away, in an arc."""
    beyond = max(max(-x, x - np.float32(photo.shape[1])), ZERO)
    return y - beyond * (FALLS + BENDS * beyond / np.float32(photo.shape[1]))


@_helper
def _behind(photo, backdrop, shell, x, y, moved, under_share, everywhere, outline, under, i, j, wall, still):
    """What pixel (i, j) shows where the face leaves it free: the backdrop, the completed head `under` it, the shell.

    Where there is a shell, it shows the photo's px (x, y), and `moved` says whether these are others than its own;
    under_share and everywhere: how far it gives way, see `_gives_way`; outline: how far the completed head is seen
    beyond the photo's own outline.
    """
    px, py, under_opacity = np.float32(j + 0.5), np.float32(i + 0.5), under[3]
    if not shell and still and under_opacity == 0:
        moved = ZERO
    unmoved = _pixel(photo, i, j) if still else (ZERO, ZERO, ZERO)
    if moved == 0:
        return unmoved
    alpha = _channel(photo, x, y, ALPHA) / FULL if shell else ZERO
    shown = ONE
    if under_opacity > 0:
        outside = _channel(photo, x, y, OUTSIDE) / FULL if shell else ONE
        comes_out = min(max((outline * (ONE + SOFT) - outside) / SOFT, ZERO), ONE)
        if shell:
            shown = max(max(alpha, under_share), comes_out)
            under_opacity *= shown
        # Over hair that goes on the shell ends where what is behind begins to shine through it.
        sure = alpha + comes_out * (min(max((alpha - HALF) / HALF, ZERO), ONE) - alpha)
        alpha += under_opacity * (sure * (ONE - under_share) - alpha)
    alpha *= ONE - everywhere * (ONE - under_opacity)
    if still:
        color = _pixel(backdrop, i, j)
    else:
        w = wall[2, 0] * px + wall[2, 1] * py + wall[2, 2]
        bx = _mirrored((wall[0, 0] * px + wall[0, 1] * py + wall[0, 2]) / w, backdrop.shape[1])
        by = _mirrored((wall[1, 0] * px + wall[1, 1] * py + wall[1, 2]) / w, backdrop.shape[0])
        color = _sample(backdrop, bx, by)
    rest = ONE - under_opacity
    color = (
        shown * under[0] + rest * color[0], shown * under[1] + rest * color[1], shown * under[2] + rest * color[2]
    )  # fmt: skip
    if alpha > 0:
        color = _mix(color, _sharp(photo, x, y), alpha)
    return _mix(unmoved, color, moved) if moved < 1 else color


@compiled(
    types.void(_read(F32, 2), _read(types.int32, 2), _read(F32, 2), I64, I64, types.Array(types.float64, 3, "C")),
    counted=False,
)
def triangle_homographies(clip, faces, source, height, width, out):
    """For each triangle of faces [F, 3] the homography out [F, 3, 3] from target px to source px, up to its scale.

    clip [N, 4] places the vertices in the target, source [N, 3] in homogeneous source px. A point's shares of the
    corners are e_k / (e_0 + e_1 + e_2), linear in its px (see `renderer.interpolate`); the divisor cancels.
    """
    for t in range(faces.shape[0]):
        for a in range(3):
            for b in range(3):
                out[t, a, b] = 0
        for k in range(3):
            p, q = faces[t, (k + 1) % 3], faces[t, (k + 2) % 3]
            px, py, pw = np.float64(clip[p, 0]), np.float64(clip[p, 1]), np.float64(clip[p, 3])
            qx, qy, qw = np.float64(clip[q, 0]), np.float64(clip[q, 1]), np.float64(clip[q, 3])
            by_x, by_y, constant = py * qw - qy * pw, pw * qx - qw * px, px * qy - qx * py
            # In clip units; a px is 2 / width and 2 / height of them, from -1 on.
            constant -= by_x + by_y
            by_x, by_y = by_x * 2 / width, by_y * 2 / height
            for a in range(3):
                value = source[faces[t, k], a]
                out[t, a, 0] += by_x * value
                out[t, a, 1] += by_y * value
                out[t, a, 2] += constant * value


@compiled(
    types.void(
        I64, I64, _read(F32, 3), _read(U8, 3), _read(U8, 3), _read(U8, 3), _read(U8, 3), _read(types.int32, 2),
        _read(types.float64, 3), _read(types.int32, 2), _read(F32, 3), _read(types.int32, 2), _read(F32, 3), I64, I64,
        _read(U8, 1), _read(U8, 2), U8, F32, F32, U8, F32, F32, F32,
        _read(types.float64, 2), types.boolean, types.Array(U8, 3, "C"),
    ),
    fastmath=True,
    counted=False,
)  # fmt: skip
def composite_rows(
    start, stop, photo, backdrop, texture, lids, completed, shell_seen, shell_from, face_seen, face_at, around_seen,
    around_at, top, left, part, photo_part, lid, shut_left, shut_right, mouth_from, mouth_light, lips_moved, turned,
    wall, still, out,
):  # fmt: skip
    """Rows start..stop-1 of out [H, W, 3].

    photo [h, w, 6] 0..255 with the matte in the fourth channel, what the completed head stands for in the fifth and
    how far outside the outline a pixel is in the sixth, backdrop [h, w, 3], texture [R, R, 4] of the face with its
    certainty in alpha, lids [R, R, 4] what shut lids, of part `lid`, show (with opacity in alpha) as far as shut_left
    and shut_right, completed [h', w', 4] of the completed head with hair's share in alpha; shell_from [F', 3, 3] of
    each of its triangles the homography to photo px; face_at [2 h', 2 w', 8] homogeneous photo px (x d, y d, d: linear
    on a triangle as px alone are not), uv, opacity, depth in m and the share of light that folds add, four samples a
    pixel of the window at (top, left), valid where face_seen >= 0; around_at [h', w', 4] uv, opacity and depth of the
    completed head, one sample a pixel; part [F] of the face's triangles, photo_part [2 h, 2 w] which of them the photo
    shows (0 = none); parts from mouth_from on are inside the mouth, where what the photo does not show is dimmed by
    mouth_light, and where it is SLIT replaced once the lips have moved, by lips_moved px; turned: how far the head is
    seen from another side than the photo's, 0..1; wall homography [3, 3] to the backdrop's px; still: the target camera
    is the photo's own.
    """
    outline = min(turned / OUTLINE_BY, ONE)
    turned = max((turned - REPLACED_FROM) / (ONE - REPLACED_FROM), ZERO)
    nowhere = (0.0, 0.0, 0.0)
    for i in range(start, stop):
        last, row, by_x = np.int32(-1), nowhere, nowhere
        for j in range(out.shape[1]):
            y0, x0 = 2 * (i - top), 2 * (j - left)
            beside = y0 < 0 or x0 < 0 or y0 >= face_seen.shape[0] or x0 >= face_seen.shape[1]
            shell = shell_seen[i, j] >= 0
            x, y, moved = np.float32(j + 0.5), np.float32(i + 0.5), ONE
            if shell:
                if shell_seen[i, j] != last:  # neighbours mostly share their triangle
                    last = shell_seen[i, j]
                    row, by_x = _along(shell_from, last, i)
                x, y = _carried(row, by_x, j)
                if still:  # where nothing moves, the photo itself: neither matte nor backdrop may show
                    moved = _ramp(max(abs(x - np.float32(j + 0.5)), abs(y - np.float32(i + 0.5))))
            if still and beside and (moved == 0 or not shell):  # most of a usual picture
                for k in range(3):
                    out[i, j, k] = np.uint8(photo[i, j, k])
                continue
            under_share, everywhere = ZERO, ZERO
            if shell and moved > 0:
                stretched = ZERO if beside else _stretched(shell_from, shell_seen[i, j], i, j, x, y)
                under_share, everywhere = _gives_way(photo, x, y, stretched, turned)
                y = _fallen(photo, x, y)
            r, g, b, over = ZERO, ZERO, ZERO, ZERO
            around = not beside and around_seen[i - top, j - left] >= 0
            if not beside:
                behind = around_at[i - top, j - left, 3] + (ONE - turned) * IN_FRONT if around else FAR
                r, g, b, over = _head(
                    photo, texture, lids, face_seen, face_at, y0, x0, behind, part, photo_part, i, j, lid, shut_left,
                    shut_right, mouth_from, mouth_light, lips_moved, still,
                )  # fmt: skip
            if over < np.float32(0.9999):
                under = ZERO, ZERO, ZERO, ZERO, ZERO
                if around and not (shell and under_share == 0 and turned == 0 and _channel(photo, x, y, ALPHA) >= FULL):
                    under = _completed(completed, around_seen, around_at, i - top, j - left)
                    under_share = max(under_share, turned * under[4])  # hair hangs in front of clothes
                color = _behind(
                    photo, backdrop, shell, x, y, moved, under_share, everywhere, outline, under, i, j, wall, still
                )
                rest = ONE - over
                r, g, b = r + rest * color[0], g + rest * color[1], b + rest * color[2]
            out[i, j, 0] = np.uint8(min(max(r + HALF, ZERO), FULL))
            out[i, j, 1] = np.uint8(min(max(g + HALF, ZERO), FULL))
            out[i, j, 2] = np.uint8(min(max(b + HALF, ZERO), FULL))
