"""A stock QuickFIX program that trades against a running venue.

Needs ``pip install quickfix==1.16.0``, and a token: ``ringmain token exchange me --account 90``.
It lists the products, follows one, places a bid far below the best, raises it and cancels it. Early in a
venue's day no product may trade yet: it then takes one whose opening call rests orders, or waits.
"""

import argparse
import queue
import string
import sys
import tempfile
import time
from pathlib import Path

import quickfix as fix

ANSWER_S = 20.0
ASK_AGAIN_S = 1.0
TRADES, CALLS = "17", "21"  # SecurityTradingStatus: ready to trade; the opening call, where orders rest


class Trader(fix.Application):
    """Puts every message that comes into a queue, and the token into the Logon."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.heard: queue.Queue[fix.Message] = queue.Queue()
        self.session_id = None

    def onCreate(self, session_id) -> None:
        """QuickFIX has made the session."""

    def onLogon(self, session_id) -> None:
        """Note that orders may be sent."""
        self.session_id = session_id

    def onLogout(self, session_id) -> None:
        """Say so."""
        print("logged out")

    def toAdmin(self, message, session_id) -> None:
        """Put the token into the Logon."""
        kind = fix.MsgType()
        message.getHeader().getField(kind)
        if kind.getValue() == fix.MsgType_Logon:
            message.setField(fix.Password(self.token))

    def fromAdmin(self, message, session_id) -> None:
        """A message of the session layer came."""

    def toApp(self, message, session_id) -> None:
        """Show what goes."""
        show(">", message)

    def fromApp(self, message, session_id) -> None:
        """Show what comes, and keep it."""
        show("<", message)
        self.heard.put(fix.Message(message))

    def send(self, kind: str, *fields, groups=()) -> None:
        """Send a message of some fields and groups."""
        message = fix.Message()
        message.getHeader().setField(fix.MsgType(kind))
        for field in fields:
            message.setField(field)
        for group in groups:
            message.addGroup(group)
        fix.Session.sendToTarget(message, self.session_id)

    def hear(self, kind: str, tag: int | None = None, value: str = "") -> fix.Message:
        """Wait for a message of a kind, with a field."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            message = self.heard.get(timeout=max(0.01, deadline - time.monotonic()))
            found = fix.MsgType()
            message.getHeader().getField(found)
            if found.getValue() == kind and (tag is None or message.getField(tag) == value):
                return message


def show(arrow: str, message) -> None:
    """Print a message with its separators as bars."""
    print(arrow, message.toString().replace("\x01", "|"), flush=True)


def trade(trader: Trader, wait_s: float) -> None:
    """Look around, then place, change and cancel one order."""
    symbol = find_product(trader, wait_s)
    types, symbols = [], fix.Group(146, 55)
    symbols.setField(fix.Symbol(symbol))
    for entry_type in ("0", "1"):
        entry = fix.Group(267, 269)
        entry.setField(fix.MDEntryType(entry_type))
        types.append(entry)
    trader.send("V", fix.MDReqID("book"), fix.SubscriptionRequestType("1"), fix.MarketDepth(1),
                fix.MDUpdateType(1), groups=[*types, symbols])  # fmt: skip
    trader.hear("W")
    prefix = f"{time.time_ns()}"
    instrument = (fix.Symbol(symbol), fix.Side(fix.Side_BUY))
    terms = (fix.OrdType(fix.OrdType_LIMIT), fix.TimeInForce(fix.TimeInForce_DAY))
    quantity, price = fix.StringField(38, "1.0"), fix.StringField(44, "-400.00")
    name = fix.ClOrdID(f"{prefix}-1")
    trader.send("D", name, *instrument, *terms, fix.TransactTime(), quantity, price)
    trader.hear("8", 150, fix.ExecType_NEW)
    trader.send("G", fix.ClOrdID(f"{prefix}-2"), fix.OrigClOrdID(f"{prefix}-1"), *instrument, *terms,
                fix.TransactTime(), fix.StringField(38, "2.0"), fix.StringField(44, "-399.50"))  # fmt: skip
    trader.hear("8", 150, fix.ExecType_REPLACED)
    trader.send("F", fix.ClOrdID(f"{prefix}-3"), fix.OrigClOrdID(f"{prefix}-2"), *instrument,
                fix.TransactTime(), fix.StringField(38, "2.0"))  # fmt: skip
    trader.hear("8", 150, fix.ExecType_CANCELED)
    print("placed, replaced and cancelled")


def find_product(trader: Trader, wait_s: float) -> str:
    """Return a product that trades, or else one in its opening call; wait for the first one if need be."""
    deadline = time.monotonic() + wait_s
    while True:
        phases = {symbol: phase_of(trader, symbol) for symbol in listed(trader)}
        for wanted, what in ((TRADES, "trades"), (CALLS, "is in its opening call: orders rest there")):
            symbol = next((each for each, phase in phases.items() if phase == wanted), None)
            if symbol is not None:
                print(f"product {symbol} {what}", flush=True)
                return symbol
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise SystemExit(f"none of {len(phases)} products takes orders just now; --wait waits longer")
        print(f"none of {len(phases)} products takes orders yet; waiting up to {left_s:.0f} s", flush=True)
        time.sleep(min(ASK_AGAIN_S, left_s))


def listed(trader: Trader) -> list[str]:
    """Ask which products there are; the answer may come in several pieces."""
    request_id = f"list{time.time_ns()}"
    trader.send("x", fix.SecurityReqID(request_id), fix.SecurityListRequestType(4))
    products: list[str] = []
    while True:
        piece = trader.hear("y", 320, request_id)
        products += [part[3:] for part in piece.toString().split("\x01") if part.startswith("55=")]
        if not piece.isSetField(893) or piece.getField(893) == "Y":
            return products


def phase_of(trader: Trader, symbol: str) -> str:
    """Ask what a product's book now does."""
    trader.send("e", fix.SecurityStatusReqID(symbol), fix.Symbol(symbol), fix.SubscriptionRequestType("0"))
    return trader.hear("f", 324, symbol).getField(326)


def main() -> None:
    """Log on, trade, log out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--version", choices=("FIX.4.4", "FIXT.1.1"), default="FIX.4.4")
    parser.add_argument(
        "--folder", type=Path, help="where QuickFIX keeps its numbers (default: for this once)"
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=60.0,
        help="seconds to wait for a product that takes orders (default: 60)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as once:
        folder = options.folder or Path(once)
        default, *sessions = Path(__file__).with_name("client.cfg").read_text().split("[SESSION]")
        chosen = next(each for each in sessions if f"BeginString={options.version}\n" in each)
        text = string.Template(f"{default}[SESSION]{chosen}").substitute(
            port=options.port, folder=folder, dictionaries=Path(sys.prefix) / "share" / "quickfix"
        )
        if options.folder is None:
            text = text.replace("HeartBtInt", "ResetOnLogon=Y\nHeartBtInt")  # no numbers to go on from
        config = folder / "client.cfg"
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(text)
        settings = fix.SessionSettings(str(config))
        trader = Trader(options.token)
        initiator = fix.SocketInitiator(trader, fix.FileStoreFactory(settings), settings)
        initiator.start()
        deadline = time.monotonic() + ANSWER_S
        while trader.session_id is None:
            if time.monotonic() > deadline:
                raise SystemExit("the venue does not let us log on; its log says why")
            time.sleep(0.05)
        trade(trader, options.wait)
        initiator.stop()


if __name__ == "__main__":
    main()
