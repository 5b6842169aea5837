from typing import Any

import pytest

from markets.tally import MARKET, SCHEMA, Add, CloseSession, opening, stamped
from ringmain.core.engine import Machine
from ringmain.core.messages import RISING
from ringmain.core.sessions import ANSWERS_KEPT


class Desk:
    """A machine that is asked one command after the other."""

    def __init__(self) -> None:
        self.machine, self.sequence = Machine(MARKET), 0

    def ask(self, record: Any) -> list[dict[str, Any]]:
        self.sequence += 1
        events: list[dict[str, Any]] = []
        batch = stamped([record], self.sequence)
        self.machine.step(batch, lambda rows: events.extend(map(SCHEMA.unpack_event, rows)))
        return events


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    assert desk.ask(opening(3))[0]["last_number"] == 0
    return desk


def reason(events: list[dict[str, Any]]) -> str:
    assert [event["record"] for event in events] == ["CommandRefused"]
    return str(events[0]["reason"])


def test_a_repeat_is_told_where_its_first_answer_stands(desk: Desk) -> None:
    first = desk.ask(Add(3, 1, amount=5, echoes=0))
    again = desk.ask(Add(3, 1, amount=5, echoes=0))
    assert reason(again) == "REPEATED"
    assert again[0]["first_sequence"] == first[0]["sequence"] == 2
    assert desk.machine.state[0].total == 5


def test_a_repeat_from_long_ago_is_a_repeat_all_the_same(desk: Desk) -> None:
    for number in range(1, ANSWERS_KEPT + 3):
        desk.ask(Add(3, number, amount=1, echoes=0))
    again = desk.ask(Add(3, 1, amount=1, echoes=0))
    assert reason(again) == "REPEATED" and again[0]["first_sequence"] == 0
    assert desk.machine.state[0].total == ANSWERS_KEPT + 2


@pytest.mark.parametrize("number", [0, -1, -(2**63)])
def test_a_number_before_the_first_is_no_fresh_one(desk: Desk, number: int) -> None:
    assert reason(desk.ask(Add(3, number, amount=1, echoes=0))) == "REPEATED"


def test_a_skipped_number_is_refused_and_changes_nothing(desk: Desk) -> None:
    events = desk.ask(Add(3, 2, amount=1, echoes=0))
    assert reason(events) == "NUMBER_SKIPPED" and events[0]["expected_number"] == 1
    assert desk.ask(Add(3, 1, amount=1, echoes=0))[0]["record"] == "Added"


def test_rising_numbers_may_skip_but_not_return(desk: Desk) -> None:
    desk.ask(opening(4, RISING))
    assert desk.ask(Add(4, 100, amount=1, echoes=0))[0]["record"] == "Added"
    assert reason(desk.ask(Add(4, 100, amount=1, echoes=0))) == "REPEATED"
    assert reason(desk.ask(Add(4, 50, amount=1, echoes=0))) == "REPEATED"


def test_unknown_sessions_kinds_and_layouts_are_named(desk: Desk) -> None:
    assert reason(desk.ask(Add(9, 1, amount=1, echoes=0))) == "SESSION_NOT_OPEN"
    assert reason(desk.ask(Add(0, 1, amount=1, echoes=0))) == "SESSION_NOT_OPEN"
    assert reason(desk.ask(Add(2**32 - 1, 1, amount=1, echoes=0))) == "SESSION_NOT_OPEN"
    for field, value, name in (
        ("kind", 999, "UNKNOWN_COMMAND"),
        ("version", 9, "WRONG_LAYOUT"),
        ("slots", 3, "WRONG_LAYOUT"),
    ):
        record = Add(3, int(desk.machine.sessions[3].last_number) + 1, amount=1, echoes=0)
        record[field] = value
        assert reason(desk.ask(record)) == name


def test_a_closed_session_keeps_its_number(desk: Desk) -> None:
    desk.ask(Add(3, 1, amount=1, echoes=0))
    assert desk.ask(CloseSession(session_id=3))[0]["record"] == "SessionClosed"
    assert reason(desk.ask(Add(3, 2, amount=1, echoes=0))) == "SESSION_NOT_OPEN"
    assert reason(desk.ask(CloseSession(session_id=3))) == "SESSION_NOT_OPEN"
    assert desk.ask(opening(3))[0]["last_number"] == 1
