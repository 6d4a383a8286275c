"""Fitting a head to one photo: landmarks, least squares, per-vertex offsets and the matte."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from ..flame_motion import BadInput, FlameSequence, Head
from ..flame_motion.retargeting.retarget import part_vertices
from ..flame_motion.tracking.detector import MediaPipeDetector
from ..flame_motion.tracking.landmark_fit import LandmarkFit, Observation, observe
from ..flame_motion.tracking.landmarks import OUTER_EYE_CORNERS, Face, LandmarkDetector
from ..flame_motion.tracking.mediapipe_models import solutions
from ..flame_motion.tracking.pinhole import Pinhole
from ..flame_motion.tracking.solution import gaze_divergence, landmark_error, level_gaze, to_motion
from ..flame_motion.tracking.solve import fit_frames, fit_identity, initial
from ..flame_motion.tracking.unknowns import Unknowns
from ..renderer import Cameras
from .eyelids import own_eyelids

TILTED = 60.0  # degrees: a head tilted less is a pose, one tilted more a photo that is held wrongly

BESIDE_CORNERS = ((191, 95), (80, 88), (415, 324), (310, 318))  # MediaPipe's inner lips next to a corner of the mouth


@dataclass(frozen=True)
class FittedHead:
    """What a fit finds: the fields of a `Portrait` besides its image."""

    matte: np.ndarray  # [H, W] float32, 1 = person
    pose: FlameSequence  # one frame
    offsets: Tensor  # [N, 3] m
    camera: Cameras
    landmarks: np.ndarray  # [478, 3] px
    error: float  # % of the inter-ocular distance
    eyelids: Tensor  # [N, 3, 2] m
    turned: int = 0  # quarter turns counter-clockwise (as np.rot90) after which the face stands upright; all is of that


def fit_head(
    image: np.ndarray,  # [H, W, 3] uint8
    *,
    head: Head,
    matte: np.ndarray | None = None,  # [H, W] 1 = person; segmented when None
    face: int = 0,
    focal: float | None = None,  # px; guessed when None
    detector: LandmarkDetector | None = None,
    seen: tuple[int, list[Face]] | None = None,  # what `find_faces` gave for this face; found when None
) -> FittedHead:
    """Fit the head to the face-th largest face of a photo, which may stand on its side or its head.

    Raises BadInput where there is no such face.
    """
    turned, faces = find_faces(image, detector or MediaPipeDetector(), face) if seen is None else seen
    image = np.ascontiguousarray(np.rot90(image, turned))
    matte = None if matte is None else np.ascontiguousarray(np.rot90(matte, turned))
    height, width = image.shape[:2]
    points = faces[face].points[None].astype(np.float32)
    problem, pinhole = LandmarkFit(head), Pinhole.guess(width, height, focal)
    data = observe(problem, points, pinhole)
    shape, state = fit_identity(problem, data, initial(problem, data, points), iterations=12)
    pose, offsets, eyelids, camera, error = _posed(problem, shape, state, points, pinhole)
    if matte is None:
        matte = person_matte(image, points[0])
    landmarks = points[0].astype(np.float64)
    return FittedHead(matte.astype(np.float32), pose, offsets, camera, landmarks, error, eyelids, turned)


def find_faces(image: np.ndarray, detector: LandmarkDetector, face: int = 0) -> tuple[int, list[Face]]:
    """(quarter turns counter-clockwise, faces of the photo so turned), such that the largest face stands upright.

    Upright it is also searched for small faces. A detector may find a face that lies; the photo is turned all the same:
    segmentation, hair and shoulders expect a head above its neck. Raises BadInput where no orientation shows a face, or
    fewer than the face-th largest needs.
    """
    turned, faces = _upright_faces(image, detector)
    if not 0 <= face < len(faces):
        raise BadInput(
            f"face {face} was asked for and the photo shows {len(faces)}: 0 to {len(faces) - 1} can be given."
        )
    return turned, faces


def _upright_faces(image: np.ndarray, detector: LandmarkDetector) -> tuple[int, list[Face]]:
    held = lambda turns: np.ascontiguousarray(np.rot90(image, turns))  # noqa: E731
    for turns in (0, 1, 3, 2):
        faces = detector.faces(held(turns), small=turns == 0)
        if not faces:
            continue
        more = turns_to_stand(faces[0].points)
        again = detector.faces(held(turns + more), small=False) if more else []
        return ((turns + more) % 4, again) if again else (turns, faces)
    raise BadInput("no face was found in the photo; use one that shows a human face clearly.")


def turns_to_stand(points: np.ndarray) -> int:
    """How many quarter turns counter-clockwise make a face [478, 3] px stand upright; 0 for one less than TILTED."""
    across = points[OUTER_EYE_CORNERS[1], :2] - points[OUTER_EYE_CORNERS[0], :2]
    roll = float(np.degrees(np.arctan2(across[1], across[0])))  # clockwise, as y points down
    return 0 if abs(roll) < TILTED else round(roll / 90) % 4


def refit(
    landmarks: np.ndarray,  # [478, 3] px
    camera: Cameras,
    head: Head,
    shape: Tensor,  # [S]
) -> tuple[FlameSequence, Tensor, Tensor, Cameras, float]:
    """Pose, offsets [N, 3] m, lids [N, 3, 2] m, camera and error of a photo whose person's identity is known."""
    points = landmarks[None].astype(np.float32)
    intrinsics = camera.intrinsics[0]
    middle = intrinsics[:2, 2]  # of a cropped photo it is not in the middle, where a Pinhole's is
    pinhole = Pinhole(float(intrinsics[0, 0]), *(2 * middle).tolist())
    problem = LandmarkFit(head)
    data = observe(problem, points, pinhole)
    pose, offsets, eyelids, moved, error = _posed(problem, shape, initial(problem, data, points), points, pinhole)
    return pose, offsets, eyelids, replace(camera, camera_from_world=moved.camera_from_world), error


