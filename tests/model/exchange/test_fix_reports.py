"""Execution reports beside a slow twin of dicts, on the events of random days."""

import random

import numpy as np
import pytest
from exchange_rig import unpacked
from test_exchange_twin import join, opened, quote, span, trade

from ringmain.core.jit import bare, records
from ringmain.exchange import messages as m
from ringmain.gateway.fix import writing as w
from ringmain.gateway.fix.codec import parse, split, timestamp
from ringmain.gateway.fix.directory import ENTRY
from ringmain.gateway.fix.live import REPORT
from ringmain.gateway.fix.naming import name_reports
from ringmain.gateway.fix.orders import Orders

SESSION = 11
TIMES = b"\x0152=20240101-00:00:00.000\x01"
FIX_TYPES = {m.LIMIT: "2", m.MARKET: "1", m.MARKET_TO_LIMIT: "K", m.STOP: "3", m.STOP_LIMIT: "4"}
FIX_TIMES = {m.GOOD_FOR_SESSION: "0", m.IOC: "3", m.FOK: "4"}
FIX_TIMES |= {m.GOOD_TILL_CANCELLED: "1", m.GOOD_TILL_DATE: "6"}


class ReportTwin:
    """What each event about an order is told as, in plain Python."""

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], dict] = {}

    def told(self, event: dict, position: int) -> dict[int, str] | None:
        handle = {
            "OrderAccepted": self.accepted, "OrderFilled": self.filled, "OrderCancelled": self.cancelled,
            "OrderReplaced": self.replaced, "OrderTriggered": self.triggered, "ClipShown": self.shown,
            "BlockPlaced": self.block_placed, "BlockFilled": self.block_filled,
            "BlockCancelled": self.block_cancelled,
        }.get(event["record"])  # fmt: skip
        if handle is None:
            return None
        name = (event["session_id"], event["session_number"])
        fields = handle(name, event)
        if fields is None:
            return None
        order = self.orders[name]
        fields = {
            35: "8", 37: f"{name[0]}-{name[1]}", 17: str(position), 55: str(order["product"]),
            54: str(order["side"]), 38: tenths(order["quantity"]), 40: FIX_TYPES[order["type"]],
            59: FIX_TIMES[order["force"]], 14: tenths(order["cum"]), 6: average(order),
            60: timestamp(event["time_ns"]).decode(),
        } | fields  # fmt: skip
        if "count" in order and 442 not in fields:
            fields |= {442: "3", 55: "[N/A]", 6: average(order, order["count"])}
        if order["type"] in (m.LIMIT, m.STOP_LIMIT, m.MARKET_TO_LIMIT):
            fields[44] = hundredths(order["price"])
        if order["stop"] is not None:
            fields[99] = hundredths(order["stop"])
        if order["force"] == m.GOOD_TILL_DATE:
            fields[126] = timestamp(order["expires_s"] * 10**9).decode()
        return fields

    def accepted(self, name, event):
        self.orders[name] = {
            "product": event["product_id"], "side": event["side"], "quantity": event["quantity_lots"],
            "price": event["price_ticks"], "type": event["order_type"], "force": event["time_in_force"],
            "cum": 0, "notional": 0, "latest": abs(name[1]), "expires_s": event["expires_s"],
            "stop": event["stop_ticks"] if event["order_type"] in (m.STOP, m.STOP_LIMIT) else None,
        }  # fmt: skip
        return {150: "0", 39: "0", 151: tenths(event["quantity_lots"]), 11: str(abs(name[1]))}

    def block_placed(self, name, event):
        self.orders[name] = {
            "product": event["first_product_id"], "side": event["side"], "quantity": event["quantity_lots"],
            "price": event["price_ticks"], "type": m.LIMIT, "force": event["time_in_force"], "cum": 0,
            "notional": 0, "latest": name[1], "stop": None, "count": event["product_count"], "parts": {},
        }  # fmt: skip
        last = event["first_product_id"] + event["product_count"] - 1
        left = tenths(event["quantity_lots"])
        return {
            150: "0",
            39: "0",
            151: left,
            11: str(name[1]),
            555: str(event["product_count"]),
            600: str(last),
        }

    def block_filled(self, name, event):
        order = self.orders[name]
        order["cum"], order["notional"] = order["quantity"], event["cost_ticks"]
        return {
            150: "F", 39: "2", 151: "0.0", 32: tenths(order["quantity"]), 31: average(order, order["count"]),
            851: str(event["role"]), 11: str(name[1]),
        }  # fmt: skip

    def block_cancelled(self, name, event):
        return self.cancelled(name, event)

    def part_filled(self, order, event):
        part = order["parts"].setdefault(event["product_id"], {"cum": 0, "notional": 0})
        part["cum"] += event["quantity_lots"]
        part["notional"] += event["quantity_lots"] * event["price_ticks"]
        left = order["quantity"] - part["cum"]
        return {
            39: "1" if left else "2", 151: tenths(left), 14: tenths(part["cum"]), 6: average(part), 442: "2",
            55: str(event["product_id"]),
        }  # fmt: skip

    def leg(self, event):
        """A leg is first heard of when it trades."""
        return {
            "product": event["product_id"], "side": event["side"], "price": event["limit_ticks"],
            "quantity": event["quantity_lots"] + event["remaining_lots"], "type": m.LIMIT, "force": m.FOK,
            "cum": 0, "notional": 0, "latest": event["session_number"], "stop": None,
        }  # fmt: skip

    def filled(self, name, event):
        order = self.orders.setdefault(name, self.leg(event))
        if "count" in order:
            return self.trade(order, event) | self.part_filled(order, event)
        order["cum"] += event["quantity_lots"]
        order["notional"] += event["quantity_lots"] * event["price_ticks"]
        left = event["remaining_lots"]
        return self.trade(order, event) | {39: "1" if left else "2", 151: tenths(left)}

    def trade(self, order, event):
        fields = {
            150: "F", 32: tenths(event["quantity_lots"]), 31: hundredths(event["price_ticks"]),
            11: str(order["latest"]), 527: f"{event['sequence']}-{event['trade_index']}",
        }  # fmt: skip
        if event["role"] != m.AUCTION:
            fields[851] = str(event["role"])
        return fields

    def cancelled(self, name, event):
        order = self.orders[name]
        by_owner = event["reason"] == "BY_OWNER"
        letter = "C" if event["reason"] in ("GATE_CLOSURE", "EXPIRED", "SESSION_END") else "4"
        fields = {150: letter, 39: letter, 151: "0.0", 58: event["reason"], 11: str(order["latest"])}
        if by_owner:
            fields |= {11: str(event["command_number"]), 41: str(order["latest"])}
        return fields

    def replaced(self, name, event):
        order = self.orders[name]
        order["price"] = event["price_ticks"]
        order["quantity"] = order["cum"] + event["quantity_lots"]
        fields = {39: "1" if order["cum"] else "0", 151: tenths(event["quantity_lots"])}
        if not event["command_number"]:  # self-trade prevention has
            return fields | {150: "D", 378: "5", 11: str(order["latest"])}
        former, order["latest"] = order["latest"], event["command_number"]
        order["stop"] = None
        return fields | {150: "5", 11: str(event["command_number"]), 41: str(former)}

    def triggered(self, name, event):
        return {
            150: "D",
            378: "8",
            636: "Y",
            39: "0",
            151: tenths(event["quantity_lots"]),
            11: str(self.orders[name]["latest"]),
        }

    def shown(self, name, event):
        order = self.orders[name]
        if not event["shown_lots"] or event["price_ticks"] in (event["old_price_ticks"], order["price"]):
            return None
        order["price"] = event["price_ticks"]
        left = tenths(event["shown_lots"] + event["hidden_lots"])
        status = "1" if order["cum"] else "0"
        return {150: "D", 378: "3", 39: status, 151: left, 11: str(order["latest"])}


