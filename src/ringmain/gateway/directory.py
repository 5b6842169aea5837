"""Rows that are found by a pair of numbers: a pool with a free list, and an open-addressed directory.

A table is a record with the fields ``directory`` (i4, a power of two of them; 0: free), ``rows`` (row 0
is nobody's; fields ``owner`` and ``number`` are the key, ``next`` chains free rows), ``free``, ``highest``.
"""

from typing import Any

from ringmain.core.jit import kernel

OWNER_PRIME, NUMBER_PRIME = 0x1E3779B1, 0x45EBCA6B  # small enough that no sum leaves 63 bits


def buckets_for(rows: int) -> int:
    """Return a number of buckets, a power of two, of which so many rows fill at most half."""
    return 1 << (2 * rows - 1).bit_length()


@kernel
def home(table: Any, owner: int, number: int) -> int:
    """Return the bucket where the search for a key begins."""
    mixed = (int(owner) & 0xFFFFFFFF) * OWNER_PRIME + (int(number) & 0x7FFFFFFF) * NUMBER_PRIME
    return int((mixed ^ (mixed >> 17)) & (table.directory.size - 1))


@kernel
def find(table: Any, owner: int, number: int) -> int:
    """Return the row with a key, or 0."""
    bucket = home(table, owner, number)
    while table.directory[bucket] != 0:
        row = table.directory[bucket]
        if table.rows[row].number == number and table.rows[row].owner == owner:
            return int(row)
        bucket = (bucket + 1) & (table.directory.size - 1)
    return 0


@kernel
def add(table: Any, owner: int, number: int) -> int:
    """Take a row for a key that is not there; return it."""
    row = table.free
    if row != 0:
        table.free = table.rows[row].next
    else:
        table.highest += 1
        row = table.highest
    assert row < table.rows.size
    table.rows[row].owner = owner
    table.rows[row].number = number
    bucket = home(table, owner, number)
    while table.directory[bucket] != 0:
        bucket = (bucket + 1) & (table.directory.size - 1)
    table.directory[bucket] = row
    return int(row)


@kernel
def remove(table: Any, row: int) -> None:
    """Give a row back; buckets behind its own move up, so that no search stops short."""
    mask = table.directory.size - 1
    hole = home(table, table.rows[row].owner, table.rows[row].number)
    while table.directory[hole] != row:
        hole = (hole + 1) & mask
    bucket = (hole + 1) & mask
    while table.directory[bucket] != 0:
        other = table.rows[table.directory[bucket]]
        if (bucket - home(table, other.owner, other.number)) & mask >= (bucket - hole) & mask:
            table.directory[hole] = table.directory[bucket]
            hole = bucket
        bucket = (bucket + 1) & mask
    table.directory[hole] = 0
    table.rows[row].next = table.free
    table.free = row


@kernel
def link(table: Any, row: int, first: int) -> int:
    """Put a row before the first of a list; return it, now the first."""
    table.rows[row].next = first
    table.rows[row].previous = 0
    if first != 0:
        table.rows[first].previous = row
    return row


@kernel
def unlink(table: Any, row: int, first: int) -> int:
    """Take a row out of its list; return the first of what is left."""
    before, behind = table.rows[row].previous, table.rows[row].next
    if behind != 0:
        table.rows[behind].previous = before
    if before != 0:
        table.rows[before].next = behind
        return first
    return int(behind)
