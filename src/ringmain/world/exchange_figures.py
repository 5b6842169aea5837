"""The exchange's part of a report: auctions, books, ways of trading, and what each account is left with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client.protocol import pick
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.exchange.multileg_messages import BasketExecuted, BasketRejected, BlockFilled, BlockPlaced
from ringmain.exchange.reserve_messages import ActivationRejected
from ringmain.world import calendar, recorded, reserve_figures
from ringmain.world.calendar import QUARTER_NS, Product, products_of, quarters_of
from ringmain.world.live import Plan
from ringmain.world.order_kinds import OrderKinds, trades_by_kind
from ringmain.world.recorded import LOTS_PER_MWH, MINOR_PER_EURO, TICKS_PER_EURO, Rows
from ringmain.world.reserve_figures import ReserveFills, is_reserve
from ringmain.world.seats import FLEET_ACCOUNT, SYSTEM_OPERATOR_ACCOUNT, TRADER_ACCOUNTS

TICK_LOTS_PER_EURO = TICKS_PER_EURO * LOTS_PER_MWH
OUTCOME_NAMES = {code: name.lower() for name, code in dayahead.OUTCOMES.items()}
NAMES = {0: "operator", FLEET_ACCOUNT: "fleet"} | {n: name for name, n in TRADER_ACCOUNTS.items()}
EVENTS = (
    exchange.OrderFilled, exchange.OrderAccepted, exchange.OrderRejected, exchange.OrderCancelled,
    exchange.AuctionUncrossed, exchange.PositionDelivered, BlockPlaced, BlockFilled, BasketExecuted,
    BasketRejected, dayahead.PriceSet, dayahead.CurveAwarded, dayahead.CurveSegmentAccepted,
    dayahead.BlockAccepted, dayahead.BlockRunAccepted, dayahead.BlockAwarded, dayahead.AuctionEnded,
    dayahead.AuctionCommandRejected, ActivationRejected, *reserve_figures.EVENTS,
)  # fmt: skip
REJECTIONS = (exchange.OrderRejected, BasketRejected, dayahead.AuctionCommandRejected, ActivationRejected)


class Fills:
    """Both sides of every trade of energy, with its energy, money and what they were part of."""

    def __init__(self, fills: Any) -> None:
        self.rows = rows = pick(fills, ~is_reserve(fills))
        is_hour = rows["product_id"] % calendar.IDS_PER_DAY < calendar.FIRST_QUARTER_ID
        lots = rows["quantity_lots"].astype(np.int64)
        self.mwh = lots * np.where(is_hour, calendar.HOURLY_LOT_KWH, calendar.QUARTERLY_LOT_KWH) / 1_000
        value = np.where(is_hour, calendar.HOURLY_VALUE_MINOR, calendar.QUARTERLY_VALUE_MINOR)
        self.minor = lots * rows["price_ticks"] * value * np.where(rows["side"] == exchange.SELL, 1, -1)
        self.is_call = rows["role"] == exchange.AUCTION
        is_taker = rows["role"] == exchange.TAKER
        self.is_trade = is_taker | (self.is_call & (rows["side"] == exchange.BUY))  # one side of each

    def mean_eur(self, mask: Any) -> float | None:
        """Return the mean price of some sides by energy, None of no side."""
        energy = float(self.mwh[mask].sum())
        paid = float((self.mwh * self.rows["price_ticks"])[mask].sum())
        return paid / energy / TICKS_PER_EURO if energy else None


def exchange_figures(data: Path, plan: Plan) -> dict[str, Any]:
    """Return everything that the report shows of the exchange, ready for JSON."""
    events = recorded.events(data / "exchange", exchange.schema, EVENTS, plan)
    fills, kinds = Fills(events.of(exchange.OrderFilled)), OrderKinds(data, plan)
    auctions, reserve = _auctions(plan, events), ReserveFills(events.of(exchange.OrderFilled))
    return {
        "orders": int(events.of(exchange.OrderAccepted).size),
        "cancelled": int(events.of(exchange.OrderCancelled).size),
        "rejected": _rejected(events),
        "order_kinds": kinds.counts(),
        "trade_kinds": trades_by_kind(kinds, fills.rows, fills.mwh),
        "blocks": {
            "placed": int(events.of(BlockPlaced).size), "filled": int(events.of(BlockFilled).size)
        },
        "baskets": {
            "executed": int(events.of(BasketExecuted).size), "rejected": int(events.of(BasketRejected).size)
        },
        "trades": int(fills.is_trade.sum()),
        "traded_mwh": float(fills.mwh[fills.is_trade].sum()),
        "auctions": auctions,
        "auction_mwh": sum(auction["bought_mwh"] for auction in auctions),
        "products": _products(plan, events, fills),
        "quarters": _quarters(plan, events, fills),
        "intraday": _intraday(plan, fills),
        "reserve": reserve_figures.reserve_blocks(plan, events, reserve),
        "statements": _statements(events, fills, reserve),
    }  # fmt: skip


def _rejected(events: Rows) -> dict[str, int]:
    reasons = [code for record in REJECTIONS for code in events.of(record)["reason"].tolist()]
    return {exchange.schema.reasons[code]: reasons.count(code) for code in sorted(set(reasons))}


# The day-ahead auction.


def _auctions(plan: Plan, events: Rows) -> list[dict[str, Any]]:
    rows = []
    for ended in events.of(dayahead.AuctionEnded):
        auction_id = int(ended["auction_id"])
        prices, curves, segments = (
            _of_auction(events.of(record), auction_id)
            for record in (dayahead.PriceSet, dayahead.CurveAwarded, dayahead.CurveSegmentAccepted)
        )
        blocks = _blocks(events, auction_id)
        rows.append({
            "day": calendar.day_of(auction_id * calendar.DAY_NS).isoformat(),
            "outcome": OUTCOME_NAMES[int(ended["outcome"])],
            "curves": int(curves.size),
            "segments": int(segments.size),
            "blocks": blocks,
            "blocks_accepted": sum(block["ratio"] > 0 for block in blocks),
            "blocks_paradoxical": int(ended["paradox_count"]),
            "bought_mwh": int(prices["bought_lots"].sum()) / LOTS_PER_MWH,
            "mean_eur": float(prices["price_ticks"].mean()) / TICKS_PER_EURO if prices.size else None,
            "welfare_eur": int(ended["welfare_tick_lots"]) / TICK_LOTS_PER_EURO,
            "gap": int(ended["gap_millionths"]) / 1e6,
        })  # fmt: skip
    return rows


def _of_auction(rows: Any, auction_id: int) -> Any:
    return rows[rows["auction_id"] == auction_id]


def _blocks(events: Rows, auction_id: int) -> list[dict[str, Any]]:
    """Return each block with its terms and how much of it was accepted."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for run in _of_auction(events.of(dayahead.BlockRunAccepted), auction_id):
        runs.setdefault(int(run["block_id"]), []).append((int(run["run_periods"]), int(run["quantity_lots"])))
    terms = {int(row["block_id"]): row for row in events.of(dayahead.BlockAccepted)}
    found = []
    for awarded in _of_auction(events.of(dayahead.BlockAwarded), auction_id):
        block_id = int(awarded["block_id"])
        block, ratio = terms[block_id], int(awarded["ratio_billionths"]) / dayahead.RATIO_ONE
        surplus_eur = int(awarded["surplus_tick_lots"]) / TICK_LOTS_PER_EURO
        first = int(block["first_period"])
        found.append({
            "block_id": block_id,
            "account": NAMES.get(int(block["account_id"]), str(int(block["account_id"]))),
            "side": "buy" if int(block["side"]) == exchange.BUY else "sell",
            "first_hour": first,
            "end_hour": first + int(block["period_count"]),
            "mw": max(lots for _, lots in runs[block_id]) / LOTS_PER_MWH,
            "mwh": sum(periods * lots for periods, lots in runs[block_id]) / LOTS_PER_MWH,
            "limit_eur": int(block["price_ticks"]) / TICKS_PER_EURO,
            "minimum_ratio": int(block["minimum_ratio_permille"]) / 1_000,
            "parent_block_id": int(block["parent_block_id"]),
            "exclusive_group": int(block["exclusive_group"]),
            "ratio": ratio,
            "surplus_eur": surplus_eur,
            "is_paradoxical": ratio == 0 and surplus_eur > 0,
            "amount_eur": int(awarded["amount_minor"]) / MINOR_PER_EURO,
        })  # fmt: skip
    return sorted(found, key=lambda row: row["block_id"])


