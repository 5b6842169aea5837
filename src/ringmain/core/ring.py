"""The ring: bounded queues in shared memory from many producers to the one node that consumes them.

Each producer claims a lane, a ring of its own, by writing its process into the lane's owner word
with one compare-and-swap. Within the lane nobody contends: the producer copies a record into the
next slots and moves the lane's tail with a release store; the consumer acquires the tail, copies,
and moves the head. A producer that dies between claiming slots and publishing them has moved
nothing, so there is nothing to repair: its lane goes to the next one who asks, at the tail that was
published. Why lanes and not one contended claim: docs/decisions/0002.

Order is kept within a lane. Between lanes it is the consumer's: it visits them in turn.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.jit import (
    compare_exchange,
    copy_line,
    full_fence,
    kernel,
    leaf,
    load_acquire,
    pause,
    store_release,
)
from ringmain.core.records import SLOT_BYTES
from ringmain.core.shared import PAIR_WORDS, WORD_BYTES, SharedWords, is_alive, process_word

MAGIC = 0x52494E474D41494E
SLOT_WORDS = SLOT_BYTES // WORD_BYTES

# The ring's own words, then each lane's owner and cursors, then the lanes' slots.
_MAGIC, _LANES, _SLOTS, _RECORD_SLOTS, _EPOCH, _REFUSAL = range(6)
_PARKED = 2 * PAIR_WORDS
_LANES_BEGIN = 4 * PAIR_WORDS
_OWNER, _TAIL, _HEAD, _LANE_WORDS = 0, PAIR_WORDS, 2 * PAIR_WORDS, 3 * PAIR_WORDS

ACCEPTING = 0


@leaf
def _lane_begin(words: Any, lane: int) -> int:
    return _LANES_BEGIN + lane * _LANE_WORDS


@leaf
def _slots_begin(words: Any, lane: int) -> int:
    return _LANES_BEGIN + words[_LANES] * _LANE_WORDS + lane * words[_SLOTS] * SLOT_WORDS


@leaf
def put(words: Any, lane: int, cursors: Any, record_words: Any, row: int) -> bool:
    """Publish one record of a batch on the lane; False if the lane is full.

    Parameters
    ----------
    words : int64 array, the ring
    lane : int
    cursors : int64 array of shape (2,)
        The producer's own: the lane's tail, and the head as it last saw it.
    record_words : int64 array of shape (n * words a record,)
    row : int
    """
    record_slots, slots = words[_RECORD_SLOTS], words[_SLOTS]
    begin, tail = _lane_begin(words, lane), cursors[0]
    if tail + record_slots - cursors[1] > slots:
        cursors[1] = load_acquire(words, begin + _HEAD)
        if tail + record_slots - cursors[1] > slots:
            return False
    slots_begin = _slots_begin(words, lane)
    for slot in range(record_slots):
        place = slots_begin + ((tail + slot) & (slots - 1)) * SLOT_WORDS
        copy_line(record_words, (row * record_slots + slot) * SLOT_WORDS, words, place)
    cursors[0] = tail + record_slots
    store_release(words, begin + _TAIL, cursors[0])
    return True


@kernel
def put_all(words: Any, lane: int, cursors: Any, record_words: Any, count: int) -> int:
    """Publish the batch's records in order while there is room; return how many were taken."""
    for row in range(count):
        if not put(words, lane, cursors, record_words, row):
            return row
    return count


@kernel
def is_parked(words: Any) -> bool:
    """Tell a producer, after it published, whether the consumer sleeps."""
    full_fence()  # the tail must be out before the flag is read
    return load_acquire(words, _PARKED) == 1


