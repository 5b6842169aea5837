"""Credentials that end, rights that change, drop copies; by every door of a real venue."""

import time

import numpy as np
import pytest
from gateway_rig import secure
from gateway_venue import market_rows, names, order

from ringmain.client import pick
from ringmain.core.errors import RingmainError
from ringmain.exchange.dayahead_messages import SubmitCurveSegment
from ringmain.exchange.messages import (
    BUY,
    GOOD_FOR_SESSION,
    IOC,
    SELL,
    STOP_LIMIT,
    CancelOrder,
    HaltProduct,
    MassCancel,
    PlaceOrder,
    ReplaceOrder,
    ResumeProduct,
)
from ringmain.gateway import credentials, entitlements, messages
from ringmain.gateway.entitlements import Entitlement

WAIT_S = 20


pytestmark = pytest.mark.usefixtures("others_are_served")


def until(client, is_so) -> list[dict]:
    """Poll until some record of the client's is as wanted; return all up to there."""
    heard, deadline = [], time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        heard += map(client.unpack, client.poll(0.1))
        heard += map(client.unpack, client.poll_data(0.0))
        if any(map(is_so, heard)):
            return heard
    raise AssertionError(f"it does not come: {heard}")


# Credentials.


def test_one_credential_is_one_session_whatever_the_door(rig):
    token = rig.new_token("single")
    old = rig.client(token, encoding="sbe")
    last = old.send(order(BUY, 3_000, 1))
    old.flush()
    new = secure(rig, token)
    with pytest.raises(RingmainError, match="TAKEN_OVER"):
        while True:
            old.poll(5)
    assert new.protocol.next_number == last + 1
    new.close()


def test_a_revoked_credential_logs_out_and_stays_out(rig):
    token = rig.new_token("leaver")
    client = rig.client(token)
    client.wait_answer(client.send(order(BUY, 3_000, 1)))
    assert credentials.revoke(rig.data, "exchange", "leaver") == 1
    with pytest.raises(RingmainError, match="TOKEN_REVOKED"):
        while True:
            client.poll(5)
    with pytest.raises(RingmainError, match=r"RM302.*TOKEN_REVOKED"):
        rig.client(token, reconnect_s=0)
    with pytest.raises(RingmainError, match="RM354"):
        credentials.revoke(rig.data, "exchange", "leaver")
    taken = {each.session_id for each in credentials.Credentials(rig.data).all()}
    rig.new_token("newcomer")
    newcomer = credentials.Credentials(rig.data).all()[-1]
    assert newcomer.session_id not in taken, "nobody inherits a session"


def test_a_credential_ends_in_its_time(rig):
    token = rig.new_token("guest", expires_s=int(time.time()) + 3)
    client = rig.client(token, encoding="sbe")
    with pytest.raises(RingmainError, match="TOKEN_EXPIRED"):
        while True:
            client.poll(5)
    with pytest.raises(RingmainError, match=r"RM302.*TOKEN_EXPIRED"):
        rig.client(token, reconnect_s=0)


def test_a_damaged_file_of_credentials_logs_nobody_out(rig):
    path, token = rig.data / credentials.FILE_NAME, rig.new_token("steady")
    with rig.client(token) as client:
        good, said = path.read_bytes(), rig.log("gateway").stat().st_size
        path.write_bytes(b"[{")
        try:
            rig.wait_said("gateway", "RM311", said)  # it has looked, and could not read it
            client.wait_answer(client.send(order(BUY, 3_000, 1)))
            rig.kill("node")
            rig.start("node")  # a market that begins anew is told of its sessions all the same
            client.wait_answer(client.send(order(BUY, 3_000, 1)))
        finally:
            path.write_bytes(good)


def test_no_secret_is_logged_or_kept(rig):
    token = rig.new_token("private")
    with rig.client(token):
        pass
    with pytest.raises(RingmainError) as refused:
        rig.client(token[:-1] + "!", reconnect_s=0)
    assert token[:-1] not in str(refused.value)
    key = (rig.data / "certificate.key").read_text().splitlines()[1]
    for file in rig.data.rglob("*"):
        if file.is_file() and file.suffix != ".key":
            data = file.read_bytes()
            assert token.encode() not in data, file
            assert key.encode() not in data, file
    assert (rig.data / credentials.FILE_NAME).stat().st_mode & 0o077 == 0


# Entitlements.


@pytest.fixture
def rules(rig):
    """Replace the rules; they are gone behind the test."""
    yield lambda *rules: entitlements.write(rig.data, rules)
    (rig.data / entitlements.FILE_NAME).unlink(missing_ok=True)


def rule(account_id, products=None, **values) -> Entitlement:
    first, last = products or (0, 2**32 - 1)
    return Entitlement("exchange", account_id, first, last, **values)


def refusal(client, number) -> str:
    heard = until(client, lambda e: e["record"] == "Refused" and e["session_number"] == number)
    return next(e["reason"] for e in heard if e["record"] == "Refused" and e["session_number"] == number)


