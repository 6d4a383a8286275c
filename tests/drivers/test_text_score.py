"""Prompts as scores: what is done when, to which side, how often and how far; and the words that are left over."""

from __future__ import annotations

import pytest

from flamecast.drivers.text.manner import own_sides
from flamecast.drivers.text.poses import Event
from flamecast.drivers.text.score import Score, read_score
from flamecast.drivers.text.times import with_digits


def _names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def _times(events: list[Event]) -> list[tuple[float, float]]:
    return [(round(event.start, 2), round(event.stop, 2)) for event in events]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nods, then blinks", ["nod", "blink"]),
        ("she nods twice before looking up", ["nod", "look_up"]),
        ("after nodding, he turns left", ["nod", "turn"]),
        ("before blinking, she looks down", ["look_down", "blink"]),
        ("he tilts his head right after shaking his head", ["shake", "tilt"]),
        ("he blinks right after nodding", ["nod", "blink"]),
        ("She nods. She looks left. She looks right.", ["nod", "turn", "turn"]),
        ("She nods\\nShe looks left\\nShe looks right", ["nod", "turn", "turn"]),
        ("looks up, down, left and right", ["look_up", "look_down", "turn", "turn"]),
        ("she looks left, then up, then back", ["turn", "look_up", "look_ahead"]),
        ("1. She nods. 2. She looks left.", ["nod", "turn"]),
        ("- look up\\n- look down\\n- look left", ["look_up", "look_down", "turn"]),
        ("1) nod 2) shake head 3) blink", ["nod", "shake", "blink"]),
        ("Mr. Smith nods. Mrs. Brown blinks.", ["nod", "blink"]),
        ("nods once, pauses, nods twice more", ["nod", "idle", "nod"]),
        ("looking left, right and up", ["turn", "turn", "look_up"]),
        ("he looks left and right before nodding", ["turn", "turn", "nod"]),
        ("shakes his head slowly, twice, then nods", ["shake", "nod"]),
        ("the man bows and after he shakes his head", ["bow", "shake"]),
        ("he nods and after he blinks, he looks left", ["nod", "blink", "turn"]),
        ("he nods and after he blinks he looks left", ["nod", "blink", "turn"]),
        ("her eyes dart nervously from side to side", ["glance", "glance"]),
    ],
)
def test_what_comes_one_after_the_other(text, names):
    score = read_score(text.replace("\\n", "\n"), 8)
    assert _names(score.motion) == names and not score.unused
    ends = [one.start + (one.span if one.arrives is None else one.arrives) for one in score.motion]
    assert all(end <= other.start + 1e-6 for end, other in zip(ends, score.motion[1:], strict=False))


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("0-1s: nods; 1-4s: looks left", [(0, 1), (1, 4)]),
        ("0:00 nods; 0:02 looks left", [(0, 2), (2, 4)]),
        ("1s: nods; 2.5s: looks left", [(1, 2.5), (2.5, 4)]),
        ("0s nods, 2s looks left", [(0, 2), (2, 4)]),
        ("at 2 seconds she looks left", [(2, 4)]),
        ("two seconds in, he nods", [(2, 4)]),
        ("she looks left for 1 second, then right for 3 seconds", [(0, 1), (1, 4)]),
        ("nods for two seconds, looks up for half a second", [(0, 2), (2, 2.5)]),
        ("nods; after a second she looks up for 1.5 seconds", [(0, 1.5), (2.5, 4)]),
        ("halfway through, she turns to her left", [(2, 4)]),
        ("from 1s to 3s she keeps her eyes closed", [(1, 3)]),
        ("waits two seconds and then nods", [(0, 2), (2, 4)]),
        ("looks down for a moment before looking up", [(0, 1), (1, 4)]),
        ("frowns, looks down for one second, and looks up", [(1.5, 2.5), (2.5, 4)]),
        ("smiles for one second and nods", [(1, 4)]),
        ("look left (1s), right (1s), left again (2s)", [(0, 1), (1, 2), (2, 4)]),
        ("in the first half she looks up, and in the second half she nods", [(0, 2), (2, 4)]),
        ("looks up; in the last second she nods", [(0, 3), (3, 4)]),
        ("seconds 1 to 3: she looks perfectly left", [(1, 3)]),
    ],
)
def test_times_that_are_said_are_kept(text, times):
    assert _times(read_score(text, 4).motion) == times


