"""The FIX reference page is what the dictionary says, and the dictionary is consistent."""

from pathlib import Path

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.reference import page

ROOT = Path(__file__).parents[4]


def test_the_page_is_current():
    assert (ROOT / "docs" / "reference" / "fix.md").read_text("utf-8") == page(), (
        'run "ringmain docs reference"'
    )


def test_every_field_of_every_message_has_a_name():
    for kind in d.TAKEN.values():
        tags = (*kind.required, *kind.optional, *kind.ignored, *kind.groups)
        members = [tag for group in kind.groups.values() for tag in group.tags]
        assert all(tag in d.FIELDS for tag in (*tags, *members)), kind.name
        assert len(set(tags)) == len(tags), kind.name
    for name, tags in d.GIVEN.values():
        assert all(tag in d.FIELDS for tag in tags), name


def test_the_kernels_header_is_the_dictionarys():
    from ringmain.gateway.fix.reading import PLAIN_TAGS

    order = d.TAKEN[d.NEW_ORDER_SINGLE]
    cancel = d.TAKEN[d.CANCEL_REQUEST]
    for tag in range(PLAIN_TAGS.size):
        if PLAIN_TAGS[tag] == 1:
            assert tag in d.HEADER_TAGS
        elif PLAIN_TAGS[tag]:
            assert order.allows(tag) or cancel.allows(tag)
        if PLAIN_TAGS[tag] == 3:
            assert tag in order.ignored
            assert tag in cancel.ignored