def test_an_account_trades_its_own_products_alone(rig, rules):
    rules(rule(3, (1, 1)))
    for encoding in ("records", "sbe"):
        with rig.client(rig.new_token("narrow", account_id=3), encoding=encoding) as client:
            client.wait_answer(client.send(order(BUY, 3_000, 1)))
            assert refusal(client, client.send(order(BUY, 3_000, 1, product_id=2))) == "NOT_ENTITLED"
            number = client.send(order(BUY, 3_000, 1))
            assert names(client, client.wait_answer(number)) == ["OrderAccepted"]


def test_rights_change_while_a_session_runs_but_cancelling_stays(rig, rules):
    with rig.client(rig.new_token("changing", account_id=3)) as client:
        placed = client.send(order(BUY, 3_000, 5))
        client.send(order(BUY, 3_001, 5))
        client.settle()
        rules(rule(3, trade=False))
        until_answered(client, "Refused")
        replace = ReplaceOrder(order_number=placed, price_ticks=3_002, quantity_lots=9, expected_lots=0)
        assert refusal(client, client.send(replace)) == "NOT_ENTITLED"
        cancelled = client.send(CancelOrder(order_number=placed))
        assert names(client, client.wait_answer(cancelled)) == ["OrderCancelled"]
        client.wait_answer(client.send(MassCancel(product_id=0)))
        rules()
        until_answered(client, "OrderAccepted")


