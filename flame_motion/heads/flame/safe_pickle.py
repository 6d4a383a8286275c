"""Reading model files that were pickled, without running anything in them.

A pickle is a program: it names functions and calls them. Here every name it may use (those numpy, scipy.sparse and
chumpy write) stands for a `Record`, an object that keeps what it was called with and does nothing; any other name ends
the reading. Plain numpy arrays are then made from the records' bytes.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import IO, Any

import numpy as np

from ....core.errors import BadInput

# What each allowed name is: the module paths of Python 2 and 3, numpy 1 and 2, old and new scipy.
KINDS = {
    "array": r"numpy\.(_?core)\.multiarray\._reconstruct",
    "buffer": r"numpy\.(_?core)\.numeric\._frombuffer",
    "scalar": r"numpy\.(_?core)\.multiarray\.scalar",
    "ndarray": r"numpy\.ndarray",
    "dtype": r"numpy\.dtype",
    "sparse": r"scipy\.sparse\.(_?(csc|csr|coo)\.)?(csc|csr|coo)_(matrix|array)",
    "chumpy": r"chumpy(\.\w+)*",
    "instance": r"(copy_reg|copyreg)\._reconstructor",
    "object": r"(__builtin__|builtins)\.object",
    "set": r"(__builtin__|builtins)\.(set|frozenset)",
    "bytes": r"_codecs\.encode|(__builtin__|builtins)\.bytes",
}
DTYPE = re.compile(r"[<>=|]?([fiu])([1248])")


class Record:
    """A call or an instance that the pickle asked for: its arguments and its state, nothing else."""

    kind = ""
    name = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Record:
        """Keep the arguments, however the pickle builds the object."""
        record = super().__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state


class _Reader(pickle.Unpickler):
    """An unpickler for which every allowed name is a fresh `Record` class and every other name an error."""

    def find_class(self, module: str, name: str) -> type[Record]:
        """The only way a pickle reaches Python objects."""
        full = f"{module}.{name}"
        for kind, pattern in KINDS.items():
            if re.fullmatch(pattern, full):
                return type(kind, (Record,), {"kind": kind, "name": name})
        raise BadInput(f"it asks for {full}, which a head model has no use for; nothing in it was run")


def read_pickle(path: Path) -> dict[str, Any]:
    """The dict in a model file, its arrays as `Record`s for `as_array`. BadInput for anything else; nothing is run."""
    with path.open("rb") as file:
        content = _read(path, file)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise BadInput(f"{path}: expected a pickled dict of named arrays, got {type(content).__name__}")
    return content


def _read(path: Path, file: IO[bytes]) -> Any:
    try:
        return _Reader(file, encoding="latin1").load()
    except BadInput as error:
        raise BadInput(f"{path}: refused: {error}") from error
    except Exception as error:  # a damaged pickle can fail in any opcode
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadInput(f"{path}: expected a pickled model file, and it cannot be read as one ({reason})") from error


def as_array(value: Any, name: str) -> np.ndarray:
    """A numeric array from what the pickle recorded (numpy, chumpy or scipy.sparse, which becomes dense)."""
    try:
        return _array(value, 0)
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from error
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, MemoryError, OverflowError) as error:
        raise BadInput(f"{name}: its array is damaged ({error or type(error).__name__})") from error


def _array(value: Any, depth: int) -> np.ndarray:
    """Dense array of a Record; `depth` ends chumpy objects that hold themselves."""
    if not isinstance(value, Record) or depth > 4:
        raise BadInput(f"expected an array, got {type(value).__name__}")
    made = value.args[0] if value.kind == "instance" and value.args else value
    kind, name = made.kind, made.name
    if kind == "array":
        shape, dtype, fortran, raw = value.state[-4:]
        return _shaped(raw, dtype, shape, "F" if fortran else "C")
    if kind == "buffer":
        raw, dtype, shape, order = value.args
        return _shaped(raw, dtype, shape, order)
    if kind == "chumpy":
        return _array(value.state["x"], depth + 1)
    if kind == "sparse":
        return _dense({key: _entry(entry, depth) for key, entry in value.state.items()}, name[:3])
    raise BadInput(f"expected an array, got {kind}")


def _entry(value: Any, depth: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_entry(part, depth) for part in value)
    return _array(value, depth + 1) if isinstance(value, Record) and value.kind in ("array", "buffer") else value


def _shaped(raw: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """Numbers from bytes; anything but plain floats and integers is refused."""
    if isinstance(raw, Record) and raw.kind == "bytes":
        raw = raw.args[0] if raw.args else b""
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, (bytes, bytearray)):
        raise BadInput("holds Python objects, not numbers")
    return np.frombuffer(bytes(data), _dtype(dtype)).reshape(tuple(shape), order="F" if order == "F" else "C")


def _dtype(record: Any) -> np.dtype:
    spelled = record.args[0] if isinstance(record, Record) and record.kind == "dtype" else None
    match = DTYPE.fullmatch(spelled) if isinstance(spelled, str) else None
    if match is None:
        raise BadInput(f"expected floats or integers, got {spelled!r}")
    order = record.state[1] if record.state else "="
    return np.dtype((order if order in ("<", ">") else "=") + match[1] + match[2])


def _dense(state: dict[str, Any], layout: str) -> np.ndarray:
    """A scipy.sparse matrix (csc, csr or coo) from its recorded attributes."""
    rows, columns = (int(n) for n in (state["_shape"] if "_shape" in state else state["shape"]))
    data = state["data"]
    if rows * columns > 10**8 or min(rows, columns) < 0:
        raise BadInput(f"a sparse matrix of {rows} x {columns} is no joint regressor")
    dense = np.zeros((rows, columns), np.float64)
    if layout == "coo":
        row, column = (state["row"], state["col"]) if "row" in state else state["coords"]
    else:
        counts = np.diff(state["indptr"])
        major = np.repeat(np.arange(len(counts)), counts)
        row, column = (state["indices"], major) if layout == "csc" else (major, state["indices"])
    np.add.at(dense, (row, column), data)
    return dense
