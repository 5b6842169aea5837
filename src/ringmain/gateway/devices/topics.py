"""Which devices may come in over MQTT, and the files that have a mosquitto broker see to it.

A device's user name is its asset id, and a user speaks on no topics but its own. Passwords are kept as
mosquitto's own hashes: PBKDF2 with SHA-512 (mosquitto_passwd(1)).
"""

import base64
import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from ringmain.core.errors import RingmainError
from ringmain.gateway.credentials import changing, replace_file
from ringmain.gateway.devices.readings import Bounds
from ringmain.gateway.devices.rosters import Roster

FILE_NAME = "mqtt.json"
FOLDER = "mosquitto"
PASSWORDS_FILE, ACL_FILE, SECRET_FILE = "passwords", "acl", "gateway.secret"
GATEWAY_USER = "ringmain"
PASSWORD_BYTES, SALT_BYTES, HASH_BYTES, ROUNDS = 24, 12, 64, 101
PREFIX = "ringmain/v1"
TELEMETRY, ACK, SETPOINT, ERROR = "telemetry", "ack", "setpoint", "error"
PRICES = f"{PREFIX}/prices"  # one for all devices
HASH_MARK = "$7$"

ACL = f"""# Written by "ringmain devices"; changes here are lost.
user {GATEWAY_USER}
topic read {PREFIX}/+/{TELEMETRY}
topic read {PREFIX}/+/{ACK}
topic write {PREFIX}/+/{SETPOINT}
topic write {PREFIX}/+/{ERROR}
topic write {PRICES}
pattern write {PREFIX}/%u/{TELEMETRY}
pattern write {PREFIX}/%u/{ACK}
pattern read {PREFIX}/%u/{SETPOINT}
pattern read {PREFIX}/%u/{ERROR}
pattern read {PRICES}
"""


class Speaker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device over MQTT: one asset, with its limits as it was registered with the fleet.

    Parameters
    ----------
    password_hash : str
        As mosquitto keeps it.
    """

    asset_id: int
    import_limit_w: int = 0
    export_limit_w: int = 0
    energy_capacity_wh: int = 0
    password_hash: str = ""

    @property
    def bounds(self) -> Bounds:
        """What it can do at most."""
        return Bounds(self.import_limit_w, self.export_limit_w, self.energy_capacity_wh)


class Speakers:
    """The devices of a data folder; read again when the file changes."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME
        self._roster = Roster(self.path, _decode)

    @property
    def readings(self) -> int:
        """How often the file was read: as long as it is the same, so are the devices."""
        return self._roster.readings

    def all(self) -> list[Speaker]:
        """Return every device; RM777 if the file is not one of them, RM778 for one that can't be."""
        return self._roster.rows()


def add_speakers(data: Path, speakers: list[Speaker]) -> list[str]:
    """Let devices in; return their new passwords, which are shown this once and stored nowhere.

    Those that are known already are replaced, and the broker's files written anew. RM777, RM778 as above.
    """
    passwords = [secrets.token_urlsafe(PASSWORD_BYTES) for _ in speakers]
    added = {
        each.asset_id: msgspec.structs.replace(each, password_hash=password_hash(password))
        for each, password in zip(speakers, passwords, strict=True)
    }
    path = data / FILE_NAME
    with changing(path):
        others = [each for each in Speakers(data).all() if each.asset_id not in added]
        replace_file(path, msgspec.json.encode(_checked([*others, *added.values()], path)))
    write_broker_files(data)
    return passwords


def remove_speaker(data: Path, asset_id: int) -> None:
    """Let a device in no longer; RM778 for one that is not known."""
    path = data / FILE_NAME
    with changing(path):
        gone = speaker_of(data, asset_id)
        left = [each for each in Speakers(data).all() if each != gone]
        replace_file(path, msgspec.json.encode(left))
    write_broker_files(data)


def speaker_of(data: Path, asset_id: int) -> Speaker:
    """Return the device of an asset; RM778 for one that is not known."""
    for each in Speakers(data).all():
        if each.asset_id == asset_id:
            return each
    raise RingmainError("RM778", "mqtt", f"there is no asset {asset_id}", f"Look into {FILE_NAME}")


def write_broker_files(data: Path) -> None:
    """Write mosquitto's password file and access list, for the devices and for our own gateway."""
    folder = data / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with changing(folder / PASSWORDS_FILE):
        users = {GATEWAY_USER: password_hash(gateway_password(data))}
        users |= {str(each.asset_id): each.password_hash for each in Speakers(data).all()}
        lines = "".join(f"{user}:{hashed}\n" for user, hashed in users.items())
        write_private(folder / PASSWORDS_FILE, lines)
        write_private(folder / ACL_FILE, ACL)


def gateway_password(data: Path) -> str:
    """Return our own password at the broker, made at first use; it is readable by its owner alone."""
    path = data / FOLDER / SECRET_FILE
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(PASSWORD_BYTES))
        return path.read_text("ascii")


def write_private(path: Path, text: str) -> None:
    """Write a file, whole or not at all, that its owner alone can read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Return a password as mosquitto keeps it."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, HASH_BYTES)
    return f"{HASH_MARK}{ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(hashed).decode()}"


def topic_of(asset_id: int, what: str) -> str:
    """Return an asset's topic."""
    return f"{PREFIX}/{asset_id}/{what}"


def asset_of(topic: str) -> int:
    """Return the asset that a topic is of; 0 if it is none of ours."""
    name = topic.removeprefix(PREFIX + "/").partition("/")[0]
    return int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else 0


def _decode(path: Path) -> list[Speaker]:
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=list[Speaker]), path)
    except msgspec.MsgspecError as error:
        raise RingmainError("RM777", "mqtt", f"{path.name}: {error}", "Correct the file") from None


def _checked(speakers: list[Speaker], path: Path) -> list[Speaker]:
    seen: set[int] = set()
    for each in speakers:
        what = ""
        if each.asset_id < 1:
            what = "is no asset"
        elif min(each.import_limit_w, each.export_limit_w, each.energy_capacity_wh) < 0:
            what = "has a limit below 0"
        elif not each.password_hash.startswith(HASH_MARK) or "\n" in each.password_hash:
            what = "password_hash is none of mosquitto's"
        elif each.asset_id in seen:
            what = "is named twice"
        if what:
            raise RingmainError("RM778", "mqtt", f"{path.name}: asset {each.asset_id} {what}", "Correct it")
        seen.add(each.asset_id)
    return speakers
