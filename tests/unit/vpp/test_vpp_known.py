"""What was known when, against a list that is searched from its end."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmain.vpp.advice import known as module
from ringmain.vpp.advice.known import Known

TIMES = st.integers(-6, 6)
VERSIONS = st.lists(
    st.tuples(TIMES, st.one_of(st.floats(-9, 9), st.just(math.nan)), TIMES), min_size=0, max_size=25
)


def slow_at(versions: list[tuple[int, float, int]], start_ns: int, now_ns: int) -> float:
    """The newest version that was known; of equals, the last that was added."""
    best, best_known = math.nan, -(10**9)
    for start, value, known in versions:
        if start == start_ns and best_known <= known <= now_ns:
            best, best_known = value, known
    return best


def filled(versions: list[tuple[int, float, int]], pieces: int = 1) -> Known:
    series = Known()
    for i in range(0, len(versions), max(1, len(versions) // pieces)):
        part = versions[i : i + max(1, len(versions) // pieces)]
        series.add(*(list(column) for column in zip(*part, strict=True)))
        len(series)  # takes in what was added
    return series


@settings(max_examples=150, deadline=None)
@given(VERSIONS, st.integers(1, 5), st.sampled_from((2, 4_096)))
def test_it_agrees_with_a_search_from_the_end(
    versions: list[tuple[int, float, int]], pieces: int, merged: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MERGED_LEAST", merged)
        series = filled(versions, pieces)
        grid = np.arange(-7, 8)
        found = series.at(grid[:, None], grid[None, :])
    wanted = [[slow_at(versions, int(start), int(now)) for now in grid] for start in grid]
    np.testing.assert_array_equal(found, wanted)


@settings(max_examples=100, deadline=None)
@given(VERSIONS, VERSIONS, TIMES)
def test_what_is_known_later_changes_nothing_before(
    versions: list[tuple[int, float, int]], later: list[tuple[int, float, int]], now_ns: int
) -> None:
    series = filled(versions)
    before = series.as_of(now_ns)
    future = [(start, value, now_ns + 1 + abs(known)) for start, value, known in later]
    if future:
        series.add(*(list(column) for column in zip(*future, strict=True)))
    after = series.as_of(now_ns)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])


def test_a_forecast_a_meter_and_its_correction_are_versions_of_one_value() -> None:
    sun = Known()
    sun.add([100], [300.0], known_ns=10)  # a forecast
    sun.add([100], [250.0], known_ns=200)  # the meter, late
    sun.add([100], [260.0], known_ns=900)  # its correction
    assert sun.at([100, 100, 100, 100], [9, 10, 200, 900]).tolist()[1:] == [300.0, 250.0, 260.0]
    assert math.isnan(sun.at(100, 9))
    assert [part.tolist() for part in sun.as_of(899)] == [[100], [250.0]]


def test_a_withdrawn_value_is_unknown_again() -> None:
    series = Known()
    series.add([1, 2], [5.0, 6.0], 0)
    series.add([1], [math.nan], 3)
    assert series.as_of(2)[0].tolist() == [1, 2]
    assert series.as_of(3)[0].tolist() == [2]


def test_only_the_range_that_is_asked_for_comes() -> None:
    series = Known()
    series.add(np.arange(10), np.arange(10.0), np.arange(10))
    starts, values = series.as_of(100, 3, 6)
    assert starts.tolist() == [3, 4, 5]
    assert values.tolist() == [3.0, 4.0, 5.0]
    assert series.as_of(100, 6, 3)[0].size == 0
    assert Known().as_of(5)[0].size == 0


def test_versions_that_trickle_in_are_found_among_the_merged() -> None:
    series, hours = Known(), 3 * 4_096
    for begin in range(0, hours, 512):
        starts = np.arange(begin, begin + 512)
        series.add(starts, starts * 1.0, starts)
        assert series.at(begin + 511, begin + 511) == begin + 511
    assert len(series) == hours
    np.testing.assert_array_equal(series.at(np.arange(hours), hours), np.arange(hours))
