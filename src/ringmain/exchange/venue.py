"""An operator's look at a venue, live or stopped: what the engine's state says, as rows.

The state is the newest snapshot's with the journal's later commands applied, in this process: the
node is not asked and not held up.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.engine import Machine
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.core.replay import ReplayReport, replay
from ringmain.core.shared import is_alive
from ringmain.exchange.engine import MARKET
from ringmain.exchange.history.export import check_market_folder
from ringmain.exchange.history.reports import no_product
from ringmain.exchange.messages import BUY, FREE, PHASES, PRODUCT_KINDS, SELL
from ringmain.exchange.state import LEVELS, NODES, ORDERS, POSITIONS, PRODUCTS

LOOKS_AGAIN, LOOK_AGAIN_S = 5, 0.05
Rows = list[dict[str, Any]]

PHASE_NAMES = {code: name for name, code in PHASES.items()}
KIND_NAMES = {code: name for name, code in PRODUCT_KINDS.items()}
SIDE_NAMES = {BUY: "BUY", SELL: "SELL"}


@dataclass(frozen=True)
class Venue:
    """The engine's state and its sessions, after the command `sequence` at the logical time `time_ns`."""

    state: Any
    sessions: Any
    sequence: int
    time_ns: int


def look(market_folder: Path) -> Venue:
    """Read a market's folder; the node may be running.

    Raises
    ------
    RingmainError
        RM642 if no exchange has run there; RM104, RM108 and RM110 as a replay.
    """
    check_market_folder(market_folder)
    machine, report = _replayed(market_folder)
    return Venue(
        machine.state.view(np.ndarray)[0], machine.sessions.view(np.ndarray), report.sequence, report.time_ns
    )


def _replayed(market_folder: Path) -> tuple[Machine, ReplayReport]:
    """Replay a journal that may be written meanwhile: a batch seen half written is whole a moment later."""
    page = NodePage(market_folder / "page")
    for _ in range(LOOKS_AGAIN):
        try:
            return replay(market_folder, MARKET, from_start=False)
        except RingmainError as error:
            if error.code != "RM104" or not is_alive(page.get("node")):
                raise
        time.sleep(LOOK_AGAIN_S)
    return replay(market_folder, MARKET, from_start=False)


