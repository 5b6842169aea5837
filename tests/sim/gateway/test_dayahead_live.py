"""A day-ahead auction over a real node and gateway, with the auctioneer as a process beside them."""

import os
import subprocess
import sys
import time

from gateway_rig import Rig

from ringmain.core.tape import TapeReader
from ringmain.exchange import dayahead_messages as d
from ringmain.exchange import messages as m

SECOND_NS = 1_000_000_000
PERIODS = 3


def test_orders_come_in_the_gate_closes_and_the_proposal_is_booked(tmp_path):
    rig = Rig(tmp_path, "exchange")
    try:
        token = rig.new_token("operator", account_id=0, role="operator")
        operator = rig.client(token)
        advice = tmp_path / "advice.token"
        advice.write_text(rig.new_token("advice", account_id=0, role="operator"))
        members = [rig.client(rig.new_token(f"member {n}", account_id=n)) for n in (1, 2)]
        now_ns = time.time_ns()
        gate_ns = now_ns + 4 * SECOND_NS
        set_up(operator, gate_ns)
        command = [
            sys.executable, "-m", "ringmain.cli", "exchange", "dayahead", "run", "--data", str(tmp_path),
            "--port", str(rig.port), "--token", str(advice), "--auctions", "1", "--seconds", "5",
        ]  # fmt: skip
        auctioneer = subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"})
        try:
            block_id = trade(*members)
            end, block = results(tmp_path)
            assert auctioneer.wait(30) == 0
        finally:
            auctioneer.kill()
        assert end["outcome"] == d.PROPOSAL
        assert (block["block_id"], block["ratio_billionths"]) == (block_id, d.RATIO_ONE)
        assert block["amount_minor"] == 50 * (3_000 + 2 * 5_000) * 1_000
    finally:
        rig.close()


def set_up(operator, gate_ns):
    """Open accounts, products and the auction."""
    closure_ns = gate_ns + 3_600 * SECOND_NS
    limits = {"credit_minor": 10**12, "long_limit_lots": 10**6, "short_limit_lots": 10**6}
    for account in (1, 2):
        operator.send(m.OpenAccount(account_id=account, **limits))
    for product in range(1, PERIODS + 1):
        operator.send(
            m.DefineProduct(
                product_id=product, product_kind=m.HOURLY, delivery_start_ns=closure_ns, value_minor=1_000,
                reference_price_ticks=0, market_range_ticks=100,
            )
        )  # fmt: skip
        operator.send(m.ScheduleProduct(product_id=product, auction_ns=0, gate_closure_ns=closure_ns))
    operator.send(
        d.DefineAuction(
            auction_id=1, gate_ns=gate_ns, result_ns=gate_ns + 60 * SECOND_NS, price_min_ticks=-50_000,
            price_max_ticks=400_000, period_count=PERIODS, zone_count=1,
        )
    )  # fmt: skip
    operator.send(d.DefineZone(auction_id=1, first_product_id=1, zone=0))
    number = operator.send(d.OpenAuction(auction_id=1))
    (answer,) = [operator.unpack(event) for event in operator.wait_answer(number)]
    assert answer["phase"] == d.OPEN, answer


def trade(buyer, seller):
    """Bid for 100 lots in each period, and offer against it; return the id of a block that pays."""
    for period, price in enumerate((3_000, 5_000, 5_000)):
        for client, side, limit, lots in ((buyer, m.BUY, 9_000, 100), (seller, m.SELL, price, 100)):
            client.send(
                d.SubmitCurveSegment(
                    auction_id=1, begin_ticks=limit, end_ticks=limit, quantity_lots=lots, zone=0,
                    period=period, segment_index=0, segment_count=1, side=side,
                )
            )  # fmt: skip
    number = seller.send(
        d.SubmitBlock(
            auction_id=1, price_ticks=4_200, quantity_lots=50, parent_block_id=0, exclusive_group=0, zone=0,
            first_period=0, period_count=PERIODS, run_periods=PERIODS,
            minimum_ratio_permille=1_000, side=m.SELL,
        )
    )  # fmt: skip
    buyer.settle()
    accepted = [seller.unpack(event) for event in seller.wait_answer(number)]
    return accepted[-1]["block_id"]


def results(data):
    """Wait until the auction has ended; return its end and its block's award."""
    tape, block, deadline = TapeReader(data / "exchange", m.schema), None, time.monotonic() + 60
    while time.monotonic() < deadline:
        for event in map(m.schema.unpack_event, tape.read().copy()):
            if event["record"] == "BlockAwarded":
                block = event
            if event["record"] == "AuctionEnded":
                return event, block
        tape.wait(0.5)
    raise AssertionError("the auction has no end")
