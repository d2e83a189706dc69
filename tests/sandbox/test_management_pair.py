"""The box's TranslationTask and the sandbox's ManagementTask talk over a link with delay, in virtual time."""

import heapq
import itertools
import json
import random
from collections.abc import Callable

import pytest

from service.core.errors import SessionLost, TaskRefused
from service.core.languages import LanguagePair
from service.core.messages import decode
from service.core.translation import TranslationTask
from service.sandbox.management import ManagementTask, State
from service.sandbox.orders import Outgoing

TICK_S = 0.1
MENU = [
    LanguagePair(name="Spanish", source="en", targets=("es",)),
    LanguagePair(name="French", source="en", targets=("fr",), voice_id="default_high"),
    LanguagePair(name="English", source="es", targets=("en",)),
    LanguagePair(name="Both", source="auto", targets=("de", "zh"), detectable=("en", "es")),
]
REFUSED = LanguagePair(name="Klingon", source="en", targets=("xx",))
GENERATIONS = pytest.mark.parametrize("generation", "BCD")


def runs(server: ManagementTask, pair: LanguagePair) -> bool:
    """Whether the server runs, or keeps while paused, exactly this pair."""
    targets = tuple({"en": "en-us", "zh": "zh-hans"}.get(target, target) for target in pair.targets)
    run = server.current
    return run is not None and (run.source, run.targets) == (pair.source, targets)


class World:
    """Box, link and server. Each way keeps its order; `loss` and `twice` are chances of a message."""

    def __init__(
        self,
        generation: str,
        *,
        seed: int = 1,
        delay_s: tuple[float, float] = (0.02, 0.3),
        loss: float = 0.0,
        twice: float = 0.0,
        faults: dict[str, str] | None = None,
    ) -> None:
        self.chance = random.Random(seed)
        self.delay_s, self.loss, self.twice = delay_s, loss, twice
        self.faults = faults or {}
        self.generation = generation
        self.now_s = 0.0
        self.sent: list[tuple[float, str]] = []
        self.sessions = 0
        self.watch: Callable[[], None] = lambda: None
        self.open()

    def open(self) -> None:
        """A new session: the limits count anew."""
        if self.sent:
            self.check_gates()
            self.sent.clear()
        self.sessions += 1
        self.box = TranslationTask()
        self.server = ManagementTask(
            generation=self.generation, ready_delay_s=self.chance.choice([0.5, 3.0]), fault=self.faults.get
        )
        self.in_flight: list[tuple[float, int, bool, bytes]] = []
        self.order = itertools.count()
        self.last_s = {True: 0.0, False: 0.0}

    def post(self, to_box: bool, payload: bytes) -> None:
        if self.chance.random() < self.loss:
            return
        arrival_s = max(self.last_s[to_box], self.now_s + self.chance.uniform(*self.delay_s))
        self.last_s[to_box] = arrival_s
        for _ in range(2 if self.chance.random() < self.twice else 1):
            heapq.heappush(self.in_flight, (arrival_s, next(self.order), to_box, payload))

    def until(self, now_s: float) -> None:
        while self.now_s < now_s:
            self.step(self.now_s + TICK_S)

    def step(self, end_s: float) -> None:
        """One tick, with all that the link and the box do in it at their exact times."""
        while True:
            wake_s = self.box.wake_at_s()
            wake_s = end_s + 1 if wake_s is None else max(wake_s, self.now_s)
            arrival_s = self.in_flight[0][0] if self.in_flight else end_s + 1
            if min(wake_s, arrival_s) > end_s:
                break
            self.now_s = min(wake_s, arrival_s)
            if arrival_s <= wake_s:
                self.deliver()
            elif (message := self.box.due(self.now_s)) is not None:
                self.say(message)
            self.watch()
        self.now_s = end_s
        self.server.input_heard(end_s)
        self.answer(self.server.tick(end_s))
        self.watch()

    def deliver(self) -> None:
        _, _, to_box, payload = heapq.heappop(self.in_flight)
        if to_box:
            self.box.receive(decode(payload), self.now_s)
        else:
            self.answer(self.server.receive(payload, self.now_s, sender="box", may_command=True))

    def say(self, message: bytes) -> None:
        self.sent.append((self.now_s, json.loads(message)["message_type"]))
        self.post(False, message)

    def answer(self, output: list) -> None:
        for one in output:
            if isinstance(one, Outgoing):
                self.post(True, one.payload)

    @property
    def settled(self) -> bool:
        """Whether the box has nothing to say but the next check, and nothing is on its way."""
        wake_s = self.box.wake_at_s()
        return not self.in_flight and (wake_s is None or wake_s > self.now_s + 4)

    def check_gates(self) -> None:
        for kinds, gate_s in (({"set_task", "get_task"}, 2.1), ({"pause_task"}, 3.1)):
            times_s = [at_s for at_s, kind in self.sent if kind in kinds]
            assert all(later - sooner >= gate_s - 1e-9 for sooner, later in itertools.pairwise(times_s))

    def never_wrong(self) -> None:
        """Whenever the lamp would be steady, the pair it shows is the one that runs."""
        if self.box.confirmed is not None and self.box.confirmed == self.box.wanted:
            assert runs(self.server, self.box.confirmed), f"{self.now_s:.2f} s: {self.box.confirmed.name}"


