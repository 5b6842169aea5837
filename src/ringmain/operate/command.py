"""The parser of what acts in ``ringmain exchange`` and ``ringmain vpp``; it imports nothing heavy."""

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path("data")
# Actions on one product: the record that each sends.
ON_PRODUCT = {
    "halt": ("HaltProduct", "Stop a product's continuous trading."),
    "resume": ("ResumeProduct", "Go on trading after a halt."),
    "start-balancing": ("StartBalancing", "Let balancing orders alone trade from now on."),
    "end-balancing": ("EndBalancing", "Uncross what has crossed, and go on trading."),
    "expire": ("ExpireProduct", "Deliver the positions of a product that is closed or halted."),
}
SCOPES = ("session", "account", "product", "venue")


def add(actions: Any) -> None:
    """Add the actions to those of ``ringmain exchange``."""
    for name, (record, text) in ON_PRODUCT.items():
        action = _action(actions, name, text, record)
        action.add_argument("product", type=int, help="product id")
        action.set_defaults(values=lambda options: {"product_id": options.product})
    _add_kill_switches(actions)
    _add_trade_changes(actions)
    _add_send(actions, "exchange", "define-product")


def add_to_fleet(actions: Any) -> None:
    """Add the actions to those of ``ringmain vpp``."""
    about = "Take in the nodes and assets that a CSV or JSON file describes."
    taken = actions.add_parser("import", help=about, description=about)
    add_common(taken)
    taken.add_argument("file", type=Path, help="CSV or JSON; its columns are the commands' fields, and kind")
    taken.add_argument("--link", type=int, default=None, metavar="ACCOUNT", help="their device link")
    taken.set_defaults(command=_late("import_fleet", "ringmain.operate.fleet"), market="vpp")
    _add_send(actions, "vpp", "set-target")


def _add_send(actions: Any, market: str, example: str) -> None:
    send = actions.add_parser(
        "send", help="Send any of the operator's commands.",
        description="Send any of the operator's commands; without a name, list them.",
    )  # fmt: skip
    add_common(send)
    send.set_defaults(command=_late("send"), market=market)
    send.add_argument("record", nargs="?", help=f"such as {example}; add --help for its fields")
    send.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    done = "What the operator has done, from the journal."
    log = actions.add_parser("actions", help=done, description=done)
    log.set_defaults(command=_late("show_actions"), market=market)
    log.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="data folder (default: data)")
    log.add_argument("--last", type=int, default=50, metavar="N", help="the last N (default: 50)")
    log.add_argument("--json", action="store_true", help="as JSON")


def add_common(action: argparse.ArgumentParser, of: argparse.Namespace | None = None) -> None:
    """Add what every action takes; the defaults are those `of` another call's options."""

    def given(name: str, default: Any) -> Any:
        return getattr(of, name, default)

    action.add_argument(
        "--data", type=Path, default=given("data", DATA), metavar="DIR", help="data folder (default: data)"
    )
    action.add_argument(
        "--token", type=Path, default=given("token", None), metavar="FILE",
        help="file with an operator's token (default: the token in RINGMAIN_TOKEN)",
    )  # fmt: skip
    action.add_argument(
        "--host", default=given("host", "127.0.0.1"), help="the gateway's (default: 127.0.0.1)"
    )
    action.add_argument(
        "--port",
        type=int,
        default=given("port", None),
        help="the gateway's (default: as the data folder says)",
    )
    action.add_argument("--yes", action="store_true", default=given("yes", False), help="don't ask")
    action.add_argument(
        "--dry-run", action="store_true", default=given("dry_run", False), help="show it and send nothing"
    )
    action.add_argument(
        "--json", action="store_true", default=given("json", False), help="the answer as JSON"
    )


def _add_kill_switches(actions: Any) -> None:
    for name, record, text in (
        (
            "kill",
            "EngageKillSwitch",
            "Cancel all that rests of a session, account, product or venue; take no more.",
        ),
        ("unkill", "ReleaseKillSwitch", "Take its orders again."),
    ):
        action = _action(actions, name, text, record)
        action.add_argument("scope", choices=SCOPES, help="whom it stops")
        action.add_argument("target", type=int, nargs="?", default=0, help="its id; none for the venue")
        action.add_argument(
            "--cause", type=int, default=0, metavar="N", help="your own code for why (default: 0)"
        )
        action.set_defaults(values=_kill_values)


def _kill_values(options: argparse.Namespace) -> dict[str, int]:
    scope = SCOPES.index(options.scope) + 1
    return {"scope": scope, "target_id": options.target, "cause": options.cause}


def _add_trade_changes(actions: Any) -> None:
    for name, text in (
        ("bust", "Propose that a trade be undone; another person approves it."),
        ("correct", "Propose that a trade's price be set right; another person approves it."),
    ):
        action = _action(actions, name, text, "ProposeTradeChange")
        action.add_argument(
            "trade", metavar="SEQUENCE.INDEX", type=_trade, help="the trade, as history has it"
        )
        if name == "correct":
            action.add_argument(
                "--price-ticks", type=int, required=True, help="the right price, 0.01 EUR/MWh"
            )
        action.set_defaults(values=_change_values, price_ticks=0, change=1 if name == "bust" else 2)
    approve = _action(
        actions, "approve", "Agree to another person's proposal: it is done.", "ApproveTradeChange"
    )
    approve.add_argument("proposal", type=int, help="sequence of the proposal, as its answer said")
    approve.set_defaults(values=lambda options: {"proposal_sequence": options.proposal})


def _change_values(options: argparse.Namespace) -> dict[str, int]:
    sequence, index = options.trade
    return {
        "trade_sequence": sequence, "trade_index": index, "price_ticks": options.price_ticks,
        "action": options.change,
    }  # fmt: skip


def _trade(text: str) -> tuple[int, int]:
    sequence, _, index = text.partition(".")
    if not sequence.isdigit() or not (index or "0").isdigit():
        raise argparse.ArgumentTypeError(f"{text} is no SEQUENCE.INDEX, such as 4711.0")
    return int(sequence), int(index or 0)


def _action(actions: Any, name: str, text: str, record: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    action.set_defaults(command=_late("act"), record=record, market="exchange")
    add_common(action)
    return action


def _late(function: str, module: str = "ringmain.operate.acting") -> Callable[[argparse.Namespace], int]:
    """Return the command that loads a module and runs its function of this name."""

    def run(options: argparse.Namespace) -> int:
        return int(getattr(importlib.import_module(module), function)(options) or 0)

    return run
