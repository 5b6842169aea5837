"""What the world sees of the market goes on from a checkpoint as if it had read on."""

import numpy as np

from ringmain.client.checkpoint import EVERY_EVENTS
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeWriter
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.exchange.reserve_messages import ReserveActivated, ReserveLevelSet
from ringmain.world.calendar import FIRST_RESERVE_UP_ID, IDS_PER_DAY
from ringmain.world.market_view import MarketView

HOUR = 20_000 * IDS_PER_DAY
RESERVE = HOUR + FIRST_RESERVE_UP_ID


def event(record, **values):
    names = {field.name: 0 for field in record.fields}
    return record(**{**names, **values})


def seen(view):
    """Return everything that a view keeps."""
    kept = [
        {name: value for name, value in vars(part).items() if name != "folds"}
        for part in (view.day_ahead, view.reserve)
    ]
    return dict(view.books), view.trades, view.traded_kwh, *kept


def fills(product_id, lots):
    return [
        event(exchange.OrderFilled, product_id=product_id, quantity_lots=lots, price_ticks=700, side=side,
              account_id=account_id, role=exchange.AUCTION)
        for side, account_id in ((exchange.BUY, 11), (exchange.SELL, 100))
    ]  # fmt: skip


def test_a_view_that_goes_on_from_a_checkpoint_has_seen_the_same(tmp_path):
    (tmp_path / "exchange").mkdir()
    tape = TapeWriter(
        tmp_path / "exchange" / "tape", NodePage(tmp_path / "exchange" / "page", create=True),
        exchange.schema.record_bytes,
    )  # fmt: skip

    def say(*events):
        tape.append(exchange.schema.batch(events))
        tape.publish(tape.position)

    memory = tmp_path / "checkpoint"
    view = MarketView(tmp_path, memory)
    open_reserve = event(exchange.PhaseChanged, product_id=RESERVE, phase=exchange.CALL)
    say(event(dayahead.AuctionDefined, auction_id=20_000, period_count=24), open_reserve)
    say(*fills(RESERVE, 9), *fills(HOUR, 5), event(ReserveLevelSet, product_id=RESERVE, quantity_lots=4))
    say(event(ReserveActivated, product_id=RESERVE, account_id=100, quantity_lots=2))
    idle = exchange.schema.batch([open_reserve])
    tape.append(np.repeat(idle, EVERY_EVENTS))
    tape.publish(tape.position)
    view.update()
    assert memory.exists()
    assert (view.trades, view.traded_kwh) == (1, 500)  # reserve is no energy
    assert view.reserve.lots == {RESERVE: {11: 9, 100: -9}}
    assert view.reserve.called_lots == {RESERVE: 4} and view.reserve.share_of(RESERVE, 100) == 2
    say(*fills(RESERVE, 1), event(ReserveLevelSet, product_id=RESERVE))
    resumed, anew = MarketView(tmp_path, memory), MarketView(tmp_path)
    for each in (view, resumed, anew):
        each.update()
    assert seen(resumed) == seen(view) == seen(anew)
    assert resumed.reserve.lots == {RESERVE: {11: 10, 100: -10}} and not resumed.reserve.called_lots
