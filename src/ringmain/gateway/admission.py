"""Who comes in, and stays: credentials and entitlements, asked at log-in and again while a session lives."""

import logging
from typing import Protocol

from ringmain.core.errors import RingmainError
from ringmain.gateway.credentials import Credential, Credentials
from ringmain.gateway.entitlements import Entitlements, Rights
from ringmain.gateway.messages import TOKEN_REVOKED, UNKNOWN_TOKEN, WRONG_CERTIFICATE

LOG = logging.getLogger("ringmain.gateway")


class Guest(Protocol):
    """A connection that wants to come in."""

    @property
    def certificate_sha256(self) -> str:
        """Digest of the certificate that the client showed, in hex; asked where a credential wants one."""


class Admission:
    """The door of one market."""

    def __init__(
        self, market: str, credentials: Credentials, entitlements: Entitlements | None = None
    ) -> None:
        self._market, self._credentials = market, credentials
        self._entitlements = entitlements or Entitlements(credentials.path.parent)

    def admit(self, guest: Guest, token: bytes) -> tuple[Credential | None, int]:
        """Return a token's credential, and why it is not to log in here, or 0."""
        try:
            credential = self._credentials.find(self._market, token)
            if credential is None:
                return None, UNKNOWN_TOKEN
            self.rights(credential)  # nobody comes in as long as they cannot be read
        except RingmainError as error:
            LOG.error("%s", error)
            return None, UNKNOWN_TOKEN
        return credential, _fault(guest, credential)

    def rights(self, credential: Credential) -> Rights:
        """Return what a credential's account may; RM353 if the file of rules cannot be read."""
        return self._entitlements.rights(self._market, credential.account_id)

    def review(self, guest: Guest, credential: Credential) -> tuple[int, Rights]:
        """Return why a guest's session with the credential is to end, or 0; and what its account may now.

        RM311 or RM353 if a file cannot be read.
        """
        current = self._credentials.current(credential)
        if current is None:
            return TOKEN_REVOKED, self.rights(credential)
        return _fault(guest, current), self.rights(credential)


def _fault(guest: Guest, credential: Credential) -> int:
    """Return why a credential is no good to a guest, or 0."""
    bound = credential.certificate_sha256
    if bound and bound != guest.certificate_sha256:
        return WRONG_CERTIFICATE
    return credential.ending
