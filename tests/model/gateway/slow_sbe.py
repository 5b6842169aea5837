"""SBE written and read one field at a time, by nothing but the XML schema: the slow twin of the kernels."""

import struct
import xml.etree.ElementTree as Tree

NAMESPACE = "{http://fixprotocol.io/2016/sbe}"
FORMATS = {
    "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B", "uint16": "H", "uint32": "I",
    "uint64": "Q", "float": "f", "double": "d",
}  # fmt: skip
SOFH, HEADER = struct.Struct(">IH"), struct.Struct("<HHHH")
HEAD_BYTES = SOFH.size + HEADER.size
ENCODING = 0xEB50


class SlowSbe:
    """The messages of a schema, by id and by name."""

    def __init__(self, xml: str) -> None:
        root = Tree.fromstring(xml)
        assert root.get("byteOrder") == "littleEndian"
        self.schema_id, self.version = int(root.get("id")), int(root.get("version"))
        types = {}
        for each in root.find("types"):
            if each.tag == "type":
                types[each.get("name")] = each.get("primitiveType"), int(each.get("length", "1"))
            elif each.tag == "enum":
                types[each.get("name")] = each.get("encodingType"), 1
        self.messages, self.ids = {}, {}
        for message in root.findall(f"{NAMESPACE}message"):
            fields = [
                (f.get("name"), int(f.get("offset")), *types[f.get("type")]) for f in message.findall("field")
            ]
            template_id = int(message.get("id"))
            self.messages[template_id] = message.get("name"), int(message.get("blockLength")), fields
            self.ids[message.get("name")] = template_id
        self.length_max = HEAD_BYTES + max(length for _, length, _ in self.messages.values())

    def encode(self, template_id: int, values: dict) -> bytes:
        _, block_length, fields = self.messages[template_id]
        block = bytearray(block_length)
        for name, offset, primitive, length in fields:
            if primitive == "char":
                struct.pack_into(f"{length}s", block, offset, values[name])
            else:
                struct.pack_into("<" + FORMATS[primitive], block, offset, values[name])
        header = HEADER.pack(block_length, template_id, self.schema_id, self.version)
        return SOFH.pack(HEAD_BYTES + block_length, ENCODING) + header + bytes(block)

    def decode(self, data: bytes, known: set[int]) -> tuple[list, int, str]:
        """Return (template id, values) of each whole message, the bytes used, and what is wrong behind.

        Of a template that is not known the values are None.
        """
        found, offset = [], 0
        while len(data) - offset >= SOFH.size:
            length, encoding = SOFH.unpack_from(data, offset)
            if encoding != ENCODING or not HEAD_BYTES <= length <= self.length_max:
                return found, offset, "length"
            if len(data) - offset < length:
                break
            block_length, template_id, schema_id, version = HEADER.unpack_from(data, offset + SOFH.size)
            if (schema_id, version) != (self.schema_id, self.version):
                return found, offset, "schema"
            if HEAD_BYTES + block_length != length:
                return found, offset, "length"
            values = None
            if template_id in known:
                _, expected, fields = self.messages[template_id]
                if expected != block_length:
                    return found, offset, "length"
                values = {f[0]: self._field(data, offset + HEAD_BYTES, *f[1:]) for f in fields}
            found.append((template_id, values))
            offset += length
        return found, offset, ""

    def _field(self, data: bytes, block: int, offset: int, primitive: str, length: int):
        if primitive == "char":
            return data[block + offset : block + offset + length]
        return struct.unpack_from("<" + FORMATS[primitive], data, block + offset)[0]
