"""Events as columns: each record that the schema declares becomes a table, named in snake case.

A table has the event's `position` on the tape, its header and its fields as integers; codes become
their names. What has a unit is there once more as people read it: ``price_ticks`` also as
``price_eur_mwh``, ``quantity_lots`` as ``quantity_mw``, ``amount_minor`` as ``amount_eur``, ``time_ns``
as ``time_at`` (UTC; null for 0, which stands for never). A new kind of event is a new table.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.core.records import Record
from ringmain.exchange.history.quotes import QUOTE
from ringmain.exchange.messages import AUCTION, BUY, SELL, SIDES, OrderFilled, schema

Columns = dict[str, np.ndarray[Any, Any]]

HEADER = ("sequence", "time_ns", "session_number", "session_id")
UNITS = {"_ticks": ("_eur_mwh", 100), "_lots": ("_mw", 10), "_minor": ("_eur", 1_000_000)}
EITHER_SIDE = ("session_id", "session_number", "account_id", "limit_ticks", "remaining_lots")


@dataclass(frozen=True)
class Table:
    """A table of the history: its name, and how each of its columns is read from raw ones, in SQL."""

    name: str
    expressions: tuple[str, ...]

    @property
    def select(self) -> str:
        """The select list that turns raw columns into the table's."""
        return ", ".join(self.expressions)


def snake(name: str) -> str:
    """Return ``OrderAccepted`` as ``order_accepted``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def expressions_of(name: str, choices: Mapping[str, int] | None = None) -> list[str]:
    """Return a raw column as the table shows it: as its code's name, or with its unit's twin."""
    if choices:
        return [f"{_named(name, choices)} AS {name}"]
    for ending, (twin, divisor) in UNITS.items():
        if name.endswith(ending):
            return [name, f"{name} / {divisor}.0 AS {name.removesuffix(ending)}{twin}"]
    if name.endswith("_ns"):
        return [name, f"make_timestamp_ns(nullif({name}, 0)) AS {name.removesuffix('_ns')}_at"]
    return [name]


def event_table(record: Record) -> Table:
    """Return the table of one kind of event."""
    shown = [part for name in ("position", *HEADER) for part in expressions_of(name)]
    for field in record.fields:
        shown += expressions_of(field.name, field.choices)
    return Table(snake(record.name), tuple(shown))


def event_columns(record: Record, rows: Any, positions: Any) -> Columns:
    """Return rows of one kind as raw columns, each an array of shape (n,)."""
    seen = rows.view(np.ndarray).view(record.dtype)
    names = (*HEADER, *(field.name for field in record.fields))
    return {"position": positions} | {name: np.ascontiguousarray(seen[name]) for name in names}


def trade_columns(fills: Any, positions: Any) -> Columns:
    """Return one row a trade from the pairs of OrderFilled that stand beside each other.

    Parameters
    ----------
    fills : array of shape (2 n,), OrderFilled
    positions : int array of shape (2 n,)
        Of the fills on the tape; the first of a pair names the trade.
    """
    assert fills.size % 2 == 0, "a fill's other side stands beside it"
    first, second = fills[0::2], fills[1::2]
    assert (first["sequence"] == second["sequence"]).all(), "a trade is of one command"
    assert (first["quantity_lots"] == second["quantity_lots"]).all(), "what one side gives the other takes"
    buys_first = first["side"] == BUY
    buyer, seller = np.where(buys_first, first, second), np.where(buys_first, second, first)
    columns: Columns = {"position": np.ascontiguousarray(positions[0::2])}
    for name in ("sequence", "trade_index", "time_ns", "product_id", "price_ticks", "quantity_lots"):
        columns[name] = np.ascontiguousarray(first[name])
    for name in EITHER_SIDE:
        columns[f"buyer_{name}"] = np.ascontiguousarray(buyer[name])
        columns[f"seller_{name}"] = np.ascontiguousarray(seller[name])
    taker_side = np.where(buys_first, SELL, BUY)  # the maker comes first
    columns["aggressor"] = np.where(first["role"] == AUCTION, NOBODY, taker_side).astype(np.uint8)
    return columns


def quote_columns(quotes: Any) -> Columns:
    """Return what the fold of quotes gives, array of shape (n,), QUOTE, as raw columns."""
    return {name: np.ascontiguousarray(quotes[name]) for name in QUOTE.names or ()}


def _named(name: str, choices: Mapping[str, int]) -> str:
    """Return the SQL for a code's name; a code that has none stays as it is, in digits."""
    cases = " ".join(f"WHEN {code} THEN '{text}'" for text, code in choices.items())
    return f"CASE {name} {cases} ELSE {name}::VARCHAR END"


def _shown(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for name in names for part in expressions_of(name))


NOBODY = 0  # in an auction nobody is the aggressor
EVENT_TABLES = {kind: event_table(record) for kind, record in schema.events.items()}
TRADES = Table(
    "trades",
    (
        *_shown(("position", "sequence", "trade_index", "time_ns", "product_id")),
        *_shown(("price_ticks", "quantity_lots")),
        *_shown(f"{side}_{name}" for name in EITHER_SIDE for side in ("buyer", "seller")),
        *expressions_of("aggressor", {"NOBODY": NOBODY, **SIDES}),
    ),
)
QUOTES = Table(
    "quotes",
    (
        *_shown(("position", "sequence", "time_ns", "product_id")),
        *(part for side in ("bid", "ask") for part in (
            f"if({side}_lots = 0, NULL, {side}_ticks) AS {side}_ticks", f"{side}_lots",
            f"if({side}_lots = 0, NULL, {side}_ticks / 100.0) AS {side}_eur_mwh",
            f"{side}_lots / 10.0 AS {side}_mw",
        )),
    ),
)  # fmt: skip
TABLES = {table.name: table for table in (*EVENT_TABLES.values(), TRADES, QUOTES)}

_NOWHERE = np.zeros(0, np.int64)
NO_ROWS: dict[str, Columns] = {
    TRADES.name: trade_columns(np.zeros(0, OrderFilled.dtype), _NOWHERE),
    QUOTES.name: quote_columns(np.zeros(0, QUOTE)),
} | {
    table.name: event_columns(schema.events[kind], np.zeros(0, schema.header), _NOWHERE)
    for kind, table in EVENT_TABLES.items()
}
