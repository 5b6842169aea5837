"""What may be seen: events show once the commands that they answer are safe."""

import threading
from collections import deque
from collections.abc import Callable


class CommitPosition:
    """The sequence up to which commands are safe, as the least of what each voter has confirmed.

    Today there is one voter, the local journal. A follower that must hold every command before it is
    acknowledged is one more name here.

    Parameters
    ----------
    publish : callable
        ``publish(tape_position)`` shows the events before it.
    voters : tuple of str
        Who has to confirm.
    sequence : int
        What all have confirmed so far.
    """

    def __init__(self, publish: Callable[[int], None], voters: tuple[str, ...], sequence: int) -> None:
        self._publish = publish
        self._confirmed = dict.fromkeys(voters, sequence)
        self._emitted: deque[tuple[int, int]] = deque()
        self._lock = threading.Lock()
        self.sequence = sequence

    def emitted(self, sequence: int, tape_position: int) -> None:
        """Note that the commands up to `sequence` have caused the events before `tape_position`."""
        with self._lock:
            self._emitted.append((sequence, tape_position))
            self._show()

    def confirm(self, voter: str, sequence: int) -> None:
        """Note that `voter` has everything up to `sequence`."""
        with self._lock:
            self._confirmed[voter] = sequence
            self.sequence = min(self._confirmed.values())
            self._show()

    def _show(self) -> None:
        position = -1
        while self._emitted and self._emitted[0][0] <= self.sequence:
            position = self._emitted.popleft()[1]
        if position >= 0:
            self._publish(position)
