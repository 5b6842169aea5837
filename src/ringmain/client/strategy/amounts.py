"""Prices, quantities and money between the venue's integers and people's units.

A tick is 0.01 EUR/MWh, a lot 0.1 MW over the delivery period, a minor unit 1e-6 EUR.
"""

from decimal import ROUND_HALF_EVEN, Decimal

TICKS_PER_EUR_MWH, LOTS_PER_MW, MINOR_PER_EUR = 100, 10, 1_000_000
Number = int | float | str | Decimal


def ticks_of(price_eur_mwh: Number) -> int:
    """Return a price in ticks; half a tick goes to the even neighbour."""
    return _whole(price_eur_mwh, TICKS_PER_EUR_MWH)


def eur_mwh_of(price_ticks: int) -> float:
    """Return a price in EUR/MWh."""
    return price_ticks / TICKS_PER_EUR_MWH


def lots_of(power_mw: Number) -> int:
    """Return a power in lots; half a lot goes to the even neighbour."""
    return _whole(power_mw, LOTS_PER_MW)


def mw_of(quantity_lots: int) -> float:
    """Return a quantity in MW."""
    return quantity_lots / LOTS_PER_MW


def eur_of(amount_minor: int) -> float:
    """Return an amount of money in EUR."""
    return amount_minor / MINOR_PER_EUR


def _whole(value: Number, factor: int) -> int:
    # A float is taken as it is written: 45.255 means 45.255, not the binary fraction beside it.
    return int((Decimal(str(value)) * factor).to_integral_value(ROUND_HALF_EVEN))