def products(venue: Venue) -> Rows:
    """Return every product that is in some phase, by id, with what rests in its book."""
    table, matching = venue.state["products"], venue.state["matching"]
    resting = matching["orders"][matching["orders"]["lots"] > 0]
    counts = np.bincount(matching["levels"]["ladder"][resting["level"]] // 2 % PRODUCTS, minlength=PRODUCTS)
    return [
        {
            "product_id": int(row["product_id"]),
            "kind": KIND_NAMES.get(int(row["kind"]), str(row["kind"])),
            "phase": _phase(row),
            "delivery_start_ns": int(row["delivery_start_ns"]),
            "auction_ns": int(row["auction_ns"]),
            "gate_closure_ns": int(row["gate_closure_ns"]),
            "value_minor": int(row["value_minor"]),
            "reference_eur_mwh": int(row["reference_price_ticks"]) / 100,
            "market_range_eur_mwh": int(row["market_range_ticks"]) / 100,
            "order_count": int(counts[int(row["product_id"]) % PRODUCTS]),
        }
        for row in _open_products(table)
    ]


def phases(venue: Venue) -> Rows:
    """Return each product's phase, and when it next changes by itself."""
    due = venue.state["due_ns"]
    return [
        {
            "product_id": int(row["product_id"]),
            "phase": _phase(row),
            "next_change_ns": int(due[int(row["product_id"]) % PRODUCTS]),
        }
        for row in _open_products(venue.state["products"])
    ]


def reserves(venue: Venue) -> Rows:
    """Return every reserve product with terms: what its buyer holds of it, and has called so far."""
    state = venue.state
    rows: Rows = []
    for product in _open_products(state["products"]):
        slot = int(product["product_id"]) % PRODUCTS
        held = state["reserves"][slot]
        if not held["has_terms"]:
            continue
        position = state["positions"][state["position_at"][slot, held["buyer_account_id"]]]
        rows.append({
            "product_id": int(product["product_id"]),
            "kind": KIND_NAMES[int(product["kind"])],
            "phase": _phase(product),
            "delivery_start_ns": int(product["delivery_start_ns"]),
            "delivery_duration_s": int(held["delivery_duration_s"]),
            "buyer_account_id": int(held["buyer_account_id"]),
            "activation_eur_mwh": int(held["activation_ticks"]) / 100,
            "activation_max_s": int(held["activation_max_s"]),
            "held_mw": int(position["lots"]["balance_minor"]) / 10,
            "called_mw": int(held["level_lots"]) / 10,
            "until_ns": int(held["until_ns"]),
            "set_aside_minor": int(held["set_aside_minor"]),
        })  # fmt: skip
    return rows


def sessions(venue: Venue) -> Rows:
    """Return every session that was ever opened."""
    seats, orders = venue.state["seats"], venue.state["matching"]["orders"]
    resting = np.bincount(orders["session_id"][orders["lots"] > 0], minlength=seats.size)
    known = np.flatnonzero((venue.sessions["open"] == 1) | (venue.sessions["last_number"] > 0))
    return [
        {
            "session_id": n,
            "account_id": int(venue.sessions["account_id"][n]),
            "open": bool(venue.sessions["open"][n]),
            "last_number": int(venue.sessions["last_number"][n]),
            "cancel_on_disconnect": bool(seats["cancel_on_disconnect"][n]),
            "order_count": int(resting[n]),
        }
        for n in known.tolist()
    ]


def accounts(venue: Venue) -> Rows:
    """Return the cash of every open account; account 0 owes what participants have paid in."""
    return [
        {
            "account_id": n,
            "balance_minor": int(cash["balance_minor"]),
            "balance_eur": int(cash["balance_minor"]) / 1e6,
            "reserved_minor": int(cash["reserved_minor"]),
            "credit_minor": int(cash["overdraft_minor"]),
            "free_minor": _free_minor(cash),
        }
        for n, cash in _open_accounts(venue)
    ]


def limits(venue: Venue) -> Rows:
    """Return each participant's limits, with the product in which most of them is used."""
    state = venue.state
    rows = []
    for n, cash in _open_accounts(venue):
        if n == 0:
            continue
        participant = state["participants"][n]
        own = state["positions"][state["position_at"][:, n][state["position_at"][:, n] > 0]]["lots"]
        longest = own["balance_minor"] + own["expected_minor"]
        shortest = own["reserved_minor"] - own["balance_minor"]
        rows.append({
            "account_id": n,
            "credit_minor": int(cash["overdraft_minor"]),
            "free_minor": _free_minor(cash),
            "long_limit_lots": int(participant["long_limit_lots"]),
            "long_most_used_lots": max(0, int(longest.max())) if own.size else 0,
            "short_limit_lots": int(participant["short_limit_lots"]),
            "short_most_used_lots": max(0, int(shortest.max())) if own.size else 0,
        })  # fmt: skip
    return rows


def capacity(venue: Venue) -> Rows:
    """Return how full the engine's tables are."""
    matching = venue.state["matching"]
    used = {
        "resting orders": (int(matching["order_pool"]["count"]), ORDERS - 1),
        "price levels": (int(matching["level_pool"]["count"]), LEVELS - 1),
        "price trie nodes": (int(matching["node_pool"]["count"]), NODES - 1),
        "positions": (int(venue.state["position_pool"]["count"]), POSITIONS - 1),
        "products": (len(_open_products(venue.state["products"])), PRODUCTS),
    }
    return [{"table": name, "used": count, "limit": limit} for name, (count, limit) in used.items()]


def book_by_price(venue: Venue, product_id: int) -> Rows:
    """Return a product's price levels, the best first, offers then bids; RM649 if it is in no phase."""
    return [
        {
            "side": SIDE_NAMES[side],
            "price_ticks": int(level["price_ticks"]),
            "price_eur_mwh": int(level["price_ticks"]) / 100,
            "quantity_lots": int(level["lots"]),
            "quantity_mw": int(level["lots"]) / 10,
            "order_count": int(level["order_count"]),
        }
        for side in (SELL, BUY)
        for level in _levels(venue, product_id, side)
    ]


def book_by_order(venue: Venue, product_id: int) -> Rows:
    """Return a product's resting orders in their priority, offers then bids; RM649 if it is in no phase."""
    orders, specials = (venue.state["matching"][name] for name in ("orders", "specials"))
    rows: Rows = []
    for side in (SELL, BUY):
        for level in _levels(venue, product_id, side):
            slot = int(level["first"])
            while slot:
                order = orders[slot]
                lots = int(order["lots"]) + int(specials["hidden_lots"][slot])
                rows.append({
                    "side": SIDE_NAMES[side],
                    "price_ticks": int(level["price_ticks"]),
                    "price_eur_mwh": int(level["price_ticks"]) / 100,
                    "quantity_lots": lots,
                    "quantity_mw": lots / 10,
                    "session_id": int(order["session_id"]),
                    "session_number": int(order["session_number"]),
                    "account_id": int(order["account_id"]),
                })  # fmt: skip
                slot = int(order["next"])
    return rows


def _levels(venue: Venue, product_id: int, side: int) -> Any:
    """Return the levels of one side of a book, the best first."""
    slot = product_id % PRODUCTS
    product = venue.state["products"][slot]
    if product_id <= 0 or product["product_id"] != product_id or product["phase"] == FREE:
        raise no_product(product_id)
    levels = venue.state["matching"]["levels"]
    own = levels[(levels["lots"] > 0) & (levels["ladder"] == 2 * slot + side - BUY)]
    return own[np.argsort(own["key"])]


def _open_products(table: Any) -> Any:
    used = table[table["phase"] != FREE]
    return used[np.argsort(used["product_id"])]


def _open_accounts(venue: Venue) -> list[tuple[int, Any]]:
    participants = venue.state["participants"]
    known = [0, *np.flatnonzero(participants["open"]).tolist()]
    return [(n, participants["cash"][n]) for n in known]


def _free_minor(cash: Any) -> int:
    free = int(cash["balance_minor"]) + int(cash["overdraft_minor"]) - int(cash["reserved_minor"])
    return max(free, 0)


def _phase(row: Any) -> str:
    return PHASE_NAMES.get(int(row["phase"]), str(row["phase"]))
