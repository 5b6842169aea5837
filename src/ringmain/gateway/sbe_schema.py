"""The XML schema of a market's SBE messages, made from its declared records."""

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import quoteattr

import numpy as np

from ringmain.core.records import Field
from ringmain.gateway.messages import gateway_schema
from ringmain.gateway.sbe import Layout, Template

PRIMITIVES = {
    "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32",
    "u8": "uint64", "f4": "float", "f8": "double",
}  # fmt: skip
ENUM_FORMATS = ("u1", "u2")  # what SBE lets an enumeration be encoded as; wider ones stay numbers
HEADER = ("blockLength", "templateId", "schemaId", "version")


def schema_xml(layout: Layout) -> str:
    """Return the schema: FIX Simple Binary Encoding 1.0, little-endian."""
    types = _Types(layout)
    messages = "\n".join(_messages(layout, types))
    digest = layout.schema.digest()
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        "<!-- Made by `ringmain docs reference`. Do not edit. -->\n"
        '<sbe:messageSchema xmlns:sbe="http://fixprotocol.io/2016/sbe" '
        f'package="ringmain.{layout.schema.name}" id="{layout.schema_id}" version="{layout.version}" '
        f'semanticVersion="{digest}" byteOrder="littleEndian" headerType="messageHeader" '
        f'description="Records of {layout.schema.name}, layout {digest[:8]}">\n'
        f"{types.xml()}\n{messages}\n</sbe:messageSchema>\n"
    )


class _Types:
    """Names for the types of fields; fields that say the same share one."""

    def __init__(self, layout: Layout) -> None:
        session = gateway_schema(layout.schema.slots)
        self._reasons = {
            name: code for code, name in sorted((layout.schema.reasons | session.reasons).items())
        }
        self._enums: dict[str, tuple[str, Mapping[str, int]]] = {}
        self._simple: dict[str, tuple[str, int]] = {}  # primitive and length
        for template in layout.templates():
            for field, _ in template.fields:
                self.name_of(template, field)

    def name_of(self, template: Template, field: Field) -> str:
        """Return the type of a field, declaring it if it is new."""
        dtype = np.dtype(field.format)
        if field.choices and field.format in ENUM_FORMATS:
            return self._enum(template, field)
        if dtype.kind == "S":
            return self._declared(f"Text{dtype.itemsize}", "char", dtype.itemsize)
        primitive, length = PRIMITIVES[dtype.base.str[1:]], dtype.itemsize // dtype.base.itemsize
        name = (
            primitive.replace("u", "U", 1).replace("int", "Int") if "int" in primitive else primitive.title()
        )
        return self._declared(f"{name}x{length}" if dtype.shape else name, primitive, length)

    def _declared(self, name: str, primitive: str, length: int) -> str:
        self._simple[name] = primitive, length
        return name

    def xml(self) -> str:
        """Return the <types> element."""
        lines = ["  <types>", '    <composite name="messageHeader" description="Begins every message">']
        lines += [f'      <type name="{name}" primitiveType="uint16"/>' for name in HEADER]
        lines.append("    </composite>")
        lines += [
            f'    <type name="{name}" primitiveType="{primitive}"'
            + (f' length="{length}"/>' if length > 1 else "/>")
            for name, (primitive, length) in sorted(self._simple.items())
        ]
        for name, (primitive, choices) in sorted(self._enums.items()):
            lines.append(f'    <enum name="{name}" encodingType="{primitive}">')
            lines += [
                f'      <validValue name="{choice}">{value}</validValue>' for choice, value in choices.items()
            ]
            lines.append("    </enum>")
        return "\n".join([*lines, "  </types>"])

    def _enum(self, template: Template, field: Field) -> str:
        choices = self._reasons if field.name == "reason" else dict(field.choices or {})
        name = _camel(field.name)
        declared = PRIMITIVES[field.format], choices
        if self._enums.setdefault(name, declared) != declared:
            name = f"{template.record.name}{name}"
            self._enums[name] = declared
        return name


def _messages(layout: Layout, types: _Types) -> Iterator[str]:
    session = gateway_schema(layout.schema.slots)
    taken: set[str] = set()
    for template in layout.templates():
        record = template.record
        name = f"Public{record.name}" if record.name in taken else record.name
        assert name not in taken, f"two messages would be called {name}"
        taken.add(name)
        is_sent = layout.commands.get(record.kind) is template
        is_shared = is_sent and layout.events.get(record.kind) is template
        way = "both ways" if is_shared else "from the client" if is_sent else "to the client"
        level = "session" if record.schema is session else "market"
        yield (
            f'  <sbe:message name="{name}" id="{template.template_id}" blockLength="{template.block_bytes}" '
            f"description={quoteattr(f'{record.doc} ({level}, {way})')}>"
        )
        for number, (field, offset) in enumerate(template.fields, 1):
            yield (
                f'    <field name="{field.name}" id="{number}" type="{types.name_of(template, field)}" '
                f'offset="{offset}" description={quoteattr(field.doc)}/>'
            )
        yield "  </sbe:message>"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
