"""The report's page: pictures and tables under headings, readable without anything else."""

from collections.abc import Sequence
from html import escape
from typing import Any

from ringmain.world.calendar import BLOCK_HOURS, HOUR_NS, Product, day_of
from ringmain.world.order_kinds import shares

STYLE = """
:root { --ink: #14213d; --soft: #5c677d; --line: #e4e8ef; --bar: #2f6fde; --paper: #fff; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
color: var(--ink); background: var(--paper); } h1 { line-height: 1.2; } h2 { margin: 2.5rem 0 .5rem; }
p.note { color: var(--soft); margin: .2rem 0 1rem; }
img { width: 100%; border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; align-items: start; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { font-weight: 600; text-align: left; color: var(--soft); white-space: nowrap; }
td, th { padding: .3rem .6rem; border-top: 1px solid var(--line); } tr:first-child th { border-top: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.name { color: var(--soft); white-space: nowrap; vertical-align: top; }
.bar { display: inline-block; height: .7rem; border-radius: 3px; background: var(--bar); min-width: 1px; }
.wide { width: 45%; } .good { color: #2a9d6f; } .bad { color: #d1495b; } .no { color: var(--soft); }
@media (max-width: 40rem) { .pair { grid-template-columns: 1fr; } }
@media (prefers-color-scheme: dark) {
:root { --ink: #e6eaf2; --soft: #9aa5b8; --line: #232a36; --bar: #6ea0f5; --paper: #11151c; } }
"""
FLEET_PICTURES = ("forecast", "fleet", "energy", "fleet_reserve", "calls", "cash")
Cell = tuple[str, str]  # text as HTML, class


def page(figures: dict[str, Any], pictures: Sequence[str], rows: Sequence[tuple[str, str]]) -> str:
    """Return the page as HTML; `pictures` are the names of the SVG files beside it, `rows` the summary."""
    good = figures["ledger_balanced"]
    verdict = "Every ledger is balanced to the last unit." if good else "A ledger is NOT balanced."
    title = f"Ringmain: {', '.join(figures['days'])}"
    market = figures["exchange"]
    drawn = set(pictures)
    parts = [
        f'<h1>{escape(title)}</h1><p class="{"good" if good else "bad"}">{verdict}</p>',
        _table((), [[(escape(name), "name"), _text(value)] for name, value in rows]),
        "<h2>Prices</h2>", _images(("prices", "quarters", "volumes"), drawn),
        *(_auction(auction) for auction in market["auctions"]),
        _pair(("cheapest", "dearest"), drawn),
        "<h2>The intraday session</h2>", _images(("trading",), drawn), _kinds(market),
        "<h2>Reserve</h2>", _images(("reserve_prices",), drawn), _reserve(market["reserve"]),
        "<h2>Statements</h2>", _statements(market["statements"]),
    ]  # fmt: skip
    if figures["fleet"] is not None:
        parts += ["<h2>The fleet</h2>", _images(FLEET_PICTURES, drawn)]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def _auction(auction: dict[str, Any]) -> str:
    """Return an auction's heading, its result in words, and its blocks."""
    outcome = "the auctioneer's proposal, verified by the engine"
    if auction["outcome"] != "proposal":
        outcome = "the curves alone, as no good proposal came in time"
    mean = "" if auction["mean_eur"] is None else f" at {auction['mean_eur']:.2f} EUR/MWh on average"
    count = len(auction["blocks"])
    said = (
        f"{auction['curves']} curves of {auction['segments']:,} segments and {count} blocks; "
        f"{auction['bought_mwh']:,.1f} MWh{mean}. Found by {outcome}: welfare "
        f"{auction['welfare_eur']:,.0f} EUR, gap {auction['gap']:.2g}. {auction['blocks_accepted']} blocks "
        f"are accepted, {auction['blocks_paradoxical']} are rejected though in the money."
    )
    head = ("block", "of", "", "hours", "MW", "limit", "terms", "accepted", "EUR")
    table = _table(head, [_block_cells(block) for block in auction["blocks"]])
    return f'<h2>The day-ahead auction for {auction["day"]}</h2><p class="note">{said}</p>{table}'


def _block_cells(block: dict[str, Any]) -> list[Cell]:
    accepted = f"{block['ratio']:.0%}" if block["ratio"] else "no"
    if block["is_paradoxical"]:
        accepted = "no, though in the money"
    style = "" if block["ratio"] else " no"
    return [
        (str(block["block_id"]), "number"), _text(block["account"]), _text(block["side"]),
        _text(f"{block['first_hour']:02d}–{block['end_hour']:02d}"), _number(f"{block['mw']:,.1f}"),
        _number(f"{block['limit_eur']:,.2f}"), _text(_terms(block)), (accepted, f"number{style}"),
        _number(f"{block['amount_eur']:+,.0f}" if block["ratio"] else ""),
    ]  # fmt: skip


