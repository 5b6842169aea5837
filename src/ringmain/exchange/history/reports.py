"""Ready-made reports: trades, candles, and each product's statistics with its open interest."""

from ringmain.core.errors import RingmainError
from ringmain.core.times import Span
from ringmain.exchange.history.query import Answer, History


def check_product(history: History, product_id: int) -> None:
    """Refuse a product that was never defined; RM649."""
    if not history.ask("SELECT 1 FROM product_defined WHERE product_id = ?", [product_id]).rows:
        raise no_product(product_id)


def no_product(product_id: int) -> RingmainError:
    """Return what is said of a product that is not there."""
    return RingmainError(
        "RM649", "exchange", f"there is no product {product_id}", 'See "ringmain exchange products"'
    )


def trades(history: History, product_id: int, span: Span) -> Answer:
    """Return a product's trades in their order."""
    check_product(history, product_id)
    return history.ask(
        """SELECT time_at, sequence, trade_index, price_ticks, price_eur_mwh, quantity_lots, quantity_mw,
            aggressor, buyer_account_id, seller_account_id
        FROM trades WHERE product_id = ? AND time_ns >= ? AND time_ns < ? ORDER BY position""",
        [product_id, span.begin_ns, span.end_ns],
    )


def candles(history: History, product_id: int, period_ns: int, span: Span) -> Answer:
    """Return open, high, low, close, volume, and volume-weighted price of each period with a trade.

    Periods are counted from 1970 UTC. The volume-weighted price is the sum of price times quantity over
    the sum of quantities.
    """
    check_product(history, product_id)
    return history.ask(
        """SELECT make_timestamp_ns(time_ns // $1 * $1) AS begin_at,
            first(price_ticks ORDER BY position) / 100.0 AS open_eur_mwh,
            max(price_ticks) / 100.0 AS high_eur_mwh, min(price_ticks) / 100.0 AS low_eur_mwh,
            last(price_ticks ORDER BY position) / 100.0 AS close_eur_mwh,
            sum(quantity_lots)::BIGINT AS volume_lots, sum(quantity_lots) / 10.0 AS volume_mw,
            sum(price_ticks::BIGINT * quantity_lots) / (100.0 * sum(quantity_lots)) AS vwap_eur_mwh,
            count(*) AS trade_count
        FROM trades WHERE product_id = $2 AND time_ns >= $3 AND time_ns < $4
        GROUP BY time_ns // $1 ORDER BY begin_at""",
        [period_ns, product_id, span.begin_ns, span.end_ns],
    )


def statistics(history: History, span: Span) -> Answer:
    """Return a row for each product that traded or was quoted: prices, volumes, open interest.

    Open interest is the sum of the net long positions at the end of the span; it falls to zero
    when the positions are delivered. The spread is the mean over its changes; a call's crossed
    book has none.
    """
    return history.ask(
        """WITH t AS (
            SELECT product_id, count(*) AS trade_count, sum(quantity_lots)::BIGINT AS volume_lots,
                sum(price_ticks::BIGINT * quantity_lots) / (100.0 * sum(quantity_lots)) AS vwap_eur_mwh,
                max(price_ticks) / 100.0 AS high_eur_mwh, min(price_ticks) / 100.0 AS low_eur_mwh,
                last(price_ticks ORDER BY position) / 100.0 AS last_eur_mwh
            FROM trades WHERE time_ns >= $1 AND time_ns < $2 GROUP BY product_id
        ), o AS (
            SELECT product_id, count(*) AS order_count FROM order_accepted
            WHERE time_ns >= $1 AND time_ns < $2 GROUP BY product_id
        ), q AS (
            SELECT product_id, avg(ask_ticks - bid_ticks) / 100.0 AS spread_eur_mwh FROM quotes
            WHERE ask_ticks > bid_ticks AND time_ns >= $1 AND time_ns < $2 GROUP BY product_id
        ), i AS (
            SELECT product_id, sum(lots)::BIGINT AS open_interest_lots FROM (
                SELECT product_id, account_id, sum(lots) AS lots FROM position_changes
                WHERE time_ns < $2 GROUP BY ALL HAVING sum(lots) > 0
            ) GROUP BY product_id
        )
        SELECT p.product_id, p.product_kind, p.delivery_start_at, coalesce(t.trade_count, 0) AS trade_count,
            coalesce(t.volume_lots, 0) AS volume_lots, coalesce(t.volume_lots, 0) / 10.0 AS volume_mw,
            t.vwap_eur_mwh, t.high_eur_mwh, t.low_eur_mwh, t.last_eur_mwh, q.spread_eur_mwh,
            coalesce(o.order_count, 0) AS order_count, coalesce(i.open_interest_lots, 0) AS open_interest_lots
        FROM products p LEFT JOIN t USING (product_id) LEFT JOIN o USING (product_id)
        LEFT JOIN q USING (product_id) LEFT JOIN i USING (product_id)
        WHERE t.trade_count > 0 OR o.order_count > 0 ORDER BY p.product_id""",
        [span.begin_ns, span.end_ns],
    )
