"""Strategies at a simulated venue: the real engine in this process, with seeded order flow."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringmain.client.strategy import flow as others
from ringmain.client.strategy.driver import Driver, Strategy
from ringmain.client.strategy.flow import Flow
from ringmain.client.strategy.result import Result, result_of
from ringmain.client.strategy.venue import Batch, EngineVenue, Latency, Seat, Timeline
from ringmain.core.engine import Publish
from ringmain.core.errors import RingmainError
from ringmain.exchange import messages as m
from ringmain.exchange.multileg_messages import AllowQuoting

SECOND_NS = 1_000_000_000
FIRST_SEAT_SESSION, FIRST_SEAT_ACCOUNT = 11, 11
SEATS = 1_000
MORNING_NS = 1_767_600_000 * SECOND_NS  # 2026-01-05 08:00 UTC


@dataclass(frozen=True)
class Plan:
    """What is traded in a simulation, and when.

    Parameters
    ----------
    product_ids : tuple of int
    begin_ns : int
        When the products open.
    call_s : float
        How long the opening call lasts; 0: there is none.
    trading_s : float
        From the end of the call to gate closure.
    fair_ticks : int
        Where fair prices begin.
    credit_minor, limit_lots : int
        What each strategy's account may owe, and how long or short it may be in a product.
    script : sequence of (int, array)
        Further commands of the operator, and when they reach the venue: a halt, for instance.
    """

    product_ids: tuple[int, ...] = (1,)
    begin_ns: int = MORNING_NS
    call_s: float = 60.0
    trading_s: float = 1_800.0
    fair_ticks: int = 4_500
    value_minor: int = 1_000
    credit_minor: int = 10**13
    limit_lots: int = 10_000
    script: Sequence[tuple[int, Any]] = field(default_factory=tuple)

    @property
    def open_ns(self) -> int:
        """When continuous trading begins."""
        return self.begin_ns + round(self.call_s * SECOND_NS)

    @property
    def gate_closure_ns(self) -> int:
        """When trading ends."""
        return self.open_ns + round(self.trading_s * SECOND_NS)


def simulate(
    strategies: Sequence[Strategy], seed: int = 1, plan: Plan | None = None, flow: Flow | None = None,
    latency: Latency | None = None, source: Iterable[Batch] | None = None, keep_orders: bool = False,
    publish: Publish | None = None,
) -> list[Result]:  # fmt: skip
    """Have strategies trade until gate closure; the same seed gives the same results.

    Parameters
    ----------
    strategies : sequence of Strategy
        Each has an account and a session of its own.
    flow : Flow, optional
        How the others trade.
    source : iterable of (int, array), optional
        What the others send, instead of `flow`: their sessions are 2 and 3, their accounts 1 and 2.
    publish : callable, optional
        Gets the engine's events.

    Returns
    -------
    list of Result
        One for each strategy.
    """
    plan, latency = plan or Plan(), latency or Latency()
    if not 0 < len(strategies) <= SEATS:
        raise RingmainError(
            "RM367", "strategy", f"{len(strategies)} strategies have no seats", f"Give 1 to {SEATS}"
        )
    venue = EngineVenue(publish)
    seats = [_seat(strategy, n, latency) for n, strategy in enumerate(strategies)]
    if source is None:
        fair = dict.fromkeys(plan.product_ids, plan.fair_ticks)
        source = others.trade(flow or Flow(), seed, fair, plan.begin_ns, plan.gate_closure_ns)
    setup = _setup(plan, seats)
    first_free = 1 + int(setup["session_number"].max())
    merged = heapq.merge(source, _script(plan, first_free), key=lambda batch: batch[0])
    timeline = Timeline(venue, seats, merged)
    timeline.on_source(setup, plan.begin_ns)
    timeline.begin()
    timeline.run(plan.gate_closure_ns + 10 * SECOND_NS)
    timeline.finish(keep_orders)
    return [result_of(seat.driver, "simulated", plan.begin_ns) for seat in seats]


def _seat(strategy: Strategy, place: int, latency: Latency) -> Seat:
    return Seat(lambda seat: Driver(strategy, seat), FIRST_SEAT_SESSION + place, latency)


def _setup(plan: Plan, seats: list[Seat]) -> Any:
    """Return what opens sessions, accounts and products."""
    accounts = {others.MAKER_SESSION: others.MAKER_ACCOUNT, others.TAKER_SESSION: others.TAKER_ACCOUNT}
    accounts |= {seat.session_id: FIRST_SEAT_ACCOUNT + n for n, seat in enumerate(seats)}
    openings = [
        others.OpenSession(others.OPERATOR_SESSION, account_id=0, numbering=0, cancel_on_disconnect=0)
    ]
    commands: list[Any] = []
    for session_id, account_id in accounts.items():
        is_seat = session_id >= FIRST_SEAT_SESSION
        openings.append(
            others.OpenSession(session_id, account_id=account_id, numbering=0, cancel_on_disconnect=1)
        )
        limit_lots = plan.limit_lots if is_seat else 10**9
        commands.append(m.OpenAccount(
            account_id=account_id, credit_minor=plan.credit_minor if is_seat else 10**15,
            long_limit_lots=limit_lots, short_limit_lots=limit_lots,
        ))  # fmt: skip
        if is_seat:
            commands.append(AllowQuoting(quoter_id=session_id, is_allowed=1))
    for product_id in plan.product_ids:
        commands.append(m.DefineProduct(
            product_id=product_id, product_kind=m.INSTRUMENT, delivery_start_ns=0,
            value_minor=plan.value_minor, reference_price_ticks=plan.fair_ticks, market_range_ticks=500,
        ))  # fmt: skip
        auction_ns = plan.open_ns if plan.call_s else 0
        commands.append(m.ScheduleProduct(
            product_id=product_id, auction_ns=auction_ns, gate_closure_ns=plan.gate_closure_ns
        ))  # fmt: skip
    for number, command in enumerate(commands, 1):
        command["session_id"], command["session_number"] = others.OPERATOR_SESSION, number
    return m.schema.batch([*openings, *commands])


def _script(plan: Plan, number: int) -> Iterator[Batch]:
    """Yield the operator's further commands, numbered on."""
    for count, (time_ns, command) in enumerate(sorted(plan.script, key=lambda line: line[0])):
        packed = m.schema.batch([command])
        packed["session_id"], packed["session_number"] = others.OPERATOR_SESSION, number + count
        yield time_ns, packed
