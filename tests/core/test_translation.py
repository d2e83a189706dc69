"""Stories of the translation task. The cloud's part is played by hand; the time is a number."""

import json

import pytest

from service.core.errors import SessionLost, TaskRefused
from service.core.languages import LanguagePair
from service.core.messages import (
    CloudError,
    CloudWarning,
    CurrentTask,
    EndOfStream,
    Message,
    QueueLevel,
    QueueMap,
    TaskStatus,
    Unknown,
)
from service.core.translation import TranslationTask

ES = LanguagePair(name="Spanish", source="en", targets=("es",))
FR = LanguagePair(name="French", source="en", targets=("fr",))
DE = LanguagePair(name="German", source="en", targets=("de",))
VOICED = LanguagePair(name="Voiced", source="en", targets=("it",), voice_id="nobody")
NOT_FOUND = CloudError("NOT_FOUND", "No active task found")
REFUSED = CloudError("VALIDATION_ERROR", "target_language: not permitted")
OPTION_REFUSED = CloudError("VALIDATION_ERROR", "voice_id: not permitted")
TOO_FAST = CloudError("RATE_LIMIT_EXCEEDED", "")
STARTED, UPDATED, UNCHANGED, RESUMED = (
    TaskStatus("set_task", event, "running") for event in ("started", "updated", "unchanged", "resumed")
)
PAUSED = TaskStatus("pause_task", "paused", "paused")


def echo(pair: LanguagePair, status: str | None = "running") -> CurrentTask:
    return CurrentTask(status, pair.source, pair.targets)


def named(message: bytes) -> str:
    """The message as these stories write it: "set es", "get", "pause"; a set_task with options ends in "+"."""
    envelope = json.loads(message)
    kind = envelope["message_type"].removesuffix("_task")
    if kind != "set":
        return kind
    pipeline = envelope["data"]["pipeline"]
    targets = ",".join(entry["target_language"] for entry in pipeline["translations"])
    return f"set {targets}" + ("+" if "speech_generation" in pipeline["translations"][0] else "")


class Story:
    """One task and a clock; `until` lets time pass and keeps what is said with its second."""

    def __init__(self, pair: LanguagePair | None = None) -> None:
        self.task = TranslationTask()
        self.now_s = 100.0
        self.said: list[tuple[float, str]] = []
        if pair is not None:
            self.want(pair)

    def want(self, pair: LanguagePair) -> None:
        self.task.want(pair, self.now_s)

    def until(self, second: float) -> list[tuple[float, str]]:
        """What is said up to this second of the story."""
        before = len(self.said)
        while (wake_at_s := self.task.wake_at_s()) is not None and wake_at_s <= 100.0 + second:
            self.now_s = max(self.now_s, wake_at_s)
            if (message := self.task.due(self.now_s)) is not None:
                self.said.append((round(self.now_s - 100.0, 3), named(message)))
            assert message is not None or self.task.wake_at_s() != wake_at_s, "it would wake us for ever"
        self.now_s = max(self.now_s, 100.0 + second)
        return self.said[before:]

    def hear(self, *messages: Message) -> None:
        for message in messages:
            self.task.receive(message, self.now_s)

    @classmethod
    def live(cls, pair: LanguagePair = ES) -> "Story":
        """At second 3, with the pair confirmed since second 0.1."""
        story = cls(pair)
        story.until(0.1)
        story.hear(STARTED)
        story.until(3)
        return story


def test_nothing_is_said_before_a_wish():
    assert Story().until(100) == []


def test_an_acknowledgement_confirms_at_once():
    story = Story(ES)
    assert story.until(0.1) == [(0, "set es")]
    assert (story.task.wanted, story.task.confirmed, story.task.running) == (ES, None, False)
    story.hear(STARTED)
    assert (story.task.confirmed, story.task.running) == (ES, True)
    assert story.until(20) == []


@pytest.mark.parametrize("status", ["running", None])
def test_without_one_it_is_asked_for_and_not_found_is_no_error(status):
    story = Story(ES)
    assert story.until(2.2) == [(0, "set es"), (2.1, "get")]
    story.hear(NOT_FOUND)
    assert story.until(4.3) == [(4.2, "get")]
    assert story.task.confirmed is None
    story.hear(echo(ES, status))
    assert story.task.confirmed == ES


