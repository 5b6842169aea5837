"""``ringmain vpp ...``: the read-only tools of a fleet's operator."""

import dataclasses
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ringmain.core import times
from ringmain.core.drawing import Chart, Series
from ringmain.core.errors import RingmainError
from ringmain.core.terminal import say, show, table
from ringmain.vpp import look as seen
from ringmain.vpp.block_views import BlockBid
from ringmain.vpp.messages import BUY, SELL
from ringmain.vpp.rows import rows_of
from ringmain.vpp.state import PERIOD_NS, TICK_NS
from ringmain.vpp.views import Bid, DeskView, tracking_error

SIDES = {BUY: "BUY", SELL: "SELL"}
BLUE, RED, GREY, GREEN = "#1f77b4", "#d62728", "#7f7f7f", "#2ca02c"
FLOW = "MW; above zero: to the grid"


# What the engine's state says.


def assets(options: Namespace) -> None:
    """Print the assets."""
    _show(options, "Assets", seen.assets(_look(options), options.kind, options.node))


def twin(options: Namespace) -> None:
    """Print an asset's twin, one field a line; draw its plan if asked."""
    fleet = _look(options)
    row = seen.twin(fleet, options.asset)
    if options.svg is not None:
        _draw(options.svg, _plan_chart(f"Asset {options.asset}", seen.plans(fleet, options.asset), 1e3, "kW"))
    if options.json:
        show(options, "", (), [row])
        return
    lines = [{"field": name, "value": value} for name, value in _readable(row).items()]
    table(f"Twin of asset {options.asset} at {times.time_text(fleet.time_ns)}", ["field", "value"], lines)


def aggregate(options: Namespace) -> None:
    """Print the nodes."""
    fleet = _look(options)
    _show(
        options, f"Nodes at {times.time_text(fleet.time_ns)}", seen.nodes(fleet, options.below, options.sites)
    )


def plan(options: Namespace) -> None:
    """Print the plan."""
    fleet = _look(options)
    rows = seen.plans(fleet, options.asset)
    title = "The fleet's plan" if options.asset is None else f"Plan of asset {options.asset}"
    if options.asset is not None:
        seen.twin(fleet, options.asset)  # says so if there is none
    if options.svg is not None:
        _draw(options.svg, _plan_chart(title, rows, 1e6, "MW"))
    _show(options, title, rows)


def reserve(options: Namespace) -> None:
    """Print the reserve of each quarter-hour, settled and to come, or what is called on now."""
    fleet = _look(options)
    if options.active:
        _show(options, f"Active reserve at {times.time_text(fleet.time_ns)}", seen.activations(fleet))
        return
    kept = list(_view(options).reserves.kept.items())
    rows = [
        {
            "period_start_ns": period * PERIOD_NS,
            "up_mw": told.up_w / 1e6,
            "down_mw": told.down_w / 1e6,
            "offered_up_mw": 0.0,
            "offered_down_mw": 0.0,
            "activated_kwh": told.activated_wh / 1e3,
            "short_up_mw": told.short_up_w / 1e6,
            "short_down_mw": told.short_down_w / 1e6,
            "availability_eur": told.availability_minor / 1e6,
            "settled": True,
        }
        for period, told in kept[len(kept) - min(len(kept), max(0, options.last)) :]
    ]
    _show(options, "Reserve by quarter-hour", rows + seen.reserves(fleet))


# What the tape says.


