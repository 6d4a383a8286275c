"""A photo and the head fitted to it: all that a generator needs to know of the person."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..core.npz import load_arrays, save_arrays
from ..flame_motion import BadInput, FlameSequence, Head, load_head
from ..flame_motion.heads.head import DEFAULT_HEAD
from ..renderer import Cameras
from .completion.whole_head import WholeHead
from .covers import COVERED, Hold, notes_on, seen_covers
from .teeth_rows import TeethRows

if TYPE_CHECKING:
    from ..flame_motion.tracking.landmarks import Face, LandmarkDetector

FORMAT = 3
FORMATS = (1, 2, 3)  # that can be read; 1 had no lids of a person's own, 2 no whole head
# Notes on a photo that had to be turned, by quarter turns counter-clockwise.
TURNED = {
    turns: f"no face stands upright in the photo: it was turned by {how} and is used so"
    for turns, how in ((1, "90 degrees to the left"), (2, "180 degrees"), (3, "90 degrees to the right"))
}
NESTED = ("pose", "camera", "offsets", "eyelids", "whole", "covers")  # fields that are no arrays
POSE_FIELDS = ("shape", "expression", "rotation", "neck", "jaw", "eyes", "eyelids", "translation")


@dataclass(frozen=True, eq=False)
class Portrait:
    """A fitted portrait. The camera says where the head stands: the pose's translation and root rotation are zero."""

    image: np.ndarray  # [H, W, 3] uint8 sRGB
    matte: np.ndarray  # [H, W] float32, 1 = person
    pose: FlameSequence  # one frame: identity, head pose and expression in the photo
    offsets: Tensor  # [N, 3] m, added to the head at rest: what the identity axes do not cover
    camera: Cameras  # one view
    landmarks: np.ndarray  # [478, 3] px as detected
    error: float  # mean landmark distance without the offsets, % of the inter-ocular distance
    eyelids: Tensor | None = None  # [N, 3, 2] m, the person's own lid shapes; the head's where None
    whole: WholeHead | None = None  # what the photo does not show, too; it is completed when drawn where None
    of_clip: bool = False  # whether the identity is that of a clip, whose turns tell the head's depth, too
    covers: tuple[str, ...] = ()  # which of `covers.COVERED` something covers: drawn as the photo shows them

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        if self.image.dtype != np.uint8 or self.image.shape != (height, width, 3):
            raise BadInput(f"portrait image must be uint8 [H, W, 3], got {self.image.dtype} {list(self.image.shape)}")
        if len(self.pose) != 1:
            raise BadInput(f"portrait pose must be one frame, got {len(self.pose)}")
        if self.eyelids is not None:
            _check_array("eyelids", self.eyelids.numpy(), tuple(_drawn_head(self.pose.head).eyelids.shape))
        self.head.check(self.pose)
        _check_array("matte", self.matte, (height, width))
        if not (self.matte > 0.02).any():
            raise BadInput("portrait matte must show the person somewhere, got nothing above 0.02")
        _check_array("landmarks", self.landmarks, (478, 3))
        _check_array("offsets", self.offsets.numpy(), tuple(self.head.template.shape))
        for name, field in (("offsets", self.offsets), ("eyelids", self.eyelids)):
            if field is not None and not bool((field.abs() <= 1).all()):
                raise BadInput(f"portrait {name} must be within 1 m")
        if not set(self.covers) <= set(COVERED):
            raise BadInput(f"portrait covers must be of {', '.join(COVERED)}, got {', '.join(map(str, self.covers))}")
        if not 0 <= self.error < float("inf"):
            raise BadInput(f"portrait error must be a number of at least 0, got {self.error}")
        if (self.camera.height, self.camera.width) != (height, width):
            raise BadInput(
                f"portrait camera must see {width}x{height} px, got {self.camera.width}x{self.camera.height}"
            )

    @property
    def shape(self) -> Tensor:
        """Identity coefficients [S]."""
        return self.pose.shape

    @cached_property
    def head(self) -> Head:
        """The head model of the fit with the person's lids; one without teeth has its mouth closed, to be drawn."""
        head = _drawn_head(self.pose.head)
        return head if self.eyelids is None else replace(head, eyelids=self.eyelids)

    def vertices(self, motion: FlameSequence | None = None) -> Tensor:
        """The person's head [T, N, 3] m in the world under a motion; as in the photo when None."""
        moved = self.pose if motion is None else motion
        posed = self.head(moved, self.offsets)
        if self._hold is not None:
            posed = self._hold(self.head, self.pose, self.offsets, moved, posed)
        return posed if self.teeth is None else self.teeth.behind_lips(posed)

    @cached_property
    def _hold(self) -> Hold | None:
        """How covers are held; None where there are none."""
        return Hold.of(self.head, self.covers) if self.covers else None

    def front_faces(self) -> Tensor:
        """Which of the head's triangles [F] bool turn their front to the camera in the photo."""
        a, b, c = self.vertices()[0][self.head.faces].unbind(1)
        return (torch.linalg.cross(b - a, c - a) * (self.camera.centers[0, 0] - a)).sum(1) > 0

    @cached_property
    def teeth(self) -> TeethRows | None:
        """The head's rows of teeth, which go along with the lips; None where they are not known."""
        return TeethRows.of(self.head)

    @classmethod
    def fit(
        cls, image: np.ndarray, *, matte: np.ndarray | None = None, face: int = 0, focal: float | None = None,
        head: str | Head = DEFAULT_HEAD, detector: LandmarkDetector | None = None,
    ) -> Portrait:  # fmt: skip
        """Fit a head to a photo [H, W, 3] uint8; see `portrait_fit.fit_head`."""
        return cls.fit_with_notes(image, matte=matte, face=face, focal=focal, head=head, detector=detector)[0]

    @classmethod
    def fit_with_notes(
        cls, image: np.ndarray, *, matte: np.ndarray | None = None, face: int = 0, focal: float | None = None,
        head: str | Head = DEFAULT_HEAD, detector: LandmarkDetector | None = None,
        seen: tuple[int, list[Face]] | None = None,
    ) -> tuple[Portrait, list[str]]:  # fmt: skip
        """The portrait, and what the user should know of the fit, a sentence each; see `portrait_fit.fit_head`.

        A photo in which a face stands on its side or its head becomes a portrait turned upright.
        """
        from .portrait_fit import fit_head

        model = load_head(head) if isinstance(head, str) else head
        found = fit_head(image, matte=matte, face=face, focal=focal, head=model, detector=detector, seen=seen)
        upright = np.ascontiguousarray(np.rot90(image, found.turned))
        portrait = cls(
            upright, found.matte, found.pose, found.offsets, found.camera, found.landmarks, found.error, found.eyelids,
            covers=seen_covers(upright, found.landmarks),
        )  # fmt: skip
        return portrait, [*([TURNED[found.turned]] if found.turned else []), *notes_on(portrait.covers)]

    def with_identity(self, shape: Tensor) -> Portrait:
        """The portrait fitted again with a given identity [S]: that of a clip, say, which shows the person better."""
        from .portrait_fit import refit

        pose, offsets, eyelids, camera, error = refit(self.landmarks, self.camera, load_head(self.pose.head), shape)
        return replace(
            self, pose=pose, offsets=offsets, eyelids=eyelids, camera=camera, error=error, whole=None,
            of_clip=True,
        )  # fmt: skip

    def resized(self, height: int, width: int) -> Portrait:
        """The same portrait with a photo of another size."""
        import cv2

        shrink = height * width < self.image.shape[0] * self.image.shape[1]
        flags = cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
        scale = np.array([width / self.image.shape[1], height / self.image.shape[0], width / self.image.shape[1]])
        return replace(
            self,
            image=cv2.resize(self.image, (width, height), interpolation=flags),
            matte=cv2.resize(self.matte, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR),
            camera=self.camera.resized(height, width),
            landmarks=self.landmarks * scale,
        )

    def cropped(self, left: int, top: int, height: int, width: int) -> Portrait:
        """A window of the photo; where it reaches outside, the photo's edge is continued, and above it nobody is."""
        import cv2

        h, w = self.image.shape[:2]
        pad = max(0, -top), max(0, top + height - h), max(0, -left), max(0, left + width - w)
        grow = lambda x, mode, **k: cv2.copyMakeBorder(x, *pad, mode, **k)  # noqa: E731
        matte = grow(self.matte, cv2.BORDER_REPLICATE)
        matte[: pad[0]] = 0  # shoulders go on below a photo's edge, hair that it cuts off does not go on for ever
        window = np.s_[top + pad[0] : top + pad[0] + height, left + pad[2] : left + pad[2] + width]
        return replace(
            self,
            image=np.ascontiguousarray(grow(self.image, cv2.BORDER_REPLICATE)[window]),
            matte=np.ascontiguousarray(matte[window]),
            camera=self.camera.cropped(left, top, height, width),
            landmarks=self.landmarks - [left, top, 0],
        )

    def face_window(self, margin: float = 2.2) -> tuple[int, int, int]:
        """(left, top, side) px of the square around the head that `--framing face` shows."""
        low, high = self.landmarks[:, :2].min(0), self.landmarks[:, :2].max(0)
        side = margin * float((high - low).max())
        centre = (low + high) / 2 + [0, -0.06 * side]  # the face's points end at the forehead; hair goes on above
        return round(float(centre[0]) - side / 2), round(float(centre[1]) - side / 2), round(side)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an `.npz` of arrays."""
        save_arrays(path, self.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file of it holds, by name."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in NESTED}
        pose = {f"pose_{name}": getattr(self.pose, name).numpy() for name in POSE_FIELDS}
        camera = {
            "intrinsics": self.camera.intrinsics.numpy(),
            "camera_from_world": self.camera.camera_from_world.numpy(),
        }
        head = {"head": np.array(self.pose.head), "format": np.array(FORMAT), "offsets": self.offsets.numpy()}
        lids = {} if self.eyelids is None else {"eyelids": self.eyelids.numpy()}
        covers = {"covers": np.array(self.covers)} if self.covers else {}
        arrays = {**own, **pose, **camera, **head, **lids, **covers}
        if self.whole is not None:
            arrays |= {f"whole_{f.name}": getattr(self.whole, f.name) for f in fields(WholeHead)}
        return {name: np.asarray(value) for name, value in arrays.items()}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Portrait:
        """Read what `save` wrote; BadInput for anything else."""
        return cls.from_arrays(load_arrays(path), path)

    @classmethod
    def from_arrays(cls, data: Mapping[str, np.ndarray], path: str | os.PathLike[str]) -> Portrait:
        """The portrait of such arrays, which come from `path`. BadInput where they are none of a portrait."""
        try:
            if data["format"].tolist() not in FORMATS:
                raise BadInput(f"format {FORMAT} was expected, got {data['format'].tolist()}")
            tensor = lambda key: torch.from_numpy(data[key])  # noqa: E731
            pose = FlameSequence(
                **{name: tensor(f"pose_{name}") for name in POSE_FIELDS}, fps=25.0, head=str(data["head"])
            )
            camera = Cameras(tensor("intrinsics"), tensor("camera_from_world"), *data["image"].shape[:2])
            return cls(
                data["image"],
                data["matte"],
                pose,
                tensor("offsets").float(),
                camera,
                data["landmarks"],
                float(data["error"]),
                tensor("eyelids").float() if "eyelids" in data else None,
                _whole_head(data),
                "of_clip" in data and bool(data["of_clip"]),
                tuple(data["covers"].ravel().tolist()) if "covers" in data else (),
            )
        except KeyError as missing:
            raise BadInput(
                f"{path} is no flamecast portrait: it lacks {missing}; make one with `flamecast fit`."
            ) from None
        except (TypeError, ValueError) as error:  # ours are among them: BadInput is a ValueError
            reason = str(error).rstrip(".")
            raise BadInput(f"{path} is no whole portrait: {reason}; make it again with `flamecast fit`.") from error


def _check_array(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """BadInput unless a field is a finite array of that shape."""
    if array.shape != shape:
        raise BadInput(f"portrait {name} must have shape {list(shape)}, got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise BadInput(f"portrait {name} must be finite, got NaN or infinity")


def _whole_head(data: Mapping[str, np.ndarray]) -> WholeHead | None:
    """The whole head of a file that has one."""
    names = [f.name for f in fields(WholeHead)]
    return WholeHead(*(data[f"whole_{name}"] for name in names)) if f"whole_{names[0]}" in data else None


@lru_cache(maxsize=4)
def _drawn_head(name: str) -> Head:
    from ..flame_motion.heads.flame import with_mouth_closed

    return with_mouth_closed(load_head(name))
