"""Strategies that tests look through, and the examples."""

from pathlib import Path

from ringmain.client.strategy import BUY, IOC, SELL, Strategy
from ringmain.client.strategy.app import load
from ringmain.exchange import messages as m

EXAMPLES = Path(__file__).parent.parent.parent.parent / "examples"


def market_maker(**settings):
    return load(f"{EXAMPLES / 'market_maker.py'}:MarketMaker", settings)


def twap_taker(**settings):
    return load(f"{EXAMPLES / 'twap_taker.py'}:TwapTaker", settings)


class Watcher(Strategy):
    """Sends nothing, and notes all that it is told."""

    def __init__(self, product_ids=(1,)):
        self.product_ids = product_ids
        self.heard = []

    def on_start(self, desk):
        self.heard.append((desk.now_ns, "start", ""))

    def on_order(self, desk, update):
        self.heard.append((desk.now_ns, update.what, update.reason))

    def on_phase(self, desk, product_id):
        self.heard.append((desk.now_ns, "phase", desk.product(product_id).phase_name))

    def on_trade(self, desk, trade):
        self.heard.append((desk.now_ns, "trade", trade))

    def on_book(self, desk, product_id):
        product = desk.product(product_id)
        book = {(m.BUY, each.price_ticks): each.quantity_lots for each in product.depth(BUY, 10**6)}
        book |= {(m.SELL, each.price_ticks): each.quantity_lots for each in product.depth(SELL, 10**6)}
        self.heard.append((desk.now_ns, "book", book))

    def on_timer(self, desk, tag):
        self.heard.append((desk.now_ns, "timer", tag))

    def on_stop(self, desk):
        self.heard.append((desk.now_ns, "stop", ""))

    def told(self, what):
        return [value for _, name, value in self.heard if name == what]


class Once(Watcher):
    """Does one thing at the start, or at a time."""

    def __init__(self, do, at_ns=None):
        super().__init__()
        self.do, self.at_ns = do, at_ns

    def on_start(self, desk):
        super().on_start(desk)
        if self.at_ns is None:
            self.do(desk)
        else:
            desk.call_at(self.at_ns, "do")

    def on_timer(self, desk, tag):
        super().on_timer(desk, tag)
        self.do(desk)


def sweep(desk, side=BUY, lots=50, price_ticks=6_000):
    return desk.place(1, side, price_ticks, lots, time_in_force=IOC)
