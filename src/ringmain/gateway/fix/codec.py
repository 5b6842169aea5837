"""tag=value: bytes to whole messages, messages to fields, fields to bytes. Plain Python: the slow twin.

Garbled bytes (a BeginString, BodyLength or CheckSum that is wrong or missing) are passed over, as the
session rules ask: the numbers then show a gap, and the message is asked for again.
"""

import calendar
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ringmain.gateway.fix import dictionary as d

SOH = b"\x01"
MESSAGE_BYTES = 65_536  # no message that the gateway takes is longer
HEAD_BYTES = 32  # BeginString and BodyLength are shorter than that
TRAILER_BYTES = 7  # 10=nnn|
NANOSECONDS = 1_000_000_000
_HEAD = re.compile(rb"8=([^\x01]{1,12})\x019=([0-9]{1,6})\x01")
_HEAD_SO_FAR = re.compile(rb"8(=([^\x01]{0,12}(\x01(9(=([0-9]{0,6})?)?)?)?)?)?")
_NEXT = re.compile(rb"\x0110=[0-9]{3}\x018=FIX")
_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_DECIMAL = re.compile(rb"(-?)(\d*)(?:\.(\d*))?")
Fields = list[tuple[int, bytes]]


@dataclass
class Message:
    """One message whose length and checksum are right.

    Attributes
    ----------
    begin_string : bytes
    fields : list of (tag, value)
        In order, from MsgType on, without BeginString, BodyLength and CheckSum. A field that is none
        (no ``=``, no number before it) has the tag 0 and is kept whole.
    """

    begin_string: bytes
    fields: Fields

    def __post_init__(self) -> None:
        self.values = dict(reversed(self.fields))  # of a field that is there twice, the first

    @property
    def type(self) -> bytes:
        """MsgType."""
        return self.values.get(35, b"")

    def get(self, tag: int) -> bytes | None:
        """Return the field's first value, or None."""
        return self.values.get(tag)

    def number(self, tag: int) -> int | None:
        """Return an integer field, None if it is missing or none."""
        return integer(self.values.get(tag, b""))

    def flag(self, tag: int) -> bool:
        """Whether a Boolean field says Y."""
        return self.values.get(tag) == b"Y"

    def groups(self, count_tag: int, group: d.Group) -> list[dict[int, bytes]]:
        """Return the entries of a repeating group; the message has been checked."""
        entries: list[dict[int, bytes]] = []
        is_inside = False
        for tag, value in self.fields:
            if tag == count_tag:
                is_inside = True
            elif is_inside and tag == group.tags[0]:
                entries.append({tag: value})
            elif is_inside and tag in group.tags and entries:
                entries[-1][tag] = value
            elif is_inside:
                break
        return entries


@dataclass
class Entry:
    """One entry of a repeating group: its fields, and the groups inside it."""

    values: dict[int, bytes]
    groups: dict[int, list["Entry"]]

    def get(self, tag: int) -> bytes | None:
        """Return the field's value, or None."""
        return self.values.get(tag)


def entries_of(message: Message, count_tag: int, group: d.Group) -> list[Entry]:
    """Return the entries of a repeating group that may have groups inside; the message has been checked."""
    place = next((place for place, (tag, _) in enumerate(message.fields) if tag == count_tag), None)
    return [] if place is None else _take_entries(message.fields, place + 1, group)[0]


def _take_entries(fields: Fields, place: int, group: d.Group) -> tuple[list[Entry], int]:
    entries: list[Entry] = []
    while place < len(fields) and fields[place][0] in group.tags:
        tag, value = fields[place]
        place += 1
        if tag == group.tags[0]:
            entries.append(Entry({}, {}))
        entries[-1].values[tag] = value
        if tag in group.groups:
            entries[-1].groups[tag], place = _take_entries(fields, place, group.groups[tag])
    return entries, place


def split(data: bytes | memoryview) -> tuple[list[bytes], int]:
    """Return the whole, unharmed messages in `data`, and how many bytes are done with.

    What is garbled is left out; what may still become whole is not done with.
    """
    data = bytes(data)
    messages, place = [], 0
    while place < len(data):
        end = whole_end(data, place)
        if end == 0:
            break
        if end < 0:
            place = next_begin(data, place + 1)
            continue
        messages.append(data[place:end])
        place = end
    return messages, place


