"""``ringmain strategy run``: a strategy from a file, in one of the three runners."""

import importlib.util
import json
import signal
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from ringmain.client.strategy.driver import Strategy
from ringmain.client.strategy.live import HEARTBEAT_MS, LiveRun
from ringmain.client.strategy.replayed import replay
from ringmain.client.strategy.result import Result, result_of
from ringmain.client.strategy.simulated import MORNING_NS, Plan, simulate
from ringmain.client.strategy.venue import Latency
from ringmain.client.sync import Client
from ringmain.core.errors import RingmainError
from ringmain.core.terminal import say, table
from ringmain.exchange.messages import schema
from ringmain.gateway.tls import client_context

MICROSECOND_NS, SECOND_NS = 1_000, 1_000_000_000
LATENCY_US_MAX = 3_600_000_000
MINUTES_MAX = 10_000


def run(options: Namespace) -> None:
    """Run the strategy that the options name, and print its result."""
    strategy = load(options.strategy, dict(_setting(text) for text in options.set))
    if options.live is not None:
        result = _live(options, strategy)
    elif options.replay is not None:
        result = replay(strategy, options.replay, _latency(options), keep_orders=options.keep_orders)
    else:
        plan, latency = _plan(options, strategy), _latency(options)
        (result,) = simulate(
            [strategy], options.simulate, plan, latency=latency, keep_orders=options.keep_orders
        )
    _show(options, result)


def load(name: str, settings: dict[str, Any]) -> Strategy:
    """Return the strategy named ``FILE.py:CLASS``, made with the settings.

    Raises
    ------
    RingmainError
        RM371 if there is no such strategy, RM372 if it does not take the settings.
    """
    file, _, attribute = name.rpartition(":")
    path = Path(file)
    if not path.is_file() or not attribute.isidentifier():
        raise _no_strategy(f"{name} names no file and class")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise _no_strategy(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where its dataclasses look for it
    try:
        spec.loader.exec_module(module)
        made = getattr(module, attribute)
    except (ImportError, SyntaxError, AttributeError) as error:
        raise _no_strategy(f"{name}: {error}") from None
    try:
        strategy = made(**settings)
    except (TypeError, ValueError) as error:
        raise RingmainError(
            "RM372", "strategy", f"{attribute}: {error}", "Give its settings as --set NAME=VALUE"
        ) from None
    if not isinstance(strategy, Strategy):
        raise _no_strategy(f"{attribute} is no Strategy")
    return strategy


def _no_strategy(what: str) -> RingmainError:
    return RingmainError("RM371", "strategy", what, "Write it as FILE.py:CLASS")


def _setting(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise RingmainError("RM372", "strategy", f"--set {text} sets nothing", "Write it as NAME=VALUE")
    try:
        return name, int(value)
    except ValueError:
        return name, value


def _latency(options: Namespace) -> Latency:
    if not 0 <= options.latency_us <= LATENCY_US_MAX:
        what = f"--latency-us {options.latency_us} is out of range"
        raise RingmainError("RM365", "strategy", what, f"Give 0 to {LATENCY_US_MAX}")
    return Latency(options.latency_us * MICROSECOND_NS, options.latency_us * MICROSECOND_NS)


def _plan(options: Namespace, strategy: Strategy) -> Plan:
    _check_minutes(options)
    minutes = options.minutes or 30
    return Plan(strategy.product_ids, MORNING_NS, trading_s=60.0 * minutes)


def _check_minutes(options: Namespace) -> None:
    if options.minutes is not None and not 0 < options.minutes <= MINUTES_MAX:
        what = f"--minutes {options.minutes} is out of range"
        raise RingmainError("RM373", "strategy", what, f"Give up to {MINUTES_MAX}")


def _live(options: Namespace, strategy: Strategy) -> Result:
    """Trade until the strategy, the time or a signal ends it; a lost venue ends it with what was reached."""
    _check_minutes(options)
    host, _, port = options.live.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) <= 65_535:
        what = f"--live {options.live} names no port"
        raise RingmainError("RM375", "strategy", what, "Write it as HOST:PORT")
    if options.token is None:
        raise RingmainError("RM374", "strategy", "a live venue wants a token", "Give its file with --token")
    try:
        token = options.token.read_text("utf-8").strip()
    except OSError as error:
        what = f"{options.token}: {error.strerror}"
        raise RingmainError("RM374", "strategy", what, "Give the file that holds the token") from None
    tls = client_context(options.tls_ca) if options.tls_ca is not None else None
    client = Client.connect(host or "127.0.0.1", int(port), token, schema, HEARTBEAT_MS, tls=tls)
    live = LiveRun(client, strategy)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: live.request_stop())
    try:
        live.turn(1.0)
        minutes = options.minutes
        live.run(live.now_ns + round(minutes * 60 * SECOND_NS) if minutes is not None else None)
        return live.stop(options.keep_orders)
    except RingmainError:
        _show(options, result_of(live.driver, "live", live.begin_ns))
        raise


def _show(options: Namespace, result: Result) -> None:
    if options.json:
        say(json.dumps(result.as_dict(), indent=2))
    else:
        table("Result", ("figure", "value"), result.summary())
