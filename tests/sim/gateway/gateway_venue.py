"""An exchange that is ready to trade: four accounts, two products."""

from gateway_rig import Rig

from ringmain.exchange.messages import (
    GOOD_FOR_SESSION,
    INSTRUMENT,
    LIMIT,
    DefineProduct,
    Deposit,
    OpenAccount,
    PlaceOrder,
    ScheduleProduct,
)

BIG = 10**9
ACCOUNTS, PRODUCTS = (1, 2, 3, 4), (1, 2)


def set_up(rig: Rig) -> None:
    with rig.client(rig.new_token("operator", account_id=0, role="operator")) as operator:
        for account_id in ACCOUNTS:
            operator.send(
                OpenAccount(
                    credit_minor=10**13, long_limit_lots=BIG, short_limit_lots=BIG, account_id=account_id
                )
            )
            operator.send(Deposit(amount_minor=10**13, account_id=account_id))
        for product_id in PRODUCTS:
            operator.send(
                DefineProduct(
                    delivery_start_ns=0, product_id=product_id, value_minor=1, reference_price_ticks=5_000,
                    market_range_ticks=100, product_kind=INSTRUMENT,
                )
            )  # fmt: skip
            operator.send(ScheduleProduct(auction_ns=0, gate_closure_ns=0, product_id=product_id))
        operator.settle()


def order(
    side: int, price_ticks: int, quantity_lots: int, product_id: int = 1, lasts: int = GOOD_FOR_SESSION
):
    return PlaceOrder(
        side=side, price_ticks=price_ticks, quantity_lots=quantity_lots, product_id=product_id,
        order_type=LIMIT, time_in_force=lasts,
    )  # fmt: skip


def names(client, batch) -> list[str]:
    return [client.unpack(event)["record"] for event in batch if event["kind"] < 0xFF00]


def market_rows(batch) -> list[bytes]:
    return [row.tobytes() for row in batch if row["kind"] < 0xFF00]


def data_until(client, is_so) -> list[dict]:
    """Return the market data that comes, up to what is waited for."""
    heard: list[dict] = []
    for _ in range(300):
        heard += map(client.unpack, client.poll_data(0.1))
        if any(map(is_so, heard)):
            return heard
    raise AssertionError(f"it does not come: {heard}")


def follow(client, feeds, product_id: int) -> None:
    """Subscribe, and wait for every snapshot."""
    for feed in feeds:
        client.subscribe(feed, product_id)
    awaited = set(feeds)
    while awaited:
        heard = data_until(client, lambda e: e["record"] == "SnapshotEnded")
        awaited -= {e["feed"] for e in heard if e["record"] == "SnapshotEnded"}