def test_a_start_that_is_not_found_for_10_s_is_said_once_more_and_lost_after_30():
    story = Story(ES)
    for second in range(30):
        story.until(second)
        story.hear(NOT_FOUND)
    said = [name for _, name in story.said]
    assert said.count("set es") == 2
    assert (10.5, "set es") in story.said
    with pytest.raises(SessionLost, match="Spanish"):
        story.until(31)


def test_an_unknown_status_confirms_nothing():
    story = Story(ES)
    story.until(3)
    story.hear(echo(ES, "unknown"), TaskStatus("set_task", "started", "unknown"), Unknown("x"))
    assert story.task.confirmed is None


def test_a_refused_first_pair_needs_a_person():
    story = Story(ES)
    story.until(0.1)
    with pytest.raises(TaskRefused, match="Spanish.*target_language"):
        story.hear(REFUSED)


def test_a_refused_option_is_left_out_once_and_for_good():
    story = Story(VOICED)
    assert story.until(0.1) == [(0, "set it+")]
    story.hear(OPTION_REFUSED, OPTION_REFUSED)  # a message can come twice
    assert story.until(2.2) == [(2.1, "set it")]
    story.hear(STARTED)
    assert story.task.confirmed == VOICED
    assert "voice_id" in (story.task.refusal or "")
    story.task.pause()
    story.until(6)
    story.hear(PAUSED)
    story.task.resume()
    assert story.until(7)[-1][1] == "set it"


def test_the_minimal_task_refused_too_is_final():
    story = Story(VOICED)
    story.until(0.1)
    story.hear(OPTION_REFUSED)
    story.until(2.2)
    with pytest.raises(TaskRefused):
        story.hear(OPTION_REFUSED)


def test_a_refused_language_is_not_tried_without_options():
    story = Story(VOICED)
    story.until(0.1)
    with pytest.raises(TaskRefused):
        story.hear(REFUSED)


def test_a_change_is_confirmed_by_its_own_echo_only():
    story = Story.live(ES)
    story.want(FR)
    assert story.until(5.2) == [(3, "set fr"), (5.1, "get")]
    story.hear(echo(ES))
    assert (story.task.wanted, story.task.confirmed) == (FR, ES)
    assert story.until(7.3) == [(7.2, "get")]
    story.hear(echo(FR))
    assert story.task.confirmed == FR


def test_the_last_wish_wins_and_the_gate_holds():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    for pair in (DE, ES, FR, DE):
        story.want(pair)
    assert story.until(5.2) == [(5.1, "set de")]


def test_a_wish_taken_back_before_it_was_said_is_not_said():
    story = Story(ES)
    story.until(0.1)
    story.hear(STARTED)
    story.want(FR)
    story.until(0.5)
    story.want(ES)
    assert story.until(20) == []


def test_a_wish_taken_back_after_it_was_said_is_said_back():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.want(ES)
    assert story.task.confirmed is None, "French may be sounding by now"
    assert story.until(5.2) == [(5.1, "set es")]
    story.hear(UPDATED)
    assert story.task.confirmed is None
    story.hear(UPDATED)
    assert (story.task.wanted, story.task.confirmed) == (ES, ES)


def test_an_acknowledgement_of_an_earlier_wish_does_not_confirm_a_later_one():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.want(DE)
    story.until(5.15)
    story.hear(UPDATED)  # of "set fr", which took long
    assert story.task.confirmed == ES
    story.hear(UPDATED)
    assert story.task.confirmed == DE


def test_an_answer_to_an_earlier_question_confirms_nothing():
    story = Story.live(ES)
    story.want(FR)
    story.until(5.2)  # "get" is on its way
    story.want(ES)
    assert story.until(7.3) == [(7.2, "set es")]
    story.hear(echo(ES))  # from before "set fr" was heard
    assert story.until(9.4) == [(9.3, "get")]
    story.hear(echo(FR))
    assert (story.task.wanted, story.task.confirmed) == (ES, FR)


def test_a_refused_change_leaves_the_old_pair_sounding_and_is_not_tried_again():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.hear(REFUSED)
    assert (story.task.wanted, story.task.confirmed, story.task.running) == (ES, ES, True)
    assert "French" in (story.task.refusal or "")
    assert story.until(5.2) == [(5.1, "get")]
    story.hear(echo(ES))
    assert story.until(30) == []
    story.want(FR)
    assert story.task.refusal is None
    assert story.until(31)[0][1] == "set fr", "a person may try again"


