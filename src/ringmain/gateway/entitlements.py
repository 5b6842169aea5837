"""Who may trade which products, and see how much of them: rules in a file, read again when it changes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.jit import bare, kernel, records
from ringmain.core.records import FIRST_CORE_KIND, Schema
from ringmain.gateway import messages
from ringmain.gateway.credentials import NO_FILE, OPERATOR_ACCOUNT, replace_file, stamp_of

FILE_NAME = "entitlements.json"
ANY_PRODUCT = (0, 2**32 - 1)
LEVELS = {"none": 0, "delayed": 1, "top": 2, "prices": 3, "orders": 4}
LEVEL_OF_FEED = {messages.ORDERS: LEVELS["orders"], messages.DEPTH: LEVELS["prices"]}  # the others: top
RULES = 4_096  # in a file

Data = Literal["none", "delayed", "top", "prices", "orders"]
RULE = np.dtype(
    [("first_product", "i8"), ("last_product", "i8"), ("may_trade", "u1"), ("level", "u1")], align=True
)


class Entitlement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: an account, a range of products, and what it may.

    Of a session's account, the first rule with the product in its range holds, and without one, nothing
    is allowed. An account without rules has those whose `account_id` is None; without these, it may
    trade and see everything. The operator's account has its own rules alone: what holds for others
    never keeps a product from being halted.

    Parameters
    ----------
    market : str
    account_id : int or None
        None: every account that has no rules of its own.
    first_product, last_product : int
        The products, both included.
    trade : bool
        Whether it may send orders for them. To cancel is always allowed.
    data : "none", "delayed", "top", "prices" or "orders"
        The most that it is shown: delayed feeds only; or also the top of the book, trades, phases,
        statistics, indicative prices and terms; or also depth by price; or also depth by order.
    """

    market: str
    account_id: int | None
    first_product: int = ANY_PRODUCT[0]
    last_product: int = ANY_PRODUCT[1]
    trade: bool = True
    data: Data = "orders"


class Rights:
    """What one account may, as of one state of the file."""

    def __init__(self, rules: Iterable[Entitlement] | None) -> None:
        self.is_unlimited = rules is None
        rows = [
            (each.first_product, each.last_product, each.trade, LEVELS[each.data]) for each in rules or ()
        ]
        self.rules = bare(records(np.array(rows, RULE)))
        self.trades_something = rules is None or any(row[2] for row in rows)

    def may_trade(self, product_id: int) -> bool:
        """Tell whether it may send orders for a product."""
        return self.is_unlimited or bool(may_trade(self.rules, product_id))

    def may_see(self, feed: int, product_id: int) -> bool:
        """Tell whether it may follow a feed of a product."""
        if self.is_unlimited:
            return True
        needed = LEVEL_OF_FEED.get(feed & ~messages.DELAYED, LEVELS["top"])
        if feed & messages.DELAYED and needed == LEVELS["top"]:
            needed = LEVELS["delayed"]
        for rule in self.rules.tolist():
            if rule[0] <= product_id <= rule[1]:
                return bool(rule[3] >= needed)
        return False


UNLIMITED = Rights(None)


class Entitlements:
    """The rules of a data folder; read again when the file changes."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME
        self._stamp = NO_FILE
        self._all: list[Entitlement] = []
        self._rights: dict[tuple[str, int], Rights] = {}

    def all(self) -> list[Entitlement]:
        """Return every rule in order; RM353 if the file is not one of rules."""
        stamp = stamp_of(self.path)
        if stamp != self._stamp:
            self._all = _decode(self.path) if stamp != NO_FILE else []
            self._stamp = stamp
            self._rights.clear()
        return self._all

    def rights(self, market: str, account_id: int) -> Rights:
        """Return an account's rights; the same object until the file changes. RM353 as :meth:`all`."""
        rules = self.all()
        key = market, account_id
        if key not in self._rights:
            own = [each for each in rules if each.market == market and each.account_id == account_id]
            if not own and account_id != OPERATOR_ACCOUNT:
                own = [each for each in rules if each.market == market and each.account_id is None]
            self._rights[key] = Rights(own) if own else UNLIMITED
        return self._rights[key]


