"""The parser of ``ringmain exchange``. It imports nothing heavy: `app` is loaded when a command runs."""

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path("data")
FOLDER_HELP = "history's folder (default: DATA/history)"
SPAN_HELP = "a time such as 2026-11-24 or 2026-11-24T12:30, UTC"
# Each of the surveillance's parameters: its type, and its help.
THRESHOLDS: dict[str, tuple[type, str]] = {
    "wash_gap_s": (int, "seconds between a pair's trades that belong together"),
    "wash_trades": (int, "trades of a pair, at least"),
    "wash_net_share": (float, "what may be left of what went both ways, as a share"),
    "wash_mutual_share": (float, "share of each one's lots that the other has taken, at least"),
    "wash_price_ticks": (int, "ticks between the mean prices of either's purchases, at most"),
    "layering_window_s": (int, "seconds before and after the trade"),
    "layering_levels": (int, "prices, at least"),
    "layering_size_ratio": (float, "cancelled lots for each lot traded, at least"),
    "layering_cancelled_share": (float, "share of the open lots that was cancelled, at least"),
    "layering_filled_share": (float, "share of the cancelled orders that was filled, at most"),
    "order_to_trade_ratio": (float, "order messages for each trade, at least"),
    "order_to_trade_messages": (int, "order messages in a day, at least"),
    "closing_window_s": (int, "last seconds of a call"),
    "closing_volume_share": (float, "share of the auction's volume, at least"),
    "closing_move_ticks": (int, "ticks that the price has moved, at least"),
}


def add(commands: Any) -> Any:
    """Add ``exchange`` and its actions to the command's subparsers; return those of the actions."""
    about = "Look at an exchange, live or stopped: state, history, statements, surveillance."
    exchange = commands.add_parser("exchange", help=about, description=about)
    actions = exchange.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_state(actions)
    _add_history(actions)
    _add_clearing(actions)
    _add_surveil(actions)
    public = _action(actions, "public", "Trades and tops of book that are older than a delay.", "public")
    public.add_argument("--delay", default="15m", help="30s, 15m, 1h, in logical time (default: 15m)")
    public.add_argument("--product", type=int, default=None, metavar="ID", help="of this product only")
    _add_output(public, csv=False)
    return actions


def _add_state(actions: Any) -> None:
    texts = {
        "products": "Products, their times, and how many orders rest in each.",
        "phases": "What each product's book does, and when that changes next.",
        "reserves": "Reserve products: their buyers and terms, what is held, and what is called now.",
        "sessions": "Sessions: whose, whether open, and how far they have counted.",
        "accounts": "Cash of every account: balance, reserved, free.",
        "limits": "Limits of every account and how far they are used; how full the engine is.",
    }
    for name, text in texts.items():
        _add_output(_action(actions, name, text, name))
    book = _action(actions, "book", "What rests in a product's book, by price or by order.", "book")
    book.add_argument("product", type=int, help="product id")
    book.add_argument("--orders", action="store_true", help="each order, in its priority")
    book.add_argument("--depth", type=int, default=None, metavar="N", help="the best N rows of each side")
    _add_output(book)


def _add_history(actions: Any) -> None:
    history = _action(actions, "history", "Bring the history in Parquet up to date, or ask it.", "history")
    history.add_argument(
        "--to", dest="folder", type=Path, default=None, metavar="FOLDER", help=f"target; {FOLDER_HELP}"
    )
    asked = history.add_subparsers(title="questions", required=False, metavar="QUESTION")
    query = _question(asked, "query", "Run SQL over the history's tables.", "query")
    query.add_argument("sql", help="a query in DuckDB's SQL")
    _question(asked, "tables", "List tables and columns.", "tables")
    trades = _question(asked, "trades", "A product's trades.", "trades")
    candles = _question(asked, "candles", "Open, high, low, close, volume, VWAP of each period.", "candles")
    candles.add_argument("--period", default="15m", help="30s, 15m, 1h, 1d (default: 15m)")
    stats = _question(asked, "stats", "Prices, volumes and open interest of each product.", "stats")
    for report in (trades, candles):
        report.add_argument("--product", type=int, required=True, metavar="ID", help="product id")
    for report in (trades, candles, stats):
        _add_span(report)


def _add_clearing(actions: Any) -> None:
    statement = _action(actions, "statement", "An account's statement of a day.", "statement")
    statement.add_argument(
        "--account", type=int, required=True, metavar="ID", help="account; 0: the operator"
    )
    nominations = _action(actions, "nominations", "What is delivered in a day, by account.", "nominations")
    nominations.add_argument("--account", type=int, default=None, metavar="ID", help="of this account only")
    for clearing in (statement, nominations):
        clearing.add_argument("--day", required=True, metavar="YYYY-MM-DD", help="the day, UTC")
        clearing.add_argument(
            "--parquet", type=Path, default=None, metavar="FILE", help="write Parquet instead"
        )
        _add_output(clearing)
        _add_folder(clearing)


def _add_surveil(actions: Any) -> None:
    surveil = _action(actions, "surveil", "Look for patterns of market abuse in the history.", "surveil")
    _add_span(surveil)
    _add_output(surveil, csv=False)
    _add_folder(surveil)
    for name, (kind, text) in THRESHOLDS.items():
        surveil.add_argument(f"--{name.replace('_', '-')}", type=kind, default=None, metavar="N", help=text)


def _action(actions: Any, name: str, text: str, function: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    action.set_defaults(command=_late(function))
    action.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="data folder (default: data)")
    return action


def _question(actions: Any, name: str, text: str, function: str) -> argparse.ArgumentParser:
    """Add an action of ``history``, which takes the folders before or after its name."""
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    action.set_defaults(command=_late(function))
    unset = argparse.SUPPRESS
    action.add_argument("--data", type=Path, default=unset, metavar="DIR", help="data folder (default: data)")
    action.add_argument(
        "--history", dest="folder", type=Path, default=unset, metavar="FOLDER", help=FOLDER_HELP
    )
    _add_output(action)
    return action


def _add_folder(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--history", dest="folder", type=Path, default=None, metavar="FOLDER", help=FOLDER_HELP
    )


def _add_span(action: argparse.ArgumentParser) -> None:
    action.add_argument("--from", dest="begin", default=None, metavar="TIME", help=f"from {SPAN_HELP}")
    action.add_argument("--to", dest="end", default=None, metavar="TIME", help=f"before {SPAN_HELP}")


def _add_output(action: argparse.ArgumentParser, csv: bool = True) -> None:
    form = action.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    if csv:
        form.add_argument("--csv", action="store_true", help="as CSV")


def _late(function: str) -> Callable[[argparse.Namespace], int]:
    """Return the command that loads `app` and runs its function of this name."""

    def run(options: argparse.Namespace) -> int:
        app = importlib.import_module("ringmain.exchange.app")
        return int(getattr(app, function)(options) or 0)

    return run
