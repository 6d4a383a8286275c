"""Poses a portrait by a driver frame by frame, without a jump where the driver or its rest changes."""

from __future__ import annotations

import numpy as np

from ...core.easing import smoothstep
from ...core.threads import one_torch_thread
from ...flame_motion import Driven, FlameSequence
from ...flame_motion.retargeting.retarget import head_of
from ...flame_motion.retargeting.transfer import strengthened
from ..request import Transfer
from ..stages import retargeted, transferred

FADE = 0.3  # s in which the portrait changes to another rest, or to its own when no face is seen
PATIENCE = 0.5  # s that the last pose is held while no face is seen


class Poser:
    """Poses a portrait relative to a driver's rest; `transfer` may be changed while it runs."""

    def __init__(self, source: FlameSequence, transfer: Transfer = Transfer()) -> None:  # noqa: B008  (frozen)
        """source: the portrait's own pose, one frame."""
        self.source, self.transfer = source, transfer
        self._head = head_of(source)
        self._shown = self._from = source  # the pose shown last, and the one that a change began with
        self._toward: FlameSequence | None = None  # the driver's rest; None: the portrait keeps its own pose
        self._changed, self._seen = float("-inf"), float("-inf")

    @one_torch_thread()
    def __call__(
        self, motion: FlameSequence | None, rest: FlameSequence | None, at: float, *, found: bool = True,
        speaks: bool = False, recorded: bool = True,
    ) -> FlameSequence:  # fmt: skip
        """The portrait's pose, one frame, for a driver's at `at` s; without a rest it is that of the photo.

        found: the driver was seen just now; speaks: the motion's lips meet as speech has them; recorded: a motion that
        does not speak was seen in pictures (see `Driven.recorded`).
        """
        self._seen = at if found else self._seen
        if motion is None or at - self._seen > PATIENCE:
            rest = None
        if rest is not self._toward:
            self._toward, self._from, self._changed = rest, self._shown, at
        target = (
            self.source
            if rest is None or motion is None
            else self._driven(motion, rest, speaks, recorded and not speaks)
        )
        share = float(smoothstep(np.array((at - self._changed) / FADE)))
        self._shown = target if share >= 1 else strengthened(self._from, target, share)
        return self._shown

    def _driven(self, motion: FlameSequence, rest: FlameSequence, speaks: bool, recorded: bool) -> FlameSequence:
        driven = Driven(motion, rest=rest, lips_meet=speaks, recorded=recorded)
        driven = retargeted(driven, self._head, self.source.shape)
        return transferred(self.source, driven, self.transfer, driven.rest)
