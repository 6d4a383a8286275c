"""`flamecast evaluate generator`: pictures of people held out, beside the truth and beside simpler pictures."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...core.files import PathLike
from ...flame_motion import BadInput, Progress
from ...generator import Portrait
from ...generator.conditioning import FINE_WEIGHT
from . import page as pages
from .faces import FaceReader
from .pictures import JUDGE, change_error, psnr, ssim

if TYPE_CHECKING:
    from ...generator.diffusion import DiffusionGenerator
    from ...training.generator.data import Examples

ROWS = ("diffusion", "warp", "copy", "warp2d")
COLUMNS = "photo, network, warp, truth"  # of the page's pictures
MOST_PSNR = 100.0  # dB, of a picture that is the truth: it is averaged with others
Measures = dict[str, float]


def evaluate_generator(
    data: PathLike, people: tuple[str, ...], *, weights: PathLike | None = None, steps: int | None = None,
    max_windows: int = 60, seed: int = 0, page: PathLike | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How near pictures come to the truth, on windows of people: means over pictures, by row.

    Rows: the network; the warped photo that it may start from; the untouched photo; and that bent by triangles between
    the true landmarks, which no driver knows (`warp2d`). Measures: PSNR, SSIM; `perceptual`, by a network that no
    training looks through; mouth and eyes, and what the photo hides, in grey levels; landmarks, pose, gaze, expression
    and identity as `FaceReader` sees them; `flicker`, grey levels by which frames change otherwise than the truth's.

    data: what `flamecast prepare generator` made; people: those held out, all when empty; max_windows: evenly out of
    all; page: an .html for pictures side by side, and videos of windows of frames. Raises BadInput.
    """
    from ...generator.diffusion import DiffusionGenerator
    from ...training.generator.data import Examples

    pages.check_page(page)
    generator, examples = DiffusionGenerator(weights, steps), Examples.read(data, people=people or None)
    size, wanted = examples.arrays["target"].shape[2], generator.network.config.size
    if size != wanted:
        raise BadInput(f"{data} holds pictures of {size} px, the network makes {wanted}")
    chosen = np.unique(np.linspace(0, examples.count - 1, max_windows).round().astype(int))
    measured: dict[str, list[Measures]] = defaultdict(list)
    shown: list[Tensor] = []
    measure, rng = _Measure(examples.frames), torch.Generator().manual_seed(seed)
    for done, index in enumerate(chosen, 1):
        rows = examples.rows(torch.tensor([index]))
        drawn = {"diffusion": _sampled(generator, rows, examples, rng), "warp": rows["warped"], "copy": rows["source"]}
        for name, found in measure(drawn, rows).items():
            measured[name] += found
        shown.append(torch.stack([rows["source"], drawn["diffusion"], drawn["warp"], rows["target"]], 1))
        if progress is not None:
            progress("evaluate", done, len(chosen))
    result = {
        "windows": len(chosen), "views": examples.views, "frames": examples.frames, "people": len(people),
        "steps": generator.steps, "weights": str(weights or "shipped"),
        **{name: _mean(measured[name]) for name in ROWS if name in measured},
    }  # fmt: skip
    if page is not None:
        table: dict[str, dict[str, Any]] = {name: {"": result[name]} for name in ROWS if name in result}
        parts = [pages.table(table), *_windows(shown, examples.frames)]
        pages.write_page(page, f"flamecast evaluate generator: {result['weights']}", parts)
    return result


def _windows(shown: list[Tensor], frames: int) -> list[str]:
    """Windows [V T, 4, 3, S, S] 0..1, by `COLUMNS`, for a page: a sheet of each, and a video where it has T > 1."""
    from ...training.generator.samples import tiled, write_window

    parts = []
    with TemporaryDirectory() as folder:
        for window in shown:
            parts.append(pages.picture(tiled(window[::frames]), COLUMNS))
            if frames > 1:
                write_window(Path(folder) / "window.mp4", window, frames)
                parts.append(pages.video(Path(folder) / "window.mp4"))
    return parts


def _sampled(
    generator: DiffusionGenerator, rows: dict[str, Tensor], examples: Examples, rng: torch.Generator
) -> Tensor:
    """What the network draws of a window, [V T, 3, S, S]."""
    from ...generator.diffusion.sampler import sample, start_latents

    network = generator.network
    start = start_latents(network.config.start, network.encode(rows["warped"]), rng)
    return sample(network, rows, start, generator.steps, views=examples.views, frames=examples.frames)


