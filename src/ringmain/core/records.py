"""Commands and events, declared once: layouts, packing, validation, the reference pages.

Every record begins with the same 32-byte header and fills whole 64-byte slots. All records
of one schema have the same size, so that a batch of mixed kinds is one array, and a kernel
reads it through the dtype of the kind at hand: ``commands.view(PLACE_ORDER)[i].price_ticks``.
The same bytes stand in the ring, in the journal, on the tape and on the wire.
"""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError

SLOT_BYTES = 64
HEADER_BYTES = 32
FIRST_CORE_KIND = 0xFF00  # kinds from here on belong to the core, in every market

HEADER_FIELDS = (
    ("sequence", "i8", "place in the engine's one order of commands; stamped by the node"),
    ("time_ns", "i8", "logical time, nanoseconds since 1970 UTC; stamped by the node"),
    ("session_number", "i8", "the session's own count of its commands, from 1"),
    ("session_id", "u4", "who sent the command, or whom the event concerns; 0 is nobody"),
    ("kind", "u2", "which record this is"),
    ("slots", "u1", "length of the record in slots of 64 bytes"),
    ("version", "u1", "layout version of the schema"),
)


@dataclass(frozen=True)
class Field:
    """One field of a record: `name` ends in its unit, `format` is numpy's, little-endian.

    A field with a `default` may be left out when a record is packed.
    """

    name: str
    format: str
    doc: str
    choices: Mapping[str, int] | None = None
    default: int | None = None


class Record:
    """One kind of command or event.

    Calling it packs one: ``PlaceOrder(price_ticks=4_512, side=BUY, ...)`` returns a writable
    array of shape (1,) of :attr:`dtype`, header filled in but for sequence, time and session.
    """

    def __init__(self, schema: "Schema", kind: int, name: str, doc: str, fields: tuple[Field, ...]) -> None:
        self.schema, self.kind, self.name, self.doc, self.fields = schema, kind, name, doc, fields
        self.dtype = _layout(name, fields, schema.record_bytes)
        self._by_name = {f.name: f for f in fields}

    def __call__(self, session_id: int = 0, session_number: int = 0, **values: Any) -> np.ndarray[Any, Any]:
        """Pack one record; raise RM201 to RM203 for a field that is missing, unknown or unfit."""
        record = np.zeros(1, self.dtype)
        self.stamp(record)
        record["session_id"], record["session_number"] = session_id, session_number
        for name in self._by_name.keys() - values.keys():
            default = self._by_name[name].default
            if default is None:
                raise _refusal("RM201", self.name, f"{name} is missing", "Give it a value")
            record[name] = default
        for name, value in values.items():
            record[name] = self._checked(name, value)
        return record

    def stamp(self, array: np.ndarray[Any, Any]) -> None:
        """Write kind, slots and version into each record of `array`."""
        array["kind"], array["slots"], array["version"] = self.kind, self.schema.slots, self.schema.version

    def unpack(self, record: Any) -> dict[str, Any]:
        """Return the record's fields, header first, as plain Python values."""
        row = np.frombuffer(bytes(record.tobytes()), self.dtype)[0]
        names = [name for name, _, _ in HEADER_FIELDS] + list(self._by_name)
        return {name: _plain(row[name]) for name in names}

    def _checked(self, name: str, value: Any) -> Any:
        if name not in self._by_name:
            known = ", ".join(self._by_name)
            raise _refusal("RM202", self.name, f"there is no field {name}", f"Its fields are: {known}")
        declared = self._by_name[name]
        format = np.dtype(declared.format)
        if format.kind in "iu":
            _check_integer(self.name, declared, format, value)
        elif format.kind == "S" and len(value) > format.itemsize:
            raise _refusal(
                "RM203", self.name, f"{name} has {len(value)} bytes", f"It holds {format.itemsize}"
            )
        return value