def tenths(lots: int) -> str:
    return f"{lots // 10}.{lots % 10}"


def hundredths(ticks: int) -> str:
    return f"{'-' if ticks < 0 else ''}{abs(ticks) // 100}.{abs(ticks) % 100:02}"


def average(order: dict, parts: int = 1) -> str:
    if not order["cum"]:
        return "0.000000"
    scaled, lots = abs(order["notional"]) * 10_000, order["cum"] * parts
    value = (2 * scaled + lots) // (2 * lots)
    sign = "-" if order["notional"] < 0 and value else ""
    return f"{sign}{value // 10**6}.{value % 10**6:06}"


def day(seed: int):
    """Return the events of a random day, as a batch and as dicts."""
    dice = random.Random(seed)
    desk = opened(dice)
    desk.twin_events = []
    batches = []
    step = desk.machine.step

    def keep(batch, publish):
        step(batch, lambda rows: (batches.append(m.schema.batch([rows])), publish(rows))[1])

    desk.machine.step = keep
    for _ in range(700):
        what = dice.choices([trade, join, span, quote], [80, 5, 10, 10])[0]
        what(desk, dice, dice.choice([5, 30]))
        desk.tick(desk.now_ns + 1)
    desk.tick(desk.now_ns + 10**13)  # beyond every expiry
    return m.schema.batch(batches)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_reports_on_a_random_day(tmp_path, seed):
    events = day(seed)
    twin, expected = ReportTwin(), []
    for position, event in enumerate(unpacked(events)):
        told = twin.told(event, position)
        if told is not None and event["session_id"] == SESSION:
            expected.append(told)
    messages = [
        message for message in written(tmp_path, events, seed) if message[35] == "8" and message[150] != "8"
    ]
    assert len(expected) > 100
    assert [strip(message) for message in messages] == expected


