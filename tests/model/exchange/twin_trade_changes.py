"""The slow twin's busts and corrections of trades."""

from dataclasses import dataclass

from ringmain.exchange import messages as m
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import safeguards_state as ss
from ringmain.ledger.accounts import LIMIT_MINOR

PROPOSAL_NS = ss.PROPOSAL_S * 10**9


@dataclass
class Trade:
    sequence: int
    index: int
    product: int
    price: int
    lots: int
    buyer: int
    seller: int
    busted: bool = False


class TradeChanges:
    def __init__(self):
        self.trades = []
        self.proposals = []  # those that wait, each with its place

    def _keep_trade(self, buyer, seller, price, lots):
        sequence = self.command["sequence"]
        index = self.events[-1]["trade_index"]
        trade = Trade(sequence, index, buyer.product.id, price, lots, buyer.account, seller.account)
        self.trades = [*self.trades, trade][-ss.TRADES_KEPT :]

    def _kept_trade(self, sequence, index):
        found = [t for t in self.trades if (t.sequence, t.index) == (sequence, index)]
        return found[0] if found else None

    def _ProposeTradeChange(self, c):
        trade, why = None, None
        if self.seat.account != 0:
            why = "OPERATOR_ONLY"
        elif c["action"] not in sm.ACTIONS.values():
            why = "WRONG_ACTION"
        else:
            trade = self._kept_trade(c["trade_sequence"], c["trade_index"])
            why = self._change_fault(trade, c["action"], c["price_ticks"])
        self.proposals = [p for p in self.proposals if p["until"] >= c["time_ns"]]
        if why is None and len(self.proposals) == ss.PROPOSALS:
            why = "PROPOSALS_FULL"
        product = trade.product if trade else 0
        if why:
            return self._reject_setup(why, product=product)
        until = c["time_ns"] + PROPOSAL_NS
        self.proposals.append(c | {"until": until})
        names = ("trade_sequence", "trade_index", "price_ticks", "action")
        self._say(
            "TradeChangeProposed", **{name: c[name] for name in names}, expires_ns=until, product_id=product
        )

    def _ApproveTradeChange(self, c):
        proposal = next((p for p in self.proposals if p["sequence"] == c["proposal_sequence"]), None)
        trade, why = None, None
        if self.seat.account != 0:
            why = "OPERATOR_ONLY"
        elif proposal is None:
            why = "UNKNOWN_PROPOSAL"
        elif proposal["until"] < c["time_ns"]:
            why = "PROPOSAL_EXPIRED"
        elif proposal["session_id"] == c["session_id"]:
            why = "APPROVED_BY_PROPOSER"
        else:
            trade = self._kept_trade(proposal["trade_sequence"], proposal["trade_index"])
            why = self._change_fault(trade, proposal["action"], proposal["price_ticks"])
        if why:
            return self._reject_setup(why, product=trade.product if trade else 0)
        self.proposals.remove(proposal)
        action, product = proposal["action"], self._product(trade.product)
        amount = self._owed_to_buyer(trade, action, proposal["price_ticks"])
        lots = trade.lots if action == sm.BUST else 0
        for account, sign in ((trade.buyer, 1), (trade.seller, -1)):
            self.accounts[account].cash += sign * amount
            product.positions[account] -= sign * lots
            self._say(
                "TradeChanged", trade_sequence=trade.sequence, amount_minor=sign * amount,
                trade_index=trade.index, position_change_lots=-sign * lots, product_id=product.id,
                account_id=account, action=action,
            )  # fmt: skip
        if action == sm.BUST:
            trade.busted = True
        else:
            trade.price = proposal["price_ticks"]

    def _owed_to_buyer(self, trade, action, price):
        less = trade.price if action == sm.BUST else trade.price - price
        return less * self._product(trade.product).value * trade.lots

    def _change_fault(self, trade, action, price):
        if trade is None:
            return "UNKNOWN_TRADE"
        if trade.busted:
            return "ALREADY_BUSTED"
        product = self._product(trade.product)
        if product is None:
            return "UNKNOWN_PRODUCT"
        if product.phase == m.DELIVERING or self._has_begun(product):
            return "WRONG_PHASE"
        if action == sm.CORRECT and (why := self._price_fault(product, price)):
            return why
        amount = self._owed_to_buyer(trade, action, price)
        if abs(amount) > LIMIT_MINOR:
            return "INSUFFICIENT_FUNDS"
        if trade.buyer == trade.seller:
            return None
        payer = trade.seller if amount > 0 else trade.buyer
        owed = sum(o.owed() for o in self._standing() if o.account == payer)
        account = self.accounts[payer]
        if amount and abs(amount) > max(0, account.cash + account.credit - owed):
            return "INSUFFICIENT_FUNDS"
        if action == sm.CORRECT:
            return None
        bids, offers = (
            sum(o.lots for o in product.orders if o.account == account and o.side == side)
            for account, side in ((trade.seller, m.BUY), (trade.buyer, m.SELL))
        )
        below = product.positions[trade.buyer] - trade.lots - offers < -self.accounts[trade.buyer].short
        above = product.positions[trade.seller] + trade.lots + bids > self.accounts[trade.seller].long
        return "POSITION_LIMIT_EXCEEDED" if below or above else None