class _Measure:
    """Compares the pictures of a window with the truth."""

    def __init__(self, frames: int) -> None:
        """frames: of a window. BadInput where the perceptual distance is not installed."""
        from ...training.generator.perceptual import PerceptualDistance

        self.frames, self.perceptual, self.faces = frames, PerceptualDistance(JUDGE), FaceReader()

    def __call__(self, drawn: dict[str, Tensor], rows: dict[str, Tensor]) -> dict[str, list[Measures]]:
        """Measures of each picture, by row; drawn: [V T, 3, S, S] by row, to which `warp2d` is added."""
        found: dict[str, list[Measures]] = defaultdict(list)
        source = self.faces.read(_bytes(rows["source"][0]))
        for k, truth in enumerate(rows["target"]):
            face = self.faces.read(_bytes(truth))
            pictures = {name: drawn[name][k] for name in drawn}
            if face is not None and source is not None:
                pictures["warp2d"] = _picture(_bent(source, face))
            for name, picture in pictures.items():
                error = errors(picture, truth, rows["weight"][k], rows["visible"][k])
                found[name].append(error | self._compare(picture, truth, face))
        if self.frames > 1:
            for name in drawn:
                found[name][-1]["flicker"] = flicker(drawn[name], rows["target"], self.frames)
        return found

    def _compare(self, picture: Tensor, truth: Tensor, true_face: Portrait | None) -> Measures:
        """How alike two pictures [3, S, S] and the faces in them look."""
        with torch.inference_mode():
            found = {"perceptual": float(self.perceptual(picture[None], truth[None]))}
        face = None if true_face is None else self.faces.read(_bytes(picture))
        return found if face is None or true_face is None else found | self.faces.compare(face, true_face)


def errors(picture: Tensor, truth: Tensor, weight: Tensor, visible: Tensor) -> Measures:
    """Errors of one picture [3, S, S] 0..1; weight and visible [1, S / 4, S / 4] as in `Conditioning`."""
    error = (picture - truth).abs()
    large = lambda x: torch.nn.functional.interpolate(x[None].float(), size=error.shape[-2:])[0, 0] > 0  # noqa: E731
    head = weight > 1
    mean = lambda where: float(255 * error[:, where].mean()) if bool(where.any()) else float("nan")  # noqa: E731
    shown = [x.permute(1, 2, 0).numpy() for x in (picture, truth)]
    return {
        "psnr": min(psnr(float((255 * error).square().mean())), MOST_PSNR),
        "ssim": ssim(*shown),
        "mouth and eyes": mean(large(weight > 1 + FINE_WEIGHT)),
        "hidden in the photo": mean(large(head & (visible < 0.5))),
        "all": mean(torch.ones_like(error[0], dtype=torch.bool)),
    }


def flicker(drawn: Tensor, truth: Tensor, frames: int) -> float:
    """Mean difference, grey levels, of how two clips [V T, 3, S, S] change from frame to frame."""
    windows = (x.unflatten(0, (-1, frames)).transpose(0, 1).numpy() for x in (drawn, truth))
    return 255 * change_error(*windows)


def _bent(source: Portrait, truth: Portrait) -> np.ndarray:
    """The photo bent piecewise affinely from its landmarks to the true ones, uint8 [S, S, 3]."""
    from skimage.transform import PiecewiseAffineTransform, warp

    size = source.image.shape[0]
    edge = np.linspace(0, size - 1, 5)
    frame = np.array([(x, y) for x in edge for y in edge if x in (0, size - 1) or y in (0, size - 1)])
    points = [np.vstack([face.landmarks[:468:3, :2], frame]) for face in (truth, source)]
    bend = PiecewiseAffineTransform()
    bend.estimate(*points)
    return (warp(source.image, bend, mode="edge") * 255).round().astype(np.uint8)


def _mean(measures: list[Measures]) -> Measures:
    """The mean of each measure where it is known."""
    names = dict.fromkeys(name for one in measures for name in one)
    return {n: round(float(np.nanmean([one[n] for one in measures if n in one])), 4) for n in names}


def _bytes(picture: Tensor) -> np.ndarray:
    """[3, S, S] 0..1 as uint8 [S, S, 3]."""
    return np.ascontiguousarray((picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def _picture(image: np.ndarray) -> Tensor:
    """uint8 [S, S, 3] as [3, S, S] 0..1."""
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255
