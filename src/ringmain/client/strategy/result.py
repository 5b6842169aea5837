"""What a run has come to, as rows."""

from dataclasses import asdict, dataclass
from typing import Any

from ringmain.client.strategy.amounts import eur_mwh_of, eur_of, mw_of
from ringmain.client.strategy.driver import Driver
from ringmain.client.strategy.orders import SIDE_NAMES

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """A run's orders, fills and money.

    Attributes
    ----------
    mode : "simulated", "replay" or "live"
    begin_ns, end_ns : int
        Logical time.
    commands, orders, fills, positions : lists of dict
        Rows, in the order in which they came about.
    cash_minor, fees_minor, profit_minor : int
        Cash from trades; fees; cash and positions at the last price, less fees.
    rejections : dict
        How often each reason was given.
    notes : dict
        What else the runner has to say: of a replay, what has become of the recorded commands.
    figures : dict
        What the strategy itself reports.
    """

    mode: str
    strategy: str
    begin_ns: int
    end_ns: int
    commands: Rows
    orders: Rows
    fills: Rows
    positions: Rows
    cash_minor: int
    fees_minor: int
    profit_minor: int
    rejections: dict[str, int]
    notes: dict[str, Any]
    figures: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, as JSON has it."""
        return asdict(self)

    def summary(self) -> Rows:
        """Return the figures that a person looks for first."""
        bought = sum(each["quantity_lots"] for each in self.fills if each["side"] == "BUY")
        sold = sum(each["quantity_lots"] for each in self.fills if each["side"] == "SELL")
        figures = {
            "strategy": self.strategy,
            "mode": self.mode,
            "logical seconds": (self.end_ns - self.begin_ns) / 1e9,
            "commands": len(self.commands),
            "orders": len(self.orders),
            "fills": len(self.fills),
            "bought, MW": mw_of(bought),
            "sold, MW": mw_of(sold),
            "cash, EUR": eur_of(self.cash_minor),
            "fees, EUR": eur_of(self.fees_minor),
            "profit at last price, EUR": eur_of(self.profit_minor),
        }
        figures |= {f"position in {p['product_id']}, MW": mw_of(p["position_lots"]) for p in self.positions}
        figures |= {f"rejected, {reason}": count for reason, count in self.rejections.items()}
        figures |= self.notes | self.figures
        return [{"figure": name, "value": value} for name, value in figures.items()]


def result_of(driver: Driver, mode: str, begin_ns: int, notes: dict[str, Any] | None = None) -> Result:
    """Return what a driver's strategy has come to."""
    desk, own = driver.desk, driver.desk._own
    notes = dict(notes or {})
    if not driver.is_started:
        unknown = [str(each.product_id) for each in desk._market.products.values() if each.terms is None]
        notes["never began, not told of products"] = ", ".join(unknown)
    orders = [asdict(order) | {"side": SIDE_NAMES.get(order.side, str(order.side))} for order in own.placed]
    fills = [asdict(fill) | {"side": SIDE_NAMES.get(fill.side, str(fill.side))} for fill in own.fills]
    positions = []
    for product_id, product in desk._market.products.items():
        last = None if product.last_ticks is None else eur_mwh_of(product.last_ticks)
        row = {
            "product_id": product_id,
            "position_lots": own.positions_lots[product_id],
            "last_eur_mwh": last,
        }
        positions.append(row)
    return Result(
        mode, type(driver.strategy).__name__, begin_ns, max(begin_ns, desk.now_ns),
        [{"time_ns": time_ns, **fields} for time_ns, fields in desk.commands],
        orders, fills, positions, own.cash_minor, own.fees_minor, desk.profit_minor,
        dict(own.rejections), notes, driver.strategy.report(desk),
    )  # fmt: skip
