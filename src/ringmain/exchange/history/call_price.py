"""The price a call auction would have, from what rests in its book: `kernels/auction`, done slowly."""

from collections.abc import Sequence

CallBook = Sequence[tuple[str, int, int]]  # side, price in ticks, lots


def call_price(book: CallBook, reference_ticks: int) -> int | None:
    """Return the price with the largest volume, then least surplus, then nearest the reference; or None.

    Only level prices, those a tick beside them and the reference can be it: between two of them volume
    and surplus do not change.
    """
    prices = {price for _, price, _ in book}
    candidates = {price + step for price in prices for step in (-1, 0, 1)} | {reference_ticks}
    best: tuple[int, int, int, int] | None = None
    for price in candidates:
        bids = sum(lots for side, limit, lots in book if side == "BUY" and limit >= price)
        offers = sum(lots for side, limit, lots in book if side == "SELL" and limit <= price)
        rank = (-min(bids, offers), abs(bids - offers), abs(price - reference_ticks), price)
        if best is None or rank < best:
            best = rank
    return best[3] if best is not None and best[0] < 0 else None
