"""Memory that processes share: a mapped file of 64-bit words, and waiting on one of them."""

import contextlib
import ctypes
import hashlib
import mmap
import os
import platform
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError

WORD_BYTES = 8
LINE_WORDS = 8  # one cache line of 64 bytes
PAIR_WORDS = 16  # two lines: processors prefetch them in pairs, so cursors stand two apart

_FUTEX_CALL = {"x86_64": 202, "aarch64": 98}
_FUTEX_WAIT, _FUTEX_WAKE = 0, 1
_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class SharedWords:
    """A file mapped into memory as an int64 array, the same bytes in every process.

    Parameters
    ----------
    path : Path
        The file. It is created with mode 0600 if `word_count` is given, and must exist otherwise.
    word_count : int, optional
        Size in words of 8 bytes; a file that is shorter grows, with zeros.
    """

    def __init__(self, path: Path, word_count: int = 0) -> None:
        if word_count:
            _make(path, word_count * WORD_BYTES)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            raise RingmainError(
                "RM101", "shared", f"{path} does not exist", "Start the node that owns it"
            ) from None
        try:
            if os.fstat(descriptor).st_size < word_count * WORD_BYTES:
                os.ftruncate(descriptor, word_count * WORD_BYTES)
            self._map = mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)
        self.path = path
        self.array: np.ndarray[Any, np.dtype[np.int64]] = np.frombuffer(self._map, np.int64)
        self._address = self.array.ctypes.data

    def park(self, index: int, expected: int, timeout_s: float) -> None:
        """Sleep until :meth:`wake` or the timeout, unless the word no longer holds `expected`."""
        timeout = _Timespec(int(timeout_s), int(timeout_s % 1 * 1e9))
        self._futex(index, _FUTEX_WAIT, expected & 0x7FFFFFFF, ctypes.byref(timeout))

    def wake(self, index: int) -> None:
        """Wake everyone who is parked on the word."""
        self._futex(index, _FUTEX_WAKE, 0x7FFFFFFF, None)

    def _futex(self, index: int, operation: int, value: int, timeout: Any) -> None:
        # The kernel compares the word's low half, which comes first on little-endian machines.
        address = ctypes.c_void_p(self._address + index * WORD_BYTES)
        _libc.syscall(_FUTEX_CALL[platform.machine()], address, operation, value, timeout, None, 0)


def _make(path: Path, size: int) -> None:
    """Make the file if there is none; it has its size by the time that its name appears."""
    if path.exists():
        return
    unnamed = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, size)
        with contextlib.suppress(FileExistsError):  # somebody was faster: theirs is as good
            os.link(unnamed, path)
    finally:
        os.close(descriptor)
        unnamed.unlink()


def ring_path(folder: Path) -> Path:
    """Return where a market's ring lies: in memory, under a name that belongs to this folder alone.

    A ring on a disk would be written back all the time, for nothing: what is in it is not yet
    acknowledged. The folder's random ``instance`` keeps a copied or a re-made folder apart.
    """
    instance = folder / "instance"
    if not instance.exists():
        folder.mkdir(parents=True, exist_ok=True)
        instance.write_text(secrets.token_hex(8))
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return folder / "ring"
    name = f"{folder.resolve()} {instance.read_text()}"
    return memory / f"ringmain-{os.getuid()}-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}.ring"


def process_word(pid: int) -> int:
    """Name a process in one word: its pid and, because pids come again, when it started; 0 if gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    state, start_ticks = fields[0], int(fields[19])
    return 0 if state in "ZX" else start_ticks << 22 | pid


def is_alive(word: int) -> bool:
    """Tell whether the process that :func:`process_word` named is still there."""
    return word != 0 and process_word(word & 0x3FFFFF) == word


def boot_word() -> int:
    """Return a number that changes whenever the machine boots."""
    return int(Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:15], 16)
