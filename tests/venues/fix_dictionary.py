"""QuickFIX's dictionaries, for what the venue says: every field known to its message, all required there."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.codec import Message


class Dictionary:
    """One version's messages, components laid out."""

    def __init__(self, path: Path) -> None:
        root = ElementTree.parse(path).getroot()
        self.fields = {each.get("name"): each for each in root.find("fields")}
        self.numbers = {name: int(each.get("number")) for name, each in self.fields.items()}
        self.values = {
            int(each.get("number")): {value.get("enum").encode() for value in each if value.tag == "value"}
            for each in self.fields.values()
        }
        self.components = {each.get("name"): each for each in root.find("components")}
        self.messages = {each.get("msgtype").encode(): each for each in root.find("messages")}
        self.laid_out: dict[bytes, tuple] = {}

    def check(self, message: Message) -> None:
        if message.type in d.ADMIN_TYPES:
            return
        assert message.type in self.messages, message.type
        if message.type not in self.laid_out:
            self.laid_out[message.type] = self._lay_out(self.messages[message.type])
        layout = self.laid_out[message.type]
        body = [(tag, value) for tag, value in message.fields if tag not in d.HEADER_TAGS]
        rest = self._take(body, 0, layout, message, ends=False)
        assert rest == len(body), (message, body[rest])

    def _lay_out(self, element) -> tuple[dict[int, object], set[int]]:
        """Return the tags with the layout of a group behind each, and those that have to be there."""
        tags: dict[int, object] = {}
        required: set[int] = set()
        for each in element:
            if each.tag == "component":
                inner_tags, inner_required = self._lay_out(self.components[each.get("name")])
                tags |= inner_tags
                required |= inner_required if each.get("required") == "Y" else set()
                continue
            number = self.numbers[each.get("name")]
            tags[number] = self._lay_out(each) if each.tag == "group" else None
            if each.get("required") == "Y":
                required.add(number)
        return tags, required

    def _take(self, body, place, layout, message, ends) -> int:
        """Take the fields of a message, or of an entry of a group; return the place behind them."""
        tags, required = layout
        seen: set[int] = set()
        while place < len(body) and body[place][0] in tags and body[place][0] not in seen:
            tag, value = body[place]
            seen.add(tag)
            known = self.values.get(tag)
            assert not known or tag in (447,) or set(value.split(b" ")) <= known, (message, tag, value)
            place += 1
            if tags[tag] is not None:
                first = next(iter(tags[tag][0]))
                for _ in range(int(value)):
                    assert body[place][0] == first, (message, tag)
                    place = self._take(body, place, tags[tag], message, ends=True)
        assert seen >= required, (message, required - seen)
        return place
