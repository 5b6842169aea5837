"""The numbers of a report, from tapes and ledgers alone: what happened is what was journaled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client.protocol import pick
from ringmain.core.page import NodePage
from ringmain.core.records import Record, Schema
from ringmain.core.replay import replay
from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp
from ringmain.vpp.views import Settlement
from ringmain.world import foresight
from ringmain.world.calendar import MINUTE_NS, products_of
from ringmain.world.live import Plan
from ringmain.world.seats import FLEET_ACCOUNT, TRADER_ACCOUNTS

MINOR_PER_EURO = 1_000_000
TICKS_PER_EURO = 100
LOTS_PER_MWH = 10
QUARTER_NS = 15 * MINUTE_NS


class Events:
    """The events of some kinds that a tape holds between two logical times, by record."""

    def __init__(self, folder: Path, schema: Schema, records: Sequence[Record], plan: Plan) -> None:
        batches: dict[int, list[Any]] = {record.kind: [] for record in records}
        tape = TapeReader(folder, schema)
        tape.position = tape.first()
        while (events := tape.read()).size:
            lived = (events["time_ns"] >= plan.start_ns) & (events["time_ns"] <= plan.end_ns)
            for kind, chosen in batches.items():
                mask = lived & (events["kind"] == kind)
                if mask.any():
                    chosen.append(pick(events, mask))
        tape.close()
        self._rows = {
            record.kind: (schema.batch(batches[record.kind]) if batches[record.kind] else schema.empty(0))
            for record in records
        }

    def of(self, record: Record) -> Any:
        """Return the events of one record, of shape (n,)."""
        return self._rows[record.kind].view(record.dtype)


def gather(data: Path, plan: Plan) -> dict[str, Any]:
    """Return everything that the report shows, ready for JSON."""
    has_fleet = bool(plan.fleet)
    figures: dict[str, Any] = {
        "days": [day.isoformat() for day in plan.days],
        "prices": plan.source,
        "seed": plan.seed,
        "from_ns": plan.start_ns,
        "to_ns": plan.end_ns,
        "exchange": _exchange(data, plan),
        "fleet": _fleet(data, plan) if has_fleet else None,
        "nodes": {name: _node(data / name) for name in (["exchange", "vpp"] if has_fleet else ["exchange"])},
    }
    figures["ledgers"] = ledgers(data, has_fleet)
    figures["ledger_balanced"] = all(ledger["is_balanced"] for ledger in figures["ledgers"].values())
    return figures


def ledgers(data: Path, has_fleet: bool) -> dict[str, Any]:
    """Replay the journals, compare every event with the tapes, and add up every account."""
    from ringmain.exchange.engine import MARKET as EXCHANGE
    from ringmain.vpp.engine import MARKET as VPP

    machine, said = replay(data / "exchange", EXCHANGE, None, True)
    state = machine.state[0]
    lots = int(state["positions"]["lots"]["balance_minor"].sum())
    delivered = int(state["products"]["delivered"]["balance_minor"].sum())
    found = {"exchange": _ledger(state["participants"]["cash"]["balance_minor"], said)}
    found["exchange"]["lots_sum"] = lots + delivered
    found["exchange"]["is_balanced"] &= lots + delivered == 0
    if has_fleet:
        machine, said = replay(data / "vpp", VPP, None, True)
        found["vpp"] = _ledger(machine.state[0]["accounts"]["balance_minor"], said)
    return found


def _ledger(balances: Any, said: Any) -> dict[str, Any]:
    total = sum(map(int, balances.tolist()))
    return {
        "sum_minor": total,
        "accounts": int((balances != 0).sum()),
        "turnover_minor": int(balances[balances > 0].sum()),
        "is_balanced": total == 0,
        "commands_replayed": said.sequence,
        "events_compared": said.events_compared,
        "digest": f"{said.digest:016x}",
    }


def _node(folder: Path) -> dict[str, Any]:
    page = NodePage(folder / "page")
    return {
        "commands": page.get("sequence"),
        "events": page.get("tape_readable"),
        "journal_bytes": page.get("journal_bytes"),
        "journal_batches": page.get("journal_batches"),
        "commit_p50_ns_below": page.latency_ns(0.5),
        "commit_p99_ns_below": page.latency_ns(0.99),
    }


def _exchange(data: Path, plan: Plan) -> dict[str, Any]:
    records = [exchange.OrderFilled, exchange.OrderAccepted, exchange.OrderRejected,
               exchange.OrderCancelled, exchange.AuctionUncrossed]  # fmt: skip
    events = Events(data / "exchange", exchange.schema, records, plan)
    fills, auctions = events.of(exchange.OrderFilled), events.of(exchange.AuctionUncrossed)
    is_auction = fills["role"] == exchange.AUCTION
    is_trade = (fills["role"] == exchange.TAKER) | (is_auction & (fills["side"] == exchange.BUY))
    rejected = events.of(exchange.OrderRejected)["reason"].tolist()
    return {
        "orders": int(events.of(exchange.OrderAccepted).size),
        "cancelled": int(events.of(exchange.OrderCancelled).size),
        "rejected": {exchange.schema.reasons[code]: rejected.count(code) for code in sorted(set(rejected))},
        "trades": int(is_trade.sum()),
        "traded_mwh": int(fills["quantity_lots"][is_trade].sum()) / LOTS_PER_MWH,
        "auction_mwh": int(auctions["volume_lots"].sum()) / LOTS_PER_MWH,
        "products": _products(plan, fills, is_trade, is_auction, auctions),
        "intraday": _intraday(plan, fills, is_trade & ~is_auction),
        "cash_eur": _cash(fills),
    }


def _products(plan: Plan, fills: Any, is_trade: Any, is_auction: Any, auctions: Any) -> list[dict[str, Any]]:
    cleared = {
        int(n): int(price)
        for n, price, lots in zip(
            auctions["product_id"], auctions["price_ticks"], auctions["volume_lots"], strict=True
        )
        if lots
    }
    rows = []
    for index, day in enumerate(plan.days):
        for product, real, before in zip(
            products_of(day), plan.prices[index + 1], plan.prices[index], strict=True
        ):
            own = is_trade & (fills["product_id"] == product.product_id)
            lots, ticks = fills["quantity_lots"].astype(np.int64), fills["price_ticks"].astype(np.int64)
            inside = own & ~is_auction
            volume = int(lots[inside].sum())
            paid = int((lots * ticks)[inside].sum())
            auction = cleared.get(product.product_id)
            rows.append({
                "product_id": product.product_id,
                "delivery_start_ns": product.delivery_start_ns,
                "real_eur": real / TICKS_PER_EURO,
                "day_before_eur": before / TICKS_PER_EURO,
                "auction_eur": None if auction is None else auction / TICKS_PER_EURO,
                "auction_mwh": int(lots[own & is_auction].sum()) / LOTS_PER_MWH,
                "intraday_eur": paid / volume / TICKS_PER_EURO if volume else None,
                "intraday_mwh": volume / LOTS_PER_MWH,
                "intraday_trades": int(inside.sum()),
            })  # fmt: skip
    return rows


def _intraday(plan: Plan, fills: Any, chosen: Any) -> list[dict[str, Any]]:
    """Return volume and trades of the continuous books, by quarter-hour of trading."""
    slots = (fills["time_ns"][chosen] - plan.start_ns) // QUARTER_NS
    count = int((plan.end_ns - plan.start_ns) // QUARTER_NS) + 1
    lots = np.bincount(slots, fills["quantity_lots"][chosen], count)
    trades = np.bincount(slots, minlength=count)
    return [
        {"time_ns": plan.start_ns + n * QUARTER_NS, "mwh": float(lots[n]) / LOTS_PER_MWH,
         "trades": int(trades[n])}
        for n in range(count)
    ]  # fmt: skip


def _cash(fills: Any) -> dict[str, float]:
    """Return what each account received less what it paid."""
    minor = fills["quantity_lots"].astype(np.int64) * fills["price_ticks"] * 1_000
    minor = np.where(fills["side"] == exchange.SELL, minor, -minor)
    names = {**TRADER_ACCOUNTS, "fleet": FLEET_ACCOUNT}
    return {
        name: int(minor[fills["account_id"] == account_id].sum()) / MINOR_PER_EURO
        for name, account_id in names.items()
    }


def _fleet(data: Path, plan: Plan) -> dict[str, Any]:
    records = [vpp.FleetMeasured, vpp.FleetDispatched, vpp.FleetMetered, vpp.FleetSettled, vpp.SiteSettled,
               vpp.AwardRecorded, vpp.BidSubmitted, vpp.BidRejected, vpp.TelemetryRejected]  # fmt: skip
    events = Events(data / "vpp", vpp.SCHEMA, records, plan)
    settled, sites = events.of(vpp.FleetSettled), events.of(vpp.SiteSettled)
    metered, awards = events.of(vpp.FleetMetered), events.of(vpp.AwardRecorded)
    euros = {
        name: int(settled[f"{name}_minor"].sum()) / MINOR_PER_EURO for name in ("award", "imbalance", "wear")
    }
    deviation_wh = int(np.abs(metered["metered_wh"] - metered["committed_wh"]).sum())
    owed_wh = int(np.abs(metered["committed_wh"]).sum())
    return {
        "batteries": len(plan.fleet),
        "bids_rejected": int(events.of(vpp.BidRejected).size),
        "reports_rejected": int(events.of(vpp.TelemetryRejected).size),
        **_bids(events.of(vpp.BidSubmitted), awards),
        "awards_eur": int(awards["amount_minor"].sum()) / MINOR_PER_EURO,
        "sold_mwh": _awarded_mwh(awards, vpp.SELL),
        "bought_mwh": _awarded_mwh(awards, vpp.BUY),
        "committed_mwh": int(metered["committed_wh"].sum()) / 1e6,
        "metered_mwh": int(metered["metered_wh"].sum()) / 1e6,
        "deviation_mwh": deviation_wh / 1e6,
        "deviation_share": deviation_wh / owed_wh if owed_wh else None,
        "settled_eur": euros,
        "paid_to_sites_eur": int(sites["amount_minor"].sum()) / MINOR_PER_EURO,
        **_foresight(data, plan, metered, settled),
        "power": _power(events.of(vpp.FleetMeasured), events.of(vpp.FleetDispatched)),
        "quarters": [
            {"time_ns": int(row["period_start_ns"]), "award_eur": int(row["award_minor"]) / MINOR_PER_EURO,
             "imbalance_eur": int(row["imbalance_minor"]) / MINOR_PER_EURO,
             "wear_eur": int(row["wear_minor"]) / MINOR_PER_EURO}
            for row in settled
        ],
    }  # fmt: skip


def _bids(bids: Any, awards: Any) -> dict[str, int]:
    """Return how many bids and awards there were, in the auction and in the intraday books."""
    intraday_ids = bids["bid_id"][bids["time_in_force"] == vpp.IMMEDIATE_OR_CANCEL]
    is_intraday = np.isin(awards["bid_id"], intraday_ids)
    return {
        "bids": int(bids.size),
        "intraday_bids": int(intraday_ids.size),
        "awards": int(awards.size),
        "intraday_awards": int(is_intraday.sum()),
    }


def _foresight(data: Path, plan: Plan, metered: Any, settled: Any) -> dict[str, Any]:
    """Return forecast beside auction by hour of delivery, and each day's share of perfect foresight."""
    told = foresight.read(data)
    settlement = Settlement()
    settlement.fold(vpp.SCHEMA.batch(row for pair in zip(metered, settled, strict=True) for row in pair))
    expected = foresight.forecasts(plan, told)
    errors = [
        abs(told.ticks[hour_ns] - ticks) for hour_ns, ticks in expected.items() if hour_ns in told.ticks
    ]
    return {
        "forecast": [
            {"delivery_start_ns": hour_ns, "forecast_eur": ticks / TICKS_PER_EURO,
             "auction_eur": told.ticks[hour_ns] / TICKS_PER_EURO if hour_ns in told.ticks else None}
            for hour_ns, ticks in expected.items()
        ],
        "forecast_error_eur": sum(errors) / len(errors) / TICKS_PER_EURO if errors else None,
        "foresight": foresight.foresight(plan, told, settlement.statements),
    }  # fmt: skip


def _awarded_mwh(awards: Any, side: int) -> float:
    return int(awards["quantity_lots"][awards["side"] == side].sum()) / LOTS_PER_MWH


def _power(measured: Any, dispatched: Any) -> list[dict[str, Any]]:
    """Return power, stored energy and target at each tick of the fleet's dispatch."""
    targets = {int(row["time_ns"]): row for row in dispatched}
    return [
        {
            "time_ns": int(row["time_ns"]),
            "power_mw": int(row["power_w"]) / 1e6,
            "energy_mwh": int(row["energy_wh"]) / 1e6,
            "committed_mw": int(target["committed_power_w"]) / 1e6,
            "target_mw": int(target["target_power_w"]) / 1e6,
        }
        for row in measured
        if (target := targets.get(int(row["time_ns"]))) is not None
    ]
