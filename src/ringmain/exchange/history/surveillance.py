"""Surveillance: patterns of market abuse, found by SQL over the history.

Each rule names its definition, its source and its parameters with their units. An alert says who,
in which product, when, how much, how grave, and lists the orders and trades that it rests on. An
alert is a reason to look, not a verdict.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ringmain.core.times import DAY_NS, SECOND_NS, Span
from ringmain.exchange.history.call_price import CallBook, call_price
from ringmain.exchange.history.patterns import (
    CALL_BOOK,
    LATE_FILLS,
    LAYERING,
    ORDER_TO_TRADE,
    TRADE_EVIDENCE,
)
from ringmain.exchange.history.query import History

HIGH, MEDIUM = "HIGH", "MEDIUM"


@dataclass(frozen=True)
class Parameters:
    """When a pattern is one. Every value can be set from the command line.

    Parameters
    ----------
    wash_gap_s : int
        Two trades of the same pair of accounts belong together when they are at most so far apart.
    wash_trades : int
        A pair's trades that belong together are looked at from so many on.
    wash_net_share : float
        The most that may be left of what went both ways, as a share of it: no net change.
    wash_mutual_share : float
        The least share of each one's lots in the product, in that time, that the other has taken.
    wash_price_ticks : int
        How far the mean price of the one's purchases may be from that of the other's: who makes a market
        buys below and sells above, and gains; a wash leaves the money where it was.
    layering_window_s : int
        Orders placed at most so long before the account's own trade on the other side, and cancelled at
        most so long after it.
    layering_levels : int
        At so many prices at least.
    layering_size_ratio : float
        Cancelled lots for each lot traded, at least.
    layering_cancelled_share : float
        The least share of the account's open lots on that side that was cancelled.
    layering_filled_share : float
        The most that may have been filled of the cancelled orders.
    order_to_trade_ratio : float
        Order messages (new, replaced, cancelled by the owner) for each trade, in a day, at least.
    order_to_trade_messages : int
        Of an account in a day, at least.
    closing_window_s : int
        The last seconds of a call.
    closing_volume_share : float
        An account's share of the auction's volume, from orders of the last seconds, at least.
    closing_move_ticks : int
        How far the price has moved in the last seconds, at least.
    """

    wash_gap_s: int = 300
    wash_trades: int = 4
    wash_net_share: float = 0.1
    wash_mutual_share: float = 0.5
    wash_price_ticks: int = 10
    layering_window_s: int = 10
    layering_levels: int = 3
    layering_size_ratio: float = 3.0
    layering_cancelled_share: float = 0.8
    layering_filled_share: float = 0.1
    order_to_trade_ratio: float = 100.0
    order_to_trade_messages: int = 1_000
    closing_window_s: int = 60
    closing_volume_share: float = 0.3
    closing_move_ticks: int = 50


@dataclass(frozen=True)
class Alert:
    """One finding; `evidence` lists orders and trades, each by its sequence and time."""

    rule: str
    severity: str
    account_ids: tuple[int, ...]
    product_id: int | None
    first_ns: int
    last_ns: int
    finding: str
    evidence: tuple[dict[str, Any], ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def surveil(history: History, span: Span, parameters: Parameters) -> list[Alert]:
    """Return what every rule finds in a span, by time."""
    alerts = [alert for rule in RULES for alert in rule(history, span, parameters)]
    return sorted(alerts, key=lambda alert: (alert.first_ns, alert.rule, alert.account_ids))


def own_trades(history: History, span: Span, _: Parameters) -> list[Alert]:
    """WASH_TRADE_OWN: an account on both sides of a trade, by account, product and day."""
    found = history.ask(
        f"""SELECT buyer_account_id, product_id, min(time_ns), max(time_ns), count(*),
            sum(quantity_lots)::BIGINT, {TRADE_EVIDENCE}
        FROM trades WHERE buyer_account_id = seller_account_id AND time_ns >= ? AND time_ns < ?
        GROUP BY buyer_account_id, product_id, time_ns // {DAY_NS}""",
        [span.begin_ns, span.end_ns],
    )
    return [
        Alert("WASH_TRADE_OWN", HIGH, (account,), product, first, last,
              f"{count} trades with itself, {lots} lots", tuple(evidence))
        for account, product, first, last, count, lots, evidence in found.rows
    ]  # fmt: skip


