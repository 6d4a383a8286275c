"""How loud a recording is: what is too quiet for the networks is raised for them, and said."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from ...flame_motion import Waveform

_SILENT = -105.0  # dB below full scale: the last bit of 16 now and then
_QUIET = -45.0  # dB: the networks learnt from louder voices
_USUAL = -25.0  # dB: to which a quieter one is raised
_STEADY = 6.0  # dB between loud and quiet moments: less is a hum or a hiss, not a voice
_MOMENT = 0.02  # s
_CLICKS = 4  # of the loudest moments, which a click or two may fill
_HEARD, _ENOUGH = 5.0, 1.0  # s of a coming sound that its level is that of, and from when on it has one
_RISE = 30.0  # dB/s by which a coming sound is raised; it is lowered at once


@dataclass(frozen=True)
class Level:
    """Of a sound: how loud its loud moments are, and what to do about it."""

    loud: float  # dB below full scale
    gain: float  # that the sound is heard with
    note: str | None  # what "the recording" is, where that matters

    @classmethod
    def of(cls, sound: Waveform) -> Level:
        """Measure a sound."""
        size = max(round(_MOMENT * sound.sample_rate), 1)
        samples = sound.samples - sound.samples.mean()  # some microphones add a constant
        moments = np.resize(samples, (-(-len(samples) // size), size)).astype(np.float64)
        return cls.of_moments(np.square(moments).mean(1))

    @classmethod
    def of_moments(cls, powers: np.ndarray) -> Level:  # [M]
        """By the mean squares of moments of `_MOMENT` s."""
        powers = np.sort(powers)
        # The loudest moments but for a click or two, so that one word in a minute of hiss is a voice.
        loud, quiet = (
            float(10 * np.log10(max(power, 1e-18)))
            for power in (powers[-min(_CLICKS + 1, len(powers))], powers[len(powers) // 10])
        )
        if loud >= _QUIET:
            return cls(loud, 1.0, None)
        if loud < _SILENT or loud - quiet < _STEADY:
            return cls(loud, 1.0, "is silent: the mouth stays shut")
        raised = _USUAL - loud
        return cls(
            loud, 10 ** (raised / 20), f"is very quiet ({loud:.0f} dB): the mouth hears it {raised:.0f} dB louder"
        )

    def amplified(self, sound: Waveform) -> Waveform:
        """The sound as the networks hear it."""
        return sound if self.gain == 1 else Waveform((sound.samples * self.gain).clip(-1, 1), sound.sample_rate)


class StreamLevel:
    """Raises a quiet voice as it comes, by the level of its last seconds; what is loud enough stays as it is."""

    def __init__(self, sample_rate: int) -> None:
        self._size = max(round(_MOMENT * sample_rate), 1)
        self._powers: deque[float] = deque(maxlen=round(_HEARD / _MOMENT))
        self._gain = 1.0

    def amplified(self, samples: np.ndarray) -> np.ndarray:  # [N]
        """The next samples as the networks hear them."""
        moments = np.split(samples, range(self._size, len(samples), self._size))
        return np.concatenate([self._moment(part) for part in moments])

    def _moment(self, samples: np.ndarray) -> np.ndarray:  # [n], at most a moment
        before, heard = self._gain, samples.astype(np.float64)
        self._powers.append(float(np.square(heard - heard.mean()).mean()) if len(heard) else 0.0)
        if len(self._powers) >= _ENOUGH / _MOMENT:
            level = Level.of_moments(np.array(self._powers))
            if level.gain != 1 or level.note is None:  # in a pause it stays
                self._gain = min(level.gain, before * 10 ** (_RISE * _MOMENT / 20))
        if self._gain == before == 1:
            return samples
        return (samples * np.linspace(before, self._gain, len(samples))).clip(-1, 1).astype(np.float32)
