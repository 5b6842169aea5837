"""Which VENs of OpenADR may come in: their tokens and certificates, kept as hashes, and their assets."""

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import Literal

import msgspec

from ringmain.core.errors import RingmainError
from ringmain.gateway.credentials import DIGEST, changing, replace_file
from ringmain.gateway.devices.readings import Bounds
from ringmain.gateway.devices.rosters import Roster

FILE_NAME = "vens.json"
TOKEN_BYTES = 24
VEN_ID = re.compile(r"[\w.-]{1,64}")


class Ven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A virtual end node: one asset of the fleet.

    Parameters
    ----------
    ven_id : str
        Its name and its identity.
    token_sha256 : str
        Hash of its token, in hex; empty if it comes by certificate alone.
    certificate_sha256 : str
        Digest of its certificate, in hex; empty if it comes by token alone.
    signal : "dispatch" or "simple"
        Whether it is told a power (LOAD_DISPATCH) or a level of SIMPLE.
    import_limit_w, export_limit_w, energy_capacity_wh : int
        As it was registered with the fleet.
    """

    ven_id: str
    asset_id: int
    import_limit_w: int
    token_sha256: str = ""
    certificate_sha256: str = ""
    export_limit_w: int = 0
    energy_capacity_wh: int = 0
    signal: Literal["dispatch", "simple"] = "dispatch"

    @property
    def bounds(self) -> Bounds:
        """What it can do at most."""
        return Bounds(self.import_limit_w, self.export_limit_w, self.energy_capacity_wh)


class Vens:
    """The VENs of a data folder; read again when the file changes."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME
        self._roster = Roster(self.path, _decode)

    def all(self) -> list[Ven]:
        """Return every VEN; RM757 if the file is not one of them, RM758 for one that can't be."""
        return self._roster.rows()

    def with_token(self, ven_id: str, token: str) -> Ven | None:
        """Return the VEN of that id, if the token is its own."""
        digest, found = hashlib.sha256(token.encode()).hexdigest(), None
        for ven in self.all():
            is_token = bool(ven.token_sha256) and hmac.compare_digest(ven.token_sha256, digest)
            if is_token and ven.ven_id == ven_id:
                found = ven
        return found

    def with_certificate(self, certificate: bytes) -> Ven | None:
        """Return the VEN that owns a certificate, given as DER."""
        digest = hashlib.sha256(certificate).hexdigest()
        return next((ven for ven in self.all() if ven.certificate_sha256 == digest), None)


def add_ven(data: Path, ven: Ven) -> str:
    """Let a VEN in; return its new token, which is shown this once and stored nowhere.

    One that is known already is replaced. RM757, RM758 as above.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    added = msgspec.structs.replace(ven, token_sha256=hashlib.sha256(token.encode()).hexdigest())
    with changing(data / FILE_NAME):
        others = [each for each in Vens(data).all() if each.ven_id != ven.ven_id]
        replace_file(data / FILE_NAME, msgspec.json.encode(_checked([*others, added], data / FILE_NAME)))
    return token


def _decode(path: Path) -> list[Ven]:
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=list[Ven]), path)
    except msgspec.MsgspecError as error:
        raise RingmainError("RM757", "vens", f"{path.name}: {error}", "Correct the file") from None


def _checked(vens: list[Ven], path: Path) -> list[Ven]:
    seen: set[int | str] = set()
    for ven in vens:
        what = ""
        if not VEN_ID.fullmatch(ven.ven_id):
            what = "an id is up to 64 letters, digits and -_."
        elif not ven.token_sha256 and not ven.certificate_sha256:
            what = "has neither token nor certificate"
        elif ven.certificate_sha256 and not DIGEST.fullmatch(ven.certificate_sha256):
            what = "certificate_sha256 is no SHA-256 in hex"
        elif min(ven.import_limit_w, ven.export_limit_w, ven.energy_capacity_wh) < 0:
            what = "has a limit below 0"
        elif ven.ven_id in seen or ven.asset_id in seen:
            what = "another one has its id or its asset"
        if what:
            raise RingmainError("RM758", "vens", f"{path.name}: {ven.ven_id}: {what}", "Correct it")
        seen |= {ven.ven_id, ven.asset_id}
    return vens
