"""The delayed public feed: trades and tops of book that are older than a delay in logical time.

It says nothing of owners. It reads the tape for itself, so it costs the node nothing, and a
gateway or a web server can advance it as often as it likes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.tape import TapeReader
from ringmain.exchange.history.columns import Columns, trade_columns
from ringmain.exchange.history.export import check_market_folder
from ringmain.exchange.history.quotes import Quotes
from ringmain.exchange.messages import OrderFilled, schema

TRADE_FIELDS = (
    "sequence",
    "trade_index",
    "time_ns",
    "product_id",
    "price_ticks",
    "quantity_lots",
    "aggressor",
)


class DelayedFeed:
    """What the public may know of an exchange, as far as :meth:`advance` has come.

    Parameters
    ----------
    market_folder : Path
        Of an exchange whose node runs, or has run.
    delay_ns : int
        Nothing is told before it is older than this, in logical time.

    Raises
    ------
    RingmainError
        RM642 if no exchange has run there; RM121 if the tape's begin is no longer kept.
    """

    def __init__(self, market_folder: Path, delay_ns: int) -> None:
        check_market_folder(market_folder)
        self.delay_ns = delay_ns
        self._tape = TapeReader(market_folder, schema)
        self._quotes = Quotes()
        self._rest = schema.empty(0)  # read, and not old enough yet

    def now_ns(self) -> int:
        """Return the logical time up to which the node has lived."""
        page = self._tape.page
        return max(page.get("time_ns"), page.get("settled_ns"))

    def advance(self, now_ns: int | None = None) -> tuple[Columns, Any]:
        """Tell what has become old enough since the last call.

        Parameters
        ----------
        now_ns : int, optional
            The logical time; the node's if it is not given. It is never taken to step back.

        Returns
        -------
        trades : dict of arrays of shape (n,)
            TRADE_FIELDS; `aggressor` is BUY, SELL, or 0 in an auction.
        quotes : array of shape (m,), QUOTE
            A row wherever the top of a book changed.
        """
        until_ns = (self.now_ns() if now_ns is None else now_ns) - self.delay_ns
        trades: list[Columns] = []
        quotes: list[Any] = []
        while True:
            position = self._tape.position - self._rest.size
            rows = self._tape.read() if not self._rest.size or self._rest_is_old(until_ns) else self._rest[:0]
            rows = np.concatenate([self._rest, rows]) if self._rest.size else rows.copy()
            count = int(np.searchsorted(rows["time_ns"], until_ns, "right"))
            is_all_read = count < rows.size or self._tape.position >= self._tape.readable()
            if not is_all_read:  # the last command may go on in what is read next
                count = int(np.searchsorted(rows["sequence"], rows["sequence"][-1]))
            trades.append(_public(rows[:count], position))
            quotes.append(self._quotes.fold(rows[:count], position))
            self._rest = rows[count:].copy()
            if is_all_read:
                break
        joined = {name: np.concatenate([each[name] for each in trades]) for name in TRADE_FIELDS}
        return joined, np.concatenate(quotes)

    def tops(self) -> Any:
        """Return the delayed top of each book, array of shape (n,), QUOTE."""
        return self._quotes.tops()

    def close(self) -> None:
        """Close the tape."""
        self._tape.close()

    def _rest_is_old(self, until_ns: int) -> bool:
        return int(self._rest["time_ns"][-1]) <= until_ns


def _public(events: Any, position: int) -> Columns:
    places = np.flatnonzero(events["kind"] == OrderFilled.kind)
    fills = np.asarray(events)[places].view(OrderFilled.dtype)
    columns = trade_columns(fills, places + position)
    return {name: columns[name] for name in TRADE_FIELDS}
