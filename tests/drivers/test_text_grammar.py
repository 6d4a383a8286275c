"""Prompts in other words: what the grammar makes of a part and a way, of holding, of titles and of order."""

from __future__ import annotations

import pytest

from flamecast.drivers.text.poses import Event, with_done
from flamecast.drivers.text.score import Score, read_score


def _names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def _sided(score: Score) -> list[tuple[str, int]]:
    return [(event.name, event.action.side) for event in score.motion]


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("his gaze drifts to the left", [("gaze", 1)]),
        ("her eyes slide over to the right", [("gaze", -1)]),
        ("head snaps to its left", [("turn", 1)]),
        ("he whips his head back to the right", [("turn", -1)]),
        ("looks way off to the right", [("turn", -1)]),
        ("let the head loll to the left", [("tilt", 1)]),
        ("the head rolls over to the right shoulder", [("tilt", -1)]),
        ("right ear to right shoulder", [("tilt", -1)]),
        ("her head sinks forward", [("look_down", 0)]),
        ("chin goes to the chest", [("look_down", 0)]),
        ("the gaze wanders up to the ceiling, then down to the floor", [("glance_up", 0), ("glance_down", 0)]),
        ("the head goes up and down", [("nod", 0)]),
    ],
)
def test_a_part_and_a_way_are_enough_with_any_verb(text, done):
    score = read_score(text, 4)
    assert _sided(score) == done and not score.unused


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("brows go up", ["brows_up"]),
        ("his eyebrows sink and draw together", ["frown"]),
        ("the jaw falls and stays down", ["open_mouth"]),
        ("her mouth opens slowly and closes quickly", ["open_mouth", "neutral"]),
        ("the eyes widen, then narrow", ["wide_eyes", "squint"]),
        ("a smile spreads across her face", ["happy"]),
        ("her smile dies", ["happy", "neutral"]),
        ("raises only the left eyebrow", ["one_brow"]),
        ("gives a sad little smile", ["sad", "happy"]),
    ],
)
def test_parts_of_the_face_as_well(text, names):
    assert _names(read_score(text, 4).emotion) == names


def test_a_part_without_a_way_is_left_to_the_network():
    assert _names(read_score("her left eye twitches", 4).motion) == [""]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("turns right, holds it for a second, and comes back", (0, 3.5)),
        ("turns right, stays there for one second, then faces forward", (0, 3.5)),
        ("turns right, one second pause, then returns to the center", (0, 3.5)),
        ("turns right, nods twice there and turns back", (0, 4)),
        ("turns right and remains like this until the end", (0, 6)),
        ("turns right, then blinks", (0, 6)),
        ("turns right", (0, 6)),
        ("takes two seconds to turn right", (0, 6)),
    ],
)
def test_a_pose_is_held_until_the_head_does_something_else(text, held):
    event = next(event for event in read_score(text, 6).motion if event.name == "turn")
    assert event.timed and event.stop == pytest.approx(held[1], abs=1.2) and event.start == held[0]
    assert event.arrives is not None and event.arrives <= event.span


def test_what_is_done_for_a_time_is_over_then():
    assert read_score("looks left for 2 seconds, then blinks", 6).motion[0].stop == 2


@pytest.mark.parametrize("text", ["lowers her head, then raises it", "looks down, then her head comes up again"])
def test_a_head_that_was_bowed_is_lifted_to_the_middle(text):
    assert _names(read_score(text, 4).motion) == ["look_down", "look_ahead"]
    assert _names(read_score("looks down, then looks up at the ceiling", 4).motion) == ["look_down", "look_up"]


