"""The conversation about the translation task: who says what when. Bytes and time in, bytes out.

Feed it what people want and what the cloud says, and send what is `due`. Sources: palabra-api 3.5 to 3.7, 4.7, 8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum, auto
from operator import itemgetter

from service.core import task_settings
from service.core.errors import SessionLost, TaskRefused
from service.core.languages import LanguagePair, pair_named
from service.core.messages import (
    CloudError,
    CloudWarning,
    CurrentTask,
    EndOfStream,
    Message,
    QueueLevel,
    QueueMap,
    TaskStatus,
)
from service.core.task_ask import CHANGE, GATE_S, MEND, PAUSE_GATE_S, START, Ask, title

CHECK_S = 30.0  # how often a settled task is asked after: a lost one says nothing by itself
ANSWER_S = 5.0  # then it is asked after again
SILENT_POLLS = 3  # so many questions in a row without an answer, and nobody is there any more
MEND_AGAIN_S = 60.0  # a task lost twice within this is lost for good


_Step = Callable[[float], bytes | None]


class _State(Enum):
    ABSENT = auto()  # not started yet, or lost
    RUNNING = auto()
    PAUSED = auto()


class TranslationTask:
    """One session's task, from the first wish to `end`.

    Times are seconds of one monotonic clock. `receive` and `due` raise SessionLost when only a new session helps and
    TaskRefused when the first pair is refused; after that, and after `end`, the object has nothing more to say.
    A refused or unconfirmed change leaves the confirmed pair wanted again, with the reason in `refusal`.
    """

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.warnings = 0
        self._wanted: LanguagePair | None = None
        self._wished_at_s = -math.inf
        self._confirmed: LanguagePair | None = None
        self._pausing = False
        self._state = _State.ABSENT
        self._in_doubt = False  # another pair than the confirmed one was asked for since
        self._ask: Ask | None = None
        self._said: list[LanguagePair] = []  # every pair set_task named in this session, the latest last
        self._reduced: set[LanguagePair] = set()  # pairs whose options the cloud refused
        self._set_gate_s = self._pause_gate_s = 0.0
        self._check_at_s = math.inf
        self._open_polls = 0  # get_tasks not answered yet
        self._unanswered = 0  # set_tasks not acknowledged yet; only generation D does
        self._mending = False
        self._mended_at_s = -math.inf
        self._queue: dict[str, QueueLevel] = {}
        self._ended = False

    @property
    def wanted(self) -> LanguagePair | None:
        """What the person chose last, unless the cloud refused it."""
        return self._wanted

    @property
    def confirmed(self) -> LanguagePair | None:
        """What the cloud says it runs, or keeps while paused; None before the first word and after a loss.

        Equal to `wanted` only while nothing else can be sounding: None when a change was said and then taken back,
        until the cloud has said what came of it.
        """
        return None if self._in_doubt and self._wanted == self._confirmed else self._confirmed

    @property
    def running(self) -> bool:
        """Whether the cloud translates, and so the meter runs."""
        return self._state is _State.RUNNING

    @property
    def going(self) -> bool:
        """Whether what is said now is translated: it runs, and no pause is wished for, asked for or being undone."""
        undone = self._ask is not None and self._ask.patience is START
        return self.running and not self._pausing and not undone

    @property
    def paused(self) -> bool:
        """Whether the cloud keeps the task without running it, or need not be asked for one yet."""
        return self._state is _State.PAUSED or (self._pausing and self._state is _State.ABSENT and self._ask is None)

    @property
    def queue_level_ms(self) -> dict[str, int]:
        """Translated speech waiting to be spoken, per language, as last heard."""
        return {language: level.current_ms for language, level in self._queue.items()}

    @property
    def queue_full(self) -> tuple[str, ...]:
        """The languages whose queue stands above its maximum: their oldest speech is being dropped."""
        return tuple(
            language
            for language, level in self._queue.items()
            if level.max_ms is not None and level.current_ms > level.max_ms
        )

    def want(self, pair: LanguagePair, now_s: float) -> None:
        """Wish for this pair; the last wish wins. While paused it is kept for the resume."""
        self._wanted, self._wished_at_s = pair, now_s
        self.refusal = None

    def pause(self) -> None:
        """Wish for a pause; one asked for before the start is confirmed waits for that."""
        self._pausing = True

    def resume(self) -> None:
        """Wish to go on with the wanted pair."""
        self._pausing = False

    def end(self) -> bytes:
        """The last command, to be sent at once: it waits for no gate and no answer."""
        self._ended = True
        return task_settings.end_task()

    def check(self, now_s: float) -> None:
        """Ask at once whether the task still runs: there is reason to doubt it."""
        self._check_at_s = min(self._check_at_s, now_s)

    def look(self, now_s: float, *, reachable: bool) -> None:
        """Take a change back that is not confirmed in time, also where it could not even be said. While the cloud is
        not `reachable` a wish is kept, and its time begins afterwards. To be called now and then."""
        ask = self._ask
        if self._mending or (ask is not None and ask.patience is not CHANGE):
            return
        if not reachable:
            self._wished_at_s = now_s
            if ask is not None:
                ask.until_s = now_s + CHANGE.limit_s
        elif self._changing and now_s >= self._wished_at_s + CHANGE.limit_s:
            self._take_back("was not confirmed in time", now_s)

    @property
    def _changing(self) -> bool:
        return self.running and not self._pausing and self._confirmed not in (None, self._wanted)

    def _take_back(self, why: str, now_s: float) -> None:
        assert self._wanted is not None  # only a wish is taken back
        self.refusal = f"{title(self._wanted)} {why}"
        # Asked for anew where the change was said: the cloud may have heard it all the same.
        self._wanted, self._wished_at_s = self._confirmed, now_s

    # What to say, and when.

    def wake_at_s(self) -> float | None:
        """When to call `due` next, if nothing is heard or wished before; may lie in the past."""
        upcoming = self._next()
        return None if upcoming is None else upcoming[0]

    def due(self, now_s: float) -> bytes | None:
        """The message to send now, counted as sent; ask again until None."""
        upcoming = self._next()
        if upcoming is None or now_s < upcoming[0]:
            return None
        return upcoming[1](now_s)

    def _next(self) -> tuple[float, _Step] | None:
        ask = self._ask
        if self._ended or self._wanted is None:
            return None
        if self._differs():
            return (self._pause_gate_s if self._pausing else self._set_gate_s), self._say_new
        if ask is None:
            return (max(self._check_at_s, self._set_gate_s), self._poll) if self.running else None
        gate_s = self._pause_gate_s if ask.pauses else self._set_gate_s
        steps: tuple[tuple[float, _Step], ...] = (
            (ask.until_s, self._give_up),
            (max(ask.repeat_at_s, gate_s), self._say_again),
            (max(ask.said_at_s + GATE_S, self._set_gate_s), self._poll),
        )
        return min(steps, key=itemgetter(0))  # the first of equals

    def _differs(self) -> bool:
        """Whether what people want is neither what runs nor what was asked for."""
        ask = self._ask
        if self._pausing:
            if ask is not None:
                return ask.pair is not None and self._state is not _State.ABSENT
            return self.running
        if ask is not None:
            return ask.pair != self._wanted
        return not self.running or self._confirmed != self._wanted

    def _say_new(self, now_s: float) -> bytes:
        pair, patience = (None if self._pausing else self._wanted), START
        if pair is not None and self._mending:
            patience = MEND
        elif self._changing:
            patience = CHANGE
        self._ask = Ask.of(pair, patience, now_s, supersedes=self._in_doubt)
        if patience is CHANGE:
            self._ask.until_s = self._wished_at_s + CHANGE.limit_s  # a person has waited since then
        self._in_doubt |= pair is not None and pair != self._confirmed
        return self._say(self._ask, now_s)

    def _say_again(self, now_s: float) -> bytes:
        assert self._ask is not None  # only an ask is repeated
        self._ask.repeat_at_s = math.inf
        return self._say(self._ask, now_s)

    def _say(self, ask: Ask, now_s: float) -> bytes:
        ask.said_at_s, ask.stale_answers = now_s, self._open_polls
        if ask.pair is None:
            self._pause_gate_s = now_s + PAUSE_GATE_S
            return task_settings.pause_task()
        self._set_gate_s = now_s + GATE_S
        self._unanswered += 1
        if ask.pair in self._said:
            self._said.remove(ask.pair)
        self._said.append(ask.pair)
        ask.minimal = ask.pair in self._reduced
        return task_settings.set_task(ask.pair, minimal=ask.minimal)

    def _poll(self, now_s: float) -> bytes:
        if self._ask is None and self._open_polls >= SILENT_POLLS:
            raise SessionLost("the cloud does not answer any more")
        self._set_gate_s = now_s + GATE_S
        self._check_at_s = now_s + ANSWER_S
        self._open_polls += 1
        return task_settings.get_task()

    def _give_up(self, now_s: float) -> bytes | None:
        assert self._ask is not None  # only an ask has an end
        if self._ask.patience is not CHANGE:
            raise SessionLost(f"the cloud did not confirm {self._ask.title} in time")
        self._take_back("was not confirmed in time", now_s)
        return self.due(now_s)

    # What the cloud says.

    def receive(self, message: Message, now_s: float) -> None:
        """Take in one message. Kinds that do not concern the task change nothing."""
        if self._ended:
            return
        match message:
            case QueueMap():
                self._queue = dict(message.levels)
            case CloudWarning():
                self.warnings += 1
            case CurrentTask():
                self._hear_current_task(message, now_s)
            case TaskStatus():
                self._hear_task_status(message, now_s)
            case CloudError():
                self._hear_error(message, now_s)
            case EndOfStream():
                raise SessionLost("the cloud ended the translation")

    def _hear_current_task(self, message: CurrentTask, now_s: float) -> None:
        if not self._answers_latest_poll() or message.status == "unknown":
            return
        ask = self._ask
        pausing = ask is not None and ask.pauses
        known = (None if ask is None else ask.pair, self._confirmed, self._wanted, *reversed(self._said))
        pair = pair_named(message.source, message.targets, [pair for pair in known if pair is not None])
        if message.status == "paused" or (pausing and message.status is None):
            if pair is not None:
                self._confirmed, self._in_doubt = pair, False
            self._hear_paused(now_s)
        elif not pausing:
            self._hear_running(pair, now_s)

    def _answers_latest_poll(self) -> bool:
        """Whether this answers a get_task sent after the last command; the answers come in the order of the polls."""
        if self._open_polls == 0:
            return False  # a duplicate
        self._open_polls -= 1
        if self._ask is None or self._ask.stale_answers == 0:
            return True
        self._ask.stale_answers -= 1
        return False

    def _hear_running(self, pair: LanguagePair | None, now_s: float) -> None:
        if self._ask is None:
            doubted = self._in_doubt and pair is not None
            self._state, self._in_doubt = _State.RUNNING, False
            self._check_at_s = now_s + CHECK_S
            if pair != self._confirmed:
                self._confirmed, self._wished_at_s = pair, now_s
                if not doubted:  # else it only granted an earlier wish
                    self._mend("the cloud runs another pair than it confirmed", now_s)
        elif pair is not None and pair == self._ask.pair:
            self._confirm(pair, now_s)
            self._open_polls = 0  # older ones are lost
        elif pair is not None:  # not changed yet
            self._confirmed = pair

    def _hear_paused(self, now_s: float) -> None:
        self._state = _State.PAUSED
        if self._ask is None and not self._pausing:
            self._mend("the cloud paused the translation by itself", now_s)
        elif self._ask is not None and self._ask.pauses:
            self._ask = None

    def _hear_task_status(self, message: TaskStatus, now_s: float) -> None:
        if message.status == "paused":
            self._hear_paused(now_s)
        elif message.command == "set_task" and message.status in ("running", None) and self._ask is not None:
            self._unanswered -= 1
            if self._unanswered > 0:
                return  # an earlier one's
            if self._ask.pair is not None:
                self._confirm(self._ask.pair, now_s)
            elif self._said:
                self._confirmed, self._in_doubt = self._said[-1], False

    def _hear_error(self, error: CloudError, now_s: float) -> None:
        ask = self._ask
        if error.code == "SERVICE_TIMEOUT":
            raise SessionLost(f"the cloud heard no sound and gave up: {error.short}")
        if error.code == "NOT_FOUND":
            self._hear_not_found(now_s)
        elif error.code == "VALIDATION_ERROR" and ask is not None and ask.pair is not None:
            self._hear_refusal(ask, ask.pair, error, now_s)
        elif error.is_rate_limit and ask is not None:
            if self._open_polls == ask.stale_answers:  # so it was the command, not a poll, that came too early
                ask.repeat_at_s = now_s
        else:
            self._open_polls = max(0, self._open_polls - 1)  # as far as we know it was the answer to one
            self._check_at_s = min(self._check_at_s, now_s + GATE_S)  # whatever it means: does the task still run?

    def _hear_not_found(self, now_s: float) -> None:
        latest = self._answers_latest_poll()
        if self._ask is not None and self._ask.pauses:
            self._hear_paused(now_s)  # there is nothing to pause any more, and nothing is paid
        elif self._ask is None and self.running and latest:
            self._state, self._confirmed = _State.ABSENT, None
            self._mend("the cloud lost the translation", now_s)

    def _hear_refusal(self, ask: Ask, pair: LanguagePair, error: CloudError, now_s: float) -> None:
        self._unanswered = max(0, self._unanswered - 1)
        if not ask.minimal and task_settings.has_options(pair) and not error.names_language:
            if pair not in self._reduced:
                self._reduced.add(pair)
                self.refusal = f"options of {ask.title} were refused and left out: {error.short}"
                ask.repeat_at_s = now_s
            return
        if self._wanted == pair:  # else the last wish is another one by now, and not said yet
            if self._confirmed in (None, pair):
                raise TaskRefused(f"{ask.title} was refused: {error.short}")
            self._take_back(f"was refused: {error.short}", now_s)
        self._ask = None
        self._said.remove(pair)
        self._in_doubt = ask.supersedes
        self._check_at_s = now_s  # a wish before the refused one may have been granted meanwhile

    def _confirm(self, pair: LanguagePair, now_s: float) -> None:
        self._confirmed, self._state, self._ask = pair, _State.RUNNING, None
        self._mending = self._in_doubt = False
        self._unanswered = 0
        self._check_at_s = now_s + CHECK_S

    def _mend(self, loss: str, now_s: float) -> None:
        """Have the wanted pair asked for once more, without an ask outstanding; twice in a row, it is lost."""
        if now_s < self._mended_at_s + MEND_AGAIN_S:
            raise SessionLost(loss)
        self._mended_at_s, self._mending = now_s, True
