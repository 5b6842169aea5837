"""Commands on their way into a session's store: one, or all that a message asks for, as one step."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.codec import Message, encode
from ringmain.gateway.fix.directory import ENTRY
from ringmain.gateway.fix.order_terms import Refusal

if TYPE_CHECKING:
    from ringmain.gateway.fix.door import Door
    from ringmain.gateway.fix.member import Member


def check_id(name: bytes, field: str = "ClOrdID") -> None:
    """Raise a Refusal for a name that is longer than is kept."""
    if len(name) > m.CL_ORD_ID_BYTES:
        raise Refusal(m.OTHER, f"{field} is longer than {m.CL_ORD_ID_BYTES} characters")


def entry_of(name: bytes, message: Message, product_id: int, side: int, field: str = "ClOrdID") -> Any:
    """Return an entry with what every command's has; raise a Refusal for a name that is too long."""
    check_id(name, field)
    entry = np.zeros(1, ENTRY)[0]
    entry["cl_ord_id"][: len(name)] = np.frombuffer(name, np.uint8)
    entry["id_bytes"], entry["in_number"] = len(name), message.number(34)
    entry["product_id"], entry["side"] = product_id, side
    return entry


def id_of(entry: Any) -> bytes:
    """Return what an entry goes under."""
    return bytes(entry["cl_ord_id"][: entry["id_bytes"]].tobytes())


def next_number(member: "Member") -> int:
    """Return the number of the session's next command."""
    assert member.store is not None
    return member.store.last + 1


def enter_together(
    door: "Door", member: "Member", message: Message, entries: list[Any], commands: list[Any]
) -> None:
    """Write all commands of a message down as one step, with the message, and put them into the ring.

    Parameters
    ----------
    entries, commands : list
        As many of both, the commands numbered from :func:`next_number` on.
    """
    store, session = member.store, member.session
    assert store is not None and session is not None
    assert len(entries) == len(commands) > 0
    first, place = store.last + 1, store.requests.append(encode(message.begin_string, message.fields))
    words = np.concatenate([command.view(np.int64).reshape(1, -1) for command in commands])
    rows = np.zeros(len(entries), ENTRY)
    for row, entry in enumerate(entries):
        entry["epoch"], entry["command"] = store.epoch, words[row]
        entry["request_first"], entry["request_at"] = first, place
        entry["request_count"] = len(entries)
        rows[row] = entry
    store.add_together(rows, session.next_in)
    door.offer_fresh(member, words)
