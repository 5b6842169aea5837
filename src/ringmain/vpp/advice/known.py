"""What was known when: third-party inputs (weather, prices, meter data) that settle only in the end.

A value arrives late, or never, or is corrected a week after. So each is kept with the time at which it
became known, and is asked for as of a time: nothing that became known later can be seen. A forecast and
what is measured in the end are versions of one value, too. A model that reads its inputs from here, in
training as in use, can't look ahead.
"""

from typing import Any

import numpy as np

MERGED_SHARE = 8  # the recent versions are merged when they are one in so many
MERGED_LEAST = 4_096


class Known:
    """One series, every value in all its versions.

    Of several versions of a value that are known, the newest counts: the one with the highest `known_ns`,
    and among those with the same, the one that was added last. A version of NaN withdraws the value.
    Memory is 24 bytes a version, 24 more for its index; a look-up is logarithmic, and many are made at once.

    Examples
    --------
    >>> price = Known()
    >>> price.add(start_ns=[0, 10], value=[41.0, 42.0], known_ns=-5)
    >>> price.add(start_ns=[10], value=[43.5], known_ns=20)  # a correction
    >>> price.as_of(15)
    (array([ 0, 10]), array([41., 42.]))
    >>> price.at([0, 10, 20], now_ns=20)
    array([41. , 43.5,  nan])
    """

    def __init__(self) -> None:
        self._settled = _Versions(*_no_versions())
        self._recent = _Versions(*_no_versions())
        self._added: list[tuple[Any, Any, Any]] = []

    def add(self, start_ns: Any, value: Any, known_ns: Any) -> None:
        """Add versions, in any order; the three broadcast against each other.

        Parameters
        ----------
        start_ns : int64 array of shape (n,) or int
            What the values are of: the starts of hours, or any other key in time.
        value : float64 array of shape (n,) or float
        known_ns : int64 array of shape (n,) or int
            When each became known: before its start for a forecast or a price of tomorrow, after it for a
            meter. It is the caller's promise: a version with an old `known_ns` is seen by whoever asks
            as of then.
        """
        starts, values, knowns = np.broadcast_arrays(
            np.asarray(start_ns, np.int64), np.asarray(value, float), np.asarray(known_ns, np.int64)
        )
        self._added.append((starts.flatten(), values.flatten(), knowns.flatten()))

    def as_of(self, now_ns: int, begin_ns: int | None = None, end_ns: int | None = None) -> tuple[Any, Any]:
        """Return what is known at a time, in order of the starts.

        Parameters
        ----------
        now_ns : int
        begin_ns, end_ns : int, optional
            Only starts from `begin_ns` on and before `end_ns`.

        Returns
        -------
        start_ns : int64 array of shape (m,)
        value : float64 array of shape (m,)
            None of them NaN: what is unknown, or withdrawn, is left out.
        """
        self._take_in()
        starts = np.union1d(
            self._settled.starts_within(begin_ns, end_ns), self._recent.starts_within(begin_ns, end_ns)
        )
        values = self.at(starts, now_ns)
        is_known = ~np.isnan(values)
        return starts[is_known], values[is_known]

    def at(self, start_ns: Any, now_ns: Any) -> Any:
        """Return the values of given starts as of a time, or each as of its own; NaN where none is known.

        Parameters
        ----------
        start_ns : int64 array of any shape
        now_ns : int64 array that broadcasts against it, or int

        Returns
        -------
        float64 array of their shape
        """
        self._take_in()
        starts, nows = np.broadcast_arrays(np.asarray(start_ns, np.int64), np.asarray(now_ns, np.int64))
        value, known_ns = self._settled.find(starts.ravel(), nows.ravel())
        newer, newer_known_ns = self._recent.find(starts.ravel(), nows.ravel())
        return np.where(newer_known_ns >= known_ns, newer, value).reshape(starts.shape)

    def __len__(self) -> int:
        """Return the number of versions."""
        self._take_in()
        return self._settled.value.size + self._recent.value.size

    def _take_in(self) -> None:
        """Put what was added into order, and now and then all that is recent to the rest."""
        if not self._added:
            return
        self._recent = _Versions(*_joined(self._recent.columns(), *self._added))
        self._added.clear()
        if self._recent.value.size > max(MERGED_LEAST, self._settled.value.size // MERGED_SHARE):
            self._settled = _Versions(*_joined(self._settled.columns(), self._recent.columns()))
            self._recent = _Versions(*_no_versions())


NEVER_NS = np.iinfo(np.int64).min


class _Versions:
    """Versions in the order of their starts, then of when they became known, then as they were added.

    Both times are numbered, so that one integer orders a version: its start's number, times the number of
    different `known_ns`, plus that of its own.
    """

    def __init__(self, start_ns: Any, value: Any, known_ns: Any) -> None:
        self.starts, start_number = np.unique(start_ns, return_inverse=True)
        self.knowns, known_number = np.unique(known_ns, return_inverse=True)
        place = start_number * np.int64(max(1, self.knowns.size)) + known_number
        order = np.argsort(place, kind="stable")
        self.place, self.value, self.known_ns = place[order], value[order], known_ns[order]
        self.start_number = start_number[order]

    def columns(self) -> tuple[Any, Any, Any]:
        """Return starts, values and when they became known, in order."""
        return self.starts[self.start_number], self.value, self.known_ns

    def starts_within(self, begin_ns: int | None, end_ns: int | None) -> Any:
        """Return the different starts within bounds."""
        first = 0 if begin_ns is None else int(np.searchsorted(self.starts, begin_ns))
        last = self.starts.size if end_ns is None else int(np.searchsorted(self.starts, end_ns))
        return self.starts[first : max(first, last)]

    def find(self, start_ns: Any, now_ns: Any) -> tuple[Any, Any]:
        """Return each start's newest value that was known, and since when: NaN and NEVER_NS if none was."""
        if not self.value.size:
            return np.full(start_ns.size, np.nan), np.full(start_ns.size, NEVER_NS)
        number = np.minimum(np.searchsorted(self.starts, start_ns), self.starts.size - 1)
        last_known = np.searchsorted(self.knowns, now_ns, side="right") - 1
        wanted = number * np.int64(self.knowns.size) + last_known
        found = np.searchsorted(self.place, wanted, side="right") - 1
        is_there = (self.starts[number] == start_ns) & (last_known >= 0) & (found >= 0)
        found = np.maximum(found, 0)
        is_there &= self.start_number[found] == number
        return np.where(is_there, self.value[found], np.nan), np.where(
            is_there, self.known_ns[found], NEVER_NS
        )


def _no_versions() -> tuple[Any, Any, Any]:
    return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)


def _joined(*parts: tuple[Any, Any, Any]) -> tuple[Any, ...]:
    """Put columns below each other, the oldest addition first."""
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
