import threading
from pathlib import Path

import pytest

from ringmain.core.clock import NANOSECONDS, Clock
from ringmain.core.commit import CommitPosition


def test_a_running_clock_is_shared_and_goes_on_where_it_was_begun(tmp_path: Path) -> None:
    clock = Clock.running(tmp_path / "clock", 1_000 * NANOSECONDS, speed=1000.0)
    again = Clock.running(tmp_path / "clock", 77, speed=3.0)
    first, second, third = clock.now_ns(), again.now_ns(), clock.now_ns()
    assert 1_000 * NANOSECONDS <= first <= second <= third
    assert again.speed == 1000.0 and not again.is_stepped
    assert clock.wall_seconds_until(clock.now_ns() + 500 * NANOSECONDS) <= 0.5
    assert clock.wall_seconds_until(0) == 0.0


def test_a_stepped_clock_stands_until_it_is_moved(tmp_path: Path) -> None:
    clock = Clock.stepped(tmp_path / "clock", 5)
    other = Clock(tmp_path / "clock")
    assert other.now_ns() == 5 and other.is_stepped and other.wall_seconds_until(6) == float("inf")
    clock.step_to(9)
    assert other.now_ns() == 9


def test_turns_are_taken_in_order(tmp_path: Path) -> None:
    clock = Clock.stepped(tmp_path / "clock", 0)
    taken: list[int] = []

    def live(own: int) -> None:
        mine = Clock(tmp_path / "clock")
        for _ in range(20):
            assert mine.wait_turn(own, 20.0)
            taken.append(own)
            mine.pass_turn((own + 1) % 3)

    threads = [threading.Thread(target=live, args=(own,)) for own in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [0, 1, 2] * 20
    assert not clock.wait_turn(1, 0.01)


@pytest.mark.parametrize(("voters", "shown"), [(("journal",), [7, 9]), (("journal", "follower"), [7])])
def test_events_show_when_every_voter_has_their_commands(voters: tuple[str, ...], shown: list[int]) -> None:
    positions: list[int] = []
    commit = CommitPosition(positions.append, voters, 0)
    for sequence, position in ((3, 4), (5, 7), (6, 9)):
        commit.emitted(sequence, position)
    commit.confirm("journal", 4)
    for voter in voters:
        commit.confirm(voter, 5)
    commit.confirm("journal", 6)
    assert [p for p in positions if p != 4] == shown
    assert positions == sorted(positions)