@dataclass
class Schema:
    """The records of one market, in one layout version.

    Parameters
    ----------
    name : str
        The market's name.
    version : int
        Layout version, 1 to 255; raised whenever a layout changes.
    slots : int
        Length of every record, in slots of 64 bytes.
    """

    name: str
    version: int
    slots: int = 1
    commands: dict[int, Record] = field(default_factory=dict)
    events: dict[int, Record] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    @property
    def record_bytes(self) -> int:
        """Size of every record, in bytes."""
        return self.slots * SLOT_BYTES

    @functools.cached_property
    def header(self) -> np.dtype[Any]:
        """The dtype that reads any record's header; the body is bytes, so that a copy of rows is whole."""
        body = Field("body", f"({self.record_bytes - HEADER_BYTES},)u1", "what the kind at hand says")
        return _layout("header", (body,), self.record_bytes)

    def command(self, kind: int, name: str, doc: str, fields: Iterable[Field] = ()) -> Record:
        """Declare a command: imperative, ``PlaceOrder``."""
        return self._declare(self.commands, kind, name, doc, tuple(fields))

    def event(self, kind: int, name: str, doc: str, fields: Iterable[Field] = ()) -> Record:
        """Declare an event: past tense, ``OrderAccepted``."""
        return self._declare(self.events, kind, name, doc, tuple(fields))

    def refusals(self, reasons: Mapping[str, int]) -> None:
        """Declare the stable codes that a rejection gives as its reason."""
        self.reasons.update({code: name for name, code in reasons.items()})

    def empty(self, count: int) -> Any:
        """Return `count` zeroed records, as kernels take them: a recarray of the header's dtype."""
        return np.zeros(count, self.header).view(np.recarray)

    def batch(self, packed: Iterable[Any]) -> Any:
        """Join packed records of any kinds into one batch, copied and writable."""
        joined = bytearray(b"".join(record.tobytes() for record in packed))
        return np.frombuffer(joined, self.header).view(np.recarray)

    def digest(self) -> str:
        """Name the layout: it changes when any field of any record does, not with the order of declaring."""
        text = [f"{self.name} {self.version} {self.slots}"]
        text += [
            f"{record.kind} {record.name} {[(f.name, f.format) for f in record.fields]}"
            for kinds in (self.commands, self.events)
            for _, record in sorted(kinds.items())
        ]
        return hashlib.blake2b("\n".join(text).encode(), digest_size=8).hexdigest()

    def unpack_command(self, record: Any) -> dict[str, Any]:
        """Return a command as a dict with its name first; raise RM204 for an unknown kind."""
        return self._unpack(self.commands, record)

    def unpack_event(self, record: Any) -> dict[str, Any]:
        """Return an event as a dict with its name first; raise RM204 for an unknown kind."""
        return self._unpack(self.events, record)

    def _declare(
        self, kinds: dict[int, Record], kind: int, name: str, doc: str, fields: tuple[Field, ...]
    ) -> Record:
        assert 0 < kind < 0x10000, f"{name}: kind {kind}"
        assert kind not in kinds, f"{name}: kind {kind} is taken by {kinds[kind].name}"
        assert all(record.name != name for record in kinds.values()), f"{name} is declared twice"
        kinds[kind] = Record(self, kind, name, doc, fields)
        return kinds[kind]

    def _unpack(self, kinds: dict[int, Record], record: Any) -> dict[str, Any]:
        kind = int(np.frombuffer(record.tobytes(), self.header)[0]["kind"])
        if kind not in kinds:
            raise _refusal("RM204", self.name, f"kind {kind} is unknown", "Check the schema's version")
        values = {"record": kinds[kind].name, **kinds[kind].unpack(record)}
        if "reason" in values:
            values["reason"] = self.reasons.get(values["reason"], values["reason"])
        return values


def _layout(name: str, fields: tuple[Field, ...], record_bytes: int) -> np.dtype[Any]:
    """Lay header and fields out with natural alignment, padded to whole slots."""
    names, formats, offsets, end = [], [], [], 0
    for field_name, format in [(n, f) for n, f, _ in HEADER_FIELDS] + [(f.name, f.format) for f in fields]:
        alignment = np.dtype(format).alignment
        end = -(-end // alignment) * alignment
        names.append(field_name)
        formats.append("<" + format if format[0] in "iuf" else format)
        offsets.append(end)
        end += np.dtype(format).itemsize
    assert end <= record_bytes, f"{name} takes {end} bytes of {record_bytes}"
    layout: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": record_bytes}
    dtype: np.dtype[Any] = np.dtype(layout, align=True)
    return dtype


def _check_integer(record: str, declared: Field, format: np.dtype[Any], value: Any) -> None:
    limits = np.iinfo(format)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise _refusal("RM203", record, f"{declared.name} is {value!r}", "Give a whole number")
    if not limits.min <= value <= limits.max:
        raise _refusal(
            "RM203", record, f"{declared.name} is {value}", f"It holds {limits.min} to {limits.max}"
        )


def _plain(value: Any) -> Any:
    return (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else value.item()
        if value.ndim == 0
        else value.tolist()
    )


def _refusal(code: str, record: str, what: str, next_step: str) -> RingmainError:
    return RingmainError(code, f"record {record}", what, next_step)
