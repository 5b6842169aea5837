"""The messages of a session that asked for several commands at once: what answers them has to echo them."""

import os
import struct
from pathlib import Path

import google_crc32c

_HEAD = struct.Struct("<II")  # length, checksum
REQUEST_BYTES_MAX = 1 << 17


class Requests:
    """Appends messages to ``requests-E``, a file for each epoch; the one before the present is kept.

    Parameters
    ----------
    folder : Path
        The session's.
    epoch : int
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        self._folder, self._epoch = folder, epoch
        self._descriptor = -1

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file, if there is anything new in it."""
        return (self._descriptor,) if self._descriptor >= 0 else ()

    def append(self, message: bytes) -> int:
        """Write a message down; return where it stands. OSError if the disk has no room."""
        if self._descriptor < 0:
            self._descriptor = self._open()
        place = os.lseek(self._descriptor, 0, os.SEEK_END)
        data = _HEAD.pack(len(message), google_crc32c.value(message)) + message
        if os.write(self._descriptor, data) != len(data):
            os.ftruncate(self._descriptor, place)
            raise OSError("the request was cut off")
        return place

    def read(self, epoch: int, place: int) -> bytes | None:
        """Return the message that stands there, None if it is gone or was torn."""
        try:
            with self._path(epoch).open("rb") as file:
                file.seek(place)
                head = file.read(_HEAD.size)
                length, checksum = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
                message = file.read(min(length, REQUEST_BYTES_MAX))
        except FileNotFoundError:
            return None
        is_whole = 0 < length == len(message) and google_crc32c.value(message) == checksum
        return message if is_whole else None

    def begin(self, epoch: int) -> None:
        """Go on in another file, under the same descriptor: somebody may be syncing it; old files go."""
        self._epoch = epoch
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)
            fresh = self._open()
            os.dup2(fresh, self._descriptor, inheritable=False)
            os.close(fresh)
        for path in self._folder.glob("requests-*"):
            if int(path.name.partition("-")[2]) < epoch - 1:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> int:
        return os.open(self._path(self._epoch), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"requests-{epoch}"
