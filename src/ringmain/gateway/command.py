"""Subcommands about who may come in. It imports nothing heavy: each loads what it needs when it runs."""

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ringmain.core.errors import RingmainError

Said = Callable[[argparse.Namespace], str]
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LEVELS = ("none", "delayed", "top", "prices", "orders")
ALL_PRODUCTS = (0, 2**32 - 1)


def add(commands: Any, data: Path, say: Callable[[Said], Any]) -> None:
    """Add the subcommands; `say` makes a function whose text is printed into one that is run."""
    tokens = _command(commands, "tokens", "List the credentials, which hold no token.", say(_tokens))
    revoke = _command(
        commands, "revoke", "End a credential; who is logged in with it is logged out.", say(_revoke)
    )
    entitle = _command(
        commands, "entitle", "Say who may trade and see which products; or list it.", say(_entitle)
    )
    certificate = _command(
        commands, "certificate", "Make a self-signed certificate for TLS.", say(_certificate)
    )
    for command in (tokens, revoke, entitle, certificate):
        command.add_argument(
            "--data", type=Path, default=data, metavar="DIR", help=f"data folder (default: {data})"
        )
    revoke.add_argument("market", help="market that it opens")
    revoke.add_argument("name", help="what the session is called")
    _add_rule(entitle)
    certificate.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="host name or address (default: localhost)",
    )
    certificate.add_argument("--days", type=int, default=365, help="how long it holds (default: 365)")


def _add_rule(entitle: argparse.ArgumentParser) -> None:
    entitle.add_argument("market", nargs="?", help="market; without it, the rules are listed")
    whose = entitle.add_mutually_exclusive_group()
    whose.add_argument("--account", type=int, help="account id")
    whose.add_argument("--others", action="store_true", help="every account that has no rules of its own")
    entitle.add_argument(
        "--products", default="all", metavar="A-B", help="a product, a range, or all (default: all)"
    )
    entitle.add_argument("--no-trade", action="store_true", help="it may only cancel")
    entitle.add_argument(
        "--see", choices=LEVELS, default="orders", help="the most it is shown (default: orders)"
    )
    entitle.add_argument("--clear", action="store_true", help="forget these accounts' rules instead")


def lifetime_s(text: str) -> int:
    """Return a span such as 90s, 15m, 12h or 30d in seconds; RM355 for what is none."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise RingmainError("RM355", "token", f"{text} is no time to live", "Write it as 15m, 12h or 30d")
    return int(found[1]) * UNITS_S[found[2]]


def _command(commands: Any, name: str, help: str, function: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    added.set_defaults(command=function)
    return added


def _tokens(options: argparse.Namespace) -> str:
    from ringmain.gateway.credentials import Credentials

    now, lines = time.time(), []
    for each in Credentials(options.data).all():
        state = "revoked" if each.revoked else "expired" if each.ending else "good"
        left = f", {each.expires_s - now:,.0f} s left" if state == "good" and each.expires_s else ""
        bound = ", bound to a certificate" if each.certificate_sha256 else ""
        lines.append(
            f"{each.market} {each.name}: {state}{left}, {each.role} of account {each.account_id}, "
            f"session {each.session_id}{bound}"
        )
    return "\n".join(lines) or "no credentials"


def _revoke(options: argparse.Namespace) -> str:
    from ringmain.gateway.credentials import revoke

    count = revoke(options.data, options.market, options.name)
    return f"{count} of {options.market} called {options.name} ended"


def _entitle(options: argparse.Namespace) -> str:
    from ringmain.gateway import entitlements
    from ringmain.gateway.credentials import changing

    if options.market is None:
        rules = entitlements.Entitlements(options.data).all()
        return "\n".join(map(_described, rules)) or "no rules: every account may trade and see everything"
    if options.account is None and not options.others:
        raise RingmainError("RM357", "entitle", "whose rule it is was not said", "Give --account or --others")
    with changing(options.data / entitlements.FILE_NAME):
        return _change_rules(options)


def _change_rules(options: argparse.Namespace) -> str:
    from ringmain.gateway import entitlements

    rules = list(entitlements.Entitlements(options.data).all())
    whose = options.market, options.account
    if options.clear:
        kept = [each for each in rules if (each.market, each.account_id) != whose]
        entitlements.write(options.data, kept)
        return f"{len(rules) - len(kept)} rules forgotten"
    first, last = _products(options.products)
    rule = entitlements.Entitlement(*whose, first, last, not options.no_trade, options.see)
    entitlements.write(options.data, [*rules, rule])
    return _described(rule)


def _products(text: str) -> tuple[int, int]:
    if text == "all":
        return ALL_PRODUCTS
    found = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", text)
    if found is None:
        raise RingmainError("RM356", "entitle", f"--products {text} are none", "Write it as 7, 1-24 or all")
    return int(found[1]), int(found[2] or found[1])


def _described(rule: Any) -> str:
    who = "others" if rule.account_id is None else f"account {rule.account_id}"
    is_all = (rule.first_product, rule.last_product) == ALL_PRODUCTS
    which = "all products" if is_all else f"products {rule.first_product} to {rule.last_product}"
    trade = "may trade" if rule.trade else "may not trade"
    return f"{rule.market}, {who}: {trade} {which}, sees {rule.data}"


def _certificate(options: argparse.Namespace) -> str:
    from ringmain.gateway.certificate import make

    certificate, key = make(options.data, options.name or ["localhost", "127.0.0.1"], options.days)
    return f"{certificate}\n{key}"
