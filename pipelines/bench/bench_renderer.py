"""`flamecast bench renderer`: frames a second of rasterizing, of all maps, of the 3D-flow encoding, and of skinning."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.threads import one_torch_thread
from ...flame_motion import MissingAsset, load_head
from ...flame_motion.edit import demo_motion
from ...flame_motion.tracking.pinhole import FIELD_OF_VIEW
from ...generator.registry import check_rasterizer
from ...renderer import clip, flow_encoding, pinhole, rasterize, render_maps, stream_maps, surface_field
from ...renderer.maps.maps import KINDS
from ..doctor import cpu_count
from ..request import HEAD, RASTERIZER
from .bench_skinning import skinning_times

SIZE, FRAMES, CHUNK, ROUNDS = 512, 32, 8, 3
NEAR, FAR, SAMPLES, DELTA = 0.5, 1.3, 20, 0.01  # m, m, on each ray, m
DISTANCE = 0.9  # m


@one_torch_thread()
def measure_renderer(head: str = HEAD, rasterizer: str = RASTERIZER) -> dict[str, Any]:
    """Best of ROUNDS for each stage, on the demo motion at SIZE x SIZE px, single view.

    `*_fps` are frames a second; `*_floor_fps` is what writing the bytes of the result alone would allow, at the speed
    at which this machine fills fresh memory; skinning_ratio_smplx is None where smplx is not installed.
    """
    check_rasterizer(rasterizer)
    model, motion = load_head(head), demo_motion(head)
    motion = motion[20 : 20 + FRAMES]
    vertices, source = model(motion), model(motion[:1])[0]
    camera = pinhole(SIZE, SIZE, fov=FIELD_OF_VIEW, distance=DISTANCE)
    points = clip(camera, vertices)[0]
    chunks = list(vertices.split(CHUNK))

    def all_maps() -> None:
        for _ in stream_maps(
            chunks, model, camera, source_vertices=source, source_cameras=camera, rasterizer=rasterizer
        ):
            pass

    depth = render_maps(vertices[::4], model, camera, maps="depth").depth
    assert depth is not None

    def encoding() -> None:
        field = None
        for t, target in enumerate(vertices[::4]):
            field = surface_field(target, source, model.faces, like=field)
            flow_encoding(depth[:, t : t + 1], [field], camera, near=NEAR, far=FAR, samples=SAMPLES, delta=DELTA)

    pixels = SIZE * SIZE
    maps_bytes = pixels * sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in KINDS.values())
    encoding_bytes = pixels * 12 * SAMPLES
    try:
        ratio: float | None = round(skinning_times(frames=100).ratio, 2)
    except MissingAsset:
        ratio = None
    return {
        "rasterize_fps": _fps(lambda: rasterize(points, model.faces, SIZE, SIZE, rasterizer), FRAMES),
        "maps_fps": _fps(all_maps, FRAMES),
        "encoding_fps": _fps(encoding, len(vertices[::4])),
        "skinning_ratio_smplx": ratio,
        "maps_floor_fps": round(_fill_speed(CHUNK * maps_bytes) / maps_bytes, 1),
        "encoding_floor_fps": round(_fill_speed(encoding_bytes) / encoding_bytes, 1),
        "faces": len(model.faces),
        "size": SIZE,
        "covered": round(float((depth > 0).float().mean()), 3),
        "cores": cpu_count(),
        "rasterizer": rasterizer,
    }


def print_renderer_bench(head: str, rasterizer: str, *, as_json: bool) -> None:
    """Prints a table, or one JSON object."""
    found = measure_renderer(head, rasterizer)
    if as_json:
        print(json.dumps(found))
        return
    from rich.console import Console
    from rich.table import Table

    title = (
        f"{found['faces']} faces, {SIZE} x {SIZE} px, {100 * found['covered']:.0f} % covered, {found['cores']} cores"
    )
    table = Table(title=title)
    for heading in ("stage", "ms a frame", "frames a second", "writing its bytes alone"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, key, floor in (
        (f"rasterize ({rasterizer})", "rasterize_fps", None),
        ("all maps", "maps_fps", "maps_floor_fps"),
        (f"3D-flow encoding, {3 * SAMPLES} channels", "encoding_fps", "encoding_floor_fps"),
    ):
        table.add_row(
            stage, f"{1000 / found[key]:.2f}", f"{found[key]:.1f}", "" if floor is None else f"{found[floor]:.0f}"
        )
    ratio = found["skinning_ratio_smplx"]
    table.add_row("skinning, against smplx", "", "smplx is not installed" if ratio is None else f"{ratio:.1f} x", "")
    Console().print(table)


def _fps(run: Callable[[], object], frames: int) -> float:
    """Frames a second of the fastest of ROUNDS runs, after one that is not measured."""
    run()
    spent = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return round(frames / min(spent), 1)


def _fill_speed(size: int) -> float:
    """Bytes a second with which all cores together fill `size` bytes of fresh memory, as results are written."""
    from ...core.compiled import empty
    from ...core.parallel import cores, split

    def fill(start: int, stop: int, room: np.ndarray) -> None:
        room[start:stop] = 1

    spent = []
    for _ in range(2 * ROUNDS):
        room = empty((size,), np.uint8)
        start = time.perf_counter()
        split(fill, size, room, pieces=4 * cores())
        spent.append(time.perf_counter() - start)
    return size / min(spent)