def test_after_a_refusal_what_was_granted_in_between_is_found_and_put_right():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.want(DE)
    story.until(5.2)
    story.hear(REFUSED)  # of German; French was granted without a word
    assert story.until(7.3) == [(7.2, "get")]
    story.hear(echo(FR))
    assert (story.task.wanted, story.task.confirmed) == (ES, FR)
    assert story.until(9.4) == [(9.3, "set es")]


def test_an_unconfirmed_change_goes_back_after_10_s():
    story = Story.live(ES)
    story.want(FR)
    said = []
    for second in range(4, 14):
        said += story.until(second)
        story.hear(echo(ES))
    assert [name for _, name in said].count("set fr") == 2
    assert story.task.wanted == ES
    assert "not confirmed" in (story.task.refusal or "")
    assert story.until(14)[-1][1] == "set es"
    story.hear(UNCHANGED, UNCHANGED, UNCHANGED)
    assert story.task.confirmed == ES


def test_pause_and_resume_with_acknowledgements():
    story = Story.live(ES)
    story.task.pause()
    assert story.until(3.1) == [(3, "pause")]
    assert story.task.running and not story.task.paused
    story.hear(PAUSED)
    assert story.task.paused and not story.task.running
    assert story.until(200) == [], "a paused task is left alone"
    story.task.resume()
    assert story.until(200.1) == [(200, "set es")]
    story.hear(RESUMED)
    assert story.task.running and story.task.confirmed == ES


@pytest.mark.parametrize("status", ["paused", None])
def test_a_pause_without_acknowledgement_is_asked_after(status):
    story = Story.live(ES)
    story.task.pause()
    assert story.until(5.2) == [(3, "pause"), (5.1, "get")]
    story.hear(echo(ES, status))
    assert story.task.paused
    assert story.until(100) == []


def test_a_pause_that_is_not_taken_is_said_again_and_the_session_lost():
    story = Story.live(ES)
    story.task.pause()
    with pytest.raises(SessionLost, match="pause"):
        for second in range(4, 40):
            story.until(second)
            story.hear(echo(ES))
    assert [name for _, name in story.said].count("pause") == 2


def test_pauses_keep_their_own_gate():
    story = Story.live(ES)
    story.task.pause()
    story.until(3.1)
    story.hear(PAUSED)
    story.task.resume()
    story.until(3.2)
    story.hear(RESUMED)
    story.task.pause()
    assert story.until(7) == [(6.1, "pause")]


def test_a_pause_before_the_start_is_confirmed_waits_for_that():
    story = Story(ES)
    story.until(0.1)
    story.task.pause()
    assert story.until(2.2) == [(2.1, "get")]
    story.hear(echo(ES))
    assert story.until(2.3) == [(2.2, "pause")]


def test_what_is_to_begin_with_a_pause_is_paused_and_asks_for_nothing():
    story = Story(ES)
    story.task.pause()
    assert story.until(100) == [] and story.task.paused
    story.task.resume()
    assert not story.task.paused
    assert story.until(100.1) == [(100, "set es")]


def test_a_wish_while_paused_is_kept_for_the_resume():
    story = Story.live(ES)
    story.task.pause()
    story.until(3.1)
    story.hear(PAUSED)
    story.want(FR)
    assert story.until(50) == []
    assert (story.task.wanted, story.task.confirmed) == (FR, ES)
    story.task.resume()
    assert story.until(51) == [(50, "set fr")]
    story.hear(UPDATED)
    assert story.task.confirmed == FR


def test_a_pair_refused_at_the_resume_gives_way_to_the_old_one():
    story = Story.live(ES)
    story.task.pause()
    story.until(3.1)
    story.hear(PAUSED)
    story.want(FR)
    story.task.resume()
    story.until(5)
    story.hear(REFUSED)
    assert story.until(8)[0][1] == "set es"


def test_nothing_to_pause_is_as_good_as_paused():
    story = Story.live(ES)
    story.task.pause()
    story.until(3.1)
    story.hear(NOT_FOUND)
    assert story.task.paused
    story.task.resume()
    assert story.until(4)[-1][1] == "set es"


def test_a_change_said_just_before_a_pause_is_remembered_as_granted():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.task.pause()
    assert story.until(3.2) == [(3.1, "pause")]
    story.hear(UPDATED, PAUSED)
    assert (story.task.confirmed, story.task.paused) == (FR, True)


def test_a_task_lost_while_live_is_asked_for_once():
    story = Story.live(ES)
    assert story.until(31) == [(30.1, "get")]
    story.hear(NOT_FOUND)
    assert (story.task.confirmed, story.task.running) == (None, False)
    assert story.until(32.3) == [(32.2, "set es")]
    story.hear(STARTED)
    assert story.task.confirmed == ES