def test_times_that_do_not_fit_are_squeezed_and_the_score_says_so():
    score = read_score("looks left for 3 seconds, then right for 5 seconds", 4)
    assert _times(score.motion) == [(0, 1.5), (1.5, 4)] and score.squeezed == 8


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("turns her head to the left", 1),
        ("she turns her head to camera left", -1),
        ("turns her head toward the left side of the screen", -1),
        ("glances to the viewer's left", -1),
        ("looks towards the right edge of the picture", 1),
        ("turns toward stage left", 1),
        ("looks at her own right shoulder", -1),
        ("tilts her head to our left", -1),
    ],
)
def test_left_is_hers_unless_it_is_the_viewers(text, side):
    assert read_score(text, 3).motion[0].action.side == side
    assert own_sides("turns to camera left, then to her left") == "turns to her right, then to her left"


@pytest.mark.parametrize(
    ("text", "count", "degrees", "size"),
    [
        ("nods ten times", 10, None, 1.0),
        ("twelve nods", 12, None, 1.0),
        ("nods 20x", 20, None, 1.0),
        ("she turns her head 45 degrees to the left", None, 45, 1.0),
        ("turn your head 20° left", None, 20, 1.0),
        ("turns her head twenty-five degrees left", None, 25, 1.0),
        ("turns her head a tiny bit to the left", None, None, 0.3),
        ("turns far to the left", None, None, 1.7),
        ("looks over her left shoulder", None, None, 2.2),
    ],
)
def test_counts_degrees_and_sizes_are_read(text, count, degrees, size):
    manner = read_score(text, 6).motion[0].action.manner
    assert (manner.count, manner.degrees, manner.size) == (count, degrees, size)


@pytest.mark.parametrize(
    ("text", "motion", "emotion", "denied"),
    [
        ("don't nod, just look left", ["turn"], [], {"nod"}),
        ("she does not smile", [], [], {"happy"}),
        ("not angry at all", [], [], {"angry"}),
        ("nods without smiling", ["nod"], ["neutral"], set()),
        ("turn left, not right", ["turn"], [], {"turn"}),
        ("neither nods nor shakes her head", [], [], {"nod", "shake"}),
        ("she is not sad but happy", [], ["happy"], {"sad"}),
        ("close your eyes and don't open them again", ["close_eyes"], [], {"look_ahead"}),
        ("she does not move", ["still"], [], set()),
        ("opens her mouth and shuts it", [], ["open_mouth", "neutral"], set()),
    ],
)
def test_what_is_denied_is_not_done(text, motion, emotion, denied):
    score = read_score(text, 4)
    assert (_names(score.motion), _names(score.emotion), score.denied) == (motion, emotion, denied)


def test_what_is_done_at_once_shares_its_time():
    for text in (
        "tilts her head left while nodding", "tilts her head left and nods at the same time", "nodding, she tilts left",
    ):  # fmt: skip
        score = read_score(text, 4)
        assert _times(score.motion) == [(0, 4), (0, 4)] and set(_names(score.motion)) == {"tilt", "nod"}
    score = read_score("0-3s: smiles; 1-2s: nods", 4)
    assert _times(score.motion) == [(1, 2)] and _times(score.emotion) == [(0, 3)]


