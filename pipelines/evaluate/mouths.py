"""`flamecast evaluate mouths`: mouths of people held out, as they are drawn and as the network leaves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.files import PathLike
from ...flame_motion import BadInput, Progress
from . import page as pages
from .text_metrics import frechet_distance

if TYPE_CHECKING:
    from ...generator.mouth.network import MouthNetwork
    from ...training.mouth.data import MouthPairs

BATCH = 16
ROWS = ("real", "warp", "network")
COLUMNS = "photo, warp, network, truth"  # of the page's pictures
CHIP = 150  # px of a picture for dlib's network
SHARPNESS = torch.tensor([[[[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]]])
OPEN = 60.0  # px of a crop: mouths that show as much of their inside count as open
ON_A_SHEET = 6  # frames in a row


def evaluate_mouths(
    data: PathLike, people: tuple[str, ...], *, weights: PathLike | None = None, samples: int = 600, seed: int = 0,
    page: PathLike | None = None, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How alike mouths and real ones look as a whole and one by one, by row: real, `warp`, the network.

    Measures: Fréchet distances to the real crops, of the features of a network related to the critic's
    (efficientnet-lite1) and of an unrelated one (dlib's ResNet of faces, where it is installed), the latter times 1000;
    `perceptual`, of each picture to its own truth; `sharpness`, of the real ones' (1); `flicker`, grey levels by which
    what lies around the lips changes from frame to frame.

    data: what `flamecast prepare mouths` made; people: those held out; samples: frames, in runs of clips; page: an
    .html for frames in a row. Raises BadInput.
    """
    pages.check_page(page)
    from ...generator.mouth.painter import WEIGHTS, load_mouth
    from ...training.generator.perceptual import PerceptualDistance
    from ...training.mouth.data import MouthPairs

    pairs = MouthPairs.read([part.strip() for part in str(data).split(",")], people=people or None, varied=False)
    chosen = _runs(pairs, samples)
    pictures, window, opening = _drawn(load_mouth(weights or WEIGHTS), pairs, chosen, progress)
    if page is not None:
        pages.write_page(page, f"flamecast evaluate mouths: {weights or 'shipped'}", _sheets(pairs, chosen, pictures))
    looks = PerceptualDistance("efficientnet-lite1")
    following = np.flatnonzero(
        (np.diff(pairs.frame[chosen]) == 1) & (np.diff(pairs.clip[chosen]) == 0) & (np.diff(pairs.of[chosen]) == 0)
    )
    wide = opening.flatten(1).sum(1) > OPEN
    real = {name: see(pictures["real"]) for name, see in _views(looks).items()}
    found = {
        name: {
            **{f"frechet {view}": _frechet(see(picture), real[view]) for view, see in _views(looks).items()},
            "perceptual": _perceptual(looks, picture, pictures["real"], torch.ones_like(wide)),
            "perceptual open": _perceptual(looks, picture, pictures["real"], wide),
            "sharpness": _sharpness(picture, window) / _sharpness(pictures["real"], window),
            "sharpness inside": _sharpness(picture, opening) / _sharpness(pictures["real"], opening),
            "flicker": _flicker(picture, window, following),
        }
        for name, picture in pictures.items()
    }
    rounded = {name: {key: round(value, 4) for key, value in row.items()} for name, row in found.items()}
    return {"frames": len(chosen), "open": int(wide.sum()), "people": pairs.people, **rounded}


