"""Strategies in a recorded day."""

import random

import pytest
from strategies import Once, Watcher, market_maker, sweep, twap_taker
from venue_rig import MINUTE_NS, MORNING, SECOND_NS, Venue, trade_at_random

from ringmain.client.strategy import BUY, SELL, Latency, replay
from ringmain.core.errors import RingmainError
from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as m
from ringmain.exchange.safeguards_messages import BUST, ApproveTradeChange, ProposeTradeChange, SetOrderLimits

QUICK = Latency(1_000, 1_000)


def recorded(folder):
    """Return the recorded tape's bytes."""
    tape, rows = TapeReader(folder, m.schema), []
    while (events := tape.read()).size:
        rows.append(events.tobytes())
    tape.close()
    return b"".join(rows)


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A morning: an auction, trading at random, a halt, a trade that is undone, the gate's closure."""
    data = tmp_path_factory.mktemp("recorded") / "data"
    venue = Venue(data, product=False)
    closure = MORNING + 60 * MINUTE_NS
    venue.product(1, auction=MORNING + MINUTE_NS, closure=closure)
    limits = dict.fromkeys(
        ("value_max_minor", "account_id", "static_collar_ticks", "dynamic_collar_ticks", "product_group"), 0
    )
    venue.send(SetOrderLimits, 1, **limits, quantity_max_lots=10**6)  # and trades are remembered
    dice = random.Random(11)
    for n in range(30):
        venue.place(1 + n % 5, dice.choice([BUY, SELL]), 5_000 + dice.randint(-9, 9), dice.randint(1, 9))
    venue.step_to(MORNING + MINUTE_NS)
    trade_at_random(venue, dice, 500)
    venue.send(m.HaltProduct, 1, product_id=1)
    venue.step(5)
    venue.send(m.ResumeProduct, 1, product_id=1)
    venue.sell(1, 5_100, 3)
    venue.step(60)
    number = venue.sell(2, 5_050, 4)
    venue.step(60)
    venue.cancel(2, number)  # fails for whoever has bought it
    fill = undo_a_trade(venue)
    trade_at_random(venue, dice, 200)
    venue.step_to(closure + SECOND_NS)
    venue.close()
    yield data, venue.folder, fill


def undo_a_trade(venue):
    """Have two of the operator's sessions undo a trade; return what was undone."""
    venue.open(2, 0)
    venue.buy(3, 5_100, 1)
    tape = TapeReader(venue.folder, m.schema)
    tape.position = tape.readable() - 1
    fill = m.schema.unpack_event(tape.read()[:1])
    assert fill["record"] == "OrderFilled"
    place = {"trade_sequence": fill["sequence"], "trade_index": fill["trade_index"]}
    venue.send(ProposeTradeChange, 1, **place, price_ticks=0, action=BUST)
    tape.position = tape.readable() - 1
    proposed = m.schema.unpack_event(tape.read()[:1])
    assert proposed["record"] == "TradeChangeProposed", proposed.get("reason")
    venue.send(ApproveTradeChange, 2, proposal_sequence=proposed["sequence"])
    tape.close()
    return fill


def test_a_replay_without_own_orders_is_the_recorded_tape_byte_for_byte(lived):
    data, folder, _ = lived
    rows, watcher = [], Watcher()
    result = replay(watcher, data, QUICK, publish=lambda events: rows.append(events.tobytes()))
    assert b"".join(rows) == recorded(folder)
    assert result.commands == []
    assert watcher.told("trade")
    assert watcher.told("phase")[-1] != "CONTINUOUS", "the day was seen to its end"


def test_own_orders_trade_against_the_recorded_book_and_what_fails_is_told(lived):
    data, folder, fill = lived
    rows = []
    at_ns = fill["time_ns"] - 30 * SECOND_NS  # the offers at 5,050 and 5,100 rest
    buyer = Once(lambda desk: sweep(desk, lots=5_000, price_ticks=5_060), at_ns)
    result = replay(buyer, data, QUICK, publish=lambda events: rows.append(events.copy()))
    assert sum(each["quantity_lots"] for each in result.fills) >= 4
    assert result.notes["recorded commands failed because of the strategy"] >= 1
    assert result.notes["failed, UNKNOWN_ORDER"] >= 1
    events = m.schema.batch(rows)
    before = m.schema.batch(rows[: len(rows) // 2])
    assert recorded(folder).startswith(before[before["time_ns"] < at_ns].tobytes())
    changed = [
        m.schema.unpack_event(events[i : i + 1])["trade_sequence"]
        for i in range(events.size)
        if m.schema.events[int(events["kind"][i])].name == "TradeChanged"
    ]
    filled = [
        i for i in range(events.size)
        if events["kind"][i] == m.OrderFilled.kind and events["sequence"][i] == changed[0]
    ]  # fmt: skip
    undone = m.schema.unpack_event(events[filled[-1] : filled[-1] + 1])
    names = ("time_ns", "session_id", "session_number")
    assert [undone[name] for name in names] == [fill[name] for name in names]
    assert undone["price_ticks"] > fill["price_ticks"], "the better offers are gone"
    assert changed[0] > fill["sequence"], "the strategy's commands stand before it"


def test_both_examples_replay_the_same_each_time(lived):
    data = lived[0]
    for make in (market_maker, twap_taker):
        settings = {"quantity_lots": 20} | ({"seconds": 120, "slices": 5} if make is twap_taker else {})
        first, again = (replay(make(**settings), data, QUICK) for _ in range(2))
        assert first.as_dict() == again.as_dict()
        assert first.fills
        assert first.notes["recorded commands"] > 500


def test_a_strategy_whose_product_never_comes_is_told_so(lived):
    result = replay(Watcher((1, 99)), lived[0])
    assert result.notes["never began, not told of products"] == "99"


def test_a_day_that_uses_the_strategys_session_or_no_day_is_refused(tmp_path):
    with pytest.raises(RingmainError, match="RM642"):
        replay(Watcher(), tmp_path)
    venue = Venue(tmp_path / "data")
    venue.open(4_095, 1)
    venue.close()
    with pytest.raises(RingmainError, match="RM369"):
        replay(Watcher(), tmp_path / "data")
