"""Which door has a session: marks of processes that live or are gone, and what a door is to do next."""

import os
import subprocess
import sys

import pytest

from ringmain.core.shared import process_word
from ringmain.exchange.messages import schema
from ringmain.gateway import holding
from ringmain.gateway.credentials import Credential
from ringmain.gateway.holding import Holdings, Nonces, purpose_of
from ringmain.gateway.session import LIVE, Opening, Session


@pytest.fixture
def other():
    """Return the mark of another process, which lives."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process_word(process.pid)
    process.communicate(b"\n")


GONE = process_word(os.getpid()) + (1 << 22)


def test_a_session_that_nobody_has_is_taken_at_once(tmp_path):
    holdings = Holdings(tmp_path)
    assert not holdings.other_has(5)
    assert not holdings.is_left(5)
    assert holdings.take(5) == 0
    assert not holdings.other_has(5), "it is one's own"
    assert holdings.give_back(5)
    assert not Holdings(tmp_path).is_left(5)


def test_a_session_of_a_door_that_is_gone_is_taken_at_once(tmp_path):
    holdings = Holdings(tmp_path)
    holdings._words[5] = GONE
    assert holdings.is_left(5)
    assert not holdings.other_has(5)
    assert holdings.take(5) == 0
    assert not holdings.is_left(5)


def test_a_session_of_another_door_is_waited_for(tmp_path, other):
    holdings = Holdings(tmp_path)
    holdings._words[5] = other
    assert holdings.other_has(5)
    assert holdings.take(5) == other
    assert holdings.take(5, awaited=other) == other, "it has not yielded since"
    assert holdings.take(5, awaited=GONE) == 0, "nor will it"


def test_what_another_door_has_taken_is_not_given_back(tmp_path, other):
    holdings = Holdings(tmp_path)
    holdings.take(5)
    holdings._words[5] = other
    assert not holdings.give_back(5)
    assert holdings.other_has(5)


def test_who_gives_up_waiting_leaves_it_to_the_door_that_has_it(tmp_path, other):
    holdings = Holdings(tmp_path)
    holdings._words[5] = other
    assert holdings.give_back(5, holdings.take(5)) is True
    assert holdings.other_has(5)


def test_nonces_rise_and_say_what_for():
    mine, yours = Nonces(), Nonces()
    purposes = [holding.TAKES, holding.ASKS, holding.YIELDS, holding.ASKS]
    made = [mine.next(purpose) for purpose in purposes]
    assert [purpose_of(each) for each in made] == purposes
    assert made == sorted(set(made))
    assert all(map(mine.is_own, made))
    assert not any(map(yours.is_own, made))
    assert 0 < made[0] < 2**63
    assert not mine.is_own(holding.CLOSED)


MINE, YOURS = Nonces(), Nonces()


def session(is_live: bool = True, awaited: int = 0) -> Session:
    """Return a session that was opened at sequence 10."""
    made = Session(Credential("", "exchange", 5, 1, "trader"), schema, 1_000, MINE.next(holding.TAKES))
    made.awaited = awaited
    assert made.follow(Opening(YOURS.next(holding.TAKES), 9, 0), False) == holding.STAY
    step = made.follow(Opening(made.nonce, 10, 0), True)
    assert step == (holding.STAY if awaited else holding.ENTER)
    if is_live:
        made.phase = LIVE
    return made


def test_who_takes_later_has_it():
    for made in (session(), session(is_live=False, awaited=7)):
        assert made.follow(Opening(YOURS.next(holding.TAKES), 9, 0), False) == holding.STAY
        assert made.follow(Opening(YOURS.next(holding.ASKS), 11, 0), False) == holding.STAY
        assert made.follow(Opening(YOURS.next(holding.TAKES), 11, 0), False) == holding.LEAVE


def test_one_that_waits_enters_when_the_other_yields_or_closes():
    waiting = session(is_live=False, awaited=7)
    assert waiting.follow(Opening(YOURS.next(holding.YIELDS), 12, 30), False) == holding.ENTER
    waiting = session(is_live=False, awaited=7)
    assert waiting.follow(Opening(holding.CLOSED, 12, 0), False) == holding.TAKE_AGAIN
    live = session()
    assert live.follow(Opening(YOURS.next(holding.YIELDS), 12, 30), False) == holding.STAY
    assert live.follow(Opening(holding.CLOSED, 12, 0), False) == holding.STAY


@pytest.mark.parametrize("nonce", [holding.CLOSED, YOURS.next(holding.YIELDS)])
def test_the_other_may_be_done_before_the_market_has_answered(nonce):
    made = Session(Credential("", "exchange", 5, 1, "trader"), schema, 1_000, MINE.next(holding.TAKES))
    made.awaited = 7
    assert made.follow(Opening(nonce, 9, 0), False) == holding.STAY
    assert made.follow(Opening(made.nonce, 10, 0), True) == holding.ENTER


def test_asking_is_not_taking():
    made = session()
    made.nonce = MINE.next(holding.ASKS)
    assert made.follow(Opening(made.nonce, 20, 3), True) == holding.STAY
    assert made.opened_nonce == made.nonce
    assert made.opened_sequence == 10
    made.restart(MINE.next(holding.ASKS))
    assert made.follow(Opening(made.nonce, 30, 3), True) == holding.RESEND
