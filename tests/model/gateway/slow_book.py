"""The public book in lists and dicts: what the feeds are to tell, by the rule in the exchange's messages."""

from ringmain.exchange import messages as m


class SlowBook:
    """Fold of unpacked events."""

    def __init__(self) -> None:
        self.levels: dict[tuple, int] = {}  # product, side, price
        self.orders: dict[tuple, list] = {}  # session, number: id, product, side, price, lots
        self.trades: list[tuple] = []
        self.phases: dict[int, int] = {}
        self.last_id = 0

    def fold(self, event: dict) -> None:
        name = event["record"]
        lots = event.get("shown_lots", event.get("quantity_lots"))
        if name in ("OrderAccepted", "OrderTriggered"):
            self.add(event, event["price_ticks"], lots, False)
        elif name == "OrderFilled":
            self.take(event, event["limit_ticks"], lots)
            if event["role"] == m.TAKER or (event["role"] == m.AUCTION and event["side"] == m.BUY):
                trade = event["product_id"], event["price_ticks"], event["quantity_lots"], event["sequence"]
                self.trades.append(trade)
        elif name == "OrderCancelled":
            self.take(event, event["price_ticks"], lots)
        elif name == "OrderReplaced" and event.get("is_shown", 1):
            self.take(event, event["old_price_ticks"], event["old_quantity_lots"])
            self.add(event, event["price_ticks"], event["quantity_lots"], bool(event["priority_kept"]))
        elif name == "ClipShown":
            self.take(event, event["old_price_ticks"], event["old_shown_lots"])
            self.add(event, event["price_ticks"], event["shown_lots"], False)
        elif name == "PhaseChanged":
            self.phases[event["product_id"]] = event["phase"]

    def add(self, event: dict, price: int, lots: int, keeps: bool) -> None:
        if lots == 0:
            return
        product, side, key = (
            event["product_id"],
            event["side"],
            (event["session_id"], event["session_number"]),
        )
        self.levels[product, side, price] = self.levels.get((product, side, price), 0) + lots
        order = self.orders.get(key)
        if order is None or not keeps:
            self.last_id += 1
            self.orders[key] = [self.last_id, product, side, price, lots + (order[4] if order else 0)]
        else:
            order[3:] = [price, order[4] + lots]

    def take(self, event: dict, price: int, lots: int) -> None:
        self.levels[event["product_id"], event["side"], price] = (
            self.levels.get((event["product_id"], event["side"], price), 0) - lots
        )
        order = self.orders.get((event["session_id"], event["session_number"]))
        if order is not None:
            order[4] -= lots

    def tidy(self) -> None:
        """Forget what is empty, at the end of a batch."""
        self.levels = {key: lots for key, lots in self.levels.items() if lots}
        self.orders = {key: order for key, order in self.orders.items() if order[4]}

    def depth(self, product: int) -> dict:
        return {(side, price): lots for (p, side, price), lots in self.levels.items() if p == product}

    def queue(self, product: int) -> dict:
        return {o[0]: tuple(o[2:]) for o in self.orders.values() if o[1] == product}

    def top(self, product: int) -> tuple:
        bids = [price for side, price in self.depth(product) if side == m.BUY]
        asks = [price for side, price in self.depth(product) if side == m.SELL]
        bid, ask = max(bids, default=0), min(asks, default=0)
        depth = self.depth(product)
        return bid, depth.get((m.BUY, bid), 0), ask, depth.get((m.SELL, ask), 0)

    def statistics(self, product: int) -> tuple | None:
        trades = [trade for trade in self.trades if trade[0] == product]
        if not trades:
            return None
        prices = [price for _, price, _, _ in trades]
        volume = sum(lots for _, _, lots, _ in trades)
        turnover = sum(price * lots for _, price, lots, _ in trades)
        return prices[0], max(prices), min(prices), prices[-1], volume, turnover * 100 // volume
