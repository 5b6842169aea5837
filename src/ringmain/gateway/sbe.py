"""Simple Binary Encoding 1.0 of a market's records: which template each is, and where its fields lie.

A message is a Simple Open Framing Header (length of all, encoding type; big-endian), the SBE message
header (blockLength, templateId, schemaId, version; little-endian) and one block without groups. Fields
lie one behind the other, without padding, in the order of the record. A command's block begins with
``session_number``, an event's with ``sequence``, ``time_ns``, ``session_number`` and ``session_id``;
kind, slots and version of the record's header are what the message header says.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.core.records import FIRST_CORE_KIND, HEADER_FIELDS, Field, Record, Schema
from ringmain.gateway.messages import (
    BAD_FRAME,
    FIRST_SESSION_KIND,
    GATEWAY_VERSION,
    WRONG_SCHEMA,
    gateway_schema,
)
from ringmain.gateway.transcode import (
    FAULT_LENGTH,
    FAULT_SCHEMA,
    FRAMING_BYTES,
    HEAD_BYTES,
    RUNS,
    SBE_LITTLE_ENDIAN,
    TEMPLATE,
    decode,
    encode,
)

EVENT_BIT = 0x8000  # a market's own events and commands may share a kind; their templates do not
COMMAND_HEADER, EVENT_HEADER = ("session_number",), ("sequence", "time_ns", "session_number", "session_id")
FAULTS = {0: 0, FAULT_LENGTH: BAD_FRAME, FAULT_SCHEMA: WRONG_SCHEMA}
_HEADER = {name: Field(name, format, doc) for name, format, doc in HEADER_FIELDS}


@dataclass(frozen=True)
class Template:
    """One SBE message: its id, the record it is, and its fields with their places in the block."""

    template_id: int
    record: Record
    fields: tuple[tuple[Field, int], ...]  # with the offset in the block
    block_bytes: int

    @property
    def runs(self) -> list[tuple[int, int, int]]:
        """Return (offset in the block, offset in the record, bytes) of what lies together in both."""
        runs: list[tuple[int, int, int]] = []
        for each, offset in self.fields:
            field_dtype, place = self.record.dtype.fields[each.name][:2]  # type: ignore[index]
            if runs and runs[-1][1] + runs[-1][2] == place:
                begin, record_begin, size = runs.pop()
                runs.append((begin, record_begin, size + field_dtype.itemsize))
            else:
                runs.append((offset, place, field_dtype.itemsize))
        return runs


class Layout:
    """The templates of one market, both ways.

    Attributes
    ----------
    schema_id : int
        Made from the market's name, 1 to 65,535.
    version : int
        The market's layout version times 256, and the gateway's.
    commands, events : dict of kind to Template
        What a client sends, and what it gets; a Heartbeat is one template in both.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        digest = hashlib.blake2b(schema.name.encode(), digest_size=2).digest()
        self.schema_id = int.from_bytes(digest, "little") or 1
        self.version = schema.version << 8 | GATEWAY_VERSION
        session = gateway_schema(schema.slots)
        market = {kind: record for kind, record in schema.commands.items() if kind < FIRST_CORE_KIND}
        self.events = {
            kind: _template(kind, record, EVENT_HEADER)
            for kind, record in (schema.events | session.events).items()
        }
        self.commands = {
            kind: self.events[kind] if kind in session.events else _template(kind, record, COMMAND_HEADER)
            for kind, record in (market | session.commands).items()
        }

    def templates(self) -> Iterator[Template]:
        """Yield every template once, commands first, by id."""
        by_id = {each.template_id: each for each in (*self.events.values(), *self.commands.values())}
        yield from (by_id[template_id] for template_id in sorted(by_id))


