"""The page of `flamecast evaluate generator`: the table, pictures side by side, and videos."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from ...core.files import atomic_path

HIGHER_IS_BETTER = {"psnr", "ssim", "identity"}  # of all other measures, lower
COLUMNS = "photo, network, warp, truth"
STYLE = (
    "body{font:16px sans-serif;margin:2em}td,th{padding:.2em .6em;text-align:right}.best{font-weight:bold}"
    "img,video{max-width:100%}figure{margin:1em 0}"
)


def write_page(folder: Path, result: dict[str, Any], rows: list[str], shown: list[Tensor], frames: int) -> None:
    """Writes index.html, report.json, a sheet of each window and, where it has several frames, a video of it.

    rows: the names in `result` of what is compared; shown: windows [V T, 4, 3, S, S] 0..1, by `COLUMNS`.
    """
    from ...training.generator.samples import tiled, write_window

    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    for k, window in enumerate(shown):
        cv2.imwrite(str(folder / f"{k:03d}.png"), tiled(window[::frames])[..., ::-1])
        part = f'<img src="{k:03d}.png" loading="lazy" alt="{COLUMNS}">'
        if frames > 1:
            write_window(folder / f"{k:03d}.mp4", window, frames)
            part += f'<video src="{k:03d}.mp4" controls loop muted></video>'
        figures.append(f"<figure>{part}<figcaption>{COLUMNS}</figcaption></figure>")
    text = (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>flamecast evaluate generator</title><style>{STYLE}</style><h1>{html.escape(result['weights'])}</h1>"
        f"{_table(result, rows)}{''.join(figures)}"
    )
    for name, content in (("index.html", text), ("report.json", json.dumps(result, indent=1))):
        with atomic_path(folder / name) as file:
            Path(file).write_text(content, encoding="utf-8")


def _table(result: dict[str, Any], rows: list[str]) -> str:
    """Every measure of every row, the best of each bold."""
    measures = dict.fromkeys(name for row in rows for name in result[row])
    lines = []
    for row in rows:
        cells = "".join(_cell(result, rows, row, measure) for measure in measures)
        lines.append(f"<tr><th>{row}</th>{cells}</tr>")
    heads = "".join(f"<th>{measure}</th>" for measure in measures)
    return f"<table><tr><th></th>{heads}</tr>{''.join(lines)}</table>"


def _cell(result: dict[str, Any], rows: list[str], row: str, measure: str) -> str:
    """One measure of one row."""
    best = max if measure in HIGHER_IS_BETTER else min
    chosen = best(rows, key=lambda other: result[other].get(measure, np.nan)) == row
    return f"<td{' class=best' * chosen}>{result[row].get(measure, '')}</td>"
