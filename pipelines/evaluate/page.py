"""Pages of evaluations: one HTML file with its tables, curves, pictures and videos inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ...core.files import PathLike, atomic_path
from ...core.report import check_file
from .measures import MEASURES, Row, explained, lines_of, shown

STYLE = (
    "body{font:16px/1.4 sans-serif;margin:2em;max-width:110em}table{border-collapse:collapse}"
    "td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd}.words{text-align:left;font-weight:normal}"
    ".best{font-weight:bold}img,video,svg{max-width:100%}figure{margin:1em 0}small,figcaption{color:#555}"
)
COLORS = ("#888", "#d62728", "#1f77b4", "#2ca02c")  # of curves, the truth's first


def check_page(page: PathLike | None) -> None:
    """BadInput unless the page, if one is wanted, is an .html that can be written."""
    if page is not None:
        check_file(Path(page), ".html")


def write_page(page: PathLike, title: str, parts: Iterable[str]) -> None:
    """Writes a page of parts as the functions below make them."""
    head = "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    name = html.escape(title)
    with atomic_path(Path(page)) as file:
        with Path(file).open("w", encoding="utf-8") as out:
            out.write(f"{head}<title>{name}</title><style>{STYLE}</style><h1>{name}</h1>")
            out.writelines(parts)


def heading(text: str) -> str:
    """The title of a section."""
    return f"<h2>{html.escape(text)}</h2>"


def notes(sentences: Sequence[str]) -> str:
    """What the reader should know; nothing where there is nothing."""
    return "".join(f"<p>Note: {html.escape(sentence)}.</p>" for sentence in sentences)


def table(rows: Mapping[str, Row]) -> str:
    """A line a measure, a column a row, the best of each bold; what the measures are stands behind them."""
    heads = "".join(f"<th>{html.escape(row)}</th>" for row in rows)
    lines = []
    for line in lines_of(rows):
        one = MEASURES[line.measure]
        cells = "".join(f"<td{' class=best' * (line.best == row)}>{shown(v)}</td>" for row, v in line.values.items())
        words = f"<td class=words>{html.escape(one.unit)}</td><td class=words>{one.direction}</td>"
        name = f"<th class=words title='{html.escape(one.about, True)}'>{html.escape(line.measure)}</th>"
        lines.append(f"<tr><th class=words>{html.escape(line.section)}</th>{name}{cells}{words}</tr>")
    meant = "".join(
        f"<li><b>{html.escape(name)}</b>: {html.escape(what)}</li>" for name, what in explained(rows).items()
    )
    legend = f"<details><summary>What the figures are</summary><ul>{meant}</ul></details>"
    return f"<table><tr><th></th><th></th>{heads}<th></th><th></th></tr>{''.join(lines)}</table>{legend}"


def picture(image: np.ndarray, caption: str) -> str:
    """A picture [H, W, 3] uint8 and what it shows."""
    coded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    source = _inside("image/jpeg", coded.tobytes())
    text = html.escape(caption, True)
    return f'<figure><img src="{source}" loading="lazy" alt="{text}"><figcaption>{text}</figcaption></figure>'


def video(file: Path) -> str:
    """A video file (.mp4), without sound."""
    return f'<video src="{_inside("video/mp4", file.read_bytes())}" controls loop muted></video>'


def curves(tracks: Mapping[str, np.ndarray], fps: float, marked: np.ndarray | None = None) -> str:
    """Tracks [T] over time, gaps where they are NaN; marked: frames [T] bool whose background is grey."""
    width, height = 1000, 160
    frames = max(len(track) for track in tracks.values())
    top = max(float(np.nanmax(track, initial=0.0)) for track in tracks.values()) or 1.0
    across = width / max(frames - 1, 1)
    parts = []
    for start, stop in runs(marked) if marked is not None else ():
        parts.append(
            f'<rect x="{start * across:.1f}" width="{(stop - start) * across:.1f}" height="{height}" fill="#eee"/>'
        )
    for track, color in zip(tracks.values(), COLORS):
        for start, stop in runs(np.isfinite(track)):
            points = " ".join(f"{k * across:.1f},{height * (1 - track[k] / top):.1f}" for k in range(start, stop))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
    names = ", ".join(f'<b style="color:{color}">{html.escape(name)}</b>' for name, color in zip(tracks, COLORS))
    caption = f"{names}; 0 to {100 * top:.1f} % of the eyes' distance over {frames / fps:.2f} s"
    drawing = f'<svg viewBox="0 -4 {width} {height + 8}" role="img">{"".join(parts)}</svg>'
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Where a mask [T] is true without a break: first, and one after the last."""
    edges = np.flatnonzero(np.diff(np.r_[0, mask.astype(int), 0]))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _inside(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