def write(data: Path, rules: Iterable[Entitlement]) -> None:
    """Replace the file as one step; RM353 for rules that cannot be."""
    path = data / FILE_NAME
    replace_file(path, msgspec.json.encode(_checked(list(rules), path)))


def _decode(path: Path) -> list[Entitlement]:
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=list[Entitlement]), path)
    except msgspec.MsgspecError as error:
        raise _bad(path, str(error)) from None


def _checked(rules: list[Entitlement], path: Path) -> list[Entitlement]:
    if len(rules) > RULES:
        raise _bad(path, f"{len(rules)} rules, of {RULES}")
    for each in rules:
        if not 0 <= each.first_product <= each.last_product <= ANY_PRODUCT[1]:
            raise _bad(path, f"products {each.first_product} to {each.last_product} are no range")
        if each.account_id is not None and not 0 <= each.account_id < 1 << 32:
            raise _bad(path, f"account_id {each.account_id} is outside 32 bits")
    return rules


def _bad(path: Path, what: str) -> RingmainError:
    return RingmainError("RM353", "entitlements", f"{path}: {what}", "Correct or remove the file")


# Commands.


class ProductScreen:
    """Finds the products in commands, as the schema declares them."""

    def __init__(self, schema: Schema) -> None:
        self._words = schema.record_bytes // 4
        self._places = np.zeros((0x10000, 2), np.int16)  # by kind: first word, how many words
        self._counts = np.zeros(0x10000, np.int16)  # by kind: byte that counts products from that one on
        self.names_none = np.zeros(0x10000, bool)  # kinds without a product, but those that cancel
        for kind, record in schema.commands.items():
            if kind >= FIRST_CORE_KIND or "Cancel" in record.name:
                continue
            for field in record.fields:
                if field.name.endswith(("product_id", "product_ids")):
                    self._places[kind] = _words_of(record.dtype, field.name)
                if field.name == "product_count":
                    self._counts[kind] = record.dtype.fields[field.name][1]  # type: ignore[index]
            self.names_none[kind] = not self._places[kind, 1]
        self.allowed(schema.empty(0), UNLIMITED)

    def allowed(self, frames: Any, rights: Rights) -> int:
        """Return how many commands, from the first on, are for products that the account may trade."""
        words = frames.view(np.uint32).reshape(-1, self._words)
        data = frames.view(np.uint8).reshape(-1, 4 * self._words)
        return int(allowed(bare(frames), words, data, self._places, self._counts, rights.rules))


def _words_of(dtype: np.dtype[Any], name: str) -> tuple[int, int]:
    field_dtype, offset = dtype.fields[name][:2]  # type: ignore[index]
    assert field_dtype.base == np.dtype("<u4"), f"{name} is no product"
    return offset // 4, field_dtype.itemsize // 4


@kernel
def may_trade_all(rules: Any, first_product_id: int, count: int) -> bool:
    """Tell whether products on end may all be traded."""
    for product_id in range(first_product_id, first_product_id + count):
        if not may_trade(rules, product_id):
            return False
    return True


@kernel
def may_trade(rules: Any, product_id: int) -> bool:
    """Tell what the first rule with the product says; not allowed if there is none."""
    for i in range(rules.size):
        if rules[i].first_product <= product_id <= rules[i].last_product:
            return rules[i].may_trade == 1
    return False


@kernel
def allowed(frames: Any, words: Any, data: Any, places: Any, counts: Any, rules: Any) -> int:
    """Return how many frames come before the first for a product that is not to be traded.

    Parameters
    ----------
    frames : recarray of shape (n,), the market's header dtype
    words, data : uint32 and uint8 arrays of shape (n, record)
        The same.
    places : int16 array of shape (65536, 2)
        By kind: the first word that holds a product, and how many do. Product 0 is none.
    counts : int16 array of shape (65536,)
        By kind: the byte that says how many products follow on end from that one; 0: no such byte.
    rules : recarray of shape (m,), RULE
    """
    for i in range(frames.size):
        kind = frames[i].kind
        for place in range(places[kind, 0], places[kind, 0] + places[kind, 1]):
            product_id = words[i, place]
            count = data[i, counts[kind]] if counts[kind] != 0 else 1
            if product_id != 0 and not may_trade_all(rules, product_id, count):
                return i
    return frames.size
