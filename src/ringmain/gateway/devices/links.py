"""Which devices may come in by websocket: their tokens and certificates, as hashes, and their assets."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ringmain.core.errors import RingmainError
from ringmain.gateway.credentials import DIGEST, changing, replace_file
from ringmain.gateway.devices.readings import Bounds
from ringmain.gateway.devices.rosters import Roster

FILE_NAME = "links.json"
TOKEN_BYTES = 24
LINK_ID = re.compile(r"[\w.-]{1,64}")
ASSETS_A_LINK = 4_096


class LinkAsset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An asset behind a link, with its limits as it was registered with the fleet."""

    import_limit_w: int = 0
    export_limit_w: int = 0
    energy_capacity_wh: int = 0

    @property
    def bounds(self) -> Bounds:
        """What it can do at most."""
        return Bounds(self.import_limit_w, self.export_limit_w, self.energy_capacity_wh)


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device, or a box at a site that speaks for several.

    Parameters
    ----------
    link_id : str
        Its name, for people.
    assets : dict of int to LinkAsset
        All that it speaks for, by asset id.
    token_sha256, certificate_sha256 : str
        Hashes in hex of what it comes in by; one of them may be empty.
    """

    link_id: str
    assets: dict[int, LinkAsset]
    token_sha256: str = ""
    certificate_sha256: str = ""


class Links:
    """The links of a data folder; read again when the file changes."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME
        self._roster = Roster(self.path, _decode)
        self._by_id: dict[str, Link] = {}
        self._by_digest: dict[str, Link] = {}

    @property
    def readings(self) -> int:
        """How often the file was read: as long as it is the same, so are the links."""
        return self._roster.readings

    def all(self) -> list[Link]:
        """Return every link; RM765 if the file is not one of them, RM766 for one that can't be."""
        self.refresh()
        return list(self._by_id.values())

    def refresh(self) -> None:
        """Read the file again if it has changed; raises as `all` does."""
        before, links = self.readings, self._roster.rows()
        if self.readings != before:
            self._by_id = {link.link_id: link for link in links}
            self._by_digest = {
                digest: link
                for link in links
                for digest in (link.token_sha256, link.certificate_sha256)
                if digest
            }

    def find(self, link_id: str) -> Link | None:
        """Return the link of that name."""
        self.refresh()
        return self._by_id.get(link_id)

    def with_token(self, token: str) -> Link | None:
        """Return the link that a token lets in. It is looked up by its hash, so time tells nothing of it."""
        self.refresh()
        digest = hashlib.sha256(token.encode()).hexdigest()
        link = self._by_digest.get(digest)
        return link if link is not None and link.token_sha256 == digest else None

    def with_certificate(self, certificate: bytes) -> Link | None:
        """Return the link that owns a certificate, given as DER."""
        self.refresh()
        digest = hashlib.sha256(certificate).hexdigest()
        link = self._by_digest.get(digest)
        return link if link is not None and link.certificate_sha256 == digest else None


def add_links(data: Path, links: Sequence[Link]) -> list[str]:
    """Let links in; return their new tokens, which are shown this once and stored nowhere.

    Links that are known already are replaced. RM765, RM766 as above.
    """
    tokens = [secrets.token_urlsafe(TOKEN_BYTES) for _ in links]
    added = {
        link.link_id: msgspec.structs.replace(link, token_sha256=hashlib.sha256(token.encode()).hexdigest())
        for link, token in zip(links, tokens, strict=True)
    }
    path = data / FILE_NAME
    with changing(path):
        others = [each for each in Links(data).all() if each.link_id not in added]
        replace_file(path, msgspec.json.encode(_checked([*others, *added.values()], path)))
    return tokens


def remove_link(data: Path, link_id: str) -> None:
    """Let a link in no longer; RM766 for one that is not known."""
    path = data / FILE_NAME
    with changing(path):
        gone = link_called(data, link_id)
        left = [link for link in Links(data).all() if link != gone]
        replace_file(path, msgspec.json.encode(left))


def link_called(data: Path, link_id: str) -> Link:
    """Return a link; RM766 for one that is not known."""
    link = Links(data).find(link_id)
    if link is None:
        raise RingmainError("RM766", "links", f"there is no {link_id}", f"Look into {FILE_NAME}")
    return link


def _decode(path: Path) -> list[Link]:
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=list[Link]), path)
    except msgspec.MsgspecError as error:
        raise RingmainError("RM765", "links", f"{path.name}: {error}", "Correct the file") from None


def _checked(links: list[Link], path: Path) -> list[Link]:
    seen: set[int | str] = set()
    for link in links:
        what = _fault(link)
        if not what and not seen.isdisjoint({link.link_id, *link.assets}):
            what = "another one has its name or one of its assets"
        if what:
            raise RingmainError("RM766", "links", f"{path.name}: {link.link_id}: {what}", "Correct it")
        seen |= {link.link_id, *link.assets}
    return links


def _fault(link: Link) -> str:
    if not LINK_ID.fullmatch(link.link_id):
        return "a name is up to 64 letters, digits and -_."
    if not 0 < len(link.assets) <= ASSETS_A_LINK or min(link.assets) < 1:
        return f"a link has 1 to {ASSETS_A_LINK} assets"
    if not link.token_sha256 and not link.certificate_sha256:
        return "has neither token nor certificate"
    if any(
        digest and not DIGEST.fullmatch(digest) for digest in (link.token_sha256, link.certificate_sha256)
    ):
        return "what should be a SHA-256 in hex is none"
    for asset in link.assets.values():
        if min(asset.import_limit_w, asset.export_limit_w, asset.energy_capacity_wh) < 0:
            return "has a limit below 0"
    return ""
