"""SBE in compiled loops beside its slow twin and beside somebody else's decoder; damaged bytes too."""

import io
import random

import numpy as np
import pytest
import sbe
from slow_sbe import SlowSbe

from ringmain.core.records import Field, Schema
from ringmain.exchange.messages import schema as exchange
from ringmain.gateway.messages import BAD_FRAME, WRONG_SCHEMA, gateway_schema
from ringmain.gateway.sbe import Layout, Transcoder, is_sbe
from ringmain.gateway.sbe_schema import schema_xml
from ringmain.vpp.engine import MARKET as VPP

SCHEMAS = [exchange, VPP.schema]
FAULTS = {0: "", BAD_FRAME: "length", WRONG_SCHEMA: "schema"}


class Both:
    """One schema's transcoders, of both sides, and the twin made from its XML."""

    def __init__(self, schema: Schema) -> None:
        self.layout = Layout(schema)
        self.xml = schema_xml(self.layout)
        self.twin = SlowSbe(self.xml)
        self.server, self.client = Transcoder(self.layout), Transcoder(self.layout, is_client=True)

    def sides(self):
        yield self.client, self.server, self.layout.commands
        yield self.server, self.client, self.layout.events


@pytest.fixture(scope="module", params=SCHEMAS, ids=lambda schema: schema.name)
def both(request):
    return Both(request.param)


def random_record(dice, template):
    """Return a record with random bits in the fields that the template carries, and its values."""
    record = np.zeros(1, template.record.dtype)
    template.record.stamp(record)
    for field, _ in template.fields:
        dtype = np.dtype(field.format)
        record[field.name] = np.frombuffer(dice.randbytes(dtype.itemsize), dtype)[0]
    return record


def values_of(record, template):
    names = [field.name for field, _ in template.fields]
    return {name: plain(record[name][0]) for name in names}


def plain(value):
    return value if isinstance(value, bytes) else value.item()


def padded(values, template):
    """Texts as they stand on the wire."""
    sizes = {field.name: np.dtype(field.format).itemsize for field, _ in template.fields}
    return {k: v.ljust(sizes[k], b"\0") if isinstance(v, bytes) else v for k, v in values.items()}


def test_every_message_is_what_the_xml_says_both_ways(both):
    dice = random.Random(1)
    for sender, receiver, templates in both.sides():
        for template in templates.values():
            for _ in range(5):
                record = random_record(dice, template)
                wire = sender.encode(record.tobytes())
                values = padded(values_of(record, template), template)
                assert wire == both.twin.encode(template.template_id, values)
                frames, used, fault = receiver.decode(np.frombuffer(wire, np.uint8))
                assert (frames.tobytes(), used, fault) == (record.tobytes(), len(wire), 0)


def test_somebody_elses_decoder_reads_every_message(both):
    peer = sbe.Schema.parse(io.BytesIO(both.xml.encode()))
    dice = random.Random(2)
    for sender, _, templates in both.sides():
        for template in templates.values():
            record = random_record(dice, template)
            for field, _ in template.fields:  # it knows the listed values alone
                if field.choices and field.name != "reason":
                    record[field.name] = dice.choice(list(field.choices.values()))
                elif field.name == "reason":
                    record[field.name] = dice.choice(list(both.layout.schema.reasons))
                elif np.dtype(field.format).kind == "S":
                    record[field.name] = b"plain"
            decoded = peer.decode(sender.encode(record.tobytes())[6:])
            assert decoded.header["templateId"] == template.template_id
            names = both.layout.schema.reasons | gateway_schema(1).reasons
            for field, _ in template.fields:
                expected = plain(record[field.name][0])
                if field.name == "reason":
                    expected = names[expected]
                elif field.choices and field.format != "u4":  # SBE has no enumerations so wide
                    expected = next(name for name, value in field.choices.items() if value == expected)
                elif isinstance(expected, bytes):
                    expected = expected.decode()
                assert decoded.value[field.name] == expected, (template.record.name, field.name)


def test_what_somebody_else_encodes_is_read(both):
    peer = sbe.Schema.parse(io.BytesIO(both.xml.encode()))
    template = both.layout.commands[0xFE05]  # ResendRequest
    message = peer.messages[template.template_id]
    wire = peer.encode(message, {"session_number": 3, "after_sequence": -1, "skip_events": 2**32 - 1})
    framed = (len(wire) + 6).to_bytes(4, "big") + bytes.fromhex("eb50") + wire
    frames, _, fault = both.server.decode(np.frombuffer(framed, np.uint8))
    assert fault == 0
    record = template.record.unpack(frames[:1])
    assert (record["session_number"], record["after_sequence"], record["skip_events"]) == (3, -1, 2**32 - 1)


def damaged(dice, wire):
    """Return a stream of messages with something wrong in it, or nothing."""
    data = bytearray(wire)
    what = dice.randrange(6)
    if what == 0:
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
    elif what == 1:
        del data[dice.randrange(len(data)) :]
    elif what == 2:
        place = dice.randrange(len(data))
        data[place:place] = dice.randbytes(dice.randrange(1, 40))
    elif what == 3:
        data = bytearray(dice.randbytes(dice.randrange(200)))
    elif what == 4:  # a header's field alone
        data[dice.randrange(6, 14)] = dice.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_streams_are_judged_as_the_twin_judges_them(both, seed):
    dice = random.Random(seed)
    for sender, receiver, templates in both.sides():
        known = {template.template_id: template for template in templates.values()}
        for _ in range(60):
            chosen = dice.choices(list(templates.values()), k=dice.randrange(1, 8))
            wire = b"".join(sender.encode(random_record(dice, template).tobytes()) for template in chosen)
            data = damaged(dice, wire)
            found, used, fault = both.twin.decode(data, set(known))
            frames, own_used, own_fault = receiver.decode(np.frombuffer(data, np.uint8))
            assert (own_used, FAULTS[own_fault]) == (used, fault)
            assert frames.size == len(found)
            for row, (template_id, values) in enumerate(found):
                template = known.get(template_id)
                assert int(frames["kind"][row]) == (template.record.kind if template else 0)
                if template:
                    record = frames[row : row + 1].view(template.record.dtype)
                    assert padded(values_of(record, template), template) == values


def test_a_cut_stream_goes_on_where_it_was_cut(both):
    dice = random.Random(5)
    chosen = dice.choices(list(both.layout.commands.values()), k=40)
    records = b"".join(random_record(dice, template).tobytes() for template in chosen)
    wire, got, rest = both.client.encode(records), b"", b""
    while wire:
        size = dice.randrange(1, 90)
        rest, wire = rest + wire[:size], wire[size:]
        frames, used, fault = both.server.decode(np.frombuffer(rest, np.uint8))
        assert fault == 0
        got, rest = got + frames.tobytes(), rest[used:]
    assert (got, rest) == (records, b"")


def test_the_first_bytes_tell_the_encodings_apart(both):
    login = both.layout.commands[0xFE01].record(token=b"\xff" * 24, layout=2**32 - 1, heartbeat_ms=2**32 - 1)
    assert not is_sbe(login.tobytes()[:6])
    assert is_sbe(both.client.encode(login.tobytes())[:6])


def test_no_two_templates_have_one_id_and_events_are_told_from_commands(both):
    ids = [template.template_id for template in both.layout.templates()]
    assert len(ids) == len(set(ids))
    schema = Schema("wide", 1)
    schema.command(1, "Ask", "Ask.", (Field("value", "i8", "what"),))
    schema.event(1, "Answered", "An answer.", (Field("value", "i8", "what"),))
    layout = Layout(schema)
    assert layout.commands[1].template_id != layout.events[1].template_id
