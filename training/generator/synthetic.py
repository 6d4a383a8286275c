"""Made-up people: textured built-in heads, seen by several cameras at the same moment, which footage rarely shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import FlameSequence, Head
from ...generator.conditioning import Conditioning
from ...renderer import Cameras
from ...renderer.cameras import pinhole
from ...renderer.cameras.paths import around, still
from .appearance import Appearance
from .examples import Example, ExampleOptions, FaceSquare, example_of

VIEWS = 3  # cameras of a person
SIDES = 25.0  # degrees to which they stand around


@dataclass(frozen=True)
class SyntheticPerson:
    """Somebody made up, by a number: who they look like, what stands behind them, and what they do."""

    number: int
    views: int = VIEWS

    dropped = 0  # frames, as of a clip

    @property
    def name(self) -> str:
        """Of the shard."""
        return f"synthetic_{self.number:04d}"

    @property
    def person(self) -> str:
        """Whose shard it is: nobody else's."""
        return self.name

    def content(self) -> str:
        """What the shard depends on besides its options."""
        return f"{self.number} {self.views}"

    def read(self, options: ExampleOptions) -> SyntheticPerson:
        """Itself: there is nothing to read."""
        return self

    def examples(self, options: ExampleOptions) -> Iterator[Example]:
        """Windows of all cameras, one for each thing that they do, as `Clip.examples`."""
        person, rng = Appearance.of(self.number), np.random.default_rng([self.number, 1])
        photo = pinhole(512, 512, fov=0.45, distance=0.85)
        for _ in range(options.sources):
            portrait = person.portrait(random_motion(person.head, person.shape, rng, 1), photo)
            square, pivot = FaceSquare(portrait, options), portrait.vertices()[0].mean(0)
            for _ in range(options.targets):
                motion = random_motion(person.head, person.shape, rng, options.frames)
                yaw = np.concatenate([[0.0], rng.uniform(-SIDES, SIDES, self.views - 1)])
                path = still(yaw.tolist(), (0.4 * rng.permutation(yaw)).tolist())
                yield self._example(person, square, motion, around(square.portrait.camera, pivot, path))

    def _example(self, person: Appearance, square: FaceSquare, motion: FlameSequence, cameras: Cameras) -> Example:
        """One window of all cameras."""
        parts, targets = [], []
        for view in range(self.views):
            camera = cameras.view(view)
            parts.append(square.conditioning(motion, camera))
            targets += [person.picture(motion[k : k + 1], camera)[0] for k in range(len(motion))]
        return example_of(Conditioning.concatenate(parts), targets)


def random_motion(head: Head, shape: Tensor, rng: np.random.Generator, frames: int) -> FlameSequence:
    """From one random pose of a face on to another, in so many frames."""
    draw = lambda size, spread: torch.from_numpy(rng.normal(0, spread, (size,)).astype(np.float32))  # noqa: E731
    ways = torch.linspace(0, 1, frames)[:, None] * min(1.0, frames / 8)

    def track(size: int, spread: float) -> Tensor:
        start, stop = draw(size, spread), draw(size, spread)
        return start + ways * (stop - start)

    jaw = torch.cat([track(1, 0.10).abs(), track(2, 0.01)], 1)
    neck = torch.cat([track(1, 0.12), track(1, 0.28), track(1, 0.08)], 1)
    none = torch.zeros(frames, 3)
    return FlameSequence(
        shape=shape, expression=track(head.expression.shape[-1], 0.35), rotation=none, neck=neck, jaw=jaw,
        eyes=track(2, 0.15).repeat(1, 3)[:, [0, 1, 2, 0, 1, 2]].reshape(frames, 2, 3) * torch.tensor([1.0, 1.0, 0.0]),
        eyelids=(track(2, 0.35).abs()).clamp(0, 1), translation=none, fps=25.0, head=head.id,
    )  # fmt: skip
