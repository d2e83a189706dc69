"""Two minutes of a call with far more trouble than it should have (row 32); forty are run by hand, see tests/bench."""

from dataclasses import replace

import pytest

from tests.bench import soak
from tests.conformance.servers import CURRENT

# The blocks last as long as in the real one; they come ten times as often. Two minutes tell little of memory.
SHORT = replace(
    soak.plan(2), warm_up_s=30, kill_every_s=8, block_every_s=30, blocks_s=(8, 19), sample_every_s=0.5,
    memory_mb_per_min=2.0,
)  # fmt: skip


def samples(**per_min: float) -> list[soak.Sample]:
    start = {"memory_mb": 100.0, "threads": 5, "files": 20, "tasks": 40}
    return [
        soak.Sample(n * 5.0, **{name: value + per_min.get(name, 0) * n / 12 for name, value in start.items()})
        for n in range(480)
    ]


def broken(*, of: list[soak.Sample]) -> list[str]:
    return [verdict.name for verdict in soak.judge(soak.plan(40), of) if verdict.broken]


@pytest.mark.parametrize(("name", "per_min"), [("memory_mb", 0.2), ("threads", 0.2), ("files", 0.5), ("tasks", 0.5)])
def test_whatever_grows_is_named(name, per_min):
    assert broken(of=samples(**{name: per_min})) == [name]


def test_what_jumps_and_comes_back_is_none():
    calm = samples()
    jumps = [replace(one, files=one.files + 30, memory_mb=one.memory_mb + 50) for one in calm[::10]]
    assert broken(of=sorted([*calm, *jumps], key=lambda one: one.at_s)) == []


def test_the_plan_kills_and_blocks_and_leaves_time_between():
    steps = soak.plan(40).steps()
    kills, blocks = [one for one in steps if one.kill], [one for one in steps if not one.kill]
    assert len(blocks) == 7 and [one.lasts_s for one in blocks[:3]] == [8, 8, 19]
    assert len(kills) >= 12
    assert not any(block.at_s <= kill.at_s <= block.at_s + block.lasts_s for kill in kills for block in blocks)


@pytest.mark.slow
@pytest.mark.parametrize("server", [CURRENT], indirect=True)
async def test_row_32_nothing_grows(server):
    verdicts = await soak.soak(SHORT, server)
    print(*verdicts, sep="\n")
    assert not any(verdict.broken for verdict in verdicts), "\n".join(map(str, verdicts))
