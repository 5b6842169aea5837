"""The live screen of ``ringmain run``, and the plain lines that stand for it where there is no terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ringmain.control.supervisor import Running
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.world.calendar import HOUR_NS, Product, clock_text
from ringmain.world.status import AuctionNow, BookNow, ReserveNow, Status, StatusFile

HOURS_SHOWN, QUARTERS_SHOWN = 12, 4
LOTS_PER_MW = 10
NANOSECONDS_PER_MS = 1_000_000
LINE_EVERY_NS = HOUR_NS


class Screen:
    """Shows how the day goes: drawn anew on a terminal, a line for each logical hour elsewhere."""

    def __init__(self, data: Path, console: Console) -> None:
        self._data, self._console = data, console
        self._status = StatusFile(data)
        self._live: Live | None = None
        self._said_ns = 0

    def __enter__(self) -> "Screen":
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, screen=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, children: Sequence[Running]) -> None:
        """Show the present."""
        status = self._status.read()
        if self._live is not None:
            self._live.update(self._picture(status, children), refresh=True)
        elif status is not None and status.time_ns >= self._said_ns + LINE_EVERY_NS:
            self._said_ns = status.time_ns - status.time_ns % LINE_EVERY_NS
            self.say(_line(status))

    def _picture(self, status: Status | None, children: Sequence[Running]) -> Group:
        if status is None:
            names = ", ".join(running.child.name for running in children)
            return Group(Text(f"starting {names} …", style="dim"))
        share = (status.time_ns - status.start_ns) / max(1, status.end_ns - status.start_ns)
        head = Table.grid(expand=True, padding=(0, 2))
        head.add_column()
        head.add_column(ratio=1)
        head.add_row(Text(clock_text(status.time_ns), "bold cyan"), ProgressBar(1, max(0, share)))
        said = f"{status.phase} · {status.trades:,} trades · {status.traded_kwh / 1_000:,.1f} MWh"
        parts: list[RenderableType] = [head, Text(f"{said} · prices: {status.source}"), _books(status.books)]
        if status.auction is not None:
            parts.insert(2, Text(_auction(status.auction), "yellow"))
        if status.reserve is not None:
            parts.append(Text(_reserve(status.reserve), "blue"))
        if status.fleet is not None:
            parts.append(_fleet(status))
        parts.append(self._nodes(children))
        return Group(Panel(Group(*parts), title="ringmain", border_style="cyan"))

    def _nodes(self, children: Sequence[Running]) -> Table:
        table = Table.grid(padding=(0, 2))
        for running in children:
            what = Text("running" if running.pid else "down", "green" if running.pid else "red")
            again = f"restarts: {running.restarts}" if running.restarts else ""
            table.add_row(running.child.name, what, _node_line(self._data / running.child.name), again)
        return table


def _node_line(folder: Path) -> str:
    if not (folder / "page").exists():
        return ""
    try:
        page = NodePage(folder / "page")
    except RingmainError:
        return ""
    p50, p99 = (page.latency_ns(q) / NANOSECONDS_PER_MS for q in (0.5, 0.99))
    journal = page.get("journal_bytes") / 1e6
    return (
        f"{page.get('sequence'):,} commands · journal {journal:,.1f} MB · commit p50 < {p50:.2g} ms, "
        f"p99 < {p99:.2g} ms"
    )


def shown_books(books: Sequence[BookNow]) -> list[BookNow]:
    """Return the books that are delivered next: the first hours, and the first quarters that trade."""
    hours = [book for book in books if Product(book.product_id).is_hour]
    quarters = [b for b in books if not Product(b.product_id).is_hour and b.phase == "continuous"]
    return hours[:HOURS_SHOWN] + quarters[:QUARTERS_SHOWN]


def _auction(auction: AuctionNow) -> str:
    day = f"day-ahead for {auction.day}: {auction.curves:,} curves, {auction.blocks} blocks"
    if not auction.outcome:
        return f"{day}, {auction.phase}"
    return (
        f"{day}, {auction.accepted} accepted, {auction.paradoxes} paradoxically rejected · "
        f"{auction.bought_lots / 10:,.1f} MWh at {_price(auction.mean_ticks)} EUR/MWh · "
        f"welfare {auction.welfare_tick_lots / 1_000:,.0f} EUR · by {auction.outcome}"
    )


def _reserve(reserve: ReserveNow) -> str:
    """Return who holds how much, in MW; the fleet's part of it behind each figure."""
    up, own_up, down, own_down, called, own_called = (
        lots / LOTS_PER_MW
        for lots in (
            reserve.up_lots, reserve.fleet_up_lots, reserve.down_lots, reserve.fleet_down_lots,
            reserve.called_lots, reserve.fleet_called_lots,
        )
    )  # fmt: skip
    return (
        f"reserve from {clock_text(reserve.begin_ns)}: {up:.1f} MW up (fleet {own_up:.1f}), "
        f"{down:.1f} MW down (fleet {own_down:.1f}) · called {called:+.1f} MW (fleet {own_called:+.1f})"
    )


def _books(books: Sequence[BookNow]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 1))
    for name in ("delivery", "phase", "real", "auction", "bid", "ask", "last", "MWh"):
        table.add_column(name, justify="left" if name in ("delivery", "phase") else "right")
    for book in shown_books(books):
        product = Product(book.product_id)
        table.add_row(
            product.label if product.is_hour else f"{product.label} ¼", book.phase,
            _price(book.real_ticks), _price(book.auction_ticks),
            Text(_price(book.bid_ticks), "green"), Text(_price(book.ask_ticks), "red"),
            Text(_price(book.last_ticks), "bold"), f"{book.traded_kwh / 1_000:,.1f}",
        )  # fmt: skip
    return table


def _fleet(status: Status) -> Text:
    fleet = status.fleet
    assert fleet is not None
    known = f"{fleet.fresh:,} fresh, {fleet.late:,} late, {fleet.silent:,} silent"
    refused = f" · {fleet.rejected:,} refused" if fleet.rejected else ""
    homes = f"homes {fleet.homes_w / 1e6:+.2f} MW · " if fleet.homes_w else ""
    return Text(
        f"batteries {fleet.power_w / 1e6:+.2f} MW of {fleet.target_w / 1e6:+.2f} MW wanted · {homes}"
        f"{fleet.energy_wh / 1e6:.2f} MWh stored · {known} · {fleet.income_minor / 1e6:+,.2f} EUR{refused}",
        "magenta",
    )


def _price(ticks: int | None) -> str:
    return "" if ticks is None else f"{ticks / 100:.2f}"


def _line(status: Status) -> str:
    hours = [book for book in status.books if Product(book.product_id).is_hour]
    near = next((book for book in hours if book.bid_ticks is not None), None)
    parts = [clock_text(status.time_ns), status.phase, f"{status.trades:,} trades"]
    if near is not None:
        top = f"{_price(near.bid_ticks)}/{_price(near.ask_ticks)}"
        parts.append(f"{Product(near.product_id).label} at {top} EUR/MWh")
    if status.fleet is not None:
        fleet = status.fleet
        parts.append(f"fleet {fleet.power_w / 1e6:+.2f} MW of {fleet.target_w / 1e6:+.2f}")
        parts.append(f"{fleet.income_minor / 1e6:+,.2f} EUR")
    return "  ".join(parts)
