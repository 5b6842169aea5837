"""A node's page: the numbers that the node shows to other processes, in one page of shared memory."""

from pathlib import Path

from ringmain.core.jit import kernel, load_acquire, store_release
from ringmain.core.shared import PAIR_WORDS, SharedWords

PAGE_WORDS = 512
LATENCY_BUCKETS = 40  # bucket b counts commits that took less than 2**b nanoseconds, and not less than half

# The tape's readable position is what others poll: it has its cache lines to itself.
_WORD_OF = {
    "tape_readable": 0,
    "tape_wakeups": 1,
    "tape_waiters": PAIR_WORDS,
    "tape_first": 2 * PAIR_WORDS,
    "tape_written": 2 * PAIR_WORDS + 1,
    "record_bytes": 2 * PAIR_WORDS + 2,
    "boot": 2 * PAIR_WORDS + 3,
    "tape_complete": 2 * PAIR_WORDS + 4,
    "node": 3 * PAIR_WORDS,
    "epoch": 3 * PAIR_WORDS + 1,
    "sequence": 3 * PAIR_WORDS + 2,
    "time_ns": 3 * PAIR_WORDS + 3,
    "settled_ns": 3 * PAIR_WORDS + 4,
    "refusal": 3 * PAIR_WORDS + 5,
    "durable_sequence": 4 * PAIR_WORDS,
    "journal_bytes": 4 * PAIR_WORDS + 1,
    "journal_batches": 4 * PAIR_WORDS + 2,
    "snapshot_sequence": 4 * PAIR_WORDS + 3,
    "snapshot_pause_ns": 4 * PAIR_WORDS + 4,
    "digest_sequence": 4 * PAIR_WORDS + 5,
    "digest": 4 * PAIR_WORDS + 6,
    "durability": 4 * PAIR_WORDS + 7,
    "commit_latency": 6 * PAIR_WORDS,
}
TAPE_READABLE, TAPE_WAKEUPS, TAPE_WAITERS = (
    _WORD_OF[n] for n in ("tape_readable", "tape_wakeups", "tape_waiters")
)


@kernel
def acquire_word(words: object, index: int) -> int:
    """Read a word of shared memory with acquire ordering."""
    return load_acquire(words, index)


@kernel
def release_word(words: object, index: int, value: int) -> None:
    """Write a word of shared memory with release ordering."""
    store_release(words, index, value)


class NodePage:
    """Named words of a node's page.

    What each word means:

    - ``tape_readable``: events before this position may be read; everything they answer is durable
    - ``tape_first``, ``tape_written``: oldest position that is kept; end of what the engine has emitted
    - ``node``: the process that runs the node (:func:`ringmain.core.shared.process_word`), 0 after an
      orderly stop; ``epoch``: how often it was started
    - ``sequence``, ``durable_sequence``: last command applied; last one that a crash can't take away
    - ``settled_ns``: the logical time up to which nothing was left to do when the node last looked
    - ``refusal``: why the node takes no commands, as a reason code, or 0
    - ``commit_latency``: LATENCY_BUCKETS counters
    """

    def __init__(self, path: Path, create: bool = False) -> None:
        self.words = SharedWords(path, PAGE_WORDS if create else 0)
        self.array = self.words.array

    def get(self, name: str) -> int:
        """Read a word."""
        return int(acquire_word(self.array, _WORD_OF[name]))

    def set(self, name: str, value: int) -> None:
        """Write a word, visible after everything that was written before it."""
        release_word(self.array, _WORD_OF[name], value)

    def count_latency(self, nanoseconds: int) -> None:
        """Add one commit to the histogram."""
        bucket = min(nanoseconds.bit_length(), LATENCY_BUCKETS - 1)
        self.array[_WORD_OF["commit_latency"] + bucket] += 1

    def latency_ns(self, quantile: float) -> int:
        """Return a quantile of the commit latency in nanoseconds, as its bucket's upper bound; 0 if none."""
        begin = _WORD_OF["commit_latency"]
        counts = self.array[begin : begin + LATENCY_BUCKETS].tolist()
        rank = quantile * sum(counts)
        for bucket, count in enumerate(counts):
            rank -= count
            if count and rank <= 0:
                return 1 << bucket
        return 0

    def as_dict(self) -> dict[str, int]:
        """Return every named word but the histogram."""
        return {name: self.get(name) for name in _WORD_OF if name != "commit_latency"}