@leaf
def drain_lane(words: Any, lane: int, cursors: Any, out_words: Any, row: int, limit: int) -> int:
    """Move up to `limit` records of one lane to row `row` and on; return how many.

    `cursors` is the consumer's int64 array of shape (2 * lanes,): each lane's head, and its tail as
    last seen.
    """
    record_slots, slots = words[_RECORD_SLOTS], words[_SLOTS]
    begin, head = _lane_begin(words, lane), cursors[2 * lane]
    if cursors[2 * lane + 1] == head:
        cursors[2 * lane + 1] = load_acquire(words, begin + _TAIL)
    count = min(limit, (cursors[2 * lane + 1] - head) // record_slots)
    slots_begin = _slots_begin(words, lane)
    for slot in range(count * record_slots):
        place = slots_begin + ((head + slot) & (slots - 1)) * SLOT_WORDS
        copy_line(words, place, out_words, (row * record_slots + slot) * SLOT_WORDS)
    if count > 0:
        cursors[2 * lane] = head + count * record_slots
        store_release(words, begin + _HEAD, cursors[2 * lane])
    return count


@kernel
def drain_all(words: Any, cursors: Any, out_words: Any, first_lane: int, limit: int) -> int:
    """Visit every lane once, from `first_lane` on; return how many records were moved."""
    lanes, row = words[_LANES], 0
    share = max(1, limit // lanes)
    for turn in range(lanes):
        lane = (first_lane + turn) % lanes
        row += drain_lane(words, lane, cursors, out_words, row, min(share, limit - row))
    return row


@kernel
def is_empty(words: Any, cursors: Any) -> bool:
    """Tell whether no lane holds anything for the consumer."""
    for lane in range(words[_LANES]):
        if load_acquire(words, _lane_begin(words, lane) + _TAIL) != cursors[2 * lane]:
            return False
    return True


@kernel
def spin(words: Any, cursors: Any, polls: int) -> bool:
    """Poll up to `polls` times for anything to consume."""
    for _ in range(polls):
        if not is_empty(words, cursors):
            return True
        pause()
    return False


@kernel
def claim(words: Any, owner_word: int, old: int, own: int) -> bool:
    """Become the lane's owner, if nobody was faster."""
    return compare_exchange(words, owner_word, old, own)


@kernel
def skip_published(words: Any, lane: int, cursors: Any) -> None:
    """Start the consumer's cursors at what the lane has published so far."""
    begin = _lane_begin(words, lane)
    cursors[2 * lane] = cursors[2 * lane + 1] = load_acquire(words, begin + _TAIL)
    store_release(words, begin + _HEAD, cursors[2 * lane])


@kernel
def announce_sleep(words: Any, cursors: Any) -> bool:
    """Raise the flag and look again: who published without seeing it is seen here. True: sleep."""
    store_release(words, _PARKED, 1)
    full_fence()
    return is_empty(words, cursors)


class Ring:
    """A ring in a file of shared memory.

    Use :meth:`create` in the node that consumes, :meth:`open` in a process that produces.
    """

    def __init__(self, words: SharedWords) -> None:
        if words.array.size < _LANES_BEGIN or words.array[_MAGIC] != MAGIC:
            raise RingmainError("RM111", "ring", f"{words.path} is not a ring", "Start its node first")
        self.words = words
        self.array = words.array
        self.record_slots = int(self.array[_RECORD_SLOTS])

    @classmethod
    def create(cls, path: Path, slots: int = 16_384, lanes: int = 8, record_slots: int = 1) -> "Ring":
        """Make the ring anew or take over the one that is there; its leftovers are dropped.

        Parameters
        ----------
        slots : int
            Capacity of each lane in slots of 64 bytes, a power of two.
        lanes : int
            How many producers there can be at once.
        record_slots : int
            Slots that one record takes.
        """
        assert slots & (slots - 1) == 0, "slots must be a power of two"
        size = _LANES_BEGIN + lanes * (_LANE_WORDS + slots * SLOT_WORDS)
        words = SharedWords(path, size)
        array = words.array
        if array[_MAGIC] != MAGIC:
            array[_LANES], array[_SLOTS], array[_RECORD_SLOTS] = lanes, slots, record_slots
            array[_MAGIC] = MAGIC
        geometry = tuple(array[[_LANES, _SLOTS, _RECORD_SLOTS]].tolist())
        if geometry != (lanes, slots, record_slots):
            path.unlink()  # whoever still holds the old file finds its epoch ended
            array[_EPOCH] = 0
            return cls.create(path, slots, lanes, record_slots)
        return cls(words)

    @classmethod
    def open(cls, path: Path) -> "Ring":
        """Open a ring that its node has created."""
        return cls(SharedWords(path))

    def consumer(self) -> "Consumer":
        """Take the consumer's end: begin a new epoch, and drop what was never consumed."""
        return Consumer(self)

    def producer(self) -> "Producer":
        """Claim a free lane, or that of a producer who died; RM112 if all are taken."""
        own = process_word(os.getpid())
        for lane in range(int(self.array[_LANES])):
            owner_word = _lane_begin(self.array, lane) + _OWNER
            owner = int(self.array[owner_word])
            if is_alive(owner):
                continue
            if claim(self.array, owner_word, owner, own):
                return Producer(self, lane)
        lanes = int(self.array[_LANES])
        raise RingmainError("RM112", "ring", f"all {lanes} lanes are taken", "End a producer, or add lanes")

    def nudge(self) -> None:
        """Wake the consumer, as if something had been published."""
        self.words.wake(_PARKED)


class Producer:
    """One producer's end: a lane that nobody else writes to. Not for use by two threads at once."""

    def __init__(self, ring: Ring, lane: int) -> None:
        self._ring, self._lane = ring, lane
        self._array = ring.array
        begin = _lane_begin(self._array, lane)
        self._owner_word = begin + _OWNER
        tail, head = self._array[begin + _TAIL], self._array[begin + _HEAD]
        self._cursors = np.array([tail, head], np.int64)
        self.epoch = int(self._array[_EPOCH])

    @property
    def refusal(self) -> int:
        """Why the node takes nothing just now (a reason code), or ACCEPTING."""
        return int(self._array[_REFUSAL])

    @property
    def is_current(self) -> bool:
        """Whether the node still is the one that this lane was claimed under.

        After a node's restart, commands that it had not made durable are gone: claim a lane anew,
        and let each session resend what was not answered.
        """
        return self.epoch == int(self._array[_EPOCH])

    def offer(self, batch: Any) -> int:
        """Publish a batch of records in order; return how many were taken, fewer when the lane is full.

        Takes nothing while the node refuses (:attr:`refusal`) or after it was restarted
        (:attr:`is_current`).
        """
        if self.refusal != ACCEPTING or not self.is_current:
            return 0
        words = batch.view(np.int64)
        taken = put_all(self._array, self._lane, self._cursors, words, batch.size)
        if taken and is_parked(self._array):
            self._ring.nudge()
        return taken

    def close(self) -> None:
        """Give the lane back; what was published is still consumed."""
        claim(self._array, self._owner_word, int(self._array[self._owner_word]), 0)


class Consumer:
    """The node's end."""

    def __init__(self, ring: Ring) -> None:
        self._ring, self._array = ring, ring.array
        lanes = int(self._array[_LANES])
        self._array[_EPOCH] += 1
        self._cursors = np.zeros(2 * lanes, np.int64)
        for lane in range(lanes):
            skip_published(self._array, lane, self._cursors)
        self._lanes, self._first_lane = lanes, 0
        self.refuse(ACCEPTING)

    def drain(self, out: Any) -> int:
        """Move records into the rows of `out`, a fair share from each lane; return how many."""
        self._first_lane = (self._first_lane + 1) % self._lanes
        return int(drain_all(self._array, self._cursors, out.view(np.int64), self._first_lane, out.size))

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return bool(is_empty(self._array, self._cursors))

    def wait(
        self, timeout_s: float, has_news: Callable[[], bool] | None = None, polls: int = 200, yields: int = 2
    ) -> bool:
        """Spin, then yield, then park until something waits or the timeout has passed.

        `has_news` is asked once more after the sleep was announced: True keeps the consumer awake.
        """
        for _ in range(1 + yields):
            if spin(self._array, self._cursors, polls):
                return True
            os.sched_yield()
        if announce_sleep(self._array, self._cursors) and not (has_news and has_news()):
            self._ring.words.park(_PARKED, 1, timeout_s)
        self._array[_PARKED] = 0
        return not self.is_empty()

    def refuse(self, reason: int) -> None:
        """Tell producers why nothing is taken (a reason code), or ACCEPTING."""
        self._array[_REFUSAL] = reason
