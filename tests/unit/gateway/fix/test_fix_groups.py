"""Repeating groups with groups inside: what is in them, and what is wrong with them."""

import pytest
from fix_bytes import message

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.answers import acknowledgement, list_refused
from ringmain.gateway.fix.codec import entries_of, parse
from ringmain.gateway.fix.requests import Requests
from ringmain.gateway.fix.rules import Fault, fault_of

ENTRY = [(299, b"e"), (55, b"1"), (132, b"9.00"), (134, b"1.0")]
ORDER = [(11, b"a"), (67, b"1"), (453, b"1"), (448, b"P"), (447, b"D"), (452, b"1"), (55, b"1"), (54, b"1"),
         (38, b"1.0"), (40, b"2"), (44, b"5.00"), (59, b"4")]  # fmt: skip


def quoted(sets, count=None, head=()):
    body = [(117, b"Q"), *head, (296, b"%d" % (len(sets) if count is None else count))]
    for name, entries in sets:
        body += [(302, name), (304, b"%d" % len(entries)), (295, b"%d" % len(entries))]
        body += [pair for entry in entries for pair in entry]
    return parse(message(b"i", 2, body))


def listed(orders):
    body = [(66, b"L"), (394, b"3"), (68, b"%d" % len(orders)), (73, b"%d" % len(orders))]
    return parse(message(b"E", 2, body + [pair for order in orders for pair in order]))


def test_groups_inside_groups_are_read_each_for_itself():
    asked = quoted([(b"S1", [ENTRY, [(299, b"f"), (55, b"2")]]), (b"S2", [[(299, b"g"), (55, b"3")]])])
    assert fault_of(asked) is None
    sets = entries_of(asked, 296, d.QUOTE_SETS)
    assert [each.values[302] for each in sets] == [b"S1", b"S2"]
    assert [[entry.values[299] for entry in each.groups[295]] for each in sets] == [[b"e", b"f"], [b"g"]]
    assert sets[0].groups[295][0].values == dict(ENTRY)
    orders = listed([ORDER, [(11, b"b"), *ORDER[1:2], *ORDER[6:]]])
    assert fault_of(orders) is None
    assert [sorted(each.groups) for each in entries_of(orders, 73, d.LIST_ORDERS)] == [[453], []]
    assert entries_of(parse(message(b"Z", 2, [(298, b"4")])), 295, d.CANCEL_ENTRIES) == []


@pytest.mark.parametrize(
    "asked, fault",
    [
        (quoted([(b"S", [ENTRY])], count=2), Fault(d.WRONG_GROUP_COUNT, 296)),
        (quoted([(b"S", [ENTRY])], count=0), Fault(d.WRONG_GROUP_COUNT, 296)),
        (quoted([(b"S", [[*ENTRY, (132, b"8.00")]])]), Fault(d.TAG_TWICE, 132)),
        (quoted([(b"S", [[ENTRY[0], ENTRY[2], ENTRY[1]]])]), Fault(d.GROUP_OUT_OF_ORDER, 55)),
        (quoted([(b"S", [ENTRY[:1]])]), Fault(d.TAG_MISSING, 55)),
        (quoted([(b"S", [ENTRY[1:]])]), Fault(d.GROUP_OUT_OF_ORDER, 55)),
        (quoted([(b"S", [[*ENTRY, (44, b"1.00")]])]), Fault(d.TAG_NOT_OF_MESSAGE, 44)),
        (quoted([(b"S", [ENTRY])], head=[(301, b"3")]), Fault(d.VALUE_OUT_OF_RANGE, 301)),
        (quoted([(b"S", [[*ENTRY[:2], (132, b"x")]])]), Fault(d.WRONG_FORMAT, 132)),
        (listed([[*ORDER[:4], *ORDER[6:], (448, b"P")]]), Fault(d.WRONG_GROUP_COUNT, 448)),
        (listed([[*ORDER[:2], (453, b"2"), *ORDER[3:]]]), Fault(d.WRONG_GROUP_COUNT, 453)),
        (listed([ORDER[:-5]]), Fault(d.TAG_MISSING, 54)),
        (parse(message(b"i", 2, [(117, b"Q")])), Fault(d.TAG_MISSING, 296)),
        (parse(message(b"Z", 2, [(298, b"2")])), Fault(d.VALUE_OUT_OF_RANGE, 298)),
        (parse(message(b"AB", 2, [(555, b"1"), (623, b"1"), (600, b"1")])), Fault(d.GROUP_OUT_OF_ORDER, 623)),
    ],
)
def test_the_first_fault_of_a_group_is_named(asked, fault):
    assert fault_of(asked) == fault


def test_an_acknowledgement_tells_of_what_was_asked_for():
    sets = [(b"S1", [ENTRY]), (b"S2", [[(299, b"f"), (55, b"2")], [(299, b"g"), (55, b"3")]])]
    reasons = [(0, ""), (1, "UNKNOWN_PRODUCT"), (0, "")]
    kind, fields = acknowledgement(quoted(sets, head=[(301, b"2")]), reasons)
    assert kind == b"b"
    assert [value for tag, value in fields if tag == 299] == [b"e", b"f", b"g"]
    _, fields = acknowledgement(quoted(sets), reasons)
    assert fields[:3] == [(117, b"Q"), (297, b"0"), (58, b"f: UNKNOWN_PRODUCT")]
    assert fields[3:] == [(296, b"1"), (302, b"S2"), (304, b"2"), (295, b"1"), (299, b"f"), (55, b"2"),
                          (368, b"1")]  # fmt: skip
    assert acknowledgement(quoted(sets), [(0, "")] * 3) is None
    assert acknowledgement(quoted(sets, head=[(301, b"0")]), [(0, "")] * 3) is None


def test_a_refused_list_names_the_order_and_what_else_goes_with_it():
    _, fields = list_refused(listed([ORDER, [(11, b"b"), *ORDER[1:]]]), "order 2: UNKNOWN", {1: "UNKNOWN"}, 0)
    assert [value for tag, value in fields if tag == 58] == [b"order 2: UNKNOWN, with the list", b"UNKNOWN"]
    assert dict(fields)[431] == b"7"


def test_requests_are_kept_for_one_epoch_more_and_a_torn_one_is_not_read(tmp_path):
    kept = Requests(tmp_path, 0)
    places = [kept.append(text) for text in (b"one", b"three")]
    assert [kept.read(0, place) for place in places] == [b"one", b"three"]
    kept.begin(1)
    assert kept.read(0, places[1]) == b"three"
    place = kept.append(b"next")
    kept.begin(2)
    assert (kept.read(0, places[0]), kept.read(1, place)) == (None, b"next")
    kept.close()
    path = tmp_path / "requests-1"
    path.write_bytes(path.read_bytes()[:-1])
    assert Requests(tmp_path, 2).read(1, place) is None