def _terms(block: dict[str, Any]) -> str:
    terms = [f"at least {block['minimum_ratio']:.0%}" if block["minimum_ratio"] < 1 else "all or nothing"]
    if block["parent_block_id"]:
        terms.append(f"linked to {block['parent_block_id']}")
    if block["exclusive_group"]:
        terms.append(f"one of group {block['exclusive_group']}")
    return ", ".join(terms)


def _kinds(market: dict[str, Any]) -> str:
    """Return orders and trades by kind, side by side."""
    sent = shares(market["order_kinds"])
    most = max((share for _, _, share in sent), default=1.0) or 1.0
    orders = [
        [_text(name), _number(f"{count:,}"), (_bar(share / most), "wide"), _number(f"{share:.1%}")]
        for name, count, share in sent
        if count
    ]
    trades = [
        [_text(row["kind"]), *(_number(_some(row[name])) for name in ("taken", "made")),
         _number(f"{row['mwh']:,.1f}" if row["taken"] else "")]
        for row in sorted(market["trade_kinds"], key=lambda row: -row["taken"])
    ]  # fmt: skip
    left = _table(("orders sent", "", "", "share"), orders)
    right = _table(("trades by", "taken", "made", "MWh taken"), trades)
    note = "Of each trade one order was there before, and made it; the other came, and took it."
    return f'<p class="note">{note}</p><div class="pair"><div>{left}</div><div>{right}</div></div>'


def _reserve(blocks: Sequence[dict[str, Any]]) -> str:
    """Return what each block came to; the fleet's part of it in the last columns."""
    head = ("block", "", "EUR per MW, h", "MW", "availability, EUR", "calls", "MWh called", "activation, EUR",
            "fleet: MW", "availability, EUR", "MWh called", "activation, EUR")  # fmt: skip
    rows = [
        [_text(_hours_of(block)), _text(block["direction"]),
         _number("" if block["price_eur"] is None else f"{block['price_eur']:,.2f}"),
         _number(f"{block['mw']:,.1f}"),
         _number(_euros(block["availability_eur"])), _number(_some(block["calls"])),
         _number(_energy(block["called_mwh"])), _number(_euros(block["activation_eur"])),
         _number(f"{block['fleet_mw']:,.1f}" if block["fleet_mw"] else ""),
         _number(_euros(block["fleet_availability_eur"])), _number(_energy(block["fleet_called_mwh"])),
         _number(_euros(block["fleet_activation_eur"]))]
        for block in sorted(blocks, key=lambda block: block["delivery_start_ns"])
    ]  # fmt: skip
    note = (
        "Power that is held ready over four hours: the system operator buys it in one call the day before, "
        "and calls on part of it now and then."
    )
    return f'<p class="note">{note}</p>{_table(head, rows)}'


def _hours_of(block: dict[str, Any]) -> str:
    begin = Product(block["product_id"])
    first = (begin.delivery_start_ns - begin.day_begin_ns) // HOUR_NS
    return f"{day_of(begin.day_begin_ns):%a} {first:02d}–{first + BLOCK_HOURS:02d}"


def _energy(mwh: float) -> str:
    return f"{mwh:,.3f}" if mwh else ""


def _statements(statements: dict[str, dict[str, float]]) -> str:
    head = ("account", "curves", "blocks", "opening call", "continuous", "reserve", "calls", "cash, EUR",
            "delivers, MWh")  # fmt: skip
    kinds = ("curves", "blocks", "call", "continuous", "reserve", "activation", "cash")
    names = [f"{kind}_eur" for kind in kinds]
    rows = [
        [_text(name), *(_number(_euros(line[n])) for n in names), _number(_amount(line["delivered_mwh"]))]
        for name, line in statements.items()
        if line["cash_eur"] or line["delivered_mwh"]
    ]
    note = "What each account received less what it paid, and what it delivers, net; below zero it takes."
    return f'<p class="note">{note}</p>{_table(head, rows)}'


def _some(count: int) -> str:
    return f"{count:,}" if count else ""


def _euros(euros: float) -> str:
    return f"{euros:+,.2f}" if euros else ""


def _amount(mwh: float) -> str:
    return f"{mwh:+,.2f}" if abs(mwh) > 1e-9 else "0.00"


def _table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    first = rows[0] if rows else ()
    names = "".join(
        f'<th class="{cell[1]}">{escape(name)}</th>' for name, cell in zip(head, first, strict=False)
    )
    lines = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    top = f"<tr>{names}</tr>" if names else ""
    return f'<div class="scroll"><table>{top}{lines}</table></div>'


def _cells(row: Sequence[Cell]) -> str:
    return "".join(f'<td class="{style}">{text}</td>' for text, style in row)


def _text(text: str) -> Cell:
    return escape(text), ""


def _number(text: str) -> Cell:
    return escape(text), "number"


def _bar(share: float) -> str:
    return f'<span class="bar" style="width:{share:.1%}"></span>'


def _images(names: Sequence[str], drawn: set[str]) -> str:
    return "".join(f'<img src="{name}.svg" alt="{name}">' for name in names if name in drawn)


def _pair(names: Sequence[str], drawn: set[str]) -> str:
    images = _images(names, drawn)
    return f'<div class="pair">{images}</div>' if images else ""
