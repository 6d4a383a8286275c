"""`flamecast evaluate generator`: pictures of people held out, beside the truth and beside simpler makers of them."""

from __future__ import annotations

import html
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from ...core.files import PathLike, atomic_path
from ...flame_motion import BadInput, Progress
from ...flame_motion.media.video_writer import VideoWriter
from ...generator.conditioning import FINE_WEIGHT
from .faces import FaceReader

ROWS = ("diffusion", "warp", "copy", "warp2d")
FPS = 12.5  # of its videos, slower than life
BETTER = {"psnr": 1, "ssim": 1, "identity": 1}  # by more; all others by less


def evaluate_generator(
    data: PathLike, people: tuple[str, ...], *, weights: PathLike | None = None, steps: int | None = None,
    most: int = 60, seed: int = 0, page: PathLike | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How near pictures come to the truth, on windows of people: means over pictures, by row.

    Rows: the network; the warped photo that it may start from; the untouched photo; and that bent by triangles between
    the true landmarks, which no driver knows (`warp2d`). Measures: PSNR, SSIM; `perceptual`, by a network that no
    training looks through; mouth and eyes, and what the photo hides, in grey levels; landmarks, pose, gaze, expression
    and identity as `FaceReader` sees them; `flicker`, grey levels by which frames change otherwise than the truth's.

    data: what `flamecast prepare generator` made; people: those held out; most: windows, evenly out of all; page: a
    folder for index.html with pictures side by side, and videos of windows of frames. Raises BadInput.
    """
    from ...generator.diffusion.generator import DiffusionGenerator
    from ...generator.diffusion.sampler import sample, start_of
    from ...training.generator.data import Pairs
    from ...training.generator.perceptual import PerceptualDistance
    from ...training.generator.shards import read_pairs, window_of

    generator = DiffusionGenerator(weights, steps)
    network = generator.network
    pairs = Pairs(read_pairs(data, people or None), *window_of(data))
    if pairs.arrays["target"].shape[2] != network.config.size:
        raise BadInput(
            f"{data} holds pictures of {pairs.arrays['target'].shape[2]} px, the network makes {network.config.size}"
        )
    looks, faces = PerceptualDistance("efficientnet-lite1"), FaceReader()
    rng, chosen = (
        torch.Generator().manual_seed(seed),
        np.unique(np.linspace(0, len(pairs) - 1, most).round().astype(int)),
    )
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    shown: list[Tensor] = []
    for done, index in enumerate(chosen, 1):
        given = pairs.rows(torch.tensor([index]))
        began = start_of(network.config.start, network.encode(given["warped"]), rng)
        made = sample(network, given, began, generator.steps, views=pairs.views, frames=pairs.frames)
        rows = {"diffusion": made, "warp": given["warped"], "copy": given["source"]}
        truths = [faces.read(_bytes(picture)) for picture in given["target"]]
        source = faces.read(_bytes(given["source"][0]))
        bent = [None if t is None or source is None else _bent(source, t) for t in truths]
        for name in ROWS:
            pictures = rows.get(name)
            for k, truth in enumerate(given["target"]):
                if pictures is None and bent[k] is None:
                    continue
                picture = _picture(bent[k]) if pictures is None else pictures[k]  # type: ignore[arg-type]
                told = _measured(picture, truth, given["weight"][k], given["visible"][k])
                with torch.inference_mode():
                    told["perceptual"] = float(looks(picture[None], truth[None]))
                face = None if truths[k] is None else faces.read(_bytes(picture))
                told |= {} if face is None else faces.compare(face, truths[k])  # type: ignore[arg-type]
                found[name].append(told)
            if pictures is not None and pairs.frames > 1:
                found[name][-1]["flicker"] = _flicker(pictures, given["target"], pairs.frames)
        shown.append(torch.stack([given["source"], *(rows[n] for n in ROWS[:2]), given["target"]], 1))
        if progress is not None:
            progress("evaluate", done, len(chosen))
    result = {
        "windows": len(chosen), "views": pairs.views, "frames": pairs.frames, "people": len(people),
        "steps": generator.steps, "weights": str(weights or "shipped"),
        **{name: _mean(measures) for name, measures in found.items()},
    }  # fmt: skip
    if page is not None:
        _write_page(Path(page), result, shown, pairs.frames)
    return result


def _measured(picture: Tensor, truth: Tensor, weight: Tensor, visible: Tensor) -> dict[str, float]:
    """Of one picture [3, S, S] 0..1; weight and visible [1, S / 4, S / 4]."""
    apart = (picture - truth).abs()
    large = lambda x: torch.nn.functional.interpolate(x[None].float(), size=apart.shape[-2:])[0, 0] > 0  # noqa: E731
    head = weight > 1
    error = lambda where: float(255 * apart[:, where].mean()) if bool(where.any()) else float("nan")  # noqa: E731
    shown = [x.permute(1, 2, 0).numpy() for x in (picture, truth)]
    return {
        "psnr": float(-10 * torch.log10(apart.square().mean().clamp_min(1e-10))),
        "ssim": float(structural_similarity(*shown, channel_axis=2, data_range=1.0)),
        "mouth and eyes": error(large(weight > 1 + FINE_WEIGHT)),
        "hidden in the photo": error(large(head & (visible < 0.5))),
        "all": error(torch.ones_like(apart[0], dtype=torch.bool)),
    }


def _flicker(made: Tensor, truth: Tensor, frames: int) -> float:
    """Mean difference, grey levels, of how two clips [V T, 3, S, S] change from frame to frame."""
    change = lambda x: x.unflatten(0, (-1, frames)).diff(dim=1)  # noqa: E731
    return float(255 * (change(made) - change(truth)).abs().mean())


def _bent(source: Any, truth: Any) -> np.ndarray:
    """The photo bent piecewise affinely from its landmarks to the true ones, uint8 [S, S, 3]."""
    from skimage.transform import PiecewiseAffineTransform, warp

    size = source.image.shape[0]
    edge = np.linspace(0, size - 1, 5)
    frame = np.array([(x, y) for x in edge for y in edge if x in (0, size - 1) or y in (0, size - 1)])
    points = [np.vstack([face.landmarks[:468:3, :2], frame]) for face in (truth, source)]
    bend = PiecewiseAffineTransform()
    bend.estimate(*points)
    return (warp(source.image, bend, mode="edge") * 255).round().astype(np.uint8)


def _mean(measures: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure where it is known."""
    names = dict.fromkeys(name for told in measures for name in told)
    return {n: round(float(np.nanmean([told[n] for told in measures if n in told])), 4) for n in names}


def _write_page(folder: Path, result: dict[str, Any], shown: list[Tensor], frames: int) -> None:
    """index.html with the table, a sheet of photo, network, warp and truth, and a video of each window of frames."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [name for name in ROWS if name in result]
    names = dict.fromkeys(name for row in rows for name in result[row])
    best = {n: (max if n in BETTER else min)(rows, key=lambda row: result[row].get(n, np.nan)) for n in names}  # noqa: B023
    cell = lambda row, n: f"<td{' class=best' * (best[n] == row)}>{result[row].get(n, '')}</td>"  # noqa: E731
    table = "".join(f"<tr><th>{row}</th>{''.join(cell(row, n) for n in names)}</tr>" for row in rows)
    parts = []
    for k, window in enumerate(shown):
        cv2.imwrite(str(folder / f"{k:03d}.png"), _sheet(window[::frames])[..., ::-1])
        part = f'<img src="{k:03d}.png" loading="lazy" alt="photo, network, warp, truth">'
        if frames > 1:
            with VideoWriter(folder / f"{k:03d}.mp4", FPS) as writer:
                for frame in range(frames):
                    writer.write(_sheet(window[frame::frames]))
            part += f'<video src="{k:03d}.mp4" controls loop muted></video>'
        parts.append(f"<figure>{part}<figcaption>photo, network, warp, truth</figcaption></figure>")
    text = (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>flamecast evaluate generator</title><style>body{font:16px sans-serif;margin:2em}"
        "td,th{padding:.2em .6em;text-align:right}.best{font-weight:bold}img,video{max-width:100%}figure{margin:1em 0}"
        f"</style><h1>{html.escape(result['weights'])}</h1><table><tr><th></th>"
        f"{''.join(f'<th>{name}</th>' for name in names)}</tr>{table}</table>{''.join(parts)}"
    )
    for name, content in (("index.html", text), ("report.json", json.dumps(result, indent=1))):
        with atomic_path(folder / name) as file:
            Path(file).write_text(content, encoding="utf-8")


def _sheet(window: Tensor) -> np.ndarray:
    """Pictures [R, C, 3, S, S] as rows of a sheet."""
    return np.vstack([np.hstack([_bytes(picture) for picture in row]) for row in window])


def _bytes(picture: Tensor) -> np.ndarray:
    """[3, S, S] 0..1 as uint8 [S, S, 3]."""
    return np.ascontiguousarray((picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def _picture(image: np.ndarray) -> Tensor:
    """uint8 [S, S, 3] as [3, S, S] 0..1."""
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255
