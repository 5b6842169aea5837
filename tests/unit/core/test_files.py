"""Who has a folder, told without touching its lock."""

import os
from pathlib import Path

from ringmain.core.files import FolderLock


def test_a_folder_has_an_owner_as_long_as_that_lives(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    assert not FolderLock.has_owner(folder)
    child = os.fork()
    if child == 0:
        FolderLock(folder, "journal")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not FolderLock.has_owner(folder), "it has died"
    lock = FolderLock(folder, "journal")
    assert FolderLock.has_owner(folder)
    lock.release()
