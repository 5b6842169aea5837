"""Movements of money, typed: what the ledger has done, as rows that sum to each account's balance.

A statement is a fold over these. Each movement is told twice, with opposite signs, so that all rows
together sum to zero; account 0 stands for the world outside, and between all awards of an auction. A new
kind of movement is one more entry here, and is then in every statement and in the cash balances.
"""

from dataclasses import dataclass

HEAD = "position, sequence, time_ns, time_at"
TRADE_VALUE = "t.price_ticks::BIGINT * p.value_minor * t.quantity_lots"


@dataclass(frozen=True)
class Movement:
    """Rows of one kind: position, sequence, time_ns, time_at, kind, account_id, product_id, amount_minor."""

    kind: str
    meaning: str
    sql: str


def _trade(account: str, sign: str) -> str:
    return f"""
        SELECT t.position, t.sequence, t.time_ns, t.time_at, 'TRADE' AS kind, t.{account} AS account_id,
            t.product_id, {sign}({TRADE_VALUE}) AS amount_minor
        FROM trades t JOIN product_defined p USING (product_id)"""


def _cash(kind: str, condition: str) -> str:
    def side(account: str, amount: str) -> str:
        return f"""
            SELECT {HEAD}, '{kind}' AS kind, {account} AS account_id, NULL::UINTEGER AS product_id,
                {amount} AS amount_minor
            FROM account_changed WHERE {condition}"""

    return f"{side('account_id', 'amount_minor')} UNION ALL {side('0::UINTEGER', '-amount_minor')}"


def _awards(account: str, sign: str) -> str:
    """Return the awards of day-ahead auctions, a block's without a product, as it has many."""

    def of(table: str, product_id: str, more: str) -> str:
        return f"""
            SELECT {HEAD}, 'AUCTION' AS kind, {account}::UINTEGER AS account_id, {product_id} AS product_id,
                {sign}amount_minor AS amount_minor
            FROM {table} {more}"""

    curves = of(
        "curve_awarded",
        "(first_product_id + period)::UINTEGER",
        "JOIN auction_zones USING (auction_id, zone)",
    )
    return f"{curves} UNION ALL {of('block_awarded', 'NULL::UINTEGER', '')}"


def _fees(account: str, sign: str) -> str:
    """Return what each fill has cost, by what its product's lots cost and the side's role."""
    fee = "CASE f.role WHEN 'MAKER' THEN maker_fee_minor WHEN 'TAKER' THEN taker_fee_minor"
    fee += " ELSE auction_fee_minor END"
    return f"""
        SELECT f.position, f.sequence, f.time_ns, f.time_at, 'FEE' AS kind, {account} AS account_id,
            f.product_id, {sign}(f.quantity_lots::BIGINT * ({fee})) AS amount_minor
        FROM order_filled f JOIN product_fees_fixed p USING (product_id)"""


def _reserve(account: str, sign: str) -> str:
    """Return what activated reserve has earned, paid by the buyer that its product's terms name."""
    return f"""
        SELECT r.position, r.sequence, r.time_ns, r.time_at, 'RESERVE' AS kind,
            {account}::UINTEGER AS account_id, r.product_id, {sign}r.amount_minor AS amount_minor
        FROM reserve_settled r JOIN (
            SELECT product_id, last(buyer_account_id ORDER BY position) AS buyer_account_id
            FROM reserve_terms_set GROUP BY product_id
        ) p USING (product_id)"""


MOVEMENTS = (
    Movement("TRADE", "bought: paid to the seller, below zero received", _trade("buyer_account_id", "-")),
    Movement("TRADE", "sold: received from the buyer, below zero paid", _trade("seller_account_id", "")),
    Movement(
        "AUCTION", "awarded by a day-ahead auction: received, below zero paid", _awards("account_id", "")
    ),
    Movement("AUCTION", "the operator's side of it; in all, what flows have earned", _awards("0", "-")),
    Movement(
        "TRADE_CHANGE",
        "a trade undone, or its price set right, by the operator",
        f"""
        SELECT {HEAD}, 'TRADE_CHANGE' AS kind, account_id::UINTEGER AS account_id, product_id, amount_minor
        FROM trade_changed""",
    ),
    Movement("RESERVE", "energy called of it: received", _reserve("r.account_id", "")),
    Movement("RESERVE", "the buyer's side of it: paid", _reserve("p.buyer_account_id", "-")),
    Movement("FEE", "paid for trading; above zero received", _fees("f.account_id::UINTEGER", "-")),
    Movement("FEE", "the operator's side of it", _fees("0::UINTEGER", "")),
    Movement("DEPOSIT", "paid in by the operator", _cash("DEPOSIT", "amount_minor > 0")),
    Movement("WITHDRAWAL", "paid out by the operator", _cash("WITHDRAWAL", "amount_minor < 0")),
)
KINDS = tuple(dict.fromkeys(movement.kind for movement in MOVEMENTS))
