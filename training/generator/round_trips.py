"""A photo drawn in another pose and back: the target fits the source exactly, as no two frames of a clip do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...flame_motion import BadInput, FlameSequence
from ...generator import Portrait
from ...generator.conditioning import render_conditioning
from ...generator.warp import WarpGenerator
from .examples import Example, ExampleOptions, FaceSquare, example_of

FINER = 2  # times larger a photo is drawn in another pose, so that being drawn twice blurs little


def round_trips(portrait: Portrait, poses: FlameSequence, options: ExampleOptions) -> Iterator[Example]:
    """Examples whose target is the photo, and whose source is the photo as it is drawn in one of some poses."""
    square = FaceSquare(portrait, options)
    left, top, side = square.window
    large = portrait.cropped(left, top, side, side).resized(FINER * options.size, FINER * options.size)
    warp = WarpGenerator(mouth=False)
    for k in range(len(poses)):
        try:
            away, home = moved_away(large, poses[k : k + 1], warp)
        except BadInput:  # no face is seen in that pose
            continue
        source = away.resized(options.size, options.size)
        conditioning = next(render_conditioning(source, home, depth_guided=options.depth_guided))
        yield example_of(conditioning, [square.portrait.image])


def moved_away(portrait: Portrait, pose: FlameSequence, warp: WarpGenerator) -> tuple[Portrait, FlameSequence]:
    """A portrait drawn in another pose, as a photo whose head is known exactly; and the pose that leads back.

    Drawn back, it differs from the photo by what warping spoils (seams, what it had to invent, hair, teeth) and by
    nothing else. BadInput where no face is seen in the picture.
    """
    picture = next(warp(portrait, pose))[0]
    seen = Portrait.fit(picture)  # for its matte and points
    shift = pose.translation[0] - portrait.pose.translation[0]  # a portrait stands at 0: its camera moves instead
    camera = portrait.camera.camera_from_world.clone()
    camera[0, :3, 3] += camera[0, :3, :3] @ shift
    at_zero = lambda x: replace(x, translation=x.translation - shift)  # noqa: E731
    away = replace(
        portrait, image=picture, matte=seen.matte, landmarks=seen.landmarks, pose=at_zero(pose),
        camera=replace(portrait.camera, camera_from_world=camera),
    )  # fmt: skip
    return away, at_zero(portrait.pose)