def test_a_task_lost_again_is_a_lost_session():
    story = Story.live(ES)
    story.until(31)
    story.hear(NOT_FOUND)
    story.until(33)
    story.hear(STARTED)
    story.until(64)
    with pytest.raises(SessionLost, match="lost the translation"):
        story.hear(NOT_FOUND)


def test_a_lost_task_that_does_not_come_back_is_a_lost_session():
    story = Story.live(ES)
    story.until(31)
    story.hear(NOT_FOUND)
    with pytest.raises(SessionLost):
        for second in range(32, 44):
            story.until(second)
            story.hear(NOT_FOUND)
    assert [name for _, name in story.said].count("set es") == 2


def test_a_not_found_nobody_asked_for_is_a_late_duplicate():
    story = Story.live(ES)
    story.hear(NOT_FOUND)
    assert story.task.confirmed == ES


def test_a_task_paused_by_the_other_side_is_resumed_once():
    story = Story.live(ES)
    story.hear(TaskStatus("pause_task", "paused", "paused"))
    assert story.task.paused
    assert story.until(4) == [(3, "set es")]
    story.hear(RESUMED)
    assert story.task.running
    with pytest.raises(SessionLost, match="paused"):
        story.hear(TaskStatus("pause_task", "paused", "paused"))


def test_another_pair_running_is_shown_and_put_right():
    story = Story.live(ES)
    story.until(31)
    story.hear(echo(DE))
    assert story.task.confirmed is None, "a pair this session never asked for"
    assert story.until(33) == [(32.2, "set es")]


def test_an_echo_that_lies_is_a_lost_session_and_no_loop():
    story = Story(ES)
    with pytest.raises(SessionLost):
        for second in range(40):
            story.until(second)
            story.hear(echo(DE))
    assert story.task.confirmed is None
    assert [name for _, name in story.said].count("set es") == 2


def test_a_command_over_the_limit_is_said_later():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.hear(TOO_FAST)
    assert story.until(5.2) == [(5.1, "set fr")]


def test_a_question_over_the_limit_is_asked_later():
    story = Story(ES)
    story.until(2.2)
    story.hear(TOO_FAST)
    assert story.until(4.3) == [(4.2, "get")]


def test_an_error_nobody_knows_makes_it_ask_what_runs():
    story = Story.live(ES)
    story.hear(CloudError("SOLAR_FLARE", ""))
    assert story.until(6) == [(5.1, "get")]
    story.hear(echo(ES))
    assert story.task.confirmed == ES


@pytest.mark.parametrize("message", [CloudError("SERVICE_TIMEOUT", "no input audio"), EndOfStream()])
def test_what_ends_the_task_ends_the_session(message):
    with pytest.raises(SessionLost):
        Story.live(ES).hear(message)


def test_the_end_waits_for_nothing_and_is_the_last_word():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.want(DE)
    assert named(story.task.end()) == "end"
    story.hear(EndOfStream(), CloudError("SERVICE_TIMEOUT", ""), PAUSED)
    assert story.until(200) == []


def test_queues_and_warnings_are_kept():
    story = Story.live(ES)
    story.hear(QueueMap({"es": QueueLevel(900, 800), "fr": QueueLevel(10, None)}), CloudWarning("STALLED", ""))
    assert story.task.queue_level_ms == {"es": 900, "fr": 10}
    assert story.task.queue_full == ("es",)
    assert story.task.warnings == 1
    story.hear(QueueMap({}))
    assert story.task.queue_level_ms == {}


def test_what_was_paused_is_what_the_cloud_says():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.task.pause()
    story.until(5.3)
    story.hear(echo(FR, "paused"))
    assert (story.task.confirmed, story.task.paused) == (FR, True)


def test_a_pause_the_cloud_denies_later_is_said_again():
    story = Story.live(ES)
    story.until(30.2)  # a check is on its way
    story.task.pause()
    story.until(30.3)
    story.hear(PAUSED, echo(ES))
    assert story.task.running
    assert story.until(34) == [(33.3, "pause")]


def test_a_refused_pair_is_named_by_nothing_any_more():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.hear(REFUSED)
    story.task.pause()
    story.until(3.2)
    story.hear(UPDATED)  # late, and of "set es"
    assert story.task.confirmed == ES


