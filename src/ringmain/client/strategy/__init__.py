"""Strategies: the same code in a replay, a simulation and a live venue.

Write a :class:`Strategy`, and give it to :func:`simulate`, :func:`replay` or :class:`LiveRun`.
"""

from ringmain.client.strategy.amounts import eur_mwh_of, eur_of, lots_of, mw_of, ticks_of
from ringmain.client.strategy.desk import Desk
from ringmain.client.strategy.driver import Strategy
from ringmain.client.strategy.flow import Flow
from ringmain.client.strategy.live import LiveRun
from ringmain.client.strategy.market import Level, Product, Terms, Trade
from ringmain.client.strategy.orders import Fill, Order, OrderUpdate
from ringmain.client.strategy.replayed import replay
from ringmain.client.strategy.result import Result
from ringmain.client.strategy.simulated import Plan, simulate
from ringmain.client.strategy.venue import Latency
from ringmain.exchange.messages import BUY, FOK, GOOD_FOR_SESSION, IOC, LIMIT, MARKET, SELL

__all__ = [
    "BUY", "FOK", "GOOD_FOR_SESSION", "IOC", "LIMIT", "MARKET", "SELL", "Desk", "Fill", "Flow", "Latency",
    "Level", "LiveRun", "Order", "OrderUpdate", "Plan", "Product", "Result", "Strategy", "Terms", "Trade",
    "eur_mwh_of", "eur_of", "lots_of", "mw_of", "replay", "simulate", "ticks_of",
]  # fmt: skip