def forecast(options: Namespace) -> None:
    """Print the coming day's forecast from the tape's prices, and what the desk expected when it bid."""
    if options.homes:
        _forecast_homes(options)
        return
    from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
    from ringmain.vpp.advice.foretelling import Foreteller
    from ringmain.vpp.loop_messages import SOURCES

    view, fleet = _view(options), _look(options)
    known = {
        period * PERIOD_NS: ticks
        for period, ticks in view.prices.price_ticks.items()
        if period * PERIOD_NS % HOUR_NS == 0
    }
    if not known:
        raise RingmainError("RM772", "vpp", "no price is known to the fleet", "Wait for the first auction")
    today_ns = max(known) // DAY_NS * DAY_NS
    rows: seen.Rows = []
    foreteller, expected = Foreteller(), view.prices.expected_ticks
    names = {code: name for name, code in SOURCES.items()}
    for day_ns in (today_ns, today_ns + DAY_NS):
        foretold = foreteller.foretell(known, day_ns, day_ns - DAY_NS // 2)
        ticks = foretold.price_ticks.tolist() if foretold.source else [None] * HOURS
        rows += [
            {
                "hour_ns": hour_ns,
                "forecast_eur_mwh": _eur(ticks[n]),
                "made_from": names.get(foretold.source, ""),
                "desk_expected_eur_mwh": _eur(expected.get(hour_ns // PERIOD_NS)),
                "price_eur_mwh": _eur(known.get(hour_ns)),
            }
            for n, hour_ns in enumerate(range(day_ns, day_ns + DAY_NS, HOUR_NS))
        ]
    if options.svg is not None:
        _draw(options.svg, Chart("Prices: forecast and auction", "EUR/MWh", [
            Series("forecast", BLUE, [(r["hour_ns"], r["forecast_eur_mwh"]) for r in rows], "step", HOUR_NS),
            Series("desk, when it bid", GREEN, [(r["hour_ns"], r["desk_expected_eur_mwh"]) for r in rows],
                   "step", HOUR_NS),
            Series("auction", RED, [(r["hour_ns"], r["price_eur_mwh"]) for r in rows], "step", HOUR_NS),
        ]))  # fmt: skip
    title = f"Forecasts from the tape's prices, and the desk's; now {times.time_text(fleet.time_ns)}"
    _show(options, title, rows)


def _forecast_homes(options: Namespace) -> None:
    """Print the band that loads and roofs are expected in, hour by hour, and what came."""
    from ringmain.vpp import home_outlook

    view, fleet = _view(options), _look(options)
    made = home_outlook.made(view, fleet.time_ns, options.day)
    rows = home_outlook.rows_of(view, made, options)
    if options.svg is not None:
        _draw(options.svg, home_outlook.chart_of(rows))
    _show(options, f"Loads and roofs, expected and metered; now {times.time_text(fleet.time_ns)}", rows)


def _eur(ticks: int | None) -> float | None:
    return None if ticks is None else ticks / 100


def bids(options: Namespace) -> None:
    """Print bids, or why one was made."""
    view = _view(options)
    if options.why is not None:
        _why(options, view)
        return
    every = _every_bid(view)
    chosen = [
        bid for _, bid in sorted(every.items())
        if (options.product is None or options.product in bid.product_ids)
        and not (options.open and bid.ending)
    ]  # fmt: skip
    rows = [_bid_row(view, bid) for bid in chosen[-max(0, options.last) :]]
    _show(options, f"Bids, {len(rows)} of {len(every)}", rows)


def _every_bid(view: DeskView) -> dict[int, Bid | BlockBid]:
    return {**view.bids.by_id, **view.bids.blocks.by_id}


def _bid_row(view: DeskView, bid: Bid | BlockBid) -> dict[str, Any]:
    """Return a bid as a row; of a block, the largest power, and all hours from its first to its last."""
    product, reason = view.commitments.products.get(bid.product_ids[0]), view.reasons.by_bid.get(bid.bid_id)
    block = bid if isinstance(bid, BlockBid) else None
    most_lots = bid.quantity_lots if isinstance(bid, Bid) else max(bid.lots)
    awarded_lots = most_lots if block and bid.awarded_lots else bid.awarded_lots
    lot_w = product.lot_power_w if product else 0
    return {
        "bid_id": bid.bid_id,
        "product_id": bid.product_ids[0],
        "service": seen.SERVICE_NAMES[product.service] if product else "",
        "unit_id": bid.unit_id if isinstance(bid, Bid) else 0,
        "group": block.exclusive_group if block else 0,
        "parent_bid_id": block.parent_bid_id if block else 0,
        "delivery_ns": product.delivery_start_ns if product else 0,
        "minutes": product.delivery_duration_s // 60 * len(bid.product_ids) if product else None,
        "side": SIDES.get(bid.side, str(bid.side)),
        "limit_eur_mwh": bid.price_ticks / 100,
        "quantity_mw": most_lots * lot_w / 1e6,
        "awarded_mw": awarded_lots * lot_w / 1e6,
        "amount_eur": bid.amount_minor / 1e6,
        "ending": bid.ending or "OPEN",
        "purpose": reason.purpose if reason else "",
        "prices_from": reason.price_source if reason else "",
    }


def _why(options: Namespace, view: DeskView) -> None:
    """Print a bid and its reason, in words and in figures."""
    bid = _every_bid(view).get(options.why)
    if bid is None:
        raise RingmainError("RM773", "vpp", f"there is no bid {options.why}", 'See "ringmain vpp bids"')
    row, reason = _bid_row(view, bid), view.reasons.by_bid.get(bid.bid_id)
    if reason is None:
        raise RingmainError("RM774", "vpp", f"bid {bid.bid_id} came without a reason", "Ask who sent it")
    row |= {
        "asked_ns": reason.time_ns,
        "wanted_mw": reason.wanted_power_w / 1e6,
        "owed_before_mw": reason.owed_power_w / 1e6,
        "expected_price_eur_mwh": reason.expected_price_ticks / 100,
        "worth_eur_mwh": reason.worth_ticks / 100,
    }
    if options.json:
        show(options, "", (), [row])
        return
    verb, bound = ("sell", "from") if bid.side == SELL else ("buy", "up to")
    is_energy = row["service"] in ("", "energy")
    direction = row["service"].removeprefix("reserve_")
    what, unit = ("", "EUR/MWh") if is_energy else (f" of {direction} reserve", "EUR for a MW and an hour")
    priced = "A price" if is_energy else "For energy, a mean price"
    worth = "the energy is worth" if is_energy else "holding it costs"
    say(
        f"Bid {bid.bid_id} asks to {verb} {row['quantity_mw']:g} MW{what} from "
        f"{times.time_text(row['delivery_ns'])} for {row['minutes']} minutes: the plan wants "
        f"{row['wanted_mw']:g} MW there, and {row['owed_before_mw']:g} MW were owed. {priced} of "
        f"{row['expected_price_eur_mwh']:.2f} EUR/MWh was expected ({reason.price_source.lower()}); to the "
        f"fleet {worth} {row['worth_eur_mwh']:.2f}, so it {verb}s {bound} "
        f"{row['limit_eur_mwh']:.2f} {unit}."
    )
    if isinstance(bid, BlockBid):
        say(_of_family(view, bid))
    if reason.purpose == "URGENT":
        say("It is urgent: without it the fleet can't deliver what it owes, and the imbalance costs more.")
    lines = [{"field": name, "value": value} for name, value in _readable(row).items()]
    table(f"Bid {bid.bid_id}", ["field", "value"], lines)


def _of_family(view: DeskView, bid: BlockBid) -> str:
    """Return in words what a block hangs on, and of how many the auction takes one."""
    if bid.parent_bid_id:
        return f"It is a block, accepted only with bid {bid.parent_bid_id}: that fills the stores for it."
    if not bid.exclusive_group:
        return "It is a block: accepted whole or not at all."
    others = view.bids.blocks.by_id.values()
    count = sum(other.exclusive_group == bid.exclusive_group for other in others)
    return (
        f"It is a block, one of {count} profiles of the day (group {bid.exclusive_group}): the auction takes "
        "the one that is worth most at its prices."
    )


def steps(options: Namespace) -> None:
    """Print the loop's steps."""
    done = sorted(_view(options).steps.done.values(), key=lambda step: step.time_ns)
    rows = [dataclasses.asdict(step) for step in done[-max(0, options.last) :]]
    _show(options, f"Steps, {len(rows)} of {len(done)}", rows)


def dispatch(options: Namespace) -> None:
    """Print the dispatch ticks."""
    view = _view(options)
    ticks = list(view.track.ticks)
    if options.svg is not None:
        _draw(options.svg, Chart("Fleet power against its target", FLOW, [
            Series("target", GREY, [(t.time_ns, t.target_power_w / 1e6) for t in ticks], "step", TICK_NS),
            Series("power", BLUE, [(t.time_ns, t.power_w / 1e6) for t in ticks]),
            Series("committed, beside the baseline", RED,
                   [(t.time_ns, t.committed_power_w / 1e6) for t in ticks], "step", TICK_NS, "4 3"),
        ]))  # fmt: skip
    names = (
        "time_ns", "power_w", "committed_power_w", "target_power_w", "allocated_power_w", "headroom_up_w",
        "headroom_down_w", "energy_wh", "fresh_count", "late_count", "silent_count",
    )  # fmt: skip
    rows = [{name: getattr(tick, name) for name in names} for tick in ticks[-max(0, options.last) :]]
    capacity_w = view.assets.discharge_limit_w
    title = f"Dispatch, {len(rows)} of {len(ticks)} ticks"
    if capacity_w:
        title += f"; tracking error {100 * tracking_error(view.track, capacity_w):.2f} % of capacity"
    _show(options, title, rows)


def settle(options: Namespace) -> None:
    """Print statements: the fleet's by quarter-hour, a site's, or all sites' balances."""
    view = _view(options)
    span = times.day_span(options.day) if options.day else times.Span()
    if options.days:
        _show(options, "Days, and their shares of perfect foresight", _day_rows(options, view, span))
    elif options.sites:
        money = view.settlement
        rows = [
            {"site_id": n, "metered_wh": money.site_metered_wh.get(n, 0), "balance_eur": minor / 1e6}
            for n, minor in sorted(money.site_balance_minor.items())
        ]
        _show(options, "Sites", rows)
    elif options.site is not None:
        _show(options, f"Site {options.site}", _site_rows(options, options.site, span))
    else:
        _show(options, "Settled quarter-hours", _fleet_rows(view, span))


def _day_rows(options: Namespace, view: DeskView, span: times.Span) -> seen.Rows:
    """Return the days that were lived whole: energy's gain, perfect foresight's, and what reserve brought."""
    from ringmain.vpp.advice.forecast import DAY_NS
    from ringmain.vpp.advice.foresight import Told, foresight

    told = Told()
    seen.fold_tape(options.data / "vpp", told.fold)
    starts = {statement.period_start_ns // DAY_NS * DAY_NS for statement in view.settlement.statements}
    days_ns = sorted(start_ns for start_ns in starts if span.begin_ns <= start_ns < span.end_ns)
    return [
        {
            "day_ns": day.day_ns,
            "energy_eur": day.earned_minor / 1e6,
            "perfect_foresight_eur": day.perfect_minor / 1e6,
            "share_percent": None if day.share is None else 100 * day.share,
            "reserve_eur": day.reserve_minor / 1e6,
        }
        for day in foresight(days_ns, view.assets.active, told, view.settlement.statements)
    ]


def _fleet_rows(view: DeskView, span: times.Span) -> seen.Rows:
    newest = {c.period_start_ns: c for c in view.settlement.corrections}
    rows = []
    for statement in view.settlement.statements:
        if not span.begin_ns <= statement.period_start_ns < span.end_ns:
            continue
        correction = newest.get(statement.period_start_ns)
        added_minor = sum(
            c.imbalance_minor
            for c in view.settlement.corrections
            if c.period_start_ns == statement.period_start_ns
        )
        rows.append({
            "period_start_ns": statement.period_start_ns,
            "committed_kwh": statement.committed_wh / 1e3,
            "baseline_kwh": view.baselines.power_w.get(statement.period_start_ns // PERIOD_NS, 0) / 4e3,
            "metered_kwh": statement.metered_wh / 1e3,
            "estimated_kwh": statement.estimated_wh / 1e3,
            "imbalance_eur_mwh": statement.imbalance_price_ticks / 100,
            "award_eur": statement.award_minor / 1e6,
            "imbalance_eur": statement.imbalance_minor / 1e6,
            "wear_eur": statement.wear_minor / 1e6,
            "income_eur": (statement.income_minor + added_minor) / 1e6,
            "version": correction.settlement_version if correction else 1,
            "corrected_kwh": correction.metered_wh / 1e3 if correction else None,
        })  # fmt: skip
    return rows


def _site_rows(options: Namespace, site_id: int, span: times.Span) -> seen.Rows:
    """Return a site's quarter-hours in the order in which they were booked, corrections where they came."""
    from ringmain.core.tape import TapeReader
    from ringmain.vpp.loop_messages import SiteResettled
    from ringmain.vpp.messages import SCHEMA, SiteSettled

    rows: seen.Rows = []
    tape = TapeReader(options.data / "vpp", SCHEMA)
    tape.position = tape.first()
    while (events := tape.read()).size:
        for record in (SiteSettled, SiteResettled):
            rows += [
                {
                    "booked_ns": int(row["time_ns"]),
                    "period_start_ns": int(row["period_start_ns"]),
                    "what": "settled" if record is SiteSettled else "corrected",
                    "metered_wh": int(row["metered_wh"]),
                    "amount_eur": int(row["amount_minor"]) / 1e6,
                    "balance_eur": int(row["balance_minor"]) / 1e6,
                }
                for row in rows_of(events, record)
                if int(row["site_id"]) == site_id and span.begin_ns <= row["period_start_ns"] < span.end_ns
            ]
    return sorted(rows, key=lambda row: (row["booked_ns"], row["period_start_ns"]))


# Printing and drawing.


def _plan_chart(title: str, rows: seen.Rows, scale: float, unit: str) -> Chart:
    """Draw plan and commitment, prices scaled beside them in EUR/MWh."""
    hold_ns = PERIOD_NS
    series = [
        Series("plan", BLUE, [(r["period_start_ns"], r["planned_w"] / scale) for r in rows], "step", hold_ns),
        Series("committed", RED, [(r["period_start_ns"], r["committed_w"] / scale) for r in rows], "step",
               hold_ns, "4 3"),
    ]  # fmt: skip
    prices = [r["price_eur_mwh"] for r in rows if r["price_eur_mwh"] is not None]
    most = max((abs(r["planned_w"]) / scale for r in rows), default=0.0)
    if prices and max(map(abs, prices)) > 0 and most > 0:
        factor = most / max(map(abs, prices))
        scaled = [
            (r["period_start_ns"], None if r["price_eur_mwh"] is None else r["price_eur_mwh"] * factor)
            for r in rows
        ]
        name = f"price, {max(map(abs, prices)):.0f} EUR/MWh at {most:.3g}"
        series.append(Series(name, GREEN, scaled, "step", hold_ns))
    return Chart(title, f"{unit}; above zero: to the grid", series)


def _draw(path: Path, chart: Chart) -> None:
    try:
        path.write_text(chart.svg(), "utf-8")
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        raise RingmainError("RM775", "vpp", what, "Give a file in a folder that you may write to") from None


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with times as people read them."""
    return {
        name.removesuffix("_ns"): times.time_text(value)
        if name.endswith("_ns") and value is not None
        else value
        for name, value in row.items()
    }


def _show(options: Namespace, title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows; a table shows times as people read them."""
    if options.json or getattr(options, "csv", False):
        show(options, title, list(rows[0]) if rows else [], rows)
        return
    if not rows:
        say(f"{title[:1].lower()}{title[1:]}: none")
        return
    readable = [_readable(row) for row in rows]
    table(title, list(readable[0]), readable)


def _look(options: Namespace) -> seen.Fleet:
    return seen.look(options.data / "vpp")


def _view(options: Namespace) -> DeskView:
    return seen.view_of(options.data / "vpp")
