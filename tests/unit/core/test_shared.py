"""Shared words: whoever opens the file while another process makes it sees all of it, or nothing."""

import os
from pathlib import Path

import pytest

from ringmain.core.errors import RingmainError
from ringmain.core.shared import SharedWords

WORDS = 512


def test_a_file_that_is_not_there_says_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(RingmainError, match=r"RM101 .*page does not exist\. Start the node that owns it\."):
        SharedWords(tmp_path / "page")


def test_a_file_has_its_size_by_the_time_its_name_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sized_before_named = []
    truncate = os.ftruncate

    def watched(descriptor: int, size: int) -> None:
        sized_before_named.append(not (tmp_path / "page").exists())
        truncate(descriptor, size)

    monkeypatch.setattr(os, "ftruncate", watched)
    assert SharedWords(tmp_path / "page", WORDS).array.size == WORDS
    assert sized_before_named == [True]
    assert [file.name for file in tmp_path.iterdir()] == ["page"]


def test_of_two_who_make_it_at_once_the_second_takes_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truncate = os.ftruncate
    first = []

    def overtaken(descriptor: int, size: int) -> None:
        monkeypatch.setattr(os, "ftruncate", truncate)
        pid = os.fork()
        if pid == 0:
            SharedWords(tmp_path / "page", WORDS).array[3] = 7
            os._exit(0)
        first.append(os.waitpid(pid, 0)[1])
        truncate(descriptor, size)

    monkeypatch.setattr(os, "ftruncate", overtaken)
    assert SharedWords(tmp_path / "page", WORDS).array[3] == 7
    assert first == [0]


def test_a_file_that_is_too_short_grows_and_keeps_its_words(tmp_path: Path) -> None:
    SharedWords(tmp_path / "page", 8).array[7] = 9
    grown = SharedWords(tmp_path / "page", WORDS).array
    assert (grown.size, int(grown[7]), int(grown[8])) == (WORDS, 9, 0)
