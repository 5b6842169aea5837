"""The fleet's books: every amount leaves one account and enters another."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.ledger.accounts import LIMIT_MINOR, open_account, post, transfer_fault
from ringmain.vpp.state import EXCHANGE, FLEET, MICRO_EURO, MONEY_LIMIT_MINOR, SITE_ACCOUNTS

TICK_WH_PER_MINOR = 100  # 1 Wh at 1 tick (0.01 EUR/MWh) is a hundredth of a minor unit


@kernel
def open_accounts(fleet: Any) -> None:
    """Open every account; sites may owe, for what their batteries charged."""
    for i in range(fleet.accounts.size):
        open_account(fleet.accounts[i], MICRO_EURO, LIMIT_MINOR, LIMIT_MINOR)
    open_account(fleet.accounts[EXCHANGE], MICRO_EURO, MONEY_LIMIT_MINOR, MONEY_LIMIT_MINOR)


@kernel
def price_of(energy_wh: int, price_ticks: int) -> int:
    """Return what energy is worth, floor: the fleet, who sells, bears the remainder."""
    return energy_wh * price_ticks // TICK_WH_PER_MINOR


@kernel
def can_receive(fleet: Any, amount_minor: int) -> bool:
    """Tell whether the net of all awards stays within its limit."""
    exchange, own = fleet.accounts[EXCHANGE], fleet.accounts[FLEET]
    if amount_minor < 0:
        return transfer_fault(own, exchange, -amount_minor) == 0
    return transfer_fault(exchange, own, amount_minor) == 0


@kernel
def receive(fleet: Any, payer: int, amount_minor: int) -> None:
    """Move an amount from an account to the fleet's own, or back if it is negative."""
    move(fleet, payer, FLEET, amount_minor)


@kernel
def move(fleet: Any, source: int, target: int, amount_minor: int) -> None:
    """Move an amount, or the opposite way if it is negative."""
    if amount_minor < 0:
        post(fleet.accounts[target], fleet.accounts[source], -amount_minor)
    else:
        post(fleet.accounts[source], fleet.accounts[target], amount_minor)


@kernel
def pay_site(fleet: Any, site_id: int, amount_minor: int) -> int:
    """Move a share from the fleet to a site, or back if it is negative; return the site's balance."""
    move(fleet, FLEET, SITE_ACCOUNTS + site_id, amount_minor)
    return fleet.accounts[SITE_ACCOUNTS + site_id].balance_minor
