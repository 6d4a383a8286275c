"""`flamecast bench live`: plays a video at its own pace and receives and decodes the pictures as a page does."""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...flame_motion import BadInput, VideoClip, load_head
from ..doctor import cpu_count

WARM = 5.0  # s not measured: the calibration, and what is done once
COMPARED = 10.0  # s of the clip that both trackers are compared on


@dataclass(frozen=True)
class Watched:
    """What one page received."""

    seconds: float
    shown: int
    latency: list[float]  # s, twice a second the median of the last five: from a frame's due time to its being decoded
    dropped: int
    fed: int
    memory: list[tuple[float, float]]  # (s, MB of the program's processes)


def watch(photo: str, video: Path, *, size: int, seconds: float) -> Watched:
    """Runs `flamecast live` beside this process and watches it. Latency counts the decoding of each picture."""
    from PIL import Image
    from websockets.sync.client import connect

    from ..live.protocol import ANSWER

    command = [sys.executable, "-c", "from flamecast.pipelines.cli import main; main()", "live", photo]
    command += ["--video", str(video), "--loop", "--port", "0", "--size", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            line = program.stdout.readline()
            if "http" not in line:
                raise BadInput("flamecast live did not start; its own message above says why")
            address = line.split()[2].rstrip(".").replace("http", "ws") + "/ws"
            shown, latency, memory, last = 0, [], [], {}  # type: ignore[var-annotated]
            with connect(address, max_size=None) as page:
                start = time.perf_counter()
                while (now := time.perf_counter() - start) < WARM + seconds:
                    message = page.recv(timeout=60)
                    if isinstance(message, str):
                        numbers = json.loads(message)
                        if numbers["type"] == "numbers" and now > WARM:
                            last = {"first": numbers, **last, "last": numbers}
                            latency += [] if numbers["latency_ms"] is None else [numbers["latency_ms"] / 1000]
                            memory.append((now, _memory(program.pid)))
                        continue
                    number = ANSWER.unpack_from(message)[0]
                    with Image.open(io.BytesIO(message[ANSWER.size :])) as picture:
                        picture.load()
                    page.send(json.dumps({"type": "shown", "number": number}))
                    shown += now > WARM
        finally:
            program.terminate()
    counted = {key: last["last"][key] - last["first"][key] for key in ("dropped", "fed")}
    return Watched(seconds, shown, latency, counted["dropped"], counted["fed"], memory)


def _memory(process: int) -> float:
    """MB in memory of a process and its children; 0 where the system does not say."""
    total = 0
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for one in (str(process), *children):
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0.0
    return total / 1e6


def landmark_errors(video: Path) -> tuple[float, float]:
    """Mean landmark error, % of the inter-ocular distance: of live tracking, and of tracking with look-ahead."""
    from ...drivers.video import VideoDriver
    from ...flame_motion.tracking.causal import CausalTracker
    from ...flame_motion.tracking.detector import MediaPipeDetector

    clip, detector = VideoClip.open(video).first(COMPARED), MediaPipeDetector()
    tracker, errors = CausalTracker(load_head(), detector, fps=clip.fps), []
    for number, image in enumerate(clip):
        tracker.feed(image, number / clip.fps)
        errors.append(tracker.error())
    offline = VideoDriver(detector=detector).track(clip).error
    return float(np.nanmean(errors)), float(np.nanmean(offline))


def print_live_bench(photo: str, *, video: Path | None, size: int, seconds: float, as_json: bool) -> None:
    """Prints the table, or the same as one JSON object. BadInput without a video."""
    if video is None:
        raise BadInput("bench live: expected --video, a clip of a face")
    seen = watch(photo, video, size=size, seconds=seconds)
    causal, offline = landmark_errors(video)
    tenth = max(len(seen.memory) // 10, 1)
    early, late = (statistics.median(mb for _, mb in part) for part in (seen.memory[:tenth], seen.memory[-tenth:]))
    rows: dict[str, Any] = {
        "frames a second": round(seen.shown / seen.seconds, 1),
        "latency, median ms": round(1000 * statistics.median(seen.latency), 1),
        "dropped": f"{seen.dropped} of {seen.fed}",
        "memory MB, first and last tenth": [round(early), round(late)],
        "landmarks off, %": round(causal, 3),
        "with look-ahead, %": round(offline, 3),
    }
    if as_json:
        print(json.dumps({"size": size, "seconds": seconds, "cores": cpu_count(), **rows}))
        return
    print(f"live at {size} px for {seconds:g} s on {cpu_count()} cores")
    for name, value in rows.items():
        print(f"{name:32} {value if not isinstance(value, list) else ' '.join(map(str, value))}")
