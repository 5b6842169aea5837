"""Clearing: an account's statement of a day, and what is to be delivered.

A statement is a fold over the movements of money (`movements`), so it equals the engine's ledger to the
last minor unit; a day is over once the history has come beyond its end, and until then the
statement is provisional.
"""

from dataclasses import asdict, dataclass
from typing import Any

from ringmain.core.errors import RingmainError
from ringmain.core.times import Span
from ringmain.exchange.history.query import Answer, History


@dataclass(frozen=True)
class Line:
    """The movements of one kind and product: their number and their sum."""

    kind: str
    product_id: int | None
    count: int
    amount_minor: int


@dataclass(frozen=True)
class PositionLine:
    """How a net position came about; lots bought are above zero, sold below."""

    product_id: int
    opening_lots: int
    bought_lots: int
    sold_lots: int
    delivered_lots: int
    closing_lots: int


@dataclass(frozen=True)
class Statement:
    """An account's day: ``opening_minor`` and the lines' amounts sum to ``closing_minor``."""

    account_id: int
    day: str
    is_final: bool
    up_to_ns: int
    opening_minor: int
    lines: tuple[Line, ...]
    closing_minor: int
    positions: tuple[PositionLine, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def accounts(history: History) -> list[int]:
    """Return every account that was opened, and the operator's, 0."""
    found = history.ask("SELECT DISTINCT account_id FROM account_changed ORDER BY account_id").rows
    return [0, *(row[0] for row in found)]


def statement(history: History, account_id: int, day: str, span: Span) -> Statement:
    """Return an account's statement of a day, UTC.

    Raises
    ------
    RingmainError
        RM650 if the account was never opened, RM651 if the day is after all that has happened.
    """
    if account_id not in accounts(history):
        raise RingmainError(
            "RM650", "exchange", f"there is no account {account_id}", 'See "ringmain exchange accounts"'
        )
    _check_begun(history, day, span)
    opening = history.ask(
        "SELECT coalesce(sum(amount_minor), 0)::BIGINT FROM movements WHERE account_id = ? AND time_ns < ?",
        [account_id, span.begin_ns],
    ).rows[0][0]
    lines = tuple(
        Line(*row)
        for row in history.ask(
            """SELECT kind, product_id, count(*), sum(amount_minor)::BIGINT FROM movements
            WHERE account_id = ? AND time_ns >= ? AND time_ns < ?
            GROUP BY kind, product_id ORDER BY kind, product_id""",
            [account_id, span.begin_ns, span.end_ns],
        ).rows
    )
    closing = opening + sum(line.amount_minor for line in lines)
    manifest = history.manifest
    return Statement(
        account_id, day, manifest.time_ns >= span.end_ns, manifest.time_ns, opening, lines, closing,
        _positions(history, account_id, span),
    )  # fmt: skip


def nominations(history: History, day: str, span: Span) -> Answer:
    """Return what each account delivers (below zero) or receives in each period that starts on a day.

    A row is FINAL once its product's gate has closed and the position has left the books. Power is
    constant over the period, so energy is power times the period's length.

    Raises
    ------
    RingmainError
        RM652 if no product delivers on the day.
    """
    starts = "p.delivery_start_ns >= $1 AND p.delivery_start_ns < $2 AND p.delivery_minutes IS NOT NULL"
    parameters = [span.begin_ns, span.end_ns]
    if not history.ask(f"SELECT 1 FROM products p WHERE {starts} LIMIT 1", list(parameters)).rows:
        raise RingmainError(
            "RM652", "exchange", f"no product delivers on {day}", 'See "ringmain exchange history stats"'
        )
    return history.ask(
        f"""WITH net AS (
            SELECT product_id, account_id, position_lots AS lots, 'FINAL' AS status FROM position_delivered
            UNION ALL SELECT product_id, account_id, position_lots, 'PROVISIONAL' FROM positions
        )
        SELECT n.account_id, p.delivery_start_at, p.delivery_minutes, p.product_id, n.lots AS position_lots,
            n.lots / 10.0 AS power_mw, n.lots * p.delivery_minutes / 600.0 AS energy_mwh, n.status
        FROM net n JOIN products p USING (product_id) WHERE {starts}
        ORDER BY n.account_id, p.delivery_start_ns, p.product_id""",
        list(parameters),
    )


def _check_begun(history: History, day: str, span: Span) -> None:
    if span.begin_ns > history.manifest.time_ns:
        raise RingmainError("RM651", "exchange", f"{day} has not begun", "Give a day that has")


def _positions(history: History, account_id: int, span: Span) -> tuple[PositionLine, ...]:
    rows = history.ask(
        """SELECT product_id,
            coalesce(sum(lots) FILTER (time_ns < $2), 0)::BIGINT AS opening,
            coalesce(sum(lots) FILTER (time_ns >= $2 AND kind <> 'DELIVERY' AND lots > 0), 0)::BIGINT
                AS bought,
            coalesce(sum(lots) FILTER (time_ns >= $2 AND kind <> 'DELIVERY' AND lots < 0), 0)::BIGINT
                AS sold,
            coalesce(sum(lots) FILTER (time_ns >= $2 AND kind = 'DELIVERY'), 0)::BIGINT AS delivered,
            sum(lots)::BIGINT AS closing
        FROM position_changes WHERE account_id = $1 AND time_ns < $3 GROUP BY product_id
        HAVING opening <> 0 OR bought <> 0 OR sold <> 0 OR delivered <> 0 ORDER BY product_id""",
        [account_id, span.begin_ns, span.end_ns],
    ).rows
    return tuple(PositionLine(*row) for row in rows)
