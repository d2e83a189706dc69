"""Each open question of palabra-api 8: the running box does what the right column says, seen from outside.

The box is `python -m service run`; its cloud is a second process on aiohttp alone (`vendor.py`), or for rows of the
room a sandbox with the switch in question. Stories run a few at a time, since most of them wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio

from tests.quirks import room_rows, session_rows, task_rows
from tests.quirks.running import Stage

AT_ONCE = 5

ROWS: dict[int, Callable[[Stage], Awaitable[None]]] = {
    1: session_rows.publisher_string_or_list,
    2: session_rows.enveloped_or_flat_200_or_201,
    3: session_rows.the_kind_of_credentials_is_configured,
    4: session_rows.publisher_can_subscribe_is_left_out_unless_needed,
    5: session_rows.a_token_is_opaque_and_each_start_has_its_own,
    6: session_rows.a_session_is_joined_at_once_else_made_anew,
    7: session_rows.a_room_url_keeps_its_path,
    8: room_rows.a_newer_livekit_is_spoken_to_the_old_way,
    9: room_rows.a_late_translator_is_told_again,
    10: task_rows.a_task_nobody_heard_is_set_again,
    11: room_rows.tracks_with_regions_are_matched,
    12: room_rows.a_changed_target_is_heard,
    13: room_rows.task_status_is_taken_but_not_needed,
    14: task_rows.eos_and_end_of_stream_end_a_session,
    16: room_rows.frames_never_stop,
    17: room_rows.silence_flows_while_paused,
    18: room_rows.tracks_may_vanish_while_paused,
    19: task_rows.set_and_get_share_one_gate,
    20: task_rows.an_unknown_error_is_logged_and_survived,
    21: task_rows.numeral_tokens_are_not_mentioned,
    22: task_rows.queue_levels_stand_inside_the_pipeline,
    23: task_rows.a_refused_option_is_left_out_once,
    24: task_rows.the_control_url_is_tried_then_the_data_channel,
    25: session_rows.a_balance_that_ends_in_mid_session_is_shown,
    26: session_rows.a_session_is_deleted_after_end_task,
    27: task_rows.output_stream_is_never_null,
    28: session_rows.creation_backs_off,
    29: task_rows.data_may_be_text_once_more,
    30: room_rows.replies_are_heard_on_both_channels,
}

NOTHING_TO_OBSERVE = {
    15: "interrupt_task or flush_task: no command of the box interrupts a phrase, so it says neither",
}


def test_every_row_is_tested_or_named():
    assert sorted([*ROWS, *NOTHING_TO_OBSERVE]) == list(range(1, 31))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(request, tmp_path_factory):
    """The stories of the rows that were selected, begun; those that wait longest first."""
    stage, turn = Stage(tmp_path_factory.mktemp("quirks")), asyncio.Semaphore(AT_ONCE)
    await stage.open()

    async def tell(row: int) -> None:
        async with turn:
            await ROWS[row](stage)

    longest = (9, 24, 25, 16, 10)
    items = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    rows = sorted((item.callspec.params["row"] for item in items), key=lambda row: row not in longest)
    told = {row: asyncio.create_task(tell(row)) for row in rows}
    yield told
    for story in told.values():
        story.cancel()
    await asyncio.gather(*told.values(), return_exceptions=True)
    await stage.close()


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row:02}-{ROWS[row].__name__}")
async def test_row(row, stories):
    await stories[row]
