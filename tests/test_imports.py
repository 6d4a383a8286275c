"""The table of rooms, enforced on every import; and what a command that only prints help must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
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


def test_what_catches_everything_says_why():
    """A comment beside it; anything that is not raised again or told would be lost."""
    for path in FILES:
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ExceptHandler):
                named = ast.unparse(node.type) if node.type is not None else "BaseException"
                if {"Exception", "BaseException"} & set(named.strip("()").split(", ")):
                    assert "#" in lines[node.lineno - 1], (
                        f"{path}:{node.lineno}: except {named}: say why, or catch less"
                    )


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


Graph = dict[str, set[str]]  # which module imports which


def _imported_modules(name: str, source: str, is_package: bool, modules: Iterable[str]) -> set[str]:
    """What the module `name` imports of `modules`: anywhere in it, in functions and for type checkers too.

    An import of a.b.c runs the `__init__` of a and of a.b first, so it is an import of those too, but of those that
    the module itself lies in: they run already.
    """
    package = name.split(".") if is_package else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                whole = [*base, alias.name]
                target = whole if ".".join(whole) in modules else base
                found.add(".".join(target))
                above = (".".join(target[:size]) for size in range(1, len(target)))
                found |= {outer for outer in above if not f"{name}.".startswith(f"{outer}.")}
    return found & set(modules)


def _module_graph() -> Graph:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    return {
        name: _imported_modules(name, path.read_text(), path.name == "__init__.py", modules)
        for name, path in modules.items()
    }


def _circle(graph: Graph) -> list[str]:
    """A shortest way from a module over its imports back to it; empty where there is none."""
    for start in sorted(graph):
        ways = {start: [start]}
        pending = deque([start])
        while pending:
            at = pending.popleft()
            for needed in sorted(graph[at]):
                if needed == start:
                    return [*ways[at], start]
                if needed not in ways:
                    ways[needed] = [*ways[at], needed]
                    pending.append(needed)
    return []


def test_no_module_imports_itself_by_way_of_another():
    graph = _module_graph()
    assert "flame_motion.sequence" in graph["flame_motion.driven"]  # the walk sees what is there
    assert not (circle := _circle(graph)), f"a circle of imports: {' -> '.join(circle)}"


# The order inside flame_motion, lowest first: a module imports from its own layer and from those below it.
LAYERS = (
    ("media",),  # files to frames and samples, and back
    ("rotations", "channels", "windows", "signals"),  # what a motion is made of, and what drives it
    ("heads",),  # what channels move
    ("clip_checks", "smplx_parameters", "sequence", "packing", "driven"),  # a clip for one head
    ("retargeting",),  # clips carried over: to other heads, people, sides
    ("edit", "style"),  # clips changed by hand, or to move as somebody does
    ("formats", "tracking"),  # clips from other programs' files, and from pictures
    ("diffusion",),  # clips from noise: it knows tensors only
)


def test_the_order_inside_flame_motion():
    level = {part: height for height, parts in enumerate(LAYERS) for part in parts}
    inside = {name: needs for name, needs in _module_graph().items() if name.startswith("flame_motion.")}
    for name, needs in inside.items():
        assert "flame_motion" not in needs, f"{name} imports the room itself: name the module"
        part = name.split(".")[1]
        assert part in level, f"{name} is new: give it a layer"
        for needed in needs & inside.keys():
            assert level[needed.split(".")[1]] <= level[part], f"{name} imports {needed}, which stands above it"


@pytest.mark.parametrize(
    "name, source, expected",
    [
        ("a.b", "from . import c", {"a.c"}),
        ("a.b", "from .c import d", {"a.c"}),
        ("a.b", "def f():\n    from .c import d", {"a.c"}),
        ("a.b", "if TYPE_CHECKING:\n    from .c import d", {"a.c"}),
        ("a.b", "from .p.q import r", {"a.p", "a.p.q"}),  # what a.p's own file imports runs, too
        ("a.p.q", "from .s import r", {"a.p.s"}),  # a.p runs already
        ("a.p.q", "from . import name", {"a.p"}),  # but who wants a name of it waits for it
        ("a.b", "import a.c", set()),  # refused by the table of rooms
    ],
)
def test_the_walk_of_modules_sees_every_kind_of_import(name, source, expected):
    modules = ["a", "a.b", "a.c", "a.p", "a.p.q", "a.p.s"]
    assert _imported_modules(name, source, name in ("a", "a.p"), modules) == expected


def test_a_circle_is_found_by_its_shortest_way():
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "c", "a"]
    assert _circle({"a": {"a"}}) == ["a", "a"] and _circle({"a": {"b"}, "b": set()}) == []
