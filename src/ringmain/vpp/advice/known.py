"""Values from third parties, each kept with the time at which it became known.

Weather, prices and meter data come late, not at all, or are corrected afterwards. A series keeps every
version; what is asked of it is asked as of a time, and a version that was not known by then is not seen.
So a forecast, a backtest and a settlement that is made again all see what they could have seen.
"""

from typing import Any

import numpy as np


class Known:
    """A series of values by start of their period, with all their versions.

    Examples
    --------
    >>> wind = Known()
    >>> wind.add([0, 60], [5.0, 7.0], known_ns=10)
    >>> wind.add([60], [6.5], known_ns=20)  # a correction
    >>> wind.values([0, 60, 120], now_ns=15)
    array([ 5.,  7., nan])
    >>> wind.values([60], now_ns=20)
    array([6.5])
    """

    def __init__(self) -> None:
        self._start_ns, self._known_ns = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._value = np.zeros(0)
        self._added: list[tuple[Any, Any, Any]] = []

    def add(self, start_ns: Any, value: Any, known_ns: Any) -> None:
        """Add versions, in any order.

        Parameters
        ----------
        start_ns : int64 array of shape (n,)
            Start of the period that each value is of.
        value : float array of shape (n,)
            Not a number: the value is withdrawn.
        known_ns : int64 array of shape (n,), or int
            When it became known. Of two versions that became known at once, the one added last counts.
        """
        starts = np.asarray(start_ns, np.int64)
        known = np.broadcast_to(np.asarray(known_ns, np.int64), starts.shape)
        values = np.broadcast_to(np.asarray(value, np.float64), starts.shape)
        self._added.append((starts, known, values))

    def values(self, start_ns: Any, now_ns: int) -> Any:
        """Return the last version of each value that was known by then.

        Parameters
        ----------
        start_ns : int64 array of any shape
        now_ns : int

        Returns
        -------
        float64 array of that shape
            Not a number where nothing was known.
        """
        self._sort()
        asked = np.asarray(start_ns, np.int64)
        out = np.full(asked.shape, np.nan)
        if not self._start_ns.size:
            return out
        # versions stand by start, then by known_ns: the last one at or before (start, now) is asked for
        begin = np.searchsorted(self._start_ns, asked, "left")
        end = np.searchsorted(self._start_ns, asked, "right")
        longest = int((end - begin).max(initial=0))
        place = np.full(asked.shape, -1)
        for step in range(longest):
            at = np.minimum(begin + step, self._start_ns.size - 1)
            is_known = (begin + step < end) & (self._known_ns[at] <= now_ns)
            place = np.where(is_known, begin + step, place)
        out[place >= 0] = self._value[place[place >= 0]]
        return out

    def versions(self, start_ns: int) -> list[tuple[int, float]]:
        """Return all versions of a value: when each became known, and the value; the oldest first."""
        self._sort()
        begin, end = np.searchsorted(self._start_ns, [start_ns, start_ns + 1])
        return list(zip(self._known_ns[begin:end].tolist(), self._value[begin:end].tolist(), strict=True))

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """The first and the last period that any version is of, or None."""
        self._sort()
        return (int(self._start_ns[0]), int(self._start_ns[-1])) if self._start_ns.size else None

    def _sort(self) -> None:
        if not self._added:
            return
        parts = [(self._start_ns, self._known_ns, self._value), *self._added]
        starts, known, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((np.arange(starts.size), known, starts))
        self._start_ns, self._known_ns, self._value = starts[order], known[order], values[order]
        self._added = []
