"""Windows of head motion to train on: packed motion beside sound tokens, from tracked clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from ...drivers.speech.audio_features import PER_FRAME
from ...drivers.speech.head_motion import WINDOW_FRAMES, HeadMotionChannels, sound_tokens
from ...flame_motion import FlameSequence
from ...flame_motion.retargeting.mirror import mirrored

MIN_BLINK = 0.2  # closure that tracking sees of a blink, at least


def restore_blinks(lids: Tensor) -> Tensor:
    """Lids [T, 2] of a tracked clip with blinks that close: tracking sees about a third of them, depending on the face.

    The widest closure becomes 0.95, and what is below a fifth of it an open eye. A clip that never reaches `MIN_BLINK`
    has no blink and stays as it is.
    """
    widest = lids.mean(1).max()
    if widest < MIN_BLINK:
        return lids
    return ((lids - 0.2 * widest) / (0.8 * widest)).clamp(0, 1) * 0.95


def head_motion_windows(
    motion: FlameSequence, features: Tensor, channels: HeadMotionChannels, hop: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens [S, C] and packed motion [T, D] in half precision of windows `hop` frames apart, also mirrored.

    features: audio features [2 T, C] of the whole clip.
    """
    whole = replace(motion, eyelids=restore_blinks(motion.eyelids))
    for clip in (whole, mirrored(whole)):
        packed = channels.pack(clip)
        frames = min(len(packed), len(features) // 2)
        for index, start in enumerate(range(0, max(frames - WINDOW_FRAMES // 2, 1), hop)):
            stop = min(start + WINDOW_FRAMES, frames)
            tokens = sound_tokens(features[PER_FRAME * start : PER_FRAME * stop])
            # Every third window does not know the end of its sound, as in a stream.
            known = len(tokens) if index % 3 else max(len(tokens) * (1 + index % 4) // 4, 1)
            yield tokens[:known].half(), packed[start:stop].half()
