"""TLS at the door: the server's context, and a client's."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringmain.core.errors import RingmainError


@dataclass(frozen=True)
class Tls:
    """How a gateway serves TLS.

    Parameters
    ----------
    certificate, key : Path
        PEM files; the certificate's may hold the chain behind it.
    client_authority : Path, optional
        PEM file of those who sign clients' certificates. If given, a client without one is not let in.
    ports : mapping of name to int
        Of each market; a market that is not in it gets any free one.
    is_only : bool
        Whether there is no door without TLS.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    is_only: bool = False

    def context(self) -> ssl.SSLContext:
        """Return the server's context; RM350 if a file cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.client_authority is not None:
                context.load_verify_locations(self.client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:  # ssl.SSLError is one
            raise _unusable(self.certificate, self.key, self.client_authority, error=error) from None
        return context


def client_context(
    authority: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """Return a client's context, which checks the server's name and certificate.

    Parameters
    ----------
    authority : Path, optional
        PEM file to trust instead of the system's authorities: of a self-signed server, its certificate.
    certificate, key : Path, optional
        The client's own, for a gateway that asks for one.

    Raises
    ------
    RingmainError
        RM350 if a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=authority)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        raise _unusable(authority, certificate, key, error=error) from None
    return context


def _unusable(*files: Path | None, error: OSError) -> RingmainError:
    names = ", ".join(str(file) for file in files if file is not None)
    what = f"{names}: {error.strerror or error}"
    return RingmainError(
        "RM350", "tls", what, 'Give PEM files that belong together, or run "ringmain certificate"'
    )
