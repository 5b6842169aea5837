"""The parser of ``ringmain vpp``. It imports nothing heavy: `app` is loaded when a command runs."""

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path("data")
KINDS = ("battery", "solar", "charger", "heat_store", "load")


def add(commands: Any) -> Any:
    """Add ``vpp`` and its actions to the command's subparsers; return those of the actions."""
    about = "Look at a fleet, live or stopped: assets, twins, aggregates, plans, bids, settlement."
    vpp = commands.add_parser("vpp", help=about, description=about)
    actions = vpp.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_state(actions)
    _add_market(actions)
    _add_money(actions)
    _add_backtest(actions)
    return actions


def _add_state(actions: Any) -> None:
    assets = _action(actions, "assets", "Every asset: limits, and what its twin knows.", "assets")
    assets.add_argument("--kind", choices=KINDS, default=None, help="of this kind only")
    assets.add_argument("--node", type=int, default=None, metavar="ID", help="at this node only")
    _add_output(assets)
    twin = _action(actions, "twin", "All that is known of an asset: reported beside desired.", "twin")
    twin.add_argument("asset", type=int, help="asset id")
    twin.add_argument("--svg", type=Path, default=None, metavar="FILE", help="draw its plan")
    twin.add_argument("--json", action="store_true", help="as JSON")
    aggregate = _action(actions, "aggregate", "Power, energy, head-room, coverage of each node.", "aggregate")
    below = aggregate.add_mutually_exclusive_group()
    below.add_argument("--below", type=int, default=None, metavar="ID", help="what lies below this node")
    below.add_argument("--sites", action="store_true", help="sites too")
    _add_output(aggregate)


def _add_market(actions: Any) -> None:
    about = "The coming prices, or loads and roofs, and how the last forecast did."
    forecast = _action(actions, "forecast", about, "forecast")
    forecast.add_argument("--homes", action="store_true", help="of loads and roofs instead of prices")
    forecast.add_argument("--day", default=None, metavar="YYYY-MM-DD",
                          help="with --homes: as it was made on this day (default: the last)")  # fmt: skip
    forecast.add_argument("--kind", choices=("load", "solar"), default=None,
                          help="with --homes: only these")  # fmt: skip
    forecast.add_argument("--node", type=int, default=None, metavar="ID",
                          help="with --homes: of this feeder only; 0: of the others")  # fmt: skip
    _add_svg(forecast, "draw forecasts beside what came")
    plan = _action(actions, "plan", "What is planned, committed and foretold in each quarter-hour.", "plan")
    plan.add_argument("asset", type=int, nargs="?", default=None, help="of this asset only")
    _add_svg(plan, "draw prices and plan")
    bids = _action(actions, "bids", "Bids, what became of them, and why they were made.", "bids")
    bids.add_argument("--why", type=int, default=None, metavar="BID", help="why this bid was made")
    bids.add_argument("--open", action="store_true", help="those that may still be filled")
    bids.add_argument("--product", type=int, default=None, metavar="ID", help="of this product only")
    bids.add_argument("--last", type=int, default=50, metavar="N", help="the last N (default: 50)")
    _add_output(bids)
    steps = _action(actions, "steps", "Steps of the market loop, when they were done and how.", "steps")
    steps.add_argument("--last", type=int, default=50, metavar="N", help="the last N (default: 50)")
    _add_output(steps)
    about = "Reserve that is held in each quarter-hour: sold, offered, called on, lacking."
    reserve = _action(actions, "reserve", about, "reserve")
    reserve.add_argument("--active", action="store_true", help="what is called on now instead")
    reserve.add_argument(
        "--last", type=int, default=16, metavar="N", help="the last N that are settled too (default: 16)"
    )
    _add_output(reserve)
    dispatch = _action(actions, "dispatch", "Fleet power against its target, tick by tick.", "dispatch")
    dispatch.add_argument("--last", type=int, default=30, metavar="N", help="the last N ticks (default: 30)")
    _add_svg(dispatch, "draw power against target")


def _add_money(actions: Any) -> None:
    settle = _action(actions, "settle", "Settled quarter-hours: energy, money, corrections.", "settle")
    settle.add_argument("--day", default=None, metavar="YYYY-MM-DD", help="of this day, UTC, only")
    settle.add_argument("--site", type=int, default=None, metavar="ID", help="a site's statement instead")
    settle.add_argument("--sites", action="store_true", help="what each site has earned instead")
    settle.add_argument(
        "--days", action="store_true", help="whole days instead, beside what perfect foresight earns"
    )
    _add_output(settle)


def _add_backtest(actions: Any) -> None:
    about = "Forecast and bid day by day over a file of prices, using nothing before it was known."
    back = actions.add_parser("backtest", help=about, description=about)
    back.set_defaults(command=late("ringmain.vpp.backtesting", "backtest"))
    back.add_argument("--prices", type=Path, required=True, metavar="FILE",
                      help="CSV: times, prices in EUR/MWh, and columns named as forecasts")  # fmt: skip
    back.add_argument("--peers", type=Path, default=None, metavar="FILE",
                      help="CSV: times, and forecasts that others made; prices are passed over")  # fmt: skip
    back.add_argument("--from", dest="first", default=None, metavar="YYYY-MM-DD",
                      help="first day (default: two years before the file's end)")  # fmt: skip
    back.add_argument("--days", type=int, default=0, metavar="N", help="so many days (default: to the end)")
    back.add_argument(
        "--hours", type=float, default=2.0, help="a battery's energy at full power (default: 2)"
    )
    back.add_argument("--round-trip", type=float, default=0.9, metavar="SHARE",
                      help="energy given for energy taken (default: 0.9)")  # fmt: skip
    back.add_argument("--calibration", type=Path, default=None, metavar="FILE",
                      help="draw how much of the prices lay within the bands")  # fmt: skip
    _add_svg(back, "draw the last days' prices within the forecast's band")


def _action(actions: Any, name: str, text: str, function: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    action.set_defaults(command=late("ringmain.vpp.app", function))
    action.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="data folder (default: data)")
    return action


def _add_svg(action: argparse.ArgumentParser, text: str) -> None:
    action.add_argument("--svg", type=Path, default=None, metavar="FILE", help=text)
    _add_output(action)


def _add_output(action: argparse.ArgumentParser) -> None:
    form = action.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--csv", action="store_true", help="as CSV")


def late(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Return the command that loads a module and runs its function of this name."""

    def run(options: argparse.Namespace) -> int:
        return int(getattr(importlib.import_module(module), function)(options) or 0)

    return run