def pair_trades(history: History, span: Span, p: Parameters) -> list[Alert]:
    """WASH_TRADE_PAIR: two accounts trade back and forth, mostly with each other, with no net change."""
    found = history.ask(
        f"""WITH pair AS (
            SELECT *, least(buyer_account_id, seller_account_id) AS low,
                greatest(buyer_account_id, seller_account_id) AS high FROM trades
            WHERE buyer_account_id <> seller_account_id AND time_ns >= $1 AND time_ns < $2
        ), marked AS (
            SELECT *, coalesce(time_ns - lag(time_ns) OVER w > $3, true)::INT AS is_new
            FROM pair WINDOW w AS (PARTITION BY low, high, product_id ORDER BY position)
        ), runs AS (
            SELECT *, sum(is_new) OVER (PARTITION BY low, high, product_id ORDER BY position) AS run
            FROM marked
        ), found AS (
            SELECT low, high, product_id, run, min(time_ns) AS first_ns, max(time_ns) AS last_ns,
                count(*) AS trade_count, sum(quantity_lots) AS lots,
                abs(sum(if(buyer_account_id = low, quantity_lots, -quantity_lots))) AS net_lots,
                abs({_mean_price("low")} - {_mean_price("high")}) AS apart_ticks,
                {TRADE_EVIDENCE} AS evidence
            FROM runs GROUP BY ALL
            HAVING trade_count >= $4 AND net_lots <= $5 * lots AND apart_ticks <= $7
        ), shared AS (
            SELECT f.low, f.high, f.product_id, f.run,
                sum(t.quantity_lots) FILTER (f.low IN (t.buyer_account_id, t.seller_account_id)) AS low_lots,
                sum(t.quantity_lots) FILTER (f.high IN (t.buyer_account_id, t.seller_account_id)) AS high_lots
            FROM found f JOIN trades t
                ON t.product_id = f.product_id AND t.time_ns BETWEEN f.first_ns AND f.last_ns
            GROUP BY ALL
        )
        SELECT low, high, product_id, first_ns, last_ns, trade_count, lots::BIGINT, net_lots::BIGINT, evidence
        FROM found JOIN shared USING (low, high, product_id, run)
        WHERE lots >= $6 * low_lots AND lots >= $6 * high_lots""",
        [span.begin_ns, span.end_ns, p.wash_gap_s * SECOND_NS, p.wash_trades, p.wash_net_share,
         p.wash_mutual_share, p.wash_price_ticks],
    )  # fmt: skip
    return [
        Alert("WASH_TRADE_PAIR", HIGH, (low, high), product, first, last,
              f"{count} trades with each other, {lots} lots, {net} net", tuple(evidence))
        for low, high, product, first, last, count, lots, net, evidence in found.rows
    ]  # fmt: skip


def _mean_price(buyer: str) -> str:
    """Return the SQL of the mean price at which one of a pair has bought from the other, in ticks."""
    own = f"FILTER (buyer_account_id = {buyer})"
    return f"sum(price_ticks::BIGINT * quantity_lots) {own} / sum(quantity_lots) {own}"


def layering(history: History, span: Span, p: Parameters) -> list[Alert]:
    """LAYERING: orders at several prices on one side, gone after the account's trade on the other side."""
    found = history.ask(
        LAYERING,
        [span.begin_ns, span.end_ns, p.layering_window_s * SECOND_NS, p.layering_levels,
         p.layering_size_ratio, p.layering_cancelled_share, p.layering_filled_share],
    )  # fmt: skip
    return [
        Alert("LAYERING", HIGH if filled == 0 else MEDIUM, (account,), product, first, last,
              f"{orders} orders at {levels} prices, {lots} lots on the {side} side, cancelled around a trade "
              f"of {traded} lots on the other", tuple(evidence))
        for account, product, side, first, last, orders, levels, lots, filled, traded, evidence in found.rows
    ]  # fmt: skip


def order_to_trade(history: History, span: Span, p: Parameters) -> list[Alert]:
    """ORDER_TO_TRADE: many order messages for each trade, by account and day, sessions as evidence."""
    found = history.ask(
        ORDER_TO_TRADE,
        [span.begin_ns, span.end_ns, p.order_to_trade_messages, p.order_to_trade_ratio, DAY_NS],
    )
    return [
        Alert("ORDER_TO_TRADE", MEDIUM, (account,), None, first, last,
              f"{messages} order messages for {trades} trades: {messages / max(trades, 1):.0f} to one",
              tuple(evidence))
        for account, first, last, messages, trades, evidence in found.rows
    ]  # fmt: skip


def closing_spikes(history: History, span: Span, p: Parameters) -> list[Alert]:
    """CLOSING_SPIKE: orders of a call's last seconds take much of its volume and move its price."""
    auctions = history.ask(
        """SELECT a.product_id, a.time_ns, a.position, a.price_ticks, a.volume_lots, p.reference_price_ticks
        FROM auction_uncrossed a JOIN products p USING (product_id)
        WHERE a.volume_lots > 0 AND a.time_ns >= ? AND a.time_ns < ?""",
        [span.begin_ns, span.end_ns],
    ).rows
    alerts = []
    for product, time_ns, position, price_ticks, volume, reference in auctions:
        since_ns = time_ns - p.closing_window_s * SECOND_NS
        late = history.ask(LATE_FILLS, [product, time_ns, since_ns, position]).rows
        grave = [row for row in late if row[1] >= p.closing_volume_share * volume]
        if not grave:
            continue
        book: CallBook = history.ask(CALL_BOOK, [product, since_ns, position]).rows
        before_ticks = call_price(book, reference)
        if before_ticks is None or abs(price_ticks - before_ticks) < p.closing_move_ticks:
            continue
        alerts += [
            Alert("CLOSING_SPIKE", HIGH, (account,), product, first, time_ns,
                  f"{lots} of {volume} lots from orders of the last {p.closing_window_s} s; the price went "
                  f"from {before_ticks} to {price_ticks} ticks", tuple(evidence))
            for account, lots, first, evidence in grave
        ]  # fmt: skip
    return alerts


Rule = Callable[[History, Span, Parameters], list[Alert]]
RULES: tuple[Rule, ...] = (own_trades, pair_trades, layering, order_to_trade, closing_spikes)
