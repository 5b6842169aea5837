"""The main job: ``ringmain run`` starts a venue and a world around it, and lives days."""

import contextlib
import functools
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from ringmain.control.supervisor import Child, Running, Supervisor
from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.vpp.fleets import FIELDS, fleet_from_file, seeded_fleet, seeded_homes
from ringmain.vpp.messages import RegisterBattery
from ringmain.vpp.state import ASSETS
from ringmain.world import seats
from ringmain.world.calendar import OPENING_NS, midnight_ns, next_delivery_day
from ringmain.world.fair import STEP_NS
from ringmain.world.live import Plan, plan_of, rows_of_others
from ringmain.world.prices import Prices, generate, load
from ringmain.world.screen import Screen

START_S = 900.0  # kernels are compiled on the first start
PATIENCE_S = 5.0  # what a start takes that finds them
REFRESH_S = 0.25
SPEED = 720.0  # a day in two minutes
MARKETS = ("exchange", "vpp")
HOMES, HOMES_MAX = 400, 3_000
FLEET_FILE, OTHERS_FILE = "world/fleet.json", "world/others.json"


def main(options: Any) -> int:
    """Run until the days are lived, or until SIGINT or SIGTERM.

    Parameters
    ----------
    options : object with the attributes
        data (Path), days (int or None: as many as there are prices for), prices (Path or None: a
        generated year), day (text or None), seed (int), speed (text: a number of logical seconds a
        second, or ``max``), homes (int or None: the folder's fleet, or HOMES), batteries (int or None: no
        homes but so many batteries), fleet (Path or None), report (Path or None), exchange_port,
        vpp_port and fix_port (int, 0: any).

    Returns
    -------
    int
        0 when the days were lived, 130 when it was interrupted.

    Raises
    ------
    RingmainError
        RM106 if another run has the folder; RM511 to RM517 for prices, day and speed; RM518, RM519 and
        RM601 to RM603 for the fleet; RM520 for a clock that runs by itself.
    """
    data = Path(options.data)
    plan = make_plan(options)
    data.mkdir(parents=True, exist_ok=True)
    supervisor = Supervisor(data)
    console = Console()
    try:
        with _ended_by_signal(), Screen(data, console) as screen:
            world = start(supervisor, data, plan, _ports(options), console)
            while not world.has_ended:
                screen.show(supervisor.children)
                supervisor.watch(REFRESH_S)
            screen.show(supervisor.children)
    except KeyboardInterrupt:
        console.print("stopping in order", highlight=False)
        return 130
    finally:
        with _deaf_to_signals():
            supervisor.stop()
    if options.report is not None:
        _report(data, plan, Path(options.report), console)
    return 0


def make_plan(options: Any) -> Plan:
    """Return what is to be lived, from the command's options and what the folder has lived already."""
    data, seed = Path(options.data), int(options.seed)
    prices = generate(seed) if options.prices is None else load(Path(options.prices))
    now_ns = _lived_until_ns(data)
    first = _first_day(data, prices, options.day, now_ns)
    count = options.days if options.days is not None else _days_from(prices, first)
    if count < 1:
        raise RingmainError("RM517", "run", f"--days {count} is no number of days", "Give 1 or more")
    prices.check(first, count)
    speed, (fleet, others) = _speed(options.speed), _fleet(data, options, seed)
    hours = float(getattr(options, "hours", 0) or 0)
    return plan_of(
        data, prices, first, count, seed=seed, speed=speed, fleet=fleet, others=others, hours=hours
    )


def _lived_until_ns(data: Path) -> int | None:
    """Return the time of the folder's clock, None in a new folder; RM520 if nobody conducts that clock."""
    if not (data / "clock").exists():
        return None
    clock = Clock(data / "clock")
    if not clock.is_stepped:
        what = f"the clock of {data} runs by itself, as that of nodes that were started one by one"
        raise RingmainError("RM520", "run", what, "Give another folder with --data")
    return clock.now_ns()


def start(supervisor: Supervisor, data: Path, plan: Plan, ports: dict[str, int], console: Console) -> Running:
    """Start nodes, gateways, auctioneer and world, each when those before it are ready; return the world."""
    markets = MARKETS if plan.fleet else MARKETS[:1]
    Clock.stepped(data / "clock", plan.start_ns - STEP_NS)
    seats.prepare(data)
    (data / "world" / "status.json").unlink(missing_ok=True)
    plan_file = data / "world" / "plan.json"
    plan_file.write_bytes(msgspec.json.encode(plan))
    if plan.fleet:
        (data / FLEET_FILE).write_bytes(msgspec.json.encode(plan.fleet))
        (data / OTHERS_FILE).write_bytes(msgspec.json.encode(plan.others))
    epochs = {market: _epoch(data / market) for market in markets}
    for market in markets:
        supervisor.start(Child(market, _ringmain("node", market, "--data", str(data)), has_spare=True))
    wait = functools.partial(_wait, supervisor, console)
    wait(lambda: all(_epoch(data / market) > epochs[market] for market in markets), "that every node is up")
    listed = [f"{market}={ports.get(market, 0)}" for market in markets]
    doors = [sys.executable, "-m", "ringmain.world.doors", str(data), *listed]
    before = _modified(data / "ports.json")
    supervisor.start(Child("gateway", doors))
    wait(lambda: _modified(data / "ports.json") != before, "that the gateway is up")
    before = _modified(data / "fix.json")
    fix_port = str(ports.get("fix", 0))
    supervisor.start(Child("fix", _ringmain("fix", "--data", str(data), "--port", fix_port)))
    wait(lambda: _modified(data / "fix.json") != before, "that FIX is served")
    auctioneer = [sys.executable, "-m", "ringmain.world.auctioneer", str(data)]
    supervisor.start(Child("auctioneer", auctioneer))
    command = [sys.executable, "-m", "ringmain.world.live", str(plan_file)]
    return supervisor.start(Child("world", command, may_end=True, has_spare=True))


