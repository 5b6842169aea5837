"""Who stays: a credential is looked at again while its session lives, as it now stands in the file."""

from types import SimpleNamespace

import msgspec
import pytest

from ringmain.gateway import credentials
from ringmain.gateway.admission import Admission
from ringmain.gateway.credentials import Credential, Credentials
from ringmain.gateway.messages import REASONS

NAMES = {code: name for name, code in REASONS.items()} | {0: ""}
DIGEST, OTHER = "ab" * 32, "cd" * 32
NOBODY = SimpleNamespace(certificate_sha256="")


@pytest.fixture
def data(tmp_path):
    for market in ("exchange", "vpp"):
        for place in range(3):
            credentials.add_token(tmp_path, market, 1 + place % 2, f"{market} {place}")
    return tmp_path


def change(data, held_by, **values) -> None:
    known = Credentials(data).all()
    changed = [msgspec.structs.replace(each, **values) if each.name == held_by else each for each in known]
    credentials.write(data, changed)


def ending(admission, guest, credential) -> str:
    return NAMES[admission.review(guest, credential)[0]]


def own(data, name="exchange 1") -> Credential:
    return next(each for each in Credentials(data).all() if each.name == name)


@pytest.mark.parametrize(
    "values, reason",
    [
        ({}, ""),
        ({"name": "married"}, ""),
        ({"revoked": True}, "TOKEN_REVOKED"),
        ({"expires_s": 1}, "TOKEN_EXPIRED"),
        ({"account_id": 7}, "TOKEN_REVOKED"),
        ({"role": "observer"}, "TOKEN_REVOKED"),
        ({"token_sha256": "00"}, "TOKEN_REVOKED"),
        ({"certificate_sha256": DIGEST}, "WRONG_CERTIFICATE"),
    ],
)
def test_a_change_is_taken(data, values, reason):
    admission, credential = Admission("exchange", Credentials(data)), own(data)
    assert ending(admission, NOBODY, credential) == ""
    change(data, credential.name, **values)
    assert ending(admission, NOBODY, credential) == reason
    for other in ("exchange 0", "exchange 2"):
        assert ending(admission, NOBODY, own(data, other)) == ""


def test_a_certificate_that_is_bound_later_is_asked_for(data):
    admission, credential = Admission("exchange", Credentials(data)), own(data)
    guest, stranger = SimpleNamespace(certificate_sha256=DIGEST), SimpleNamespace(certificate_sha256=OTHER)
    change(data, credential.name, certificate_sha256=DIGEST)
    assert ending(admission, guest, credential) == ""
    assert ending(admission, stranger, credential) == "WRONG_CERTIFICATE"
    change(data, credential.name, certificate_sha256="")
    assert ending(admission, stranger, credential) == ""


def test_a_credential_that_is_gone_ends_its_session(data):
    admission, credential = Admission("exchange", Credentials(data)), own(data)
    credentials.write(data, [each for each in Credentials(data).all() if each.name != credential.name])
    assert ending(admission, NOBODY, credential) == "TOKEN_REVOKED"
    (data / credentials.FILE_NAME).unlink()
    assert ending(admission, NOBODY, credential) == "TOKEN_REVOKED"


def test_a_review_looks_at_one_credential_however_many_there_are(data):
    """Each credential that is looked at has its fields read: of the others, none is."""
    known = Credentials(data)
    admission, credential = Admission("exchange", known), own(data)
    known.all()
    looked_at = []

    class Seen:
        def __init__(self, credential) -> None:
            self.credential = credential

        def __getattr__(self, name):
            looked_at.append(self.credential.name)
            return getattr(self.credential, name)

    known._all = [Seen(each) for each in known._all]
    known._by_session = {key: Seen(each) for key, each in known._by_session.items()}
    assert ending(admission, NOBODY, credential) == ""
    assert set(looked_at) == {credential.name}


def test_the_sessions_of_an_account_are_found(data):
    known = Credentials(data)
    assert known.sessions_of("exchange", 1) == [1, 3]
    assert known.sessions_of("exchange", 2) == [2]
    assert known.sessions_of("exchange", 9) == []
    credentials.add_token(data, "exchange", 9, "new")
    assert known.sessions_of("exchange", 9) == [4]
