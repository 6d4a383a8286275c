"""What natural idle motion measures, out of tracked clips.

`python -m flamecast.training.text.corpus.measure FILES -o idle.json`

FILES are motions (.npz) that `flamecast motion --video` made of real clips. Each clip counts once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ....flame_motion import FlameSequence

FPS = 25.0
BANDS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # Hz
QUANTILES = (10, 25, 50, 75, 90)


def measure(files: list[Path]) -> dict[str, Any]:
    """Statistics over clips: angles in degrees, shifts in mm, lids 0..1, seconds."""
    clips = [FlameSequence.load(file).resample(FPS) for file in files]
    clips = [clip for clip in clips if clip.duration >= 2.5]
    tracks = [_tracks(clip) for clip in clips]
    result: dict[str, Any] = {
        "source": f"{len(clips)} tracked clips of shared/data (clips, talk), {sum(c.duration for c in clips):.0f} s",
        "fps": FPS,
        "bands_hz": list(BANDS),
    }
    for name in ("yaw", "pitch", "roll", "x", "y", "z", "gazeYaw", "gazePitch"):
        result[name] = _drift([track[name] for track in tracks])
    result["correlation"] = _rounded(
        np.median([np.corrcoef([t[n] for n in ("yaw", "pitch", "roll", "x")]) for t in tracks], 0)
    )
    result["blinks"] = _blinks([clip.eyelids.numpy() for clip in clips])
    result["saccades"] = _saccades(tracks)
    jerks = [np.diff(clip.expression.numpy(), 3, axis=0) * FPS**3 for clip in clips]
    result["expression_jerk_rms"] = _rounded(np.percentile([np.sqrt((j**2).mean()) for j in jerks], (50, 90)))
    return result


def _tracks(clip: FlameSequence) -> dict[str, np.ndarray]:
    """Degrees and mm [T] by name."""
    neck, eyes = np.degrees(clip.neck.numpy()), np.degrees(clip.eyes.numpy().mean(1))
    shift = 1000 * clip.translation.numpy()
    return {
        "pitch": neck[:, 0], "yaw": neck[:, 1], "roll": neck[:, 2], "gazePitch": eyes[:, 0], "gazeYaw": eyes[:, 1],
        "x": shift[:, 0], "y": shift[:, 1], "z": shift[:, 2],
    }  # fmt: skip


def _drift(tracks: list[np.ndarray]) -> dict[str, Any]:
    """Spread and speed (quartiles over clips), jerk (50th and 90th percentile), and share of power by band."""
    powers = []
    for track in tracks:
        hertz = np.fft.rfftfreq(len(track), 1 / FPS)
        power = np.abs(np.fft.rfft((track - track.mean()) * np.hanning(len(track)))) ** 2
        bins = [power[(hertz > low) & (hertz <= high)].sum() for low, high in zip(BANDS, BANDS[1:])]
        powers.append(np.array(bins) / max(sum(bins), 1e-12))
    jerk = [np.sqrt((np.diff(track, 3) ** 2).mean()) * FPS**3 for track in tracks]
    return {
        "std": _rounded(np.percentile([np.std(track) for track in tracks], (25, 50, 75))),
        "speed_rms": _rounded(
            np.percentile([np.sqrt((np.diff(track) ** 2).mean()) * FPS for track in tracks], (25, 50, 75))
        ),
        "jerk_rms": _rounded(np.percentile(jerk, (50, 90))),
        "power": _rounded(np.mean(powers, 0)),
    }


def _blinks(lids: list[np.ndarray]) -> dict[str, Any]:
    """Rate a minute, and seconds between, length at half height and closure of blinks; lids [T, 2] each."""
    counts, times, gaps, lengths, depths = 0, 0.0, [], [], []
    for pair in lids:
        both = pair.mean(1) - np.percentile(pair.mean(1), 30)
        shut = np.flatnonzero(np.diff(np.r_[0, both > 0.35, 0].astype(int)))
        runs = [(a, b) for a, b in zip(shut[::2], shut[1::2]) if b - a <= 12]
        counts, times = counts + len(runs), times + len(pair) / FPS
        gaps += list(np.diff([a for a, _ in runs]) / FPS)
        lengths += [(b - a) / FPS for a, b in runs]
        depths += [float(both[a:b].max()) for a, b in runs]
    return {
        "per_minute": round(60 * counts / times, 1),
        "gap_s": _quantiles(gaps), "length_s": _quantiles(lengths), "depth": _quantiles(depths),
    }  # fmt: skip


def _saccades(tracks: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Jumps of gaze against the head of more than 2.5 degrees within three frames: how many a second, how far."""
    counts, times, sizes = 0, 0.0, []
    for track in tracks:
        step = np.hypot(*(track[name][3:] - track[name][:-3] for name in ("gazeYaw", "gazePitch")))
        peaks = [
            k for k in range(1, len(step) - 1) if step[k] > 2.5 and step[k] >= step[k - 1] and step[k] > step[k + 1]
        ]
        counts, times = counts + len(peaks), times + len(step) / FPS
        sizes += [float(step[k]) for k in peaks]
    return {"per_second": round(counts / times, 2), "degrees": _quantiles(sizes)}


def _quantiles(values: list[float]) -> list[float]:
    return _rounded(np.percentile(values, QUANTILES)) if values else []


def _rounded(values: np.ndarray) -> list[Any]:
    """Three significant digits, as lists."""
    return json.loads(json.dumps(np.asarray(values).tolist()), parse_float=lambda text: float(f"{float(text):.3g}"))


def main() -> None:
    """Writes the statistics of some motion files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.write_text(json.dumps(measure(given.files), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