def whole_end(data: bytes, place: int) -> int:
    """Return where the message at `place` ends: 0 if it is not all there, -1 if it is garbled."""
    head = _HEAD.match(data, place)
    if head is None:
        so_far = _HEAD_SO_FAR.match(data, place)
        is_open = so_far is not None and so_far.end() == len(data) and len(data) - place < HEAD_BYTES
        return 0 if is_open else -1
    length = int(head.group(2))
    if length > MESSAGE_BYTES or length < 5:
        return -1
    body_end = head.end() + length
    if body_end + TRAILER_BYTES > len(data):
        return -1 if _NEXT.search(data, head.end()) else 0  # the next one is here: the length is wrong
    trailer = data[body_end : body_end + TRAILER_BYTES]
    if data[body_end - 1 : body_end] != SOH or trailer != checksum(data[place:body_end]):
        return -1
    if not data.startswith(b"35=", head.end()):
        return -1
    return body_end + TRAILER_BYTES


def next_begin(data: bytes, place: int) -> int:
    """Return where the next message may begin, at `place` or behind it; what is before is garbled."""
    found = data.find(b"8=FIX", place)
    if found >= 0:
        return found
    for length in range(4, 0, -1):  # perhaps only its beginning is there
        if data.endswith(b"8=FIX"[:length]) and len(data) - length >= place:
            return len(data) - length
    return len(data)


def checksum(data: bytes) -> bytes:
    """Return the trailer: the sum of all bytes, modulo 256."""
    return b"10=%03d\x01" % (sum(data) & 0xFF)


def parse(raw: bytes) -> Message:
    """Take one whole message apart."""
    parts = raw.split(SOH)[:-2]  # without CheckSum and the nothing behind it
    begin_string = parts[0][2:]
    fields: Fields = []
    place = 2
    while place < len(parts):
        tag_text, equals, value = parts[place].partition(b"=")
        place += 1
        tag = int(tag_text) if equals and tag_text.isdigit() and len(tag_text) < 10 else 0
        if not tag or tag_text.startswith(b"0"):
            fields.append((0, parts[place - 1]))
            continue
        fields.append((tag, value))
        data_tag = d.DATA_OF_LENGTH.get(tag)
        if data_tag is not None and place < len(parts) and value.isdigit():
            place = _take_data(parts, place, data_tag, int(value), fields)
    return Message(begin_string, fields)


def _take_data(parts: list[bytes], place: int, data_tag: int, length: int, fields: Fields) -> int:
    """Put together a data field that may hold separators; return the next part's place."""
    prefix = b"%d=" % data_tag
    if not parts[place].startswith(prefix):
        return place
    value, next_place = parts[place][len(prefix) :], place + 1
    while len(value) < length and next_place < len(parts):
        value += SOH + parts[next_place]
        next_place += 1
    fields.append((data_tag, value))
    return next_place


def encode(begin_string: bytes, fields: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a message, from MsgType on as given, with BeginString, BodyLength and CheckSum."""
    body = b"".join([b"%d=%s\x01" % pair for pair in fields])
    data = b"8=%s\x019=%d\x01%s" % (begin_string, len(body), body)
    return data + checksum(data)


# Values.


def integer(text: bytes) -> int | None:
    """Return an integer as FIX writes it, or None."""
    digits = text[1:] if text.startswith(b"-") else text
    return int(text) if digits.isdigit() and len(digits) < 19 else None


def scaled(text: bytes, decimals: int) -> int | None:
    """Return a decimal number times ``10 ** decimals``; None if it is no number, or not a whole one then."""
    match = _DECIMAL.fullmatch(text)
    if match is None or len(text) > 24:
        return None
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or b""
    if not whole and not fraction:
        return None
    if fraction[decimals:].strip(b"0"):
        return None
    value = int((whole or b"0") + fraction[:decimals].ljust(decimals, b"0"))
    return -value if sign else value


def decimal(value: int, decimals: int) -> bytes:
    """Return ``value / 10 ** decimals`` with that many decimals."""
    text = b"%0*d" % (decimals + 1, abs(value))
    text = text[:-decimals] + b"." + text[-decimals:] if decimals else text
    return b"-" + text if value < 0 else text


def is_decimal(text: bytes) -> bool:
    """Whether it is a number as FIX writes it."""
    match = _DECIMAL.fullmatch(text)
    return match is not None and bool(match.group(2) or match.group(3))


def time_ns_of(text: bytes) -> int | None:
    """Return a UTCTimestamp as nanoseconds since 1970, or None."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if not (year >= 1970 and 1 <= month <= 12 and hour < 24 and minute < 60 and second <= 60):
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    fraction = int((match.group(7) or b"").ljust(9, b"0"))
    return calendar.timegm((year, month, day, hour, minute, second)) * NANOSECONDS + fraction


def timestamp(time_ns: int) -> bytes:
    """Return a UTCTimestamp with milliseconds."""
    seconds, rest_ns = divmod(time_ns, NANOSECONDS)
    now = time.gmtime(seconds)
    return b"%04d%02d%02d-%02d:%02d:%02d.%03d" % (*now[:6], rest_ns // 1_000_000)