# Prices and volumes.


def _products(plan: Plan, events: Rows, fills: Fills) -> list[dict[str, Any]]:
    cleared = {(int(row["auction_id"]), int(row["period"])): row for row in events.of(dayahead.PriceSet)}
    calls, rows = _calls(events), []
    for index, day in enumerate(plan.days):
        auction_id = calendar.auction_id_of(day)
        for hour, product in enumerate(products_of(day)):
            auction = cleared.get((auction_id, hour))
            rows.append({
                "product_id": product.product_id,
                "delivery_start_ns": product.delivery_start_ns,
                "real_eur": plan.prices[index + 1][hour] / TICKS_PER_EURO,
                "day_before_eur": plan.prices[index][hour] / TICKS_PER_EURO,
                "auction_eur": None if auction is None else int(auction["price_ticks"]) / TICKS_PER_EURO,
                "auction_mwh": 0.0 if auction is None else int(auction["bought_lots"]) / LOTS_PER_MWH,
                **_book(product, calls, fills),
            })  # fmt: skip
    return rows


def _quarters(plan: Plan, events: Rows, fills: Fills) -> list[dict[str, Any]]:
    calls = _calls(events)
    return [
        {"product_id": product.product_id, "delivery_start_ns": product.delivery_start_ns,
         **_book(product, calls, fills)}
        for day in plan.days for product in quarters_of(day)
    ]  # fmt: skip


