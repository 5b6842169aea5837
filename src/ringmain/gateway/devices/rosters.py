"""Who is let in, by file: rows that are read again when the file has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ringmain.gateway.credentials import NO_FILE, stamp_of

Row = TypeVar("Row")


class Roster(Generic[Row]):
    """The rows of a file.

    Parameters
    ----------
    path : Path
        There need be no such file: then there are no rows.
    decode : callable taking the path
        Returns the rows of a file that is there, or raises.

    Attributes
    ----------
    readings : int
        How often the file was read: as long as it is the same, so are the rows.
    """

    def __init__(self, path: Path, decode: Callable[[Path], list[Row]]) -> None:
        self.path, self.readings = path, 0
        self._decode, self._stamp = decode, NO_FILE
        self._rows: list[Row] = []

    def rows(self) -> list[Row]:
        """Return all rows; the same list until the file has changed. Raises as `decode` does."""
        stamp = stamp_of(self.path)
        if stamp != self._stamp:
            self._rows = [] if stamp == NO_FILE else self._decode(self.path)
            self._stamp = stamp
            self.readings += 1
        return self._rows