@GENERATIONS
def test_a_pair_starts_changes_pauses_resumes_and_ends(generation):
    world = World(generation)
    world.watch = world.never_wrong
    world.box.want(MENU[0], world.now_s)
    world.until(6)
    assert world.box.confirmed == MENU[0] and world.box.running
    world.box.want(MENU[3], world.now_s)
    world.until(12)
    assert world.box.confirmed == MENU[3]
    world.box.pause()
    world.until(18)
    assert world.box.paused and world.server.state is State.PAUSED
    world.box.resume()
    world.until(24)
    assert world.box.running and world.server.state is State.RUNNING
    world.watch = lambda: None  # nothing runs any more, whatever was confirmed
    world.say(world.box.end())
    world.until(35)
    assert world.server.state is State.NONE
    world.check_gates()


@GENERATIONS
@pytest.mark.parametrize("faults", [{}, {"string-data": ""}, {"duplicates": ""}, {"no-queue-map": ""}])
def test_a_thousand_presses_never_show_a_language_that_does_not_sound(generation, faults):
    world = World(generation, seed=7, faults=faults)
    if "duplicates" not in faults:  # they can confirm a wish one press too early, until the next check
        world.watch = world.never_wrong
    confirmed = set()
    for press in range(1000):
        world.box.want(world.chance.choice(MENU), world.now_s)
        world.until(world.now_s + world.chance.choice([0.1, 0.4, 1.5, 2.2, 5.0]))
        confirmed.add(world.box.confirmed)
        if press % 50 == 49:
            world.until(world.now_s + 45)
            assert world.box.confirmed == world.box.wanted
            assert runs(world.server, world.box.wanted)
    assert confirmed >= set(MENU)
    world.check_gates()


@GENERATIONS
def test_presses_of_every_kind_settle_to_the_last_wish(generation):
    world = World(generation, seed=11, faults={"refuse-language": "xx"})
    world.watch = world.never_wrong
    world.box.want(MENU[0], world.now_s)
    world.until(10)
    paused = False
    for press in range(600):
        act = world.chance.random()
        if act < 0.2:
            paused = not paused
            (world.box.pause if paused else world.box.resume)()
        else:
            world.box.want(REFUSED if act < 0.4 else world.chance.choice(MENU), world.now_s)
        world.until(world.now_s + world.chance.choice([0.1, 0.8, 2.5, 6.0]))
        if press % 30 == 29:
            world.box.resume()
            paused = False
            world.until(world.now_s + 45)
            assert world.box.running and world.server.state is State.RUNNING
            assert world.box.confirmed == world.box.wanted != REFUSED
    assert world.sessions == 1
    world.check_gates()


@GENERATIONS
@pytest.mark.parametrize("delay_s", [(1.0, 1.6), (0.0, 2.5)])
def test_a_slow_link_is_slow_and_never_wrong(generation, delay_s):
    world = World(generation, seed=3, delay_s=delay_s)
    world.watch = world.never_wrong
    for _ in range(150):
        try:
            world.box.want(world.chance.choice(MENU), world.now_s)
            world.until(world.now_s + world.chance.choice([0.3, 2.0, 20.0]))
        except SessionLost:
            world.open()
    world.check_gates()
    assert world.sessions < 15


@GENERATIONS
def test_losses_and_duplicates_end_in_the_last_wish_or_in_a_new_session(generation):
    world = World(generation, seed=5, loss=0.1, twice=0.1)
    settled = 0
    for _ in range(300):
        wanted = world.chance.choice(MENU)
        patient = world.chance.random() < 0.3
        try:
            world.box.want(wanted, world.now_s)
            world.until(world.now_s + (75 if patient else world.chance.choice([0.5, 3.0])))
        except SessionLost:
            world.open()
            continue
        if patient and world.settled:
            assert world.box.confirmed == world.box.wanted
            assert runs(world.server, world.box.confirmed)
            settled += world.box.confirmed == wanted
    assert settled > 50
    assert world.sessions < 20
    world.check_gates()


@GENERATIONS
def test_a_refused_first_pair_needs_a_person(generation):
    world = World(generation)
    world.box.want(REFUSED, world.now_s)
    with pytest.raises(TaskRefused, match="Klingon"):
        world.until(10)


@pytest.mark.parametrize(
    "generation, fault",
    [*itertools.product("BCD", ["never-ready", "drop-messages"]), ("B", "wrong-echo"), ("C", "wrong-echo")],
)
def test_a_start_that_is_never_confirmed_loses_the_session_in_30_s(generation, fault):
    world = World(generation, faults={fault: ""})
    world.box.want(MENU[0], world.now_s)
    with pytest.raises(SessionLost):
        world.until(60)
    assert 30 <= world.now_s < 31
    assert [kind for _, kind in world.sent].count("set_task") == 2
    world.check_gates()


@GENERATIONS
def test_a_task_that_is_lost_comes_back_by_itself(generation):
    world = World(generation, faults={"not-found-after": "70"})
    world.box.want(MENU[0], world.now_s)
    world.until(60)
    assert world.box.confirmed == MENU[0]
    world.until(110)
    assert world.box.confirmed == MENU[0] and runs(world.server, MENU[0])
    assert [kind for _, kind in world.sent].count("set_task") == 2


@GENERATIONS
def test_a_task_that_is_lost_for_good_is_a_lost_session(generation):
    world = World(generation)
    world.box.want(MENU[0], world.now_s)
    world.until(10)
    world.faults["lost-task"] = ""
    with pytest.raises(SessionLost):
        world.until(60)
    assert [kind for _, kind in world.sent].count("set_task") == 2


def test_an_echo_that_denies_the_acknowledgement_is_found_by_the_check():
    world = World("D", faults={"wrong-echo": ""})
    world.box.want(MENU[0], world.now_s)
    world.until(10)
    assert world.box.confirmed == MENU[0]
    with pytest.raises(SessionLost, match="another pair"):
        world.until(90)