class Transcoder:
    """Records to SBE messages and back, in compiled loops; one side's.

    Parameters
    ----------
    layout : Layout
    is_client : bool
        Whether it encodes commands and decodes events, and not the other way.
    receive_bytes : int
        The most that is decoded at once.
    """

    def __init__(self, layout: Layout, is_client: bool = False, receive_bytes: int = 1 << 18) -> None:
        self.layout, schema = layout, layout.schema
        mine, theirs = layout.commands, layout.events
        if not is_client:
            mine, theirs = theirs, mine
        self._by_kind, self._mine = _table(mine, schema, by_kind=True)
        self._by_id, self._theirs = _table(theirs, schema, by_kind=False)
        self.message_bytes_max = HEAD_BYTES + max(each.block_bytes for each in layout.templates())
        rows = receive_bytes // HEAD_BYTES + 1
        self._rows = np.zeros((rows, schema.record_bytes), np.uint8)
        self._verdict = np.zeros(2, np.int64)
        self.encode(schema.empty(0).tobytes())
        self.decode(np.zeros(0, np.uint8))

    def encode(self, data: Any) -> bytes:
        """Return records, given as bytes, as SBE messages."""
        schema = self.layout.schema
        rows = np.frombuffer(data, np.uint8).reshape(-1, schema.record_bytes)
        out = np.empty(rows.shape[0] * self.message_bytes_max, np.uint8)
        size = encode(
            rows, bare(records(rows.reshape(-1).view(schema.header))), self._by_kind, self._mine,
            self.layout.schema_id, self.layout.version, out,
        )  # fmt: skip
        return out[:size].tobytes()

    def decode(self, data: Any) -> tuple[Any, int, int]:
        """Return the whole messages of a byte array as records, the bytes used, and what is wrong behind.

        Parameters
        ----------
        data : uint8 array of shape (n,)

        Returns
        -------
        frames : recarray of shape (m,), the market's header dtype
            Valid until the next call. A template that this side does not take has kind 0.
        used_bytes : int
        fault : int
            0, or BAD_FRAME or WRONG_SCHEMA for the message that begins at `used_bytes`.
        """
        schema, verdict = self.layout.schema, self._verdict
        count = decode(
            data, self._by_id, self._theirs, self.layout.schema_id, self.layout.version,
            self.message_bytes_max, schema.version, schema.slots, self._rows, verdict,
        )  # fmt: skip
        frames = bare(records(self._rows[:count].reshape(-1).view(schema.header)))
        return frames, int(verdict[0]), FAULTS[int(verdict[1])]


def is_sbe(first: bytes) -> bool:
    """Tell whether a connection's first FRAMING_BYTES begin an SBE message, and not a record.

    The other way to begin is a Login record, in whose header these bytes are 0.
    """
    return int.from_bytes(first[4:FRAMING_BYTES], "big") == SBE_LITTLE_ENDIAN


def _template(kind: int, record: Record, header: tuple[str, ...]) -> Template:
    is_market_event = header == EVENT_HEADER and kind < FIRST_SESSION_KIND
    assert kind < EVENT_BIT or kind >= FIRST_SESSION_KIND, f"{record.name}: kind {kind} has the events' bit"
    fields, end = [], 0
    for each in (*(_HEADER[name] for name in header), *record.fields):
        fields.append((each, end))
        end += np.dtype(each.format).itemsize
    return Template(kind | EVENT_BIT if is_market_event else kind, record, tuple(fields), end)


def _table(templates: dict[int, Template], schema: Schema, by_kind: bool) -> tuple[Any, Any]:
    """Return the row of each kind or template id (-1 for none), and the rows as kernels take them."""
    places = np.full(0x10000, -1, np.int16)
    rows = records(np.zeros(len(templates), TEMPLATE))
    for place, (kind, template) in enumerate(templates.items()):
        places[kind if by_kind else template.template_id] = place
        row = rows[place]
        row["template_id"], row["kind"], row["block_bytes"] = template.template_id, kind, template.block_bytes
        row["version"] = GATEWAY_VERSION if FIRST_SESSION_KIND <= kind < FIRST_CORE_KIND else schema.version
        runs = template.runs
        assert len(runs) <= RUNS, f"{template.record.name} lies in {len(runs)} pieces"
        row["run_count"] = len(runs)
        for number, (block, record, size) in enumerate(runs):
            row["block_offset"][number], row["record_offset"][number] = block, record
            row["run_bytes"][number] = size
    return places, bare(rows)