@pytest.mark.parametrize(
    "text",
    [
        "without moving her head she looks left, then right", "looks left with her eyes only, then right",
        "keep the head still and look left, right", "her eyes go left, then right, the head stays put",
        "follow my finger with only your eyes: left... right", "moving nothing but his eyes, he looks left, then right",
    ],
)  # fmt: skip
def test_eyes_alone_leave_the_head_where_it_is(text):
    events = read_score(text, 4).motion
    assert [(event.name, event.action.side) for event in events][:1] == [("gaze", 1)]
    assert events[0].action.eyes and all(event.name in ("gaze", "idle") for event in events)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("before she smiles, she looks down", ["look_down", "happy"]),
        ("after he has looked down he smiles", ["look_down", "happy"]),
        ("she smiles once she has looked down", ["look_down", "happy"]),
        ("as soon as he looks down, he smiles", ["look_down", "happy"]),
        ("she looks down before her smile comes", ["look_down", "happy"]),
        ("cue 1: she looks down. Cue 2: she smiles.", ["look_down", "happy"]),
        ("Beat 1 - look down. Beat 2 - smile.", ["look_down", "happy"]),
        ("looks down at 0.5 s, smiles at 2 s", ["look_down", "happy"]),
        ("looks down, blinks, and smiles", ["look_down", "blink", "happy"]),
        ("happy, turning to sad", ["happy", "sad"]),
        ("calm, growing angry", ["neutral", "angry"]),
    ],
)
def test_the_order_is_that_of_the_words_in_time(text, order):
    score = read_score(text, 4)
    events = sorted([*score.motion, *score.emotion], key=lambda event: event.start)
    assert _names(events) == order and not score.unused
    assert all(one.start < other.start for one, other in zip(events, events[1:], strict=False))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("double take: he glances right, then looks front", ["glance", "look_ahead"]),
        ("idle loop: breathes, blinks now and then", ["idle", "blink"]),
        ("Drowsy: her head sinks forward", ["look_down"]),
    ],
)
def test_a_title_does_nothing_itself(text, names):
    assert _names(read_score(text, 5).motion) == names
    assert _names(read_score("Drowsy: her head sinks forward", 5).emotion) == ["tired"]
    assert read_score("NPC notices: head snaps left", 5).unused == ["npc", "notices"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("gives a little nod", 1), ("one slow nod", 1), ("tiny nod", 1), ("a nod of the head", 1), ("nods", None),
        ("nods once more, then nods again", 1), ("three nods in all", 3),
    ],
)  # fmt: skip
def test_a_nod_is_one(text, count):
    assert read_score(text, 4).motion[-1].action.manner.count == count


@pytest.mark.parametrize(
    "text",
    [
        "keeps nodding",
        "doesn't stop nodding",
        "nods the whole time",
        "nods to the beat of the music",
        "nods without a pause",
    ],
)
def test_what_does_not_stop_goes_on(text):
    score = read_score(text, 6)
    assert _names(score.motion) == ["nod"] and score.motion[0].action.manner.goes_on and not score.denied


def test_a_little_boy_does_nothing_little():
    for who in ("the little boy", "an old woman", "grandma", "the small robot"):
        score = read_score(f"{who} shakes her head", 4)
        assert score.motion[0].action.manner.size == 1 and not score.unused


@pytest.mark.parametrize("text", ["nods, eyes shut", "nods with his eyes closed", "nods, but his eyes stay closed"])
def test_a_state_is_meanwhile(text):
    score = read_score(text, 4)
    assert _names(score.motion) == ["nod", "close_eyes"] and {event.start for event in score.motion} == {0}


def test_what_is_still_so_was_so_before():
    score = read_score("looks down, then looks up, eyes still closed", 4)
    assert [event.start for event in score.motion if event.name == "close_eyes"] == [0]


def test_a_face_does_what_the_motion_says_amid_its_feelings():
    said = read_score("sits there, then yawns", 6).emotion
    felt = with_done(read_score("bored", 6).emotion, said)
    assert _names(felt) == ["bored", "yawn"] and felt[0].stop == felt[1].start
    assert _names(with_done(read_score("angry", 4).emotion, read_score("nods happily", 4).emotion)) == ["angry"]
    assert _names(with_done(read_score("sad", 4).emotion, read_score("raises her brows", 4).emotion)) == [
        "sad",
        "brows_up",
    ]


