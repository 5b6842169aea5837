"""Demand and supply in the cheapest and the dearest hour of the last day-ahead auction."""

from pathlib import Path

import numpy as np

from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as exchange
from ringmain.exchange.advice.dayahead.files import NamedBook
from ringmain.exchange.advice.dayahead.picture import picture
from ringmain.exchange.advice.dayahead.proposal import AuctionView
from ringmain.exchange.advice.dayahead.solve import Solution
from ringmain.exchange.dayahead_messages import BlockAwarded, PriceSet


def auction_pictures(data: Path) -> dict[str, str]:
    """Return pictures as SVG, by name; none if no auction has ended."""
    view, prices, ratios = AuctionView(), dict[int, int](), dict[int, int]()
    tape = TapeReader(data / "exchange", exchange.schema)
    tape.position = tape.first()
    while (events := tape.read()).size:
        view.fold(events)
        for row in events.view(PriceSet.dtype)[events["kind"] == PriceSet.kind]:
            prices[int(row["period"])] = int(row["price_ticks"])
        for row in events.view(BlockAwarded.dtype)[events["kind"] == BlockAwarded.kind]:
            ratios[int(row["block_id"])] = int(row["ratio_billionths"])
    tape.close()
    if len(prices) != view.period_count or not prices:
        return {}
    book = view.book()
    found = Solution(
        np.array([[prices[period] for period in range(book.period_count)]], np.int64),
        np.array([ratios[block.block_id] for block in book.blocks], np.int64),
        np.zeros((0, book.period_count), np.int64), np.zeros((1, book.period_count), np.int64), 0,
    )  # fmt: skip
    named = NamedBook(book, ["Day-ahead"], [str(block.block_id) for block in book.blocks])
    hours = {"cheapest": int(found.prices[0].argmin()), "dearest": int(found.prices[0].argmax())}
    return {name: picture(named, found, 0, hour) for name, hour in hours.items()}
