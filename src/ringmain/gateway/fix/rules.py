"""Is a message as its type is to be? The first fault is named by a SessionRejectReason and its tag."""

from dataclasses import dataclass

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.codec import Message, integer, is_decimal, time_ns_of

REASON_TEXTS = {
    d.INVALID_TAG: "Invalid tag number",
    d.TAG_MISSING: "Required tag missing",
    d.TAG_NOT_OF_MESSAGE: "Tag not defined for this message type",
    d.NO_VALUE: "Tag specified without a value",
    d.VALUE_OUT_OF_RANGE: "Value is incorrect (out of range) for this tag",
    d.WRONG_FORMAT: "Incorrect data format for value",
    d.COMP_ID_PROBLEM: "CompID problem",
    d.SENDING_TIME_PROBLEM: "SendingTime accuracy problem",
    d.INVALID_MSG_TYPE: "Invalid MsgType",
    d.TAG_TWICE: "Tag appears more than once",
    d.TAG_OUT_OF_ORDER: "Tag specified out of required order",
    d.GROUP_OUT_OF_ORDER: "Repeating group fields out of order",
    d.WRONG_GROUP_COUNT: "Incorrect NumInGroup count for repeating group",
}


@dataclass(frozen=True)
class Fault:
    """Why a message is rejected at the session level."""

    reason: int
    tag: int = 0

    @property
    def text(self) -> str:
        """The reason in words."""
        return REASON_TEXTS[self.reason]


def fault_of(message: Message) -> Fault | None:
    """Return the first thing that is wrong with a message of a known type, or None."""
    kind = d.TAKEN[message.type]
    fault = _values_fault(message) or _places_fault(message, kind)
    if fault is not None:
        return fault
    for tag in (*d.HEADER_REQUIRED, *kind.required, *d.GROUPS_REQUIRED.get(message.type, ())):
        if tag not in message.values:
            return Fault(d.TAG_MISSING, tag)
    return None


def _values_fault(message: Message) -> Fault | None:
    """Return the first field that is none, is empty, or holds what its type can't."""
    for tag, value in message.fields:
        if tag == 0:
            return Fault(d.INVALID_TAG)
        if not value:
            return Fault(d.NO_VALUE, tag)
        kind = d.FIELD_TYPES.get(tag)
        if kind is not None and not _is_of(kind, value):
            return Fault(d.WRONG_FORMAT, tag)
        choices = d.CHOICES.get(tag)
        if choices is not None and value not in choices:
            return Fault(d.VALUE_OUT_OF_RANGE, tag)
    return None


def _is_of(kind: int, value: bytes) -> bool:
    """Whether a value is as its type writes it."""
    if kind in (d.STRING, d.DATA):
        return True
    if kind == d.CHAR:
        return len(value) == 1
    if kind == d.BOOLEAN:
        return value in (b"Y", b"N")
    if kind == d.DECIMAL:
        return is_decimal(value)
    if kind == d.TIME:
        return time_ns_of(value) is not None
    if kind == d.DATE:
        return time_ns_of(value + b"-00:00:00") is not None
    number = integer(value)
    return number is not None and (kind == d.INT or number >= 0)


def _places_fault(message: Message, kind: d.MessageType) -> Fault | None:
    """Return the first field that is not this message's, is there twice, or stands in the wrong place."""
    seen: set[int] = set()
    is_header, place, fields = True, 0, message.fields
    while place < len(fields):
        tag = fields[place][0]
        place += 1
        if tag in seen:
            return Fault(d.TAG_TWICE, tag)
        seen.add(tag)
        if tag in d.HEADER_TAGS:
            if not is_header:
                return Fault(d.TAG_OUT_OF_ORDER, tag)
            continue
        is_header = False
        if tag in d.TRAILER_TAGS:
            continue
        if not kind.allows(tag):
            fault = _stranger(tag, kind)
            if fault is not None:
                return fault
        if tag in kind.groups:
            place, group_fault = _group_end(message, place, tag, kind.groups[tag])
            if group_fault is not None:
                return group_fault
    return None


def _stranger(tag: int, kind: d.MessageType) -> Fault | None:
    """Return what is wrong with a field that the message does not have, None if it is a private one."""
    if tag >= d.FIRST_USER_TAG and tag not in d.FIELDS:
        return None
    if any(group.has(tag) for group in kind.groups.values()):
        return Fault(d.WRONG_GROUP_COUNT, tag)  # an entry that no count has announced
    return Fault(d.TAG_NOT_OF_MESSAGE if tag in d.FIELDS else d.INVALID_TAG, tag)


def _group_end(message: Message, place: int, count_tag: int, group: d.Group) -> tuple[int, Fault | None]:
    """Check a repeating group, its count before `place`; return the place behind it, and what is wrong."""
    fields, found, last = message.fields, 0, -1
    announced = integer(fields[place - 1][1])
    entry: set[int] = set()
    while place < len(fields) and fields[place][0] in group.tags:
        tag = fields[place][0]
        index = group.tags.index(tag)
        if index == 0:
            if found and not entry.issuperset(group.required):
                return place, _missing(entry, group)
            found, entry = found + 1, set()
        elif found == 0 or index <= last:
            return place, Fault(d.TAG_TWICE if tag in entry else d.GROUP_OUT_OF_ORDER, tag)
        entry.add(tag)
        last = index
        place += 1
        if tag in group.groups:
            place, fault = _group_end(message, place, tag, group.groups[tag])
            if fault is not None:
                return place, fault
    if found and not entry.issuperset(group.required):
        return place, _missing(entry, group)
    if announced != found:
        return place, Fault(d.WRONG_GROUP_COUNT, count_tag)
    return place, None


def _missing(entry: set[int], group: d.Group) -> Fault:
    return Fault(d.TAG_MISSING, next(tag for tag in group.required if tag not in entry))
