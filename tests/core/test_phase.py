from service.core.phase import STEPS, Phase, may_step


def test_every_phase_has_a_row_and_a_way_out():
    assert set(STEPS) == set(Phase)
    for phase in Phase:
        assert may_step(phase, Phase.STOPPING) == (phase is not Phase.STOPPING)


def test_nothing_leaves_stopping_and_live_is_reached_only_from_where_a_task_can_be():
    assert not STEPS[Phase.STOPPING]
    assert {phase for phase in Phase if may_step(phase, Phase.LIVE)} == {Phase.PREPARING, Phase.PAUSED, Phase.WAITING}
