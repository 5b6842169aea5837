"""Compiled loops between records and SBE messages."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel

FRAMING_BYTES = 6  # Simple Open Framing Header: length u4, encoding type u2, big-endian
HEAD_BYTES = FRAMING_BYTES + 8  # and the SBE message header
SBE_LITTLE_ENDIAN = 0xEB50  # the encoding type of SBE 1.0, little-endian
FAULT_LENGTH, FAULT_SCHEMA = 1, 2
RUNS = 16

TEMPLATE = np.dtype(
    [
        ("template_id", "i4"),
        ("kind", "i4"),
        ("block_bytes", "i4"),
        ("version", "i4"),
        ("run_count", "i4"),
        ("block_offset", "i4", (RUNS,)),
        ("record_offset", "i4", (RUNS,)),
        ("run_bytes", "i4", (RUNS,)),
    ],
    align=True,
)
KIND_OFFSET, SLOTS_OFFSET, VERSION_OFFSET = 28, 30, 31  # in a record's header


@kernel
def put_word(out: Any, offset: int, value: int) -> None:
    """Write 16 bits, little-endian."""
    out[offset] = value & 0xFF
    out[offset + 1] = (value >> 8) & 0xFF


@kernel
def word_at(data: Any, offset: int) -> int:
    """Read 16 bits, little-endian."""
    return int(data[offset]) | int(data[offset + 1]) << 8


@kernel
def put_head(out: Any, end: int, template: Any, schema_id: int, version: int) -> None:
    """Write both headers of a message."""
    length = HEAD_BYTES + template.block_bytes
    out[end] = length >> 24
    out[end + 1] = (length >> 16) & 0xFF
    out[end + 2] = (length >> 8) & 0xFF
    out[end + 3] = length & 0xFF
    out[end + 4] = SBE_LITTLE_ENDIAN >> 8
    out[end + 5] = SBE_LITTLE_ENDIAN & 0xFF
    put_word(out, end + 6, template.block_bytes)
    put_word(out, end + 8, template.template_id)
    put_word(out, end + 10, schema_id)
    put_word(out, end + 12, version)


@kernel
def encode(rows: Any, heads: Any, places: Any, templates: Any, schema_id: int, version: int, out: Any) -> int:
    """Write records as messages; return how many bytes they are.

    Parameters
    ----------
    rows : uint8 array of shape (n, record bytes)
    heads : recarray of shape (n,), the market's header dtype
        The same records.
    places : int16 array of shape (65536,)
        Row of each kind in `templates`, -1 for none.
    templates : recarray of shape (m,), TEMPLATE
    schema_id, version : int
        What the message header says.
    out : uint8 array, written
    """
    end = 0
    for i in range(rows.shape[0]):
        place = places[heads[i].kind]
        assert place >= 0
        template = templates[place]
        put_head(out, end, template, schema_id, version)
        begin = end + HEAD_BYTES
        for run in range(template.run_count):
            target = begin + template.block_offset[run]
            source = template.record_offset[run]
            for byte in range(template.run_bytes[run]):
                out[target + byte] = rows[i, source + byte]
        end = begin + template.block_bytes
    return end


@kernel
def length_at(data: Any, offset: int) -> int:
    """Read the length that a framing header gives."""
    high = int(data[offset]) << 24 | int(data[offset + 1]) << 16
    return high | int(data[offset + 2]) << 8 | int(data[offset + 3])


@kernel
def message_fault(data: Any, offset: int, length: int, schema_id: int, version: int) -> int:
    """Return what is wrong with a message's headers, or 0; a fault of length comes first."""
    block_bytes = word_at(data, offset + 6)
    if word_at(data, offset + 10) != schema_id or word_at(data, offset + 12) != version:
        return FAULT_SCHEMA
    return FAULT_LENGTH if HEAD_BYTES + block_bytes != length else 0


@kernel
def framing_fault(data: Any, offset: int, length: int, length_max: int) -> int:
    """Return whether what stands here cannot begin a message."""
    encoding = int(data[offset + 4]) << 8 | int(data[offset + 5])
    is_good = encoding == SBE_LITTLE_ENDIAN and HEAD_BYTES <= length <= length_max
    return 0 if is_good else FAULT_LENGTH


@kernel
def put_record(data: Any, block: int, template: Any, slots: int, rows: Any, i: int) -> None:
    """Write the record of a block."""
    for run in range(template.run_count):
        source = block + template.block_offset[run]
        target = template.record_offset[run]
        for byte in range(template.run_bytes[run]):
            rows[i, target + byte] = data[source + byte]
    rows[i, KIND_OFFSET] = template.kind & 0xFF
    rows[i, KIND_OFFSET + 1] = template.kind >> 8
    rows[i, SLOTS_OFFSET] = slots
    rows[i, VERSION_OFFSET] = template.version


@kernel
def decode(
    data: Any, places: Any, templates: Any, schema_id: int, version: int, length_max: int,
    record_version: int, slots: int, rows: Any, verdict: Any,
) -> int:  # fmt: skip
    """Write the whole messages of `data` as records; return how many they are.

    Parameters
    ----------
    data : uint8 array of shape (n,)
    places : int16 array of shape (65536,)
        Row of each template id in `templates`, -1 for none.
    templates : recarray of shape (m,), TEMPLATE
    schema_id, version : int
        What message headers have to say.
    length_max : int
        Of a message, in bytes.
    record_version, slots : int
        What the records' headers are to say.
    rows : uint8 array of shape (>= n / HEAD_BYTES, record bytes), written
        A message whose template is not known, or another length than its template's, has kind 0.
    verdict : int64 array of shape (2,), written
        Bytes used, and the fault of the message behind them, 0 if there is none.
    """
    count, offset = 0, 0
    verdict[1] = 0
    while data.size - offset >= FRAMING_BYTES:
        length = length_at(data, offset)
        verdict[1] = framing_fault(data, offset, length, length_max)
        if verdict[1] != 0 or data.size - offset < length:
            break
        verdict[1] = message_fault(data, offset, length, schema_id, version)
        if verdict[1] != 0:
            break
        for byte in range(rows.shape[1]):
            rows[count, byte] = 0
        place = places[word_at(data, offset + 8)]
        rows[count, SLOTS_OFFSET] = slots
        rows[count, VERSION_OFFSET] = record_version
        if place >= 0:
            if templates[place].block_bytes != length - HEAD_BYTES:
                verdict[1] = FAULT_LENGTH
                break
            put_record(data, offset + HEAD_BYTES, templates[place], slots, rows, count)
        count += 1
        offset += length
    verdict[0] = offset
    return count
