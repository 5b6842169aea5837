"""The exchange's operator: opens accounts, products and the day-ahead auction, and waits for its result."""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from ringmain.client import Client
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.exchange.multileg_messages import AllowQuoting
from ringmain.exchange.reserve_messages import SetReserveTerms
from ringmain.world import calendar
from ringmain.world.market_view import MarketView
from ringmain.world.reserve_traders import ACTIVATION_MAX_S, DOWN_TICKS, UP_TICKS
from ringmain.world.seats import SYSTEM_OPERATOR_ACCOUNT

LOG = logging.getLogger("ringmain.world")
CREDIT_MINOR = 10**15
LIMIT_LOTS = 1_000_000
MARKET_RANGE_TICKS = 5_000
AUCTION_TICKS = 5_000_000  # bounds of the auction's prices, both ways: as far as an input's prices may go
UPWARD_EXTRA_TICKS = 4_000  # energy that is called costs so much more than the block's hours the day before
DOWNWARD_TICKS = 1_000  # who takes energy that is too much is paid so much for it
PATIENCE_S = 15.0  # that the world stands still for a proposal
LOOK_S = 0.002


class Operator:
    """Speaks for account 0 of the exchange.

    Parameters
    ----------
    client : Client
        The operator's session.
    view : MarketView
        Read on by :meth:`open_day` and :meth:`await_result`.
    """

    def __init__(self, client: Client, view: MarketView) -> None:
        self.client, self._view = client, view
        self._given_up = 0  # auction whose proposal did not come in time

    def open_accounts(self, account_ids: Iterable[int], quoter_ids: Iterable[int]) -> None:
        """Open accounts, and let sessions quote; what is so already stays so."""
        for account_id in account_ids:
            self.client.send(exchange.OpenAccount(
                credit_minor=CREDIT_MINOR, long_limit_lots=LIMIT_LOTS, short_limit_lots=LIMIT_LOTS,
                account_id=account_id,
            ))  # fmt: skip
        for quoter_id in quoter_ids:
            self.client.send(AllowQuoting(quoter_id=quoter_id, is_allowed=1))
        self._settle()

    def open_day(self, day: date, before_ticks: Sequence[int]) -> None:
        """Define and schedule what is not open yet of a day's products, then its auction.

        Parameters
        ----------
        before_ticks : sequence of 24 int
            What the day before makes one expect of each hour.
        """
        hours, quarters = calendar.products_of(day), calendar.quarters_of(day)
        expected = [*before_ticks, *(ticks for ticks in before_ticks for _ in range(4))]
        commands: list[Any] = []
        for product, ticks in zip((*hours, *quarters), expected, strict=True):
            commands += self._product_commands(product, ticks)
        for block, product in enumerate(calendar.reserve_of(day)):
            commands += self._product_commands(product, *_reserve_ticks(block, product, before_ticks))
        commands += self._auction_commands(day)
        if not commands:
            return
        for command in commands:
            self.client.send(command)
        self._settle()
        self._view.forget(hours[0].product_id - 2 * calendar.IDS_PER_DAY)
        self._view.update()

    def await_result(self) -> None:
        """Stand still until the auction that is frozen has its result, or the advice has been too slow.

        Logical time does not go on meanwhile, so that a solver that is fast enough gives the same day on
        any machine. One that is not leaves it to the engine, which clears the curves alone in time.
        """
        seen, deadline = self._view.day_ahead, time.monotonic() + PATIENCE_S
        self._view.update()
        while seen.phase >= dayahead.FROZEN and self._given_up != seen.auction_id:
            if time.monotonic() > deadline:
                LOG.warning("auction %d has no result after %g s; time goes on", seen.auction_id, PATIENCE_S)
                self._given_up = seen.auction_id
                break
            self.client.poll(LOOK_S)
            self._view.update()

    def _product_commands(
        self, product: calendar.Product, expected_ticks: int, activation_ticks: int = 0
    ) -> list[Any]:
        """Return what leads a product from where it is to its call."""
        book = self._view.books.get(product.product_id)
        if book is not None and book.phase not in (exchange.FREE, exchange.DEFINED):
            return []
        commands: list[Any] = []
        if book is None or book.phase == exchange.FREE:
            commands.append(exchange.DefineProduct(
                delivery_start_ns=product.delivery_start_ns, product_id=product.product_id,
                value_minor=product.value_minor, reference_price_ticks=int(expected_ticks),
                market_range_ticks=MARKET_RANGE_TICKS, product_kind=product.kind.product_kind,
            ))  # fmt: skip
        if product.is_reserve:
            commands.append(SetReserveTerms(
                product_id=product.product_id, buyer_account_id=SYSTEM_OPERATOR_ACCOUNT,
                activation_ticks=activation_ticks, activation_max_s=ACTIVATION_MAX_S,
                delivery_duration_s=product.duration_ns // calendar.SECOND_NS,
            ))  # fmt: skip
        commands.append(exchange.ScheduleProduct(
            auction_ns=product.call_end_ns, gate_closure_ns=product.gate_closure_ns,
            product_id=product.product_id,
        ))  # fmt: skip
        return commands

    def _auction_commands(self, day: date) -> list[Any]:
        auction_id, seen = calendar.auction_id_of(day), self._view.day_ahead
        if seen.auction_id > auction_id or (seen.auction_id == auction_id and seen.phase != dayahead.DRAFTED):
            return []
        begin_ns = calendar.midnight_ns(day)
        define = dayahead.DefineAuction(
            gate_ns=begin_ns + calendar.AUCTION_NS, result_ns=begin_ns + calendar.RESULT_NS,
            auction_id=auction_id, price_min_ticks=-AUCTION_TICKS, price_max_ticks=AUCTION_TICKS,
            period_count=calendar.HOURS, zone_count=1,
        )  # fmt: skip
        zone = dayahead.DefineZone(
            auction_id=auction_id, first_product_id=calendar.products_of(day)[0].product_id, zone=0
        )
        opening = dayahead.OpenAuction(auction_id=auction_id)
        return [zone, opening] if seen.auction_id == auction_id else [define, zone, opening]

    def _settle(self) -> None:
        self.client.settle()
        self.client.poll()


def _reserve_ticks(block: int, product: calendar.Product, before_ticks: Sequence[int]) -> tuple[int, int]:
    """Return what a block of reserve is about worth, and the price of energy that is called of it."""
    first = block % calendar.BLOCKS
    if not product.is_upward:
        return DOWN_TICKS[first], DOWNWARD_TICKS
    hours = before_ticks[first * calendar.BLOCK_HOURS : (first + 1) * calendar.BLOCK_HOURS]
    return UP_TICKS[first], max(0, sum(hours) // len(hours) + UPWARD_EXTRA_TICKS)
