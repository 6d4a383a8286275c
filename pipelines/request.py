"""`AnimateRequest`: all that `animate` can be asked for, each option with its help, unit, range and default, once.

The command line, the HTTP form and its OpenAPI, the page, batches, presets, ComfyUI's inputs and the report are made
from these fields (`core.options`). A new option is one field here and one line where it is used. Drivers and
generators declare options of their own the same way and register the class under the entry points
`flamecast.driver_options` and `flamecast.generator_options`: they arrive everywhere, too.

Light to import: the command line does so before it knows whether it is only asked for help.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import BadInput
from ..core.options import Option, build, check_options, flat, option, options_of, part
from ..core.plugins import DRIVER_OPTIONS, GENERATOR_OPTIONS, kind_of, load_plugin, registered

HEAD, GENERATOR, RASTERIZER = "open", "warp", "auto"
MAPS = "depth,normal,flow"  # what `flamecast render` draws
MODES, FRAMINGS = ("relative", "absolute"), ("photo", "face")
LARGEST_SEED = 2**53 - 1  # which a number of JavaScript holds exactly, too
HOST, APP_PORT, LIVE_PORT = "127.0.0.1", 7860, 7862  # where the servers listen: on this machine alone
MIN_FPS, MAX_FPS = 1, 240  # Hz, of a video
OF_COMMANDS = (  # names that commands, the server's form and Python have besides: a plug-in's option cannot have them
    "context", "help", "driver_option", "generator_option", "config", "demo", "demo_motion", "preview", "camera_keys",
    "no_cache", "progress",
)  # fmt: skip


@dataclass(frozen=True)
class Drive:
    """What moves the portrait: one of video, motion, words, speech, words to say, a recording to listen to, time to
    wait, or a signal of any driver.

    In Python, `video` may be a VideoClip, `motion` a FlameSequence, `speech` and `listen` a Waveform.
    """

    video: Any = option(None, "Driving video: the face in it drives, its sound is kept.", type=Path)
    motion: Any = option(None, "A motion.npz, an ARKit .csv, a VHAP or CAP4D .npz, or `demo`.", type=Path)
    text: str | None = option(None, 'What to do, in words: "she nods twice"; with times: "0s: nods; 3s: looks left".')
    emotion: str | None = option(None, "How it feels, in words; what the text says when not given.")
    keep: str | None = option(
        None, "What of a motion stays as it is while the words fill in the rest: head, gaze, lids, face; 0s,1.5s,2s-3s."
    )
    keyframes: Any = option(None, "Keyframes (.json, as for an edit) that the words join.", type=Path)
    speech: Any = option(None, "A recording of speech, any language: the mouth follows it.", type=Path)
    say: str | None = option(None, "Words that a voice of this machine says (extra voice, or espeak-ng).")
    listen: Any = option(None, "A recording that it listens to: it nods at pauses, glances, blinks.", type=Path)
    idle: float | None = option(
        None, "It waits so long: blinks, glances, breath, small shifts.", unit="s", above=0, maximum=3600
    )
    style: str | None = option(
        None, "Words and speech move as a person in a clip does (amplitude, tempo, rest, blinks): a video, a motion, "
        "a .style.json; or calm, lively, presenter.",
    )  # fmt: skip
    driver: str | None = option(None, "A driver of another package, by name; goes with a signal.")
    signal: Any = option(
        None, "What that driver is driven by: a file, words, a number.", type=str | None, checked=False
    )
    motion_fps: float | None = option(
        None, "Rate of a motion file that does not say its own.", unit="Hz", minimum=MIN_FPS, maximum=MAX_FPS
    )
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of drivers, by driver and name

    def __post_init__(self) -> None:
        """BadInput for a value of another type, or out of its range."""
        check_options(self)

    @property
    def driver_name(self) -> str | None:
        """See `driver_of`."""
        return driver_of(flat(self))


def driver_of(given: Mapping[str, Any]) -> str | None:
    """The driver of what is given by option name (below words that a mix adds); None for a motion, or nothing."""
    if given.get("driver") is not None:
        return given["driver"]
    if given.get("motion") is not None:
        return None
    takes = {
        "video": "video", "speech": "speech", "say": "speech", "listen": "idle", "idle": "idle", "text": "text",
        "emotion": "text",
    }  # fmt: skip
    return next((driver for name, driver in takes.items() if given.get(name) is not None), None)


@dataclass(frozen=True)
class Transfer:
    """How the driver's motion becomes the portrait's."""

    mode: str = option("relative", "relative: the driver's changes; absolute: its pose as it is.", choices=MODES)
    strength: float = option(1.0, "How far the portrait goes with the driver, all in all.", minimum=0, maximum=2)

    def __post_init__(self) -> None:
        """BadInput for a value of another type, or out of its range."""
        check_options(self)


@dataclass(frozen=True)
class View:
    """What is seen, from where, and how large."""

    camera: str | None = option(
        None, "Camera movement: orbit:40, arc:-20,20, dolly:0.8; or a file (.json) of keyframes or cameras."
    )
    views: str | None = option(None, "Yaws in degrees, one view each: -30,0,30.")
    size: int = option(512, "Longest side of the output.", unit="px", minimum=64, maximum=4096)
    framing: str = option("photo", "photo: the whole photo; face: a square around the head.", choices=FRAMINGS)

    def __post_init__(self) -> None:
        """BadInput for a value of another type, or out of its range."""
        check_options(self)


@dataclass(frozen=True)
class Clip:
    """How long the output is, and at which rate."""

    seconds: float | None = option(None, "At most so long; the whole driver when not given.", unit="s", above=0)
    fps: float | None = option(
        None, "Frame rate of the output; the driver's when not given.", unit="Hz", minimum=MIN_FPS, maximum=MAX_FPS
    )

    def __post_init__(self) -> None:
        """BadInput for a value of another type, or out of its range."""
        check_options(self)


@dataclass(frozen=True)
class AnimateRequest:
    """One animation: photo, what drives it, and how. In Python, `photo` may be an array or a Portrait.

    Raises BadInput, naming the option, where a value is of another type or out of its range.
    """

    photo: Any = option(None, "A photo of a face, or `demo`.", type=Path)
    output: Any = option(None, "The video to write: .mp4, .mov, .m4v or .mkv.", type=Path)
    drive: Drive = part(Drive)
    edit: str | None = option(
        None,
        "Added to every frame: smile=0.5,yaw=15deg; done to the clip: gain=1.3, smooth=0.1s, rest=0, speed=1.5; "
        "only=mouth confines it. Or a keyframe file (.json). Several are done one after another.",
        repeated="; ",
    )
    mix: str | None = option(None, "Regions from other clips: mouth=b.npz,head=c.npz; or from the words: head=text.")
    transfer: Transfer = part(Transfer)
    view: View = part(View)
    clip: Clip = part(Clip)
    face: int = option(0, "Which face of the photo; 0 is the largest.", minimum=0)
    seed: int = option(0, "Seed of everything random.", minimum=0, maximum=LARGEST_SEED)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of generators, by generator and name

    def __post_init__(self) -> None:
        """BadInput for a value of another type, or out of its range."""
        check_options(self)

    @classmethod
    def of(cls, **given: Any) -> AnimateRequest:
        """The request with these options by name, those that drivers and generators declare among them. BadInput."""
        drivers, generators = plugin_options(DRIVER_OPTIONS), plugin_options(GENERATOR_OPTIONS)
        known = options_of(cls)
        if unknown := sorted(set(given) - {*known, *drivers, *generators}):
            raise BadInput(
                f"there is no option {', '.join(unknown)}; known are: {', '.join([*known, *drivers, *generators])}"
            )
        own = build(cls, {name: value for name, value in given.items() if name in known})
        drive = replace(own.drive, options=_by_plugin(drivers, given))
        return replace(own, drive=drive, options=_by_plugin(generators, given))

    def report(self) -> dict[str, Any]:
        """The options for a report: all but photo, output and signals, which have places of their own."""
        drive = set(options_of(Drive)) - {"motion_fps"}
        values = {k: v for k, v in flat(self).items() if k not in drive and k not in ("photo", "output")}
        for group, options in ((DRIVER_OPTIONS, self.drive.options), (GENERATOR_OPTIONS, self.options)):
            for name, (plugin, each) in plugin_options(group).items():
                values[name] = options.get(plugin, {}).get(each.name, each.default)
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Batch:
    """Many jobs at once."""

    batch: Any = option(
        None, "Many jobs: a file with a JSON object of options a line; what is done is not done again.", type=Path
    )
    workers: int = option(1, "Processes for a batch, each with models of its own.", minimum=1)
    ray: str | None = option(None, "A Ray cluster for a batch: its address, or `local` for this machine.")

    def __post_init__(self) -> None:
        """BadInput for a value of another type, or out of its range."""
        check_options(self)


@dataclass(frozen=True)
class Components:
    """What a pipeline is made of: loaded once, for any number of requests."""

    head: str = option(HEAD, "Built-in head's name, or a FLAME file.")
    generator: str = option(GENERATOR, "What turns maps into pictures.")
    generator_options: dict[str, Any] = field(default_factory=dict)  # of its constructor
    driver_options: dict[str, dict[str, Any]] = field(default_factory=dict)  # of their constructors, by driver
    sign_cert: Any = option(None, "Signs the video (C2PA): your certificate chain, PEM, your own first.", type=Path)
    sign_key: Any = option(None, "The private key of the certificate, PEM.", type=Path)

    def __post_init__(self) -> None:
        """BadInput for a value of another type."""
        check_options(self)
        by_driver = self.driver_options.values() if isinstance(self.driver_options, Mapping) else [self.driver_options]
        if not all(isinstance(given, Mapping) for given in (self.generator_options, *by_driver)):
            raise BadInput(
                "expected generator_options as values by name, and driver_options as such values by driver, got "
                f"{self.generator_options!r} and {self.driver_options!r}"
            )


class PluginOption(NamedTuple):
    """An option that a plug-in declares."""

    plugin: str
    option: Option


def plugin_options(group: str, plugin: str | None = None) -> dict[str, PluginOption]:
    """The options that the plug-ins of a group of entry points declare (one plug-in's, or all), by the name that they
    are given by: their own, or `PLUGIN_NAME` where a request, a command or another plug-in has that name already.
    """
    return {name: each for name, (of, each) in _declared().items() if of == group and plugin in (None, each.plugin)}


@lru_cache(maxsize=1)
def _declared() -> dict[str, tuple[str, PluginOption]]:
    """Every option of a plug-in with its group. A class that cannot be used declares nothing: `doctor` says so."""
    taken = {*options_of(AnimateRequest), *options_of(Batch), *(each.name for each in fields(Components)), *OF_COMMANDS}
    found: dict[str, tuple[str, PluginOption]] = {}
    for group in (DRIVER_OPTIONS, GENERATOR_OPTIONS):
        for name in registered(group):
            try:
                options = options_of(load_plugin(group, name))
            except Exception:  # another project's class may fail in any way
                continue
            for each in options.values():
                free = each.name if each.name not in taken else f"{name}_{each.name}"
                taken.add(free)
                found[free] = (group, PluginOption(name, each))
    return found


def _by_plugin(declared: Mapping[str, PluginOption], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of the given options that plug-ins declare, by plug-in and name. BadInput."""
    found: dict[str, dict[str, Any]] = {}
    for name, (plugin, each) in declared.items():
        if name in given:
            found.setdefault(plugin, {})[each.name] = each.check(given[name])
    return found


def refuse_unused(group: str, options: Mapping[str, Mapping[str, Any]], used: Collection[str | None]) -> None:
    """BadInput for options, by plug-in and name, of one that is not used; a default is as if it were not given."""
    for plugin, given in options.items():
        defaults = {each.name: each.default for _, each in plugin_options(group, plugin).values()}
        changed = [name for name, value in given.items() if value != defaults.get(name)]
        if changed and plugin not in used:
            raise BadInput(f"{', '.join(changed)} goes with the {kind_of(group)} {plugin}, which is not used here")


def all_options() -> dict[str, Option]:
    """Every option of a request by the name that it is given by, those of plug-ins at their end."""
    declared = plugin_options(DRIVER_OPTIONS) | plugin_options(GENERATOR_OPTIONS)
    return options_of(AnimateRequest) | {name: each.option for name, each in declared.items()}
