import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.tally import SCHEMA, Add
from ringmain.core.errors import RingmainError
from ringmain.core.records import HEADER_BYTES, Field, Schema


def test_every_record_fills_whole_slots_behind_one_header() -> None:
    for record in (*SCHEMA.commands.values(), *SCHEMA.events.values()):
        assert record.dtype.itemsize == 64
        assert all(offset >= HEADER_BYTES for _, offset in list(record.dtype.fields.values())[7:])


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1))
def test_what_is_packed_is_unpacked(amount: int, echoes: int) -> None:
    values = SCHEMA.unpack_command(Add(7, 9, amount=amount, echoes=echoes))
    assert (values["record"], values["session_id"], values["session_number"]) == ("Add", 7, 9)
    assert (values["amount"], values["echoes"], values["slots"], values["version"]) == (amount, echoes, 1, 1)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("RM201", {"amount": 1}),
        ("RM202", {"amount": 1, "echoes": 0, "colour": 3}),
        ("RM203", {"amount": 1 << 63, "echoes": 0}),
        ("RM203", {"amount": 1, "echoes": -1}),
        ("RM203", {"amount": 1.5, "echoes": 0}),
        ("RM203", {"amount": True, "echoes": 0}),
    ],
)
def test_a_value_that_does_not_fit_is_named(code: str, values: dict[str, object]) -> None:
    with pytest.raises(RingmainError, match=code):
        Add(**values)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(RingmainError, match="RM204"):
        SCHEMA.unpack_command(SCHEMA.empty(1))


def test_text_that_is_too_long_is_named() -> None:
    schema = Schema("x", 1)
    named = schema.command(1, "Name", "A name.", [Field("name", "S4", "a name")])
    assert named.unpack(named(name=b"abcd"))["name"] == "abcd"
    with pytest.raises(RingmainError, match="RM203"):
        named(name=b"abcde")


def test_the_layouts_digest_changes_with_any_field() -> None:
    def digest(version: int, field: str, format: str) -> str:
        schema = Schema("x", version)
        schema.command(1, "Do", "Do.", [Field(field, format, "")])
        return schema.digest()

    digests = {digest(1, "a", "i8"), digest(2, "a", "i8"), digest(1, "b", "i8"), digest(1, "a", "i4")}
    assert len(digests) == 4


def test_a_longer_record_takes_several_slots() -> None:
    schema = Schema("long", 1, slots=2)
    record = schema.command(1, "Note", "A note.", [Field("text", "S80", "text")])
    assert record.dtype.itemsize == 128
    assert int(record(text=b"x")["slots"][0]) == 2


def test_a_batch_keeps_each_byte() -> None:
    packed = [Add(1, n, amount=n, echoes=n) for n in range(5)]
    batch = SCHEMA.batch(packed)
    assert batch.tobytes() == b"".join(p.tobytes() for p in packed)
    assert batch.dtype.itemsize == 64 and isinstance(batch, np.recarray)