def _calls(events: Rows) -> dict[int, int]:
    """Return the price of each opening call in which something traded."""
    rows = events.of(exchange.AuctionUncrossed)
    columns = (rows[name].tolist() for name in ("product_id", "price_ticks", "volume_lots"))
    return {product_id: ticks for product_id, ticks, lots in zip(*columns, strict=True) if lots}


def _book(product: Product, calls: dict[int, int], fills: Fills) -> dict[str, Any]:
    """Return what a product's book has traded: in the opening call, and continuously."""
    own = fills.is_trade & (fills.rows["product_id"] == product.product_id)
    inside, call = own & ~fills.is_call, calls.get(product.product_id)
    return {
        "call_eur": None if call is None else call / TICKS_PER_EURO,
        "call_mwh": float(fills.mwh[own & fills.is_call].sum()),
        "intraday_eur": fills.mean_eur(inside),
        "intraday_mwh": float(fills.mwh[inside].sum()),
        "intraday_trades": int(inside.sum()),
    }


def _intraday(plan: Plan, fills: Fills) -> list[dict[str, Any]]:
    """Return volume and trades of the continuous books, by quarter-hour of trading."""
    chosen = fills.is_trade & ~fills.is_call
    slots = (fills.rows["time_ns"][chosen] - plan.start_ns) // QUARTER_NS
    count = int((plan.end_ns - plan.start_ns) // QUARTER_NS) + 1
    is_hour = fills.rows["product_id"][chosen] % calendar.IDS_PER_DAY < calendar.FIRST_QUARTER_ID
    mwh = fills.mwh[chosen]
    hours, quarters = (np.bincount(slots[mask], mwh[mask], count) for mask in (is_hour, ~is_hour))
    trades = np.bincount(slots, minlength=count)
    return [
        {"time_ns": plan.start_ns + n * QUARTER_NS, "hours_mwh": float(hours[n]),
         "quarters_mwh": float(quarters[n]), "trades": int(trades[n])}
        for n in range(count)
    ]  # fmt: skip


# Accounts.


def _statements(events: Rows, fills: Fills, reserve: ReserveFills) -> dict[str, dict[str, float]]:
    """Return by account what it received less what it paid, and the energy that it has to deliver, net."""
    curves, blocks = events.of(dayahead.CurveAwarded), events.of(dayahead.BlockAwarded)
    delivered = events.of(exchange.PositionDelivered)
    delivered = pick(delivered, ~is_reserve(delivered))
    is_hour = delivered["product_kind"] == exchange.HOURLY
    lot_mwh = np.where(is_hour, calendar.HOURLY_LOT_KWH, calendar.QUARTERLY_LOT_KWH) / 1_000
    found: dict[str, dict[str, float]] = {}
    for account_id, name in NAMES.items():
        own = fills.rows["account_id"] == account_id
        sums_minor = {
            "curves": _sum(curves, "amount_minor", account_id),
            "blocks": _sum(blocks, "amount_minor", account_id),
            "call": int(fills.minor[own & fills.is_call].sum()),
            "continuous": int(fills.minor[own & ~fills.is_call].sum()),
            "reserve": reserve.of_account(account_id),
            "activation": reserve_figures.settled_minor(events, account_id, SYSTEM_OPERATOR_ACCOUNT),
        }
        if account_id == 0:  # it stands between all awards
            sums_minor["curves"] = -int(curves["amount_minor"].sum())
            sums_minor["blocks"] = -int(blocks["amount_minor"].sum())
        mwh = (-delivered["position_lots"] * lot_mwh)[delivered["account_id"] == account_id]
        found[name] = {
            **{f"{kind}_eur": minor / MINOR_PER_EURO for kind, minor in sums_minor.items()},
            "cash_eur": sum(sums_minor.values()) / MINOR_PER_EURO,
            "delivered_mwh": float(mwh.sum()),
        }
    return found


def _sum(rows: Any, name: str, account_id: int) -> int:
    return int(rows[name][rows["account_id"] == account_id].sum())


def charted(rows: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float | None]]:
    """Return one figure of products as points by the begin of delivery."""
    return [(row["delivery_start_ns"], row[name]) for row in rows]
