"""The SQL of the surveillance rules."""

TRADE_EVIDENCE = """list({event: 'trade', sequence: sequence, trade_index: trade_index, time_ns: time_ns,
    price_ticks: price_ticks, quantity_lots: quantity_lots, buyer_account_id: buyer_account_id,
    seller_account_id: seller_account_id, buyer_order: buyer_session_id || '/' || buyer_session_number,
    seller_order: seller_session_id || '/' || seller_session_number} ORDER BY position)"""

# The account's trades by command and side; its orders on the other side that were open then, and of these
# the ones placed shortly before, and cancelled by itself shortly after.
LAYERING = """
WITH own AS (
    SELECT account_id, product_id, side, sequence, time_ns, min(position) AS position,
        sum(quantity_lots) AS traded_lots
    FROM order_filled WHERE time_ns >= $1 AND time_ns < $2 GROUP BY ALL
), open AS (
    SELECT w.account_id, w.product_id, w.sequence AS trade_sequence, w.time_ns AS trade_ns, w.traded_lots,
        o.side, o.session_id, o.session_number, o.sequence, o.time_ns, o.price_ticks, o.quantity_lots,
        o.filled_lots, o.cancelled_lots, o.cancelled_ns,
        o.time_ns >= w.time_ns - $3 AND o.cancelled_ns <= w.time_ns + $3
            AND o.cancel_reason IN ('BY_OWNER', 'MASS_CANCEL') AS is_layer
    FROM own w JOIN orders o ON o.account_id = w.account_id AND o.product_id = w.product_id
        AND o.side <> w.side AND o.position < w.position
        AND coalesce(o.cancelled_ns >= w.time_ns, o.filled_lots < o.quantity_lots)
        AND o.time_in_force = 'GOOD_FOR_SESSION'
), judged AS (
    SELECT account_id, product_id, side, trade_sequence, trade_ns, traded_lots,
        count(*) FILTER (is_layer) AS order_count,
        count(DISTINCT price_ticks) FILTER (is_layer) AS level_count,
        coalesce(sum(cancelled_lots) FILTER (is_layer), 0) AS layer_lots,
        coalesce(sum(filled_lots) FILTER (is_layer), 0) AS filled_lots,
        sum(quantity_lots) AS all_lots, sum(quantity_lots) FILTER (is_layer) AS placed_lots,
        min(time_ns) FILTER (is_layer) AS first_ns, max(cancelled_ns) FILTER (is_layer) AS last_ns,
        list({event: 'order', "order": session_id || '/' || session_number, sequence: sequence,
            time_ns: time_ns, side: side, price_ticks: price_ticks, quantity_lots: quantity_lots,
            filled_lots: filled_lots, cancelled_ns: cancelled_ns, trade_sequence: trade_sequence}
            ORDER BY sequence) FILTER (is_layer) AS evidence
    FROM open GROUP BY ALL
), grave AS (
    SELECT *, row_number() OVER (
        PARTITION BY account_id, product_id, side, first_ns ORDER BY layer_lots DESC, trade_ns
    ) AS place
    FROM judged
    WHERE level_count >= $4 AND layer_lots >= $5 * traded_lots AND placed_lots >= $6 * all_lots
        AND filled_lots <= $7 * placed_lots
)
SELECT account_id, product_id, side, first_ns, last_ns, order_count, level_count, layer_lots::BIGINT,
    filled_lots::BIGINT, traded_lots::BIGINT, evidence
FROM grave WHERE place = 1"""

ORDER_TO_TRADE = """
WITH owner AS (
    SELECT session_id, session_number, account_id FROM order_accepted
), messages AS (
    SELECT account_id, session_id, time_ns, 1 AS message, 0 AS trade FROM order_accepted
    UNION ALL SELECT o.account_id, r.session_id, r.time_ns, 1, 0
        FROM order_replaced r JOIN owner o USING (session_id, session_number)
    UNION ALL SELECT account_id, session_id, time_ns, 1, 0 FROM order_cancelled WHERE reason = 'BY_OWNER'
    UNION ALL SELECT account_id, session_id, time_ns, 0, 1 FROM order_filled
), by_session AS (
    SELECT account_id, session_id, time_ns // $5 AS day, min(time_ns) AS first_ns,
        max(time_ns) AS last_ns, sum(message) AS messages, sum(trade) AS trades
    FROM messages WHERE time_ns >= $1 AND time_ns < $2 GROUP BY ALL
)
SELECT account_id, min(first_ns), max(last_ns), sum(messages)::BIGINT, sum(trades)::BIGINT,
    list({event: 'session', session_id: session_id, messages: messages::BIGINT, trades: trades::BIGINT}
        ORDER BY session_id)
FROM by_session GROUP BY account_id, day
HAVING sum(messages) >= $3 AND sum(messages) >= $4 * greatest(sum(trades), 1)"""

# What orders that were placed, or last changed, since a time have of an auction's fills.
LATE_FILLS = """
WITH touched AS (
    SELECT session_id, session_number, max(time_ns) AS time_ns, max(sequence) AS sequence FROM (
        SELECT session_id, session_number, time_ns, sequence, position
            FROM order_accepted WHERE product_id = $1
        UNION ALL SELECT session_id, session_number, time_ns, sequence, position
            FROM order_replaced WHERE product_id = $1 AND priority_kept = 0
    ) WHERE position < $4 GROUP BY ALL
)
SELECT f.account_id, sum(f.quantity_lots)::BIGINT, min(t.time_ns),
    list({event: 'order', "order": f.session_id || '/' || f.session_number, sequence: t.sequence,
        time_ns: t.time_ns, side: f.side, limit_ticks: f.limit_ticks, filled_lots: f.quantity_lots}
        ORDER BY f.position)
FROM order_filled f JOIN touched t USING (session_id, session_number)
WHERE f.product_id = $1 AND f.role = 'AUCTION' AND f.time_ns = $2 AND f.position > $4 AND t.time_ns >= $3
GROUP BY f.account_id"""

# What rested in a call's book before a time: side, price and lots.
CALL_BOOK = """
SELECT side, price_ticks, sum(lots)::BIGINT FROM (
    SELECT side, price_ticks, quantity_lots AS lots, time_ns, position
        FROM order_accepted WHERE product_id = $1
    UNION ALL SELECT side, price_ticks, -quantity_lots, time_ns, position
        FROM order_cancelled WHERE product_id = $1
    UNION ALL SELECT side, limit_ticks, -quantity_lots, time_ns, position
        FROM order_filled WHERE product_id = $1
    UNION ALL SELECT side, price_ticks, quantity_lots, time_ns, position
        FROM order_replaced WHERE product_id = $1
    UNION ALL SELECT side, old_price_ticks, -old_quantity_lots, time_ns, position
        FROM order_replaced WHERE product_id = $1
) WHERE time_ns < $2 AND position < $3 GROUP BY side, price_ticks HAVING sum(lots) > 0"""