def until_answered(client, record) -> None:
    """Place orders until one is answered so: changed rules hold from the gateway's next look at them on."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        number = client.send(order(BUY, 3_000, 1))
        client.settle()
        heard = [client.unpack(event) for event in client.poll()]
        if any(e["record"] == record and e["session_number"] == number for e in heard):
            return
        time.sleep(0.05)
    raise AssertionError(f"no order is answered by {record}")


def test_what_others_may_not_the_operator_still_may(rig, rules):
    rules(rule(None, trade=False))
    with (
        rig.client(rig.new_token("halter", account_id=0, role="operator")) as operator,
        rig.client(rig.new_token("halted", account_id=3)) as other,
    ):
        halted = operator.wait_answer(operator.send(HaltProduct(product_id=2)))
        assert names(operator, halted) == ["PhaseChanged"]
        operator.wait_answer(operator.send(ResumeProduct(product_id=2)))
        assert refusal(other, other.send(order(BUY, 3_000, 1))) == "NOT_ENTITLED"


def test_who_may_trade_nothing_changes_no_waiting_order_and_enters_no_auction(rig, rules):
    with rig.client(rig.new_token("suspended", account_id=3)) as client:
        stop = PlaceOrder(
            side=BUY, price_ticks=9_000, quantity_lots=1, product_id=1, order_type=STOP_LIMIT,
            time_in_force=GOOD_FOR_SESSION, stop_ticks=8_000,
        )  # fmt: skip
        waiting = client.send(stop)
        client.settle()
        rules(rule(3, trade=False))
        until_answered(client, "Refused")
        larger = {"price_ticks": 9_000, "quantity_lots": 500, "stop_ticks": 8_000}
        assert refusal(client, client.send(ReplaceOrder(order_number=waiting, **larger))) == "NOT_ENTITLED"
        curve = SubmitCurveSegment(**dict.fromkeys((f.name for f in SubmitCurveSegment.fields), 0))
        assert refusal(client, client.send(curve)) == "NOT_ENTITLED"
        cancelled = client.send(CancelOrder(order_number=waiting))
        assert names(client, client.wait_answer(cancelled)) == ["OrderCancelled"]


def test_rules_for_others_hold_for_those_without_their_own(rig, rules):
    rules(rule(None, (2, 2)), rule(1))
    with rig.client(rig.new_token("ruled", account_id=1)) as one:
        one.wait_answer(one.send(order(BUY, 3_000, 1)))
    with rig.client(rig.new_token("unruled", account_id=3)) as other:
        assert refusal(other, other.send(order(BUY, 3_000, 1))) == "NOT_ENTITLED"
        other.wait_answer(other.send(order(BUY, 3_000, 1, product_id=2)))


SEEN = {
    "none": set(),
    "delayed": {"DELAYED_TOP", "DELAYED_TRADES"},
    "top": {"DELAYED_TOP", "DELAYED_TRADES", "TOP", "TRADES"},
    "prices": {"DELAYED_TOP", "DELAYED_TRADES", "TOP", "TRADES", "DEPTH"},
    "orders": {"DELAYED_TOP", "DELAYED_TRADES", "TOP", "TRADES", "DEPTH", "ORDERS"},
}


@pytest.mark.parametrize("level", SEEN)
def test_an_account_sees_as_much_as_its_level_and_nothing_of_other_products(rig, rules, level):
    rules(rule(3, (1, 1), data=level))
    asked = sorted(SEEN["orders"])
    with rig.client(rig.new_token("eyes", account_id=3, role="observer")) as client:
        for name in asked:
            for product_id in (1, 2):
                client.subscribe(messages.FEEDS[name], product_id)
        client.settle()
        refused = [client.unpack(event) for event in client.poll()]
        refused = [event for event in refused if event["record"] == "Refused"]
        # Live and delayed replace each other; what counts here is what was refused.
        assert {event["reason"] for event in refused} == {"NOT_ENTITLED"}
        assert len(refused) == 2 * len(asked) - len(SEEN[level])


def test_a_subscription_ends_with_the_right_to_it(rig, rules):
    with rig.client(rig.new_token("watcher", account_id=3, role="observer")) as client:
        client.subscribe(messages.ORDERS, 1)
        client.subscribe(messages.TOP, 1)
        until(client, lambda e: e["record"] == "SnapshotEnded" and e["feed"] == messages.TOP)
        rules(rule(3, data="top"))
        ended = until(client, lambda e: e["record"] == "SubscriptionEnded")[-1]
        assert (ended["feed"], ended["product_id"], ended["reason"]) == (messages.ORDERS, 1, "NOT_ENTITLED")
        with rig.client(rig.new_token("stirrer")) as stirrer:
            stirrer.wait_answer(stirrer.send(order(BUY, 4_999, 1)))
            heard = until(client, lambda e: e["record"] == "TopChanged")
        assert not [event for event in heard if event["record"] == "OrderShown"]


@pytest.mark.parametrize(
    "text", ["[{", '[{"market": "exchange"}]', '[{"market": "exchange", "account_id": -1}]',
             '[{"market": "exchange", "account_id": 1, "first_product": 5, "last_product": 4}]'],
)  # fmt: skip
def test_a_damaged_file_of_rules_changes_nothing_and_lets_nobody_new_in(rig, rules, text):
    rules(rule(3, (1, 1)))
    with rig.client(rig.new_token("inside", account_id=3)) as client:
        said = rig.log("gateway").stat().st_size
        (rig.data / entitlements.FILE_NAME).write_text(text)
        rig.wait_said("gateway", "RM353", said)  # it has looked, and could not use it
        client.wait_answer(client.send(order(BUY, 3_000, 1)))
        assert refusal(client, client.send(order(BUY, 3_000, 1, product_id=2))) == "NOT_ENTITLED"
        with pytest.raises(RingmainError, match="RM302"):
            rig.client(rig.new_token("outside", account_id=3), reconnect_s=0)


# Drop copy.


def test_a_drop_copy_gets_what_all_sessions_of_its_account_get_and_no_other(rig):
    with (
        rig.client(rig.new_token("copy", account_id=4, role="drop_copy")) as copy,
        rig.client(rig.new_token("left", account_id=4)) as left,
        secure(rig, rig.new_token("right", account_id=4), encoding="sbe") as right,
        rig.client(rig.new_token("stranger", account_id=2)) as stranger,
    ):
        left.send(order(BUY, 4_800, 4))
        left.settle()
        right.send(order(BUY, 4_801, 4))
        right.settle()
        stranger.send(order(SELL, 4_800, 6, lasts=IOC))
        for client in (stranger, left, right, copy):
            client.settle()
        expected = sorted(market_rows(left.poll()) + market_rows(right.poll()))
        copied = pick_market(copy.poll())
        assert sorted(market_rows(copied)) == expected
        assert (np.diff(copied["sequence"]) >= 0).all()
        assert len(expected) == 4
        assert stranger.protocol.session_id not in copied["session_id"].tolist()
        again = resent(copy, int(copied["sequence"][0]))
        assert market_rows(again) == market_rows(copied)[1:]
        assert market_rows(resent(copy, 0))[-len(copied) :] == market_rows(copied)
        assert copy.protocol.next_number == 1, "others' numbers are not its own"


def pick_market(batch):
    return pick(batch, batch["kind"] < 0xFF00)


def resent(client, after_sequence: int):
    client.resend(after_sequence)
    client.settle()
    return pick_market(client.poll())


def test_a_drop_copy_only_reads(rig):
    with rig.client(rig.new_token("copyist", account_id=4, role="drop_copy")) as copy:
        assert refusal(copy, copy.send(order(BUY, 4_000, 1))) == "NOT_PERMITTED"


def test_a_drop_copy_misses_nothing_when_the_gateway_dies(rig):
    with (
        rig.client(rig.new_token("copy9", account_id=4, role="drop_copy")) as copy,
        rig.client(rig.new_token("busy", account_id=4, cancel_on_disconnect=False)) as busy,
    ):
        placed, heard = [], []
        for step in range(6):
            placed += [busy.send(order(BUY, 4_000 + step, 1)) for _ in range(200)]
            busy.flush()
            if step == 3:
                rig.kill("gateway")
                rig.start("gateway")
            heard.append(copy.poll(0.02).copy())
        busy.settle()
        copy.settle()
        heard.append(copy.poll().copy())
        for told in (np.concatenate([pick_market(batch) for batch in heard]), resent(copy, 0)):
            own = told[told["session_id"] == busy.protocol.session_id]
            assert sorted(own["session_number"][own["kind"] == 1].tolist()) == placed
