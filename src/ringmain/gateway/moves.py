"""What each of the exchange's events does to the public book, read off its declared records.

The rule stands in ``exchange/messages.py``; here it is a table, so that one kernel folds them all.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.core.records import Record, Schema

KINDS = 256  # of a market's own events
MOVE = np.dtype(
    [
        ("take_price", "i4"),  # words of the event; -1: nothing leaves the book
        ("take_lots", "i4"),
        ("add_price", "i4"),  # -1: nothing enters it
        ("add_lots", "i4"),
        ("product", "i4"),
        ("side", "i4"),  # a byte of the event
        ("shown", "i4"),  # a byte that is 0 if nothing moves; -1: it moves in any case
        ("priority", "i4"),  # a byte that is 1 if the order keeps its place; -1: it does not
        ("moves", "i4"),
    ],
    align=True,
)

# Event: field of the price that is left, of the lots that leave; of the price and lots that come.
RULES = {
    "OrderAccepted": ("", "", "price_ticks", "shown_lots"),
    "OrderTriggered": ("", "", "price_ticks", "shown_lots"),
    "OrderFilled": ("limit_ticks", "shown_lots", "", ""),
    "OrderCancelled": ("price_ticks", "shown_lots", "", ""),
    "OrderReplaced": ("old_price_ticks", "old_quantity_lots", "price_ticks", "quantity_lots"),
    "ClipShown": ("old_price_ticks", "old_shown_lots", "price_ticks", "shown_lots"),
}


def moves_of(schema: Schema) -> Any:
    """Return the table, one MOVE for each kind of event below KINDS."""
    moves = records(np.zeros(KINDS, MOVE))
    for name, fields in RULES.items():
        for record in schema.events.values():
            if record.name == name:
                moves[record.kind] = tuple(_move(record, fields))
    return bare(moves)


def _move(record: Record, fields: tuple[str, ...]) -> list[int]:
    places = [_word(record, _declared(record, name)) for name in fields]
    side, shown, priority = (_byte(record, name) for name in ("side", "is_shown", "priority_kept"))
    return [*places, _word(record, "product_id"), side, shown, priority, 1]


def _declared(record: Record, name: str) -> str:
    """Return the field's name; a schema that hides nothing has the whole quantity instead."""
    names = record.dtype.names or ()
    return "quantity_lots" if name == "shown_lots" and name not in names else name


def _word(record: Record, name: str) -> int:
    if not name:
        return -1
    dtype, offset = record.dtype.fields[name][:2]  # type: ignore[index]
    assert dtype.itemsize == 4, f"{record.name}.{name} is no word"
    return int(offset) // 4


def _byte(record: Record, name: str) -> int:
    if name not in (record.dtype.names or ()):
        return -1
    return int(record.dtype.fields[name][1])  # type: ignore[index]
