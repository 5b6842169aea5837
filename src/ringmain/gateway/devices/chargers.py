"""Which charge points may come in: their passwords, kept as hashes, and the assets at their connectors."""

import hashlib
import hmac
import re
import secrets
from pathlib import Path

import msgspec

from ringmain.core.errors import RingmainError
from ringmain.gateway.credentials import changing, replace_file
from ringmain.gateway.devices.readings import Bounds
from ringmain.gateway.devices.rosters import Roster

FILE_NAME = "chargers.json"
PASSWORD_BYTES = 24  # 32 characters: OCPP takes 16 to 40
CHARGER_ID = re.compile(r"[\w*=:+|@.~-]{1,48}")  # OCPP 2.0.1, identifierString


class Connector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An outlet (1.6) or EVSE (2.0.1): one asset of the fleet.

    Parameters
    ----------
    import_limit_w, energy_capacity_wh, export_limit_w : int
        As the charger was registered with the fleet.
    stay_s : int
        How long a car is expected to stay that does not say so.
    required_wh : int
        What it is expected to take if it does not say so.
    idle_w : int
        Most power to the car while no set-point holds: 0 as the fleet reckons.
    """

    asset_id: int
    import_limit_w: int
    energy_capacity_wh: int
    export_limit_w: int = 0
    stay_s: int = 8 * 3_600
    required_wh: int = 10_000
    idle_w: int = 0

    @property
    def bounds(self) -> Bounds:
        """What it can do at most."""
        return Bounds(self.import_limit_w, self.export_limit_w, self.energy_capacity_wh)


class Charger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A charge point.

    Parameters
    ----------
    charger_id : str
        Its identity: the last part of the address that it connects to, and its user name there.
    password_sha256 : str
        Hash of its password, in hex; the password itself is kept nowhere.
    connectors : dict of int to Connector
        By OCPP's number of the connector or EVSE, from 1.
    id_tags : list of str
        Cards that may charge; empty: every card may.
    """

    charger_id: str
    password_sha256: str
    connectors: dict[int, Connector]
    id_tags: list[str] = []


class Chargers:
    """The charge points of a data folder; read again when the file changes."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME
        self._roster = Roster(self.path, _decode)

    def all(self) -> list[Charger]:
        """Return every charge point; RM751 if the file is not one of them."""
        return self._roster.rows()

    def find(self, charger_id: str) -> Charger | None:
        """Return the charge point of that identity."""
        return next((charger for charger in self.all() if charger.charger_id == charger_id), None)

    def bounds(self) -> dict[int, Bounds]:
        """Return what each asset at a connector can do at most."""
        return {c.asset_id: c.bounds for charger in self.all() for c in charger.connectors.values()}


def is_password(charger: Charger, password: str) -> bool:
    """Tell whether a password is a charge point's; the time it takes does not tell how much of it is."""
    return hmac.compare_digest(charger.password_sha256, _digest(password))


def add_charger(
    data: Path, charger_id: str, connectors: dict[int, Connector], id_tags: list[str] | None = None
) -> str:
    """Let a charge point in; return its password, which is shown this once and stored nowhere.

    One that is known already gets new connectors and a new password.

    Raises
    ------
    RingmainError
        RM751 for a file that cannot be read, RM752 for what is no charge point.
    """
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    added = Charger(charger_id, _digest(password), connectors, id_tags or [])
    _check(added, data / FILE_NAME)
    with changing(data / FILE_NAME):
        others = [c for c in Chargers(data).all() if c.charger_id != charger_id]
        _write(data, _checked([*others, added], data / FILE_NAME))
    return password


def remove_charger(data: Path, charger_id: str) -> None:
    """Let a charge point in no longer; RM753 for one that is not known."""
    with changing(data / FILE_NAME):
        known = Chargers(data).all()
        left = [c for c in known if c.charger_id != charger_id]
        if len(left) == len(known):
            raise RingmainError("RM753", "chargers", f"there is no {charger_id}", f"Look into {FILE_NAME}")
        _write(data, left)


def _write(data: Path, chargers: list[Charger]) -> None:
    replace_file(data / FILE_NAME, msgspec.json.encode(chargers))


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _decode(path: Path) -> list[Charger]:
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=list[Charger]), path)
    except msgspec.MsgspecError as error:
        raise RingmainError("RM751", "chargers", f"{path.name}: {error}", "Correct the file") from None


def _checked(chargers: list[Charger], path: Path) -> list[Charger]:
    seen: set[int] = set()
    for charger in chargers:
        _check(charger, path)
        for connector in charger.connectors.values():
            if connector.asset_id in seen:
                raise _fault(charger, path, f"asset {connector.asset_id} is at another connector too")
            seen.add(connector.asset_id)
    return chargers


def _check(charger: Charger, path: Path) -> None:
    if not CHARGER_ID.fullmatch(charger.charger_id):
        raise _fault(charger, path, "an identity is up to 48 letters, digits and *-_=:+|@.~")
    if not charger.connectors or min(charger.connectors) < 1:
        raise _fault(charger, path, "connectors are numbered from 1")
    for connector in charger.connectors.values():
        limits = (connector.import_limit_w, connector.export_limit_w, connector.energy_capacity_wh)
        if min(*limits, connector.required_wh, connector.stay_s, connector.idle_w) < 0:
            raise _fault(charger, path, f"asset {connector.asset_id} has a limit below 0")


def _fault(charger: Charger, path: Path, what: str) -> RingmainError:
    return RingmainError("RM752", "chargers", f"{path.name}: {charger.charger_id}: {what}", "Correct it")
