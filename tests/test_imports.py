"""The table of rooms, enforced on every import; and what a command that only prints help must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "configs": {"core"},
    "flame_motion": {"core"},
    "renderer": {"core"},
    "drivers": {"core", "flame_motion"},
    "generator": {"core", "flame_motion", "renderer"},
    "training": {"core", "configs", "drivers", "flame_motion", "generator", "renderer"},
    "pipelines": {"core", "configs", "drivers", "flame_motion", "generator", "renderer", "training"},
}
FILES = sorted(path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))
HEAVY = "torch numba mediapipe av cv2 jax numpy scipy skimage PIL omegaconf".split()


def _imported_rooms(tree: ast.AST, path: Path) -> list[tuple[int, str, bool]]:
    """(line, room, whether relatively) for every import of one of our rooms, in functions too."""
    package = path.relative_to(ROOT).parts[:-1]  # ("generator", "warp") for generator/warp/fill.py
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(alias.name.split("."), False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [((node.module or "").split("."), False)]
            if node.module == "flamecast":
                names = [(["flamecast", alias.name], False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(("flamecast", *package)[: 1 + len(package) - (node.level - 1)])
            tails = [node.module.split(".")] if node.module else [[alias.name] for alias in node.names]
            names = [(base + tail, True) for tail in tails]
        else:
            continue
        for parts, relative in names:
            parts = parts[1:] if parts[0] == "flamecast" else parts
            if parts and parts[0] in MAY_IMPORT:
                found.append((node.lineno, parts[0], relative))
    return found


def test_there_is_something_to_check():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_what_the_table_allows(path):
    room = path.relative_to(ROOT).parts[0]
    for line, imported, relative in _imported_rooms(ast.parse(path.read_text()), path):
        assert relative, f"{path}:{line} imports {imported} by name; write it relatively, or a second copy is loaded"
        assert imported == room or imported in MAY_IMPORT[room], f"{path}:{line}: {room} must not import {imported}"


@pytest.mark.parametrize(
    "source, expected",
    [
        ("from ..flame_motion import FlameSequence", [(1, "flame_motion", True)]),
        ("from .. import renderer", [(1, "renderer", True)]),
        ("from . import media", [(1, "drivers", True)]),
        ("import renderer.flow", [(1, "renderer", False)]),
        ("from flamecast.pipelines import media", [(1, "pipelines", False)]),
        ("def f():\n    from ..configs import load", [(2, "configs", True)]),
        ("import numpy", []),
    ],
)
def test_the_walk_sees_every_kind_of_import(source, expected):
    assert _imported_rooms(ast.parse(source), ROOT / "drivers" / "video.py") == expected


def _loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["animate", "--help"], ["doctor", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "from flamecast.pipelines.cli import main\n"
        f"sys.argv = ['flamecast', *{arguments!r}]\n"
        "try: main()\nexcept SystemExit as end: assert not end.code"
    )
    assert not _loaded_after(code) & set(HEAVY)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_importing_a_room_starts_no_heavy_optional_thing(room):
    assert not _loaded_after(f"import flamecast.{room}") & {"mediapipe", "cv2", "jax", "smplx", "av"}


def _module_graph() -> dict[str, set[str]]:
    """Which of our modules imports which, in functions too; what only a type checker imports does not count."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        pending = list(ast.parse(path.read_text()).body)
        while pending:
            node = pending.pop()
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            pending.extend(ast.iter_child_nodes(node))
            if isinstance(node, ast.ImportFrom) and node.level:
                base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
                for alias in node.names:
                    whole = ".".join([*base, alias.name])
                    graph[name].add(whole if whole in modules else ".".join(base))
    return graph


def test_no_module_imports_itself_by_way_of_another():
    graph = _module_graph()
    assert "flame_motion.sequence" in graph["flame_motion.driven"]  # the walk sees what is there
    while leaves := [name for name, needs in graph.items() if not needs - {name}]:
        for leaf in leaves:
            del graph[leaf]
        for needs in graph.values():
            needs.difference_update(leaves)
    assert not graph, f"a circle goes through some of {sorted(graph)}"