def test_after_a_refusal_the_old_pair_is_shown_at_once_unless_another_may_sound():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.want(DE)
    story.until(5.2)
    story.hear(REFUSED)
    assert (story.task.wanted, story.task.confirmed) == (ES, None)
    story.until(7.3)
    story.hear(echo(ES))
    assert story.task.confirmed == ES


def test_a_mended_task_takes_a_change_as_patiently_as_any():
    story = Story.live(ES)
    story.until(31)
    story.hear(NOT_FOUND)
    story.until(33)
    story.hear(STARTED)
    story.want(FR)
    story.until(45)
    assert story.task.wanted == ES


def test_a_cloud_that_answers_no_question_is_gone():
    story = Story.live()
    assert story.until(45) == [(30.1, "get"), (35.1, "get"), (40.1, "get")]
    with pytest.raises(SessionLost, match="does not answer"):
        story.until(46)


def test_one_answer_puts_the_next_question_off():
    story = Story.live()
    assert story.until(36) == [(30.1, "get"), (35.1, "get")]
    story.hear(echo(ES))
    assert story.until(65) == []
    assert story.until(67) == [(66, "get")]
    for _ in range(10):  # errors are answers, too
        story.hear(CloudError("RATE_LIMIT_EXCEEDED", ""))
        story.until(story.now_s - 100 + 3)
    assert story.task.running


def test_a_doubt_asks_at_once():
    story = Story.live()
    story.task.check(story.now_s)
    assert story.until(4) == [(3, "get")]
    story.hear(echo(ES))
    assert story.until(30) == []


def test_ten_seconds_are_those_of_the_person_who_waits():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.want(DE)  # which the gate keeps back until 5.1
    story.until(13.05)
    assert (story.task.wanted, story.task.refusal) == (DE, None)
    story.until(13.15)
    assert story.task.wanted == ES and "German" in (story.task.refusal or "")


def test_a_change_that_could_not_be_said_is_taken_back_in_time():
    story = Story.live(ES)
    story.want(FR)  # and nobody asks what is due: the way out is stuck
    story.task.look(112.9, reachable=True)
    assert story.task.wanted == FR
    story.task.look(113.0, reachable=True)
    assert (story.task.wanted, story.task.confirmed) == (ES, ES), "no other can be sounding"
    assert "French" in (story.task.refusal or "")


@pytest.mark.parametrize("said", [False, True])
def test_a_wish_is_kept_while_the_cloud_cannot_be_reached_and_has_its_time_afterwards(said):
    story = Story.live(ES)
    story.want(FR)
    if said:
        story.until(3.1)
    for second in range(4, 60):
        story.task.look(100.0 + second, reachable=False)
    story.now_s = 159.0
    story.until(68.9)
    story.task.look(168.9, reachable=True)
    assert (story.task.wanted, story.task.refusal) == (FR, None)
    story.until(69)
    story.task.look(169.0, reachable=True)
    assert story.task.wanted == ES and "French" in (story.task.refusal or "")


def test_what_the_cloud_changed_by_itself_is_put_right_and_not_taken_for_a_wish():
    story = Story.live(ES)
    story.until(33.1)
    story.hear(echo(FR))
    story.task.look(story.now_s, reachable=True)
    assert story.task.wanted == ES and story.task.refusal is None


def test_a_refusal_of_what_is_no_longer_wanted_stops_nothing():
    story = Story.live(ES)
    story.want(FR)
    story.until(3.1)
    story.want(DE)
    story.hear(REFUSED)
    assert (story.task.wanted, story.task.refusal) == (DE, None)
    assert story.until(5.2) == [(5.1, "set de")]


def test_at_the_start_too_the_last_wish_outlives_the_refusal_of_another():
    story = Story(FR)
    story.until(0.1)
    story.want(ES)
    story.hear(REFUSED)
    assert story.until(2.2) == [(2.1, "set es")]


def test_wishes_that_were_granted_unheard_cost_no_session_however_often():
    story = Story.live(ES)
    for second in (10, 20, 30):
        story.until(second)
        story.want(FR)
        story.until(second + 0.1)
        story.want(DE)
        story.until(second + 2.2)
        story.hear(REFUSED)  # of German; French was granted without a word
        story.until(second + 4.3)
        story.hear(echo(FR))
        assert (story.task.wanted, story.task.confirmed) == (ES, FR)
        story.until(second + 8.5)
        story.hear(echo(ES))
        assert (story.task.wanted, story.task.confirmed) == (ES, ES)
