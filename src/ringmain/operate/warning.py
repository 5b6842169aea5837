"""What a command will do, in plain words, from what the venue's state now is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.records import Record
from ringmain.exchange import venue as seen
from ringmain.exchange.safeguards_messages import BUST

DANGEROUS = frozenset(
    {"HaltProduct", "ExpireProduct", "StartBalancing", "EngageKillSwitch", "ProposeTradeChange",
     "ApproveTradeChange", "VoidAuction", "Withdraw",
     "RetireAsset", "SetTarget", "SetSubmitMode", "CorrectMeter", "SetRhythm"}
)  # fmt: skip
SCOPES = {1: "session", 2: "account", 3: "product", 4: "the venue"}


def is_dangerous(record_name: str) -> bool:
    """Tell whether somebody has to say yes to it."""
    return record_name in DANGEROUS


def consequence(data: Path, market: str, record: Record, values: Mapping[str, int]) -> str:
    """Say what the command will do; where the venue's folder is there, to what it meets."""
    if market != "exchange":
        return f"{record.name}: {record.doc}"
    try:
        venue = seen.look(data / "exchange")
    except RingmainError:
        venue = None  # it is far away: the command alone is told
    if record.name == "EngageKillSwitch":
        return _kill(venue, values)
    if record.name == "ProposeTradeChange":
        return _change(venue, values["trade_sequence"], values["trade_index"], values)
    if record.name == "ApproveTradeChange":
        return _approval(venue, values["proposal_sequence"])
    if "product_id" in values:
        return f"{record.name}: {record.doc} {_product(venue, values['product_id'])}"
    return f"{record.name}: {record.doc}"


def _product(venue: seen.Venue | None, product_id: int) -> str:
    if venue is None:
        return f"Product {product_id}; the venue's folder is not here, so more is not known."
    for row in seen.products(venue):
        if row["product_id"] == product_id:
            return f"Product {product_id} is {row['phase']}, and {row['order_count']} orders rest in it."
    return f"Product {product_id} is in no phase now."


def _kill(venue: seen.Venue | None, values: Mapping[str, int]) -> str:
    scope, target = values["scope"], values["target_id"]
    whom = SCOPES.get(scope, f"scope {scope}") + ("" if scope == 4 else f" {target}")
    told = f"Kills {whom}: all that rests is cancelled, and no new order is taken until unkill."
    if venue is None:
        return told
    orders = venue.state["matching"]["orders"]
    resting = orders["lots"] > 0
    if scope == 1:
        resting &= orders["session_id"] == target
    elif scope == 2:
        resting &= orders["account_id"] == target
    elif scope == 3:
        return f"{told} {_product(venue, target)}"
    return f"{told} {int(np.count_nonzero(resting))} orders rest."


def _change(venue: seen.Venue | None, sequence: int, index: int, values: Mapping[str, int]) -> str:
    what = "undone" if values["action"] == BUST else f"priced at {values['price_ticks'] / 100:.2f} EUR/MWh"
    told = f"Proposes that trade {sequence}.{index} be {what}; another person's approve does it."
    return f"{told} {_trade(venue, sequence, index)}"


def _trade(venue: seen.Venue | None, sequence: int, index: int) -> str:
    if venue is None:
        return "The venue's folder is not here, so the trade is not known."
    trades: Any = venue.state["safeguards"]["trades"]
    found = trades[(trades["sequence"] == sequence) & (trades["trade_index"] == index)]
    if not found.size:
        return "The engine does not keep that trade: it is too old, or was made before any safeguard was set."
    trade = found[0]
    return (
        f"It is {int(trade['lots']) / 10:g} MW of product {trade['product_id']} at "
        f"{int(trade['price_ticks']) / 100:.2f} EUR/MWh, bought by account {trade['buyer_id']} from "
        f"account {trade['seller_id']}."
    )


def _approval(venue: seen.Venue | None, sequence: int) -> str:
    told = f"Approves proposal {sequence}: cash and positions of both sides change at once."
    if venue is None:
        return told
    proposals: Any = venue.state["safeguards"]["proposals"]
    found = proposals[proposals["sequence"] == sequence]
    if sequence <= 0 or not found.size:
        return f"{told} The engine has no such proposal now."
    proposal = found[0]
    what = "undo it" if proposal["action"] == BUST else f"{int(proposal['price_ticks']) / 100:.2f} EUR/MWh"
    trade = _trade(venue, int(proposal["trade_sequence"]), int(proposal["trade_index"]))
    return f"{told} Asked for: {what}. {trade}"
