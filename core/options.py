"""Options as fields of frozen dataclasses: help, unit, range and default stand in the field, and nowhere else.

    @dataclass(frozen=True)
    class SpeechOptions:
        lips: float = option(1.0, minimum=0, maximum=2, help="How far the mouth opens.")

The command line, the HTTP form, the page, batches, presets and the report are made from such fields. Light to import:
a command that only prints its help imports this.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from .errors import BadInput
from .values import coerce, parse_text, type_name

_KEY, _PART = "option", "part"


@dataclass(frozen=True)
class Option:
    """One option: what a field says of itself. `name` and `default` are filled in from the field."""

    help: str
    type: Any = None  # float, str | None, …; the field's annotation where None; Path: a file, or the object itself
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None  # what a number must exceed
    choices: tuple[str, ...] = ()
    checked: bool = True  # False: in Python, anything may stand for it
    repeated: str | None = None  # may be given several times on a command line; joined by this into one text
    name: str = ""
    default: Any = None

    @property
    def is_file(self) -> bool:
        """Whether a file, or what is in one, is given."""
        return self.type is Path

    @property
    def plain_type(self) -> type:
        """str, int, float, bool or Path: `float` for `float | None`."""
        if isinstance(self.type, type):
            return self.type
        return next(part for part in self.type.__args__ if part is not type(None))

    def check(self, value: Any) -> Any:
        """The value as the option's type wants it. BadInput, by name, for another type or one out of range."""
        if self.is_file or not self.checked:
            return value
        try:
            value = coerce(value, self.type)
        except TypeError:
            raise BadInput(f"{self.name} must be {type_name(self.type)}, got {value!r}") from None
        if self.choices and value is not None and value not in self.choices:
            raise BadInput(f"{self.name} must be {' or '.join(self.choices)}, got {value!r}")
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not self._is_within(value):
            raise BadInput(
                f"{self.name} must be {self.range_text}, got {value if isinstance(value, int) else f'{value:g}'}"
            )
        return value

    def parse(self, text: str) -> Any:
        """A text of a form as the option's value, not yet held against its range. BadInput."""
        try:
            return parse_text(text, self.plain_type)
        except (ValueError, OverflowError):
            wanted = {int: "a whole number", float: "a number", bool: "true or false"}[self.plain_type]
            raise BadInput(f"{self.name} must be {wanted}, got {text[:60]!r}") from None

    def _is_within(self, value: float) -> bool:
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        bounded = (self.minimum, self.maximum, self.above) != (None, None, None)
        return not bounded or (low <= value <= high and (self.above is None or self.above < value < math.inf))

    @property
    def range_text(self) -> str:
        """The range in words: `64 to 4096 px`; nothing where there is none."""
        unit = f" {self.unit}" if self.unit else ""
        if self.above is not None:
            return f"a number above {self.above:g}" + ("" if self.maximum is None else f" and at most {self.maximum:g}")
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum} to {self.maximum}{unit}"
        if self.maximum is not None:
            return f"at most {self.maximum}{unit}"
        return "" if self.minimum is None else f"{self.minimum}{unit} or more"

    @property
    def help_text(self) -> str:
        """The help with unit and range, as the command line and forms show it."""
        if self.above is not None:
            known = self.unit if self.maximum is None else f"at most {self.maximum:g} {self.unit}".rstrip()
        else:
            known = self.range_text or self.unit
        return f"{self.help.removesuffix('.')} ({known})." if known else self.help


def option(default: Any, help: str, **facts: Any) -> Any:
    """A dataclass field that is an option; facts: those of `Option`."""
    return dataclasses.field(default=default, metadata={_KEY: Option(help, **facts)})


def part(kind: type) -> Any:
    """A dataclass field that holds options of its own: another such dataclass."""
    return dataclasses.field(default_factory=kind, metadata={_PART: kind})


def same(kind: Callable[..., Any], name: str, **changed: Any) -> Any:
    """A dataclass field that is the option `name` of another dataclass; changed: facts that are this one's own."""
    found = dataclasses.replace(options_of(kind)[name], **changed)
    return dataclasses.field(default=found.default, metadata={_KEY: found})


def options_of(kind: Callable[..., Any]) -> dict[str, Option]:
    """The options of a dataclass and of its parts, by name, in their order."""
    hints = get_type_hints(kind)
    found: dict[str, Option] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if _PART in field.metadata:
            found |= options_of(field.metadata[_PART])
        elif _KEY in field.metadata:
            plain: Option = field.metadata[_KEY]
            typed = hints[field.name] if plain.type is None else plain.type
            found[field.name] = dataclasses.replace(plain, name=field.name, type=typed, default=field.default)
    return found


def build(kind: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """The dataclass `kind` with its parts, from options by name. BadInput, with the known names, for an unknown one."""
    known = options_of(kind)
    if unknown := sorted(set(given) - set(known)):
        raise BadInput(f"there is no option {', '.join(unknown)}; known are: {', '.join(known)}")
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if _PART in field.metadata:
            inner = options_of(field.metadata[_PART])
            values[field.name] = build(field.metadata[_PART], {k: v for k, v in given.items() if k in inner})
        elif field.name in given:
            values[field.name] = given[field.name]
    return kind(**values)


def check_options(options: Any) -> None:
    """Holds every option of a dataclass against its type and range, for its `__post_init__`. Raises BadInput.

    Those of its parts were checked as the parts were made.
    """
    known = options_of(type(options))
    for field in dataclasses.fields(options):
        if _KEY in field.metadata:
            object.__setattr__(options, field.name, known[field.name].check(getattr(options, field.name)))


def flat(options: Any) -> dict[str, Any]:
    """Every option of a dataclass and of its parts by name, as it stands."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        if _PART in field.metadata:
            values |= flat(getattr(options, field.name))
        elif _KEY in field.metadata:
            values[field.name] = getattr(options, field.name)
    return values