def _posed(
    problem: LandmarkFit, shape: Tensor, state: Unknowns, points: np.ndarray, pinhole: Pinhole
) -> tuple[FlameSequence, Tensor, Tensor, Cameras, float]:
    """Pose, offsets [N, 3] m, lids [N, 3, 2] m, camera and landmark error of a photo of known identity.

    points [1, 478, 3] px.
    """
    data = observe(problem, points, pinhole)
    state = fit_frames(problem, shape, data, state, fps=25.0, iterations=8)
    state = replace(state, eyes=level_gaze(state.eyes, gaze_divergence(state.eyes)))
    error = float(landmark_error(problem, shape, state, points, pinhole))
    world, frame = problem.points(*problem.skin.shaped(shape), state)
    offsets = vertex_offsets(problem, data, world[0], frame[0], pinhole)
    # The camera takes over where the head stands, so that the pose itself is free of it.
    camera = _camera(pinhole, state.translation[0])
    pose = to_motion(state, shape, 25.0, problem.head, state.translation[0])
    eyelids, offsets = own_eyelids(problem.head, pose, offsets)
    return pose, offsets, eyelids, camera, error


def _camera(pinhole: Pinhole, translation: Tensor) -> Cameras:
    """The pinhole as `Cameras`, moved so that a head of zero translation appears where one of `translation` did."""
    axes = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    matrix = torch.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, axes @ translation
    intrinsics = torch.tensor(
        [[pinhole.focal, 0.0, pinhole.width / 2], [0.0, pinhole.focal, pinhole.height / 2], [0.0, 0.0, 1.0]]
    )
    return Cameras(intrinsics[None], matrix[None], int(pinhole.height), int(pinhole.width))


def vertex_offsets(problem: LandmarkFit, data: Observation, world: Tensor, frame: Tensor, camera: Pinhole) -> Tensor:
    """Offsets [N, 3] m at rest that move every landmark onto its detected place, spread smoothly over the mesh.

    They act in the image plane: a photo says nothing about depth beyond the fit. Beside the corners of the mouth they
    do not part the lips, or it could never shut there. world [P, 3] m, frame [P, 3, 3].
    """
    head = problem.head
    gap = data.image[0] - camera.project(world)  # [P, 2] px
    metres = -world[:, 2:] / camera.focal
    shift = torch.cat([gap * torch.tensor([1.0, -1.0]) * metres, torch.zeros_like(metres)], 1)
    at_rest = torch.linalg.solve(frame, shift[..., None]).squeeze(-1)
    for upper, lower in BESIDE_CORNERS:
        pair = torch.stack([problem.seen == upper, problem.seen == lower]).float() @ at_rest
        opened = (pair[0, 1] - pair[1, 1]).clamp_min(0)
        at_rest[problem.seen == upper, 1] -= opened / 2
        at_rest[problem.seen == lower, 1] += opened / 2
    skin_points = problem.seen < 468
    offsets = spread(head, problem.seen[skin_points], at_rest[skin_points].numpy())
    for iris, name in ((468, "eye_right"), (473, "eye_left")):  # as a whole: an eyeball does not change its shape
        offsets[part_vertices(head, (name,))] = at_rest[problem.seen == iris].numpy()
    return torch.from_numpy(offsets.astype(np.float32))


def spread(head: Head, landmarks: Tensor, values: np.ndarray, stiffness: float = 3.0, fade: float = 3e-4) -> np.ndarray:
    """A smooth field [N, 3] on the mesh that meets `values` [P, 3] at MediaPipe landmarks [P] and fades away from them.

    Minimises |L x|^2 + stiffness |B x - values|^2 + fade |x|^2 with the graph Laplacian L and the landmarks'
    barycentric rows B: lips that touch do not mix.
    """
    count = head.template.shape[0]
    faces = head.faces.numpy()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    adjacency = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count))
    adjacency = ((adjacency + adjacency.T) > 0).astype(float)
    degree = np.asarray(adjacency.sum(1)).ravel().clip(1)
    laplacian = sparse.identity(count) - sparse.diags(1 / degree) @ adjacency
    place, bary = (x[landmarks] for x in head.mediapipe_places())
    row = np.repeat(np.arange(len(place)), 3)
    rows = sparse.csr_matrix(
        (bary.reshape(-1).numpy(), (row, head.faces[place].reshape(-1).numpy())), (len(place), count)
    )
    system = laplacian.T @ laplacian + stiffness * rows.T @ rows + fade * sparse.identity(count)
    return splu(system.tocsc()).solve(stiffness * rows.T @ values)


def person_matte(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How much each pixel is the person [H, W] 0..1: MediaPipe's selfie segmentation, its edge drawn along the photo's.

    The face itself always counts: on paintings and statues the segmentation may miss it.
    """
    import cv2

    with solutions().selfie_segmentation.SelfieSegmentation(model_selection=0) as segmenter:
        matte = segmenter.process(np.ascontiguousarray(image)).segmentation_mask.astype(np.float32)
    hull = cv2.convexHull(points[:468, :2].astype(np.float32)).round().astype(np.int32)
    matte = np.maximum(matte, cv2.fillConvexPoly(np.zeros(image.shape[:2], np.float32), hull, 1.0))
    size = float(np.ptp(points[:, :2], axis=0).max())
    matte = cv2.ximgproc.guidedFilter(image, matte, max(2, round(size * 0.03)), 50.0)
    return np.clip((matte - 0.1) / 0.8, 0, 1)