def test_a_simile_is_no_action():
    score = read_score("shakes his head as if refusing to look up at the ceiling", 4)
    assert _names(score.motion) == ["shake"] and score.motion[0].text == "she shakes her head"


def _times(text: str, seconds: float = 6) -> list[tuple[str, float]]:
    score = read_score(text, seconds)
    return [(event.name, event.start) for event in sorted([*score.motion, *score.emotion], key=lambda one: one.start)]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("nods at 1s, 2s and 4s", [("nod", 1), ("nod", 2), ("nod", 4)]),
        ("[0-2] smile [2-4] frown [4-6] surprise", [("happy", 0), ("frown", 2), ("surprised", 4)]),
        ("from 0 to 2 seconds looks left, from 2 to 4 seconds looks up", [("turn", 0), ("look_up", 2)]),
        ("between second 1 and second 3 he looks up", [("look_up", 1)]),
        ("starts with closed eyes and opens them after two seconds", [("close_eyes", 0), ("look_ahead", 2)]),
        ("he smiles the whole time and nods twice in the middle", [("happy", 0), ("nod", 3)]),
        ("looks down; by 2 seconds she is looking at the camera", [("look_down", 0), ("look_ahead", 2)]),
        ("looks up from her phone and smiles", [("look_down", 0), ("look_ahead", 1), ("happy", 1)]),
        ("eyes closed until second 2, then open", [("close_eyes", 0), ("look_ahead", 2)]),
        ("no smile until 3 seconds, then a grin", [("grin", 3)]),
        ("halfway through, she nods", [("nod", 3)]),
        ("left, right, up, one second each", [("turn", 0), ("turn", 1), ("look_up", 2)]),
        ("from the 2nd second on she smiles", [("happy", 2)]),
        ("neutral -> smile", [("neutral", 0), ("happy", 3)]),
        ("looks left, right, left at 3 seconds", [("turn", 0), ("turn", 1.5), ("turn", 3)]),
    ],
)
def test_times_are_where_they_are_said(text, times):
    assert _times(text) == times


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("triple blink", "blink", 3), ("a double nod", "nod", 2), ("a couple of nods", "nod", 2),
        ("blinks three or four times", "blink", 3), ("opens and closes her eyes twice", "blink", 2),
    ],
)  # fmt: skip
def test_counts_in_other_words(text, name, count):
    (event,) = read_score(text, 5).motion
    assert (event.name, event.action.manner.count) == (name, count)


def test_halfway_may_be_a_size():
    assert read_score("turns halfway to the left", 5).motion[0].action.manner.size == 0.5
    assert read_score("a slow, deliberate nod", 5).motion[0].action.manner.tempo == "slowly"


def test_every_so_many_seconds_is_a_rate():
    assert read_score("every two seconds she nods", 6).motion[0].action.manner.rate == 0.5


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("Eyes: left, right, up", [("gaze", 1), ("gaze", -1), ("glance_up", 0)]),
        ("looks left-right-left", [("turn", 1), ("turn", -1), ("turn", 1)]),
        ("tilts his head first one way, then the other", [("tilt", 1), ("tilt", -1)]),
        ("left ear to left shoulder, then the other side", [("tilt", 1), ("tilt", -1)]),
        ("a big nod followed by two small ones", [("nod", 0), ("nod", 0)]),
        ("looks left with only her eyes, then the head follows", [("gaze", 1), ("turn", 1)]),
    ],
)
def test_what_is_left_out_is_what_was_said_before(text, done):
    score = read_score(text, 6)
    assert _sided(score) == done and not score.unused


def test_brows_go_on_as_well():
    assert _names(read_score("She moves only her eyebrows: up, down, up", 6).emotion) == [
        "brows_up",
        "frown",
        "brows_up",
    ]
    sides = [event.action.side for event in read_score("lifts the left eyebrow, then the right one", 6).emotion]
    assert sides == [1, -1]


def test_why_it_is_done_is_no_thing_to_do_and_is_named():
    score = read_score("she looks left and right before crossing the street", 6)
    assert _sided(score) == [("turn", 1), ("turn", -1)] and "crossing" in score.unused
