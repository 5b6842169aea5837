"""The journal's bytes: segment heads, batch heads, checksums that are chained.

A segment file begins with one head of a sector; batches follow, each on a sector of its own, so that
no later write touches the sectors of an acknowledged one. The rest of a segment is zeros, written
and on the disk before the segment is used: a batch then changes no metadata of the file system.
"""

from typing import Any

import google_crc32c
import numpy as np

SECTOR_BYTES = 512
FORMAT_VERSION = 1
SEGMENT_MAGIC, BATCH_MAGIC = 0x52_4D_53_31, 0x52_4D_42_31  # RMS1, RMB1

SEGMENT_HEAD = np.dtype(
    {
        "names": [
            "magic",
            "version",
            "slots",
            "crc",
            "chain",
            "number",
            "first_sequence",
            "layout",
            "market",
        ],
        "formats": ["<u4", "<u2", "<u2", "<u4", "<u4", "<i8", "<i8", "S16", "S32"],
        "itemsize": SECTOR_BYTES,
    }
)  # `chain`: the checksum of the last batch of the segment before

BATCH_HEAD = np.dtype(
    [
        ("magic", "<u4"),
        ("crc", "<u4"),  # CRC32C of head (this field as zero) and commands
        ("chain", "<u4"),  # the checksum of the batch before
        ("count", "<u4"),
        ("first_sequence", "<i8"),
        ("time_ns", "<i8"),  # of its last command
        ("digest_sequence", "<i8"),  # 0, or: after this command ...
        ("digest", "<i8"),  # ... the state had this digest
        ("reserved", "<i8", (2,)),
    ]
)
BATCH_HEAD_BYTES = BATCH_HEAD.itemsize
assert BATCH_HEAD_BYTES == 64


def checksum(data: Any) -> int:
    """Return the CRC32C of a contiguous uint8 array."""
    return int(google_crc32c.value(data))


def sectors(byte_count: int) -> int:
    """Round a size up to whole sectors, in bytes."""
    return -(-byte_count // SECTOR_BYTES) * SECTOR_BYTES


def batch_bytes(count: int, record_bytes: int) -> int:
    """Return the size in bytes, padded to sectors, of a batch of `count` commands."""
    return sectors(BATCH_HEAD_BYTES + count * record_bytes)


def is_whole(data: Any, head: Any) -> bool:
    """Tell whether a batch's bytes (head and commands) give the checksum in its head."""
    copy = head.copy()
    copy["crc"] = 0
    crc = google_crc32c.extend(checksum(copy.view(np.uint8)), data[BATCH_HEAD_BYTES:])
    return bool(crc == int(head["crc"][0]))