def _runs(pairs: MouthPairs, samples: int) -> np.ndarray:
    """Which pairs to measure: of each photo's so many in a row; never the photo itself."""
    photos = np.unique(pairs.of[pairs.chance > 0])
    each = max(samples // max(len(photos), 1), 1)
    rows = [np.flatnonzero((pairs.of == photo) & (pairs.chance > 0)) for photo in photos]
    if not rows:
        raise BadInput("none of these people's pairs are good enough to be measured")
    return np.concatenate([row[max((len(row) - each) // 2, 0) :][:each] for row in rows])


@torch.inference_mode()
def _drawn(
    network: MouthNetwork, pairs: MouthPairs, chosen: np.ndarray, progress: Progress | None
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Crops [N, 3, HEIGHT, WIDTH] 0..1 by row, where they may differ and what is inside the mouth [N, 1, ...]."""
    from ...generator.mouth.network import around_lips, opening_of

    made: dict[str, list[Tensor]] = {name: [] for name in (*ROWS, "window", "opening")}
    for start in range(0, len(chosen), BATCH):
        rows = pairs.rows(chosen[start : start + BATCH])
        reference = network.reference(rows["photo"], rows["photo_parts"])
        change = network(rows["drawn"], rows["parts"], rows["numbers"], reference)[0]
        window = around_lips(rows["parts"])
        made["window"].append(window)
        made["opening"].append(opening_of(rows["parts"]))
        made["real"].append(rows["drawn"] + window * (rows["truth"] - rows["drawn"]))
        made["warp"].append(rows["drawn"])
        made["network"].append((rows["drawn"] + change).clamp(0, 1))
        if progress is not None:
            progress("evaluate", min(start + BATCH, len(chosen)), len(chosen))
    joined = {name: torch.cat(values) for name, values in made.items()}
    return {name: joined[name] for name in ROWS}, joined["window"], joined["opening"]


def _views(looks: Any) -> dict[str, Any]:
    """Networks that see pictures [N, 3, h, w] as features [N, W], by name."""
    from .faces import FaceReader

    views: dict[str, Any] = {"lite1": lambda pictures: _pooled(looks, pictures)}
    network = FaceReader()._network
    if network is not None:
        views["dlib"] = lambda pictures: _by_dlib(network, pictures)
    return views


@torch.inference_mode()
def _pooled(looks: Any, pictures: Tensor) -> np.ndarray:
    """The means of the two coarsest features that are compared."""
    rows = []
    for part in pictures.split(BATCH):
        seen = list(looks.features(interpolate(_near(part), scale_factor=1.5, mode="bilinear")))
        rows.append(torch.cat([x.mean((2, 3)) for x in seen[2:]], 1))
    return torch.cat(rows).numpy()


def _by_dlib(network: Any, pictures: Tensor) -> np.ndarray:
    """What dlib's network of faces says of mouths, as if they were faces; times sqrt(1000)."""
    chips = interpolate(_near(pictures), size=(CHIP, CHIP), mode="bilinear").mul(255).round().byte()
    told = [np.array(network.compute_face_descriptor(np.ascontiguousarray(c.permute(1, 2, 0).numpy()))) for c in chips]
    return np.sqrt(1000) * np.stack(told)


def _near(pictures: Tensor) -> Tensor:
    """The middle of crops, around the lips."""
    return pictures[..., 8:-8, 8:-8]


def _frechet(made: np.ndarray, real: np.ndarray) -> float:
    """Of features in units of the real ones' spread; 0 for the same."""
    spread = real.std(0) + 1e-3 * real.std()
    return max(frechet_distance(made / spread, real / spread), 0.0)


@torch.inference_mode()
def _perceptual(looks: Any, made: Tensor, real: Tensor, which: Tensor) -> float:
    """The mean distance of some pictures to their truth."""
    made, real = _near(made[which.bool()]), _near(real[which.bool()])
    if not len(made):
        return float("nan")
    return float(torch.cat([looks(a, b) for a, b in zip(made.split(BATCH), real.split(BATCH))]).mean())


def _sharpness(pictures: Tensor, where: Tensor) -> float:
    """The mean square of the Laplacian."""
    edges = torch.nn.functional.conv2d(pictures.mean(1, keepdim=True), SHARPNESS, padding=1)
    return float((edges.square() * where).sum() / where.sum())


def _flicker(pictures: Tensor, where: Tensor, following: np.ndarray) -> float:
    """Grey levels by which pixels around the lips change to the next frame."""
    if not len(following):
        return float("nan")
    seen = torch.maximum(where[following], where[following + 1])
    change = (pictures[following + 1] - pictures[following]).abs()
    return float(255 * (change * seen).sum() / (3 * seen.sum()))


def _sheets(pairs: MouthPairs, chosen: np.ndarray, pictures: dict[str, Tensor]) -> Iterator[str]:
    """A sheet a photo, for a page: frames in a row below each other, by `COLUMNS`."""
    for photo in np.unique(pairs.of[chosen]):
        rows = np.flatnonzero(pairs.of[chosen] == photo)
        first = max((len(rows) - ON_A_SHEET) // 2, 0)
        own = pairs.rows(chosen[rows[:1]])["photo"][0]
        lines = [
            torch.cat([own, *(pictures[name][k] for name in ("warp", "network", "real"))], 2)
            for k in rows[first : first + ON_A_SHEET]
        ]
        sheet = (torch.cat(lines, 1).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        person = pairs.people[pairs.person[chosen[rows[0]]]]
        yield pages.picture(np.repeat(np.repeat(sheet, 2, 0), 2, 1), f"{person}: {COLUMNS}")
