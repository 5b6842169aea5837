"""Batches in compiled code: checked and gathered by the thousand, sealed and written without a lock.

A quiet market's batches hold a command or two each. Looking at each of them from Python would make a
start after millions of them take minutes; and a writer that comes back to the interpreter between
checksum and write waits for its lock once more.
"""

from typing import Any

import google_crc32c
import numpy as np

from ringmain.core.jit import crc32c_word, kernel, leaf, write_at
from ringmain.core.journal.format import BATCH_HEAD_BYTES, BATCH_MAGIC, SECTOR_BYTES

WRITE_FAILED = -1
LOW_WORD = 0xFFFF_FFFF
HEAD_WORDS, SECTOR_WORDS = BATCH_HEAD_BYTES // 8, SECTOR_BYTES // 8
HEADS_A_SECTOR = SECTOR_BYTES // BATCH_HEAD_BYTES
STREAM_WORDS = 256


def _shift_tables() -> Any:
    """Return, for each byte of a CRC32C, what it becomes behind one stream of zeros; shape (4, 256)."""
    zeros = bytes(8 * STREAM_WORDS)
    return np.array(
        [
            [google_crc32c.extend(byte << 8 * place ^ LOW_WORD, zeros) ^ LOW_WORD for byte in range(256)]
            for place in range(4)
        ],
        np.int64,
    )


SHIFTED = _shift_tables()


@leaf
def _shift(crc: int) -> int:
    low = SHIFTED[0, crc & 255] ^ SHIFTED[1, crc >> 8 & 255]
    return low ^ SHIFTED[2, crc >> 16 & 255] ^ SHIFTED[3, crc >> 24 & 255]


@kernel
def extend(crc: int, words: Any, begin: int, end: int) -> int:
    """Take words into a CRC32C (not inverted), in three streams: an instruction waits for the last."""
    while end - begin >= 3 * STREAM_WORDS:
        second, third = 0, 0
        for i in range(begin, begin + STREAM_WORDS):
            crc = crc32c_word(crc, words[i])
            second = crc32c_word(second, words[i + STREAM_WORDS])
            third = crc32c_word(third, words[i + 2 * STREAM_WORDS])
        crc = _shift(_shift(crc) ^ second) ^ third
        begin += 3 * STREAM_WORDS
    for i in range(begin, end):
        crc = crc32c_word(crc, words[i])
    return crc


@kernel
def checksum_of(words: Any, begin: int, end: int) -> int:
    """Return the CRC32C of a batch: head, its checksum taken as zero, and commands."""
    crc = crc32c_word(LOW_WORD, words[begin] & LOW_WORD)
    return extend(crc, words, begin + 1, end) ^ LOW_WORD


@kernel
def seal_and_write(descriptor: int, offset: int, words: Any, head: Any, size_words: int) -> int:
    """Seal a batch whose head is filled in, and write it at `offset`.

    Parameters
    ----------
    words : int64 array
        Head, commands and, up to a whole sector, room that is zeroed here.
    head : array of shape (1,), BATCH_HEAD
        Over the first of the words.
    size_words : int
        Of head and commands.

    Returns
    -------
    int
        The checksum, or WRITE_FAILED.
    """
    end = (size_words + SECTOR_WORDS - 1) // SECTOR_WORDS * SECTOR_WORDS
    for i in range(size_words, end):
        words[i] = 0
    checksum = checksum_of(words, 0, size_words)
    head[0].crc = checksum
    if write_at(descriptor, words, 8 * end, offset) != 8 * end:
        return WRITE_FAILED
    return checksum


@kernel
def gather(
    words: Any, heads: Any, record_words: int, offset: int, last_sequence: int, chain: int, gathered: Any
) -> tuple[int, int, int, int, int]:
    """Copy the commands of whole batches that follow each other, as many as there is room for.

    It stops, too, before a batch that carries a digest.

    Parameters
    ----------
    words, heads : int64 array; array of BATCH_HEAD
        A segment's bytes, read as the one and as the other.
    offset, last_sequence, chain : int
        Where the batch before ended, its last sequence, its checksum.
    gathered : int64 array
        Gets the commands.

    Returns
    -------
    tuple of int
        Commands gathered, and offset, last sequence, checksum and time in ns as they are now.
    """
    count, time_ns = 0, 0
    while 8 * (words.size - HEAD_WORDS) >= offset:
        head = heads[offset // BATCH_HEAD_BYTES]
        begin, commands = offset // 8, int(head.count)
        end = begin + HEAD_WORDS + commands * record_words
        if head.magic != BATCH_MAGIC or head.digest_sequence != 0 or end > words.size:
            break
        if head.chain != chain or head.first_sequence != last_sequence + 1:
            break
        if (count + commands) * record_words > gathered.size or checksum_of(words, begin, end) != head.crc:
            break
        for i in range(commands * record_words):
            gathered[count * record_words + i] = words[begin + HEAD_WORDS + i]
        count += commands
        last_sequence += commands
        chain, time_ns = int(head.crc), int(head.time_ns)
        offset = 8 * ((end + SECTOR_WORDS - 1) // SECTOR_WORDS * SECTOR_WORDS)
    return count, offset, last_sequence, chain, time_ns