def _wait(supervisor: Supervisor, console: Console, is_ready: Callable[[], bool], what: str) -> None:
    """Wait for a part; tell once why a first start takes so long."""
    began, is_told = time.monotonic(), False

    def is_so() -> bool:
        nonlocal is_told
        if not is_told and time.monotonic() - began > PATIENCE_S:
            is_told = True
            console.print(
                "compiling the kernels, once for this version: it takes some minutes", highlight=False
            )
        return is_ready()

    supervisor.wait_until(is_so, START_S, what)


def _ringmain(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ringmain.cli", *arguments]


def _ports(options: Any) -> dict[str, int]:
    return {
        "exchange": getattr(options, "exchange_port", 0) or 0,
        "vpp": getattr(options, "vpp_port", 0) or 0,
        "fix": getattr(options, "fix_port", 0) or 0,
    }


def _first_day(data: Path, prices: Prices, wanted: str | None, now_ns: int | None) -> date:
    """Return the first delivery day: the wanted one, or the one after what was lived, or the file's first."""
    try:
        day = date.fromisoformat(wanted) if wanted else None
    except ValueError:
        raise RingmainError("RM516", "run", f"--day {wanted} is no day", "Write it as 2024-05-01") from None
    if now_ns is None:
        return day or prices.first_day()
    following = next_delivery_day(now_ns)
    if day is not None and midnight_ns(day) + OPENING_NS < now_ns:
        what = f"the clock of {data} has passed {day}; its next day is {following}"
        raise RingmainError("RM516", "run", what, "Leave --day out, or give another folder with --data")
    return day or following


def _days_from(prices: Prices, first: date) -> int:
    """Return how many days in a row there are from the first one on."""
    count = 0
    while date.fromordinal(first.toordinal() + count) in prices.days:
        count += 1
    return max(1, count)


Rows = list[dict[str, int | str]]


def _fleet(data: Path, options: Any, seed: int) -> tuple[list[list[int]], Rows]:
    """Return the batteries as rows of RegisterBattery's fields, and the other commands as rows.

    A folder keeps the fleet that it began with. All report over the world's two device links, whatever
    link a file names.
    """
    homes, count, path = getattr(options, "homes", None), options.batteries, options.fleet
    kept: list[list[int]] = []
    kept_others: Rows = []
    if (data / FLEET_FILE).exists():
        kept = msgspec.json.decode((data / FLEET_FILE).read_bytes(), type=list[list[int]])
        kept_others = msgspec.json.decode((data / OTHERS_FILE).read_bytes(), type=Rows)
    if count is not None and not 0 <= count < ASSETS:
        what = f"--batteries {count} is no number from 0 to {ASSETS - 1}"
        raise RingmainError("RM518", "run", what, "Give 0 for no fleet")
    if homes is not None and not 0 <= homes <= HOMES_MAX:
        what = f"--homes {homes} is no number from 0 to {HOMES_MAX}"
        raise RingmainError("RM518", "run", what, "Give 0 for no fleet")
    if 0 in (count, homes):
        return [], []
    asked, other = (homes, count) if kept_others else (count, homes)
    if kept and path is None and other is None and asked in (None, len(kept)):
        return kept, kept_others
    if path is not None:
        commands = fleet_from_file(Path(path))
    elif count is not None:
        commands = seeded_fleet(count, seed, [0])
    else:
        commands = seeded_homes(homes or HOMES, seed, seats.LINK_ACCOUNT, seats.HOMES_ACCOUNT)
    fleet, others = _linked(commands)
    if kept and (fleet, others) != (kept, kept_others):
        what = f"{data} has a fleet of {len(kept)} batteries, and keeps it"
        raise RingmainError("RM519", "run", what, "Leave the fleet out, or give another folder with --data")
    return fleet, others


def _linked(commands: list[Any]) -> tuple[list[list[int]], Rows]:
    """Return the batteries and the others, each with its device link."""
    for command in commands:
        is_battery = int(command["kind"][0]) == RegisterBattery.kind
        if "link_account_id" in command.dtype.names:
            command["link_account_id"] = seats.LINK_ACCOUNT if is_battery else seats.HOMES_ACCOUNT
    batteries = [c for c in commands if int(c["kind"][0]) == RegisterBattery.kind]
    if not batteries:
        raise RingmainError(
            "RM521", "run", "the fleet has no battery", "Give one at least: the desk plans them"
        )
    fleet = [[int(command[name][0]) for name in FIELDS] for command in batteries]
    return fleet, rows_of_others([c for c in commands if int(c["kind"][0]) != RegisterBattery.kind])


def _speed(text: Any) -> float:
    """Return logical seconds a second; 0 for as fast as it goes."""
    if text is None:
        return SPEED
    if str(text) == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed < 1e9:
        raise RingmainError("RM517", "run", f"--speed {text} is no speed", "Give a number above 0, or max")
    return speed


def _epoch(folder: Path) -> int:
    """Return how often the node was started and has come up."""
    page = folder / "page"
    return NodePage(page).get("epoch") if page.exists() and page.stat().st_size else 0


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _report(data: Path, plan: Plan, folder: Path, console: Console) -> None:
    from ringmain.world.report import write

    began = time.monotonic()
    for line in write(data, plan, folder):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"report in {folder} ({time.monotonic() - began:.1f} s)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _deaf_to_signals() -> Iterator[None]:
    """Let nothing interrupt the stopping."""
    before = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