def test_those_days_have_every_kind_of_report(tmp_path):
    told, parts = set(), set()
    for seed in range(4):
        (tmp_path / str(seed)).mkdir()
        messages = written(tmp_path / str(seed), day(seed), seed)
        told |= {(each.get(150), each.get(378)) for each in messages}
        parts |= {each.get(442) for each in messages if each.get(150) == "F"}
    kinds = {(letter, None) for letter in "0458CF"}
    assert parts >= {None, "2", "3"}
    assert told >= kinds | {("D", "3"), ("D", "5"), ("D", "8")}


def written(tmp_path, events, seed):
    """Fold and write in batches of any size; return the messages of one session as dicts."""
    dice, orders = random.Random(seed), Orders(tmp_path / "orders", 512)
    none, out = bare(records(np.zeros(0, ENTRY))), np.empty(1 << 20, np.uint8)
    prefix, ids, times = (np.frombuffer(text, np.uint8) for text in (
        b"8=FIX.4.4\x019=", b"49=V\x0156=C\x0134=", TIMES))  # fmt: skip
    number, place, found = 1, 0, []
    while place < events.size:
        batch = events[place : place + dice.randint(1, 512)]
        reports = orders.fold(batch)
        name_reports(reports, SESSION, none, 1, 0)
        row = 0
        while row < reports.size:
            row, size, count, _ = w.write_reports(
                reports, row, SESSION, w.ALL_ACCOUNTS, 0, number, prefix, ids, times, False, out
            )
            whole, done = split(out[:size].tobytes())
            assert (len(whole), done) == (count, size)
            found += [{tag: value.decode() for tag, value in parse(raw).fields} for raw in whole]
            number += count
        place += batch.size
        if dice.random() < 0.1:
            orders.save()
            orders = Orders(tmp_path / "orders", 512)
            assert orders.load(place)
            assert orders.position == place
    assert [int(message[34]) for message in found] == list(range(1, len(found) + 1))
    return found


def strip(message):
    return {tag: value for tag, value in message.items() if tag not in (49, 56, 34, 52)}


def test_repeated_messages_say_the_same_and_that_they_are_repeated(tmp_path):
    events = day(1)
    first = written(tmp_path, events, 1)[:50]
    data = b"".join(encoded(message) for message in first)
    out = np.empty(len(data) + 64 * len(first), np.uint8)
    now = b"20240102-11:22:33.444"
    size, count = w.repeat(np.frombuffer(data, np.uint8), 12, 1, 11, 40, np.frombuffer(now, np.uint8), out)
    whole, done = split(out[:size].tobytes())
    assert (count, done, len(whole)) == (30, size, 30)
    for before, raw in zip(first[10:40], whole, strict=True):
        after = {tag: value.decode() for tag, value in parse(raw).fields}
        assert (after.pop(43), after.pop(122)) == ("Y", before[52])
        assert after.pop(52) == now.decode()
        assert after == {tag: value for tag, value in before.items() if tag != 52}


def encoded(message):
    from ringmain.gateway.fix.codec import encode

    return encode(b"FIX.4.4", [(tag, value.encode()) for tag, value in message.items()])


def test_a_checkpoint_that_is_harmed_or_ahead_is_not_taken(tmp_path):
    orders = Orders(tmp_path / "orders", 64)
    orders.position = 10
    orders.save()
    assert not Orders(tmp_path / "orders", 64).load(9)
    assert Orders(tmp_path / "orders", 64).load(10)
    data = bytearray((tmp_path / "orders").read_bytes())
    data[1_000] ^= 1
    (tmp_path / "orders").write_bytes(data)
    assert not Orders(tmp_path / "orders", 64).load(10)
    (tmp_path / "orders").write_bytes(data[:100])
    assert not Orders(tmp_path / "orders", 64).load(10)
    assert REPORT.itemsize % 8 == 0
