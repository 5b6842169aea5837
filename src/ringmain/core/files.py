"""Files: writing all of it, syncing names, one owner for a folder."""

import fcntl
import os
from pathlib import Path
from typing import Any

from ringmain.core.errors import RingmainError


def write_all(descriptor: int, data: Any, offset: int) -> None:
    """Write a uint8 array at `offset`, however many calls it takes; OSError if there is no room."""
    written = 0
    while written < data.size:
        written += os.pwrite(descriptor, data[written:], offset + written)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """One owner at a time for a folder; the kernel lets go when the owner dies."""

    def __init__(self, folder: Path, what: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._descriptor, 20, 0).decode().strip()
            os.close(self._descriptor)
            raise RingmainError(
                "RM106", what, f"{folder} is in use by process {owner}",
                "End that process, or give another folder with --data",
            ) from None  # fmt: skip
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    @staticmethod
    def has_owner(folder: Path) -> bool:
        """Tell whether the process that took a folder last is alive, whatever it is still busy with.

        It does not try the lock: for a moment that would keep an owner out.
        """
        try:
            owner = (folder / "lock").read_text().strip("\0 \n")
        except FileNotFoundError:
            return False
        return owner.isdigit() and Path(f"/proc/{owner}").exists()

    def release(self) -> None:
        """Let the next owner in."""
        os.close(self._descriptor)
