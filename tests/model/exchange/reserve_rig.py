"""A venue with reserve: accounts 1 to 4 sell as sessions 11 to 14, account 5 buys as session 15."""

from exchange_rig import Desk, unpacked

from ringmain.core.engine import Machine
from ringmain.exchange import messages as m
from ringmain.exchange import reserve_messages as rm
from ringmain.exchange.engine import MARKET

SECOND = 10**9
UP, DOWN = 21, 22
BUYER = 5
START, END = 30 * SECOND, 130 * SECOND  # of the block


def venue(cash=10**12, sellers=4, **terms):
    """Return a desk with two products in a call: upward and downward reserve from START to END."""
    desk = Desk()
    desk.open(1, 0)
    desk.open(2, 0)
    for account in range(1, max(sellers, 4) + 1):
        number = account if account < BUYER else account + 1
        desk.account(number)
        desk.open(10 + number, number)
    desk.account(BUYER, cash=cash)
    desk.open(10 + BUYER, BUYER)
    for number, kind in ((UP, m.RESERVE_UP), (DOWN, m.RESERVE_DOWN)):
        reserve(desk, number, kind, **terms)
    return desk


def reserve(
    desk, number=UP, kind=m.RESERVE_UP, auction=10 * SECOND, closure=20 * SECOND, start=START, **terms
):
    """Define and open a block of 100 s."""
    return desk.product(
        number, kind=kind, auction=auction, closure=closure, start=start, value=28,
        terms={"buyer_account_id": BUYER} | terms,
    )  # fmt: skip


def sold(offers=(10, 10, 10), product=UP, now=START, **options):
    """Return a venue whose first accounts have sold so much, with its block begun."""
    desk = venue(**options)
    sell(desk, offers, product)
    desk.tick(now)
    return desk


def sell(desk, offers, product=UP):
    for account, lots in enumerate(offers, 1):
        desk.place(10 + account, m.SELL, 100, lots, product)
    desk.place(10 + BUYER, m.BUY, 100, sum(offers), product)


def call(desk, lots, until=END, product=UP, session=10 + BUYER):
    return desk.send(rm.ActivateReserve, session, product_id=product, quantity_lots=lots, until_ns=until)


def of(events, name):
    return [event for event in events if event["record"] == name]


def why(events):
    """Return why the one command was refused."""
    return [event["reason"] for event in events]


def shares(events):
    return {event["account_id"]: event["quantity_lots"] for event in of(events, "ReserveActivated")}


def replayed(desk, size):
    """Return what a machine says and becomes that is given the desk's journal in batches of a size."""
    machine, events = Machine(MARKET), []
    for begin in range(0, len(desk.journal), size):
        rows = b"".join(desk.journal[begin : begin + size])
        batch = m.schema.empty(len(rows) // m.schema.record_bytes)
        batch.view("u1")[:] = bytearray(rows)
        machine.step(batch, lambda told: events.extend(unpacked(m.schema.batch([told]))))
    return events, machine
