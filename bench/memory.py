"""Memory as a machine has it that has run for a while."""

import os

import numpy as np

TOUCHED_BYTES = 4 << 30
PIECE_BYTES = 64 << 20


def touch_memory() -> None:
    """Write to some gigabytes of memory, and give them back.

    A virtual machine's memory belongs to the host until it is written to for the first time, which
    costs about 10 µs for each page of 4 KiB: ten times what writing a page of a file costs. Whoever
    measures first would pay for it, this project or its peer.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    pieces = [np.ones(PIECE_BYTES, np.uint8) for _ in range(min(TOUCHED_BYTES, free // 2) // PIECE_BYTES)]
    del pieces
