"""Charts: well-formed whatever they are given."""

from xml.etree import ElementTree

import pytest

from ringmain.core.drawing import Chart, Series
from ringmain.world.calendar import HOUR_NS

HOURS = [(n * HOUR_NS, float(n * n - 50)) for n in range(24)]


@pytest.mark.parametrize("shape", ["line", "step", "bar", "area"])
@pytest.mark.parametrize(
    "points", [[], [(0, None)], [(0, 0.0)], HOURS, [*HOURS[:5], (5 * HOUR_NS, None), *HOURS[6:]]]
)
def test_a_chart_is_well_formed(shape, points):
    svg = Chart("A & B", "<unit>", [Series("one", "#123456", points, shape)]).svg()
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "nan" not in svg and "inf" not in svg
