"""How loud a recording is: what is too quiet for the networks is raised for them, and said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...flame_motion import Waveform

_SILENT = -105.0  # dB below full scale: the last bit of 16 now and then
_QUIET = -45.0  # dB: the networks learnt from louder voices
_USUAL = -25.0  # dB: to which a quieter one is raised
_STEADY = 6.0  # dB between loud and quiet moments: less is a hum or a hiss, not a voice
_MOMENT = 0.02  # s
_CLICKS = 4  # of the loudest moments, which a click or two may fill


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
        powers = np.sort(np.square(moments).mean(1))
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
