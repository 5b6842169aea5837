"""The numbers of a report, from tapes and ledgers alone: what happened is what was journaled."""

from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client.protocol import pick
from ringmain.core.page import NodePage
from ringmain.core.replay import replay
from ringmain.vpp import messages as vpp
from ringmain.vpp.block_messages import BlockBidSubmitted
from ringmain.vpp.loop_messages import BaselineApplied
from ringmain.vpp.views import Settlement
from ringmain.world import fleet_reserve, foresight, recorded
from ringmain.world.exchange_figures import exchange_figures
from ringmain.world.live import Plan
from ringmain.world.recorded import LOTS_PER_MWH, MINOR_PER_EURO, TICKS_PER_EURO


def gather(data: Path, plan: Plan) -> dict[str, Any]:
    """Return everything that the report shows, ready for JSON."""
    has_fleet = bool(plan.fleet)
    figures: dict[str, Any] = {
        "days": [day.isoformat() for day in plan.days],
        "prices": plan.source,
        "seed": plan.seed,
        "from_ns": plan.start_ns,
        "to_ns": plan.end_ns,
        "exchange": exchange_figures(data, plan),
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


def _fleet(data: Path, plan: Plan) -> dict[str, Any]:
    records = [vpp.FleetMeasured, vpp.FleetDispatched, vpp.FleetMetered, vpp.FleetSettled, vpp.SiteSettled,
               vpp.AwardRecorded, vpp.BidSubmitted, BlockBidSubmitted, vpp.BidRejected, vpp.TelemetryRejected,
               BaselineApplied, *fleet_reserve.RECORDS]  # fmt: skip
    events = recorded.events(data / "vpp", vpp.SCHEMA, records, plan)
    settled, sites = events.of(vpp.FleetSettled), events.of(vpp.SiteSettled)
    metered, awards = events.of(vpp.FleetMetered), events.of(vpp.AwardRecorded)
    energy_awards = pick(awards, ~np.isin(awards["product_id"], fleet_reserve.reserve_ids(events)))
    euros = {
        name: int(settled[f"{name}_minor"].sum()) / MINOR_PER_EURO for name in ("award", "imbalance", "wear")
    }
    baselines = events.of(BaselineApplied)
    baseline_wh = dict(
        zip(baselines["period_start_ns"].tolist(), baselines["baseline_wh"].tolist(), strict=True)
    )
    by_itself_wh = np.array(
        [baseline_wh.get(at_ns, 0) for at_ns in metered["period_start_ns"].tolist()], np.int64
    )
    deviation_wh = int(np.abs(metered["metered_wh"] - by_itself_wh - metered["committed_wh"]).sum())
    owed_wh = int(np.abs(metered["committed_wh"]).sum())
    return {
        "batteries": len(plan.fleet),
        "others": _others(plan),
        "baseline_mwh": int(by_itself_wh.sum()) / 1e6,
        "bids_rejected": int(events.of(vpp.BidRejected).size),
        "reports_rejected": int(events.of(vpp.TelemetryRejected).size),
        **_bids(events.of(vpp.BidSubmitted), events.of(BlockBidSubmitted), awards),
        "awards_eur": int(awards["amount_minor"].sum()) / MINOR_PER_EURO,
        "sold_mwh": _awarded_mwh(energy_awards, vpp.SELL),
        "bought_mwh": _awarded_mwh(energy_awards, vpp.BUY),
        "committed_mwh": int(metered["committed_wh"].sum()) / 1e6,
        "metered_mwh": int(metered["metered_wh"].sum()) / 1e6,
        "deviation_mwh": deviation_wh / 1e6,
        "deviation_share": deviation_wh / owed_wh if owed_wh else None,
        "settled_eur": euros,
        "paid_to_sites_eur": int(sites["amount_minor"].sum()) / MINOR_PER_EURO,
        **_foresight(data, plan, metered, settled),
        "power": _power(events),
        "reserve": fleet_reserve.fleet_reserve(events, metered, baseline_wh),
        "quarters": [
            {"time_ns": int(row["period_start_ns"]), "award_eur": int(row["award_minor"]) / MINOR_PER_EURO,
             "imbalance_eur": int(row["imbalance_minor"]) / MINOR_PER_EURO,
             "wear_eur": int(row["wear_minor"]) / MINOR_PER_EURO}
            for row in settled
        ],
    }  # fmt: skip


def _others(plan: Plan) -> dict[str, int]:
    """Return how many there are of each kind beside the batteries."""
    counts: dict[str, int] = {}
    for row in plan.others:
        counts[str(row["kind"])] = counts.get(str(row["kind"]), 0) + 1
    return counts


def _bids(bids: Any, blocks: Any, awards: Any) -> dict[str, int]:
    """Return how many bids and awards there were, in the auctions and in the intraday books."""
    intraday_ids = bids["bid_id"][bids["time_in_force"] == vpp.IMMEDIATE_OR_CANCEL]
    is_intraday = np.isin(awards["bid_id"], intraday_ids)
    return {
        "bids": int(bids.size + blocks.size),
        "intraday_bids": int(intraday_ids.size),
        "awards": int(awards.size),
        "intraday_awards": int(is_intraday.sum()),
    }


def _foresight(data: Path, plan: Plan, metered: Any, settled: Any) -> dict[str, Any]:
    """Return forecast beside auction by hour of delivery, and each day's share of perfect foresight."""
    told = foresight.read(data)
    settlement = Settlement()
    settlement.fold(vpp.SCHEMA.batch(row for pair in zip(metered, settled, strict=True) for row in pair))
    expected, ticks = foresight.forecasts(plan, told), told.ticks
    errors = [abs(ticks[hour_ns] - foretold) for hour_ns, foretold in expected.items() if hour_ns in ticks]
    return {
        "forecast": [
            {"delivery_start_ns": hour_ns, "forecast_eur": foretold / TICKS_PER_EURO,
             "auction_eur": ticks[hour_ns] / TICKS_PER_EURO if hour_ns in ticks else None}
            for hour_ns, foretold in expected.items()
        ],
        "forecast_error_eur": sum(errors) / len(errors) / TICKS_PER_EURO if errors else None,
        "foresight": foresight.foresight(plan, told, settlement.statements),
    }  # fmt: skip


def _awarded_mwh(awards: Any, side: int) -> float:
    return int(awards["quantity_lots"][awards["side"] == side].sum()) / LOTS_PER_MWH


def _power(events: recorded.Rows) -> list[dict[str, Any]]:
    """Return power, stored energy, target and called reserve at each tick of the fleet's dispatch."""
    measured = events.of(vpp.FleetMeasured)
    targets = {int(row["time_ns"]): row for row in events.of(vpp.FleetDispatched)}
    called_mw = fleet_reserve.called_mw(events, measured["time_ns"].tolist())
    return [
        {
            "time_ns": int(row["time_ns"]),
            "power_mw": int(row["power_w"]) / 1e6,
            "energy_mwh": int(row["energy_wh"]) / 1e6,
            "committed_mw": int(target["committed_power_w"]) / 1e6,
            "target_mw": int(target["target_power_w"]) / 1e6,
            "called_mw": called,
        }
        for row, called in zip(measured, called_mw, strict=True)
        if (target := targets.get(int(row["time_ns"]))) is not None
    ]