@pytest.mark.parametrize(
    "text",
    [
        "happy; angry", "happy, then angry", "goes from happy to angry", "at first happy, later angry",
        "starts out happy and ends up angry", "a smile giving way to anger",
    ],
)  # fmt: skip
def test_feelings_change(text):
    score = read_score(text, 5)
    assert (_names(score.emotion), _times(score.emotion)) == (["happy", "angry"], [(0, 2.5), (2.5, 5)])


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("closes her eyes, then nods", [(0, 5), (2.5, 5)]),
        ("closes her eyes and keeps them closed", [(0, 5)]),
        ("closes her eyes, then looks left", [(0, 2.5), (2.5, 5)]),
        ("closes her eyes, then opens them", [(0, 2.5), (2.5, 5)]),
        ("closes her eyes for 2 seconds, then nods", [(0, 2), (2, 5)]),
    ],
)
def test_eyes_stay_shut_until_something_opens_them(text, times):
    score = read_score(text, 5)
    assert _times(score.motion) == times and score.motion[0].name == "close_eyes"


def test_it_is_what_was_named_before():
    assert _names(read_score("slightly lowers her chin, then lifts it high", 4).motion) == ["look_down", "chin_up"]
    assert _names(read_score("opens her mouth and closes it", 4).emotion) == ["open_mouth", "neutral"]
    assert _names(read_score("shuts his eyes, then opens them wide", 4).emotion) == ["wide_eyes"]


def test_an_idiom_is_no_turn():
    assert _names(read_score("turns it down with a shake of the head", 4).motion) == ["shake"]


def test_lips_may_be_together():
    for text in ("smiles with her mouth closed", "a closed-mouth smile", "smiles without showing her teeth"):
        (event,) = read_score(text, 3).emotion
        assert event.name == "happy" and event.action.manner.shut


def test_words_without_a_wording_go_to_the_network_as_they_are():
    score = read_score("wiggles her ears ponderously and acts as if someone yelled boo", 4)
    assert [event.text for event in score.motion] == ["wiggles her ears ponderously"]
    assert _names(score.emotion) == ["shout"]
    assert [event.text for event in read_score("balloons her cheeks", 4).emotion] == ["balloons her cheeks"]
    assert _names(read_score("greets us with a smile", 4).emotion) == ["happy"]
    assert not read_score("greets us with a smile", 4).motion


def test_what_no_wording_has_may_be_counted_again():
    first, again = read_score("he reacts to the sound and then three times", 6).motion
    assert first.text == again.text == "he reacts to the sound" and again.action.manner.count == 3


def test_what_is_not_understood_is_named():
    assert read_score("does a backflip", 3).unused == ["backflip"]
    assert read_score("nods and juggles", 3).unused == ["juggles"]
    assert read_score("elle hoche la tête", 3).unused == ["elle", "hoche", "la", "tête"]
    assert read_score("Dr. Jones looks up, then down.", 3).unused == Score().unused


def test_numbers_in_words_are_read():
    said = "nods twelve times for a second and a half, then turns forty-five degrees"
    assert with_digits(said) == "nods 12 times for 1.5 seconds, then turns 45 degrees"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("nod nod nod... then shake", {"nod": [3], "shake": [None]}),
        ("blink, blink, then wink", {"blink": [2]}),
        ("nods, nods again", {"nod": [None, None]}),
        ("he nods once, looks left, nods again", {"nod": [1, 1]}),
        ("she nods twice, blinks, then nods again", {"nod": [2, 2]}),
    ],
)
def test_what_is_said_again_is_counted(text, counts):
    events = read_score(text, 8).motion
    assert {name: [e.action.manner.count for e in events if e.name == name] for name in counts} == counts


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("glances right, then turns her head the same way", [("glance", -1), ("turn", -1)]),
        ("looks down to her left, then up to her right", [("look_down_side", 1), ("look_up_side", -1)]),
        ("looks left, then up", [("turn", 1), ("look_up", 0)]),
    ],
)
def test_a_way_goes_on_from_the_one_before(text, events):
    assert [(event.name, event.action.side) for event in read_score(text, 6).motion] == events


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("She stops smiling, frowns, and turns left.", ["happy", "neutral", "frown"]),
        ("Her smile slowly fades over the whole clip while she looks down.", ["happy", "neutral"]),
        ("Her smile fades.", ["happy", "neutral"]),
    ],
)
def test_what_ends_is_there_at_first(text, names):
    assert _names(read_score(text, 6).emotion) == names
