"""Charts: every place computed by hand, every text escaped, colours with enough contrast in light and dark."""

import re
from xml.etree import ElementTree

import pytest

from indexer import drawing
from indexer.drawing import Axis, Frame

SVG = "{http://www.w3.org/2000/svg}"
FRAME = Frame(Axis(0, 10), Axis(0, 100), width=120, height=240, left=10, right=10, top=20, bottom=20)  # 10 x 2 a unit
NASTY = "</svg><script>alert(\"환불 & 'refund'\")</script>"


def parse(svg):
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (3, 97, [0, 20, 40, 60, 80, 100]),
        (0.13, 0.47, [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]),
        (-40, 40, [-40, -20, 0, 20, 40]),
        (7, 7, [7, 7.2, 7.4, 7.6, 7.8, 8]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low, high, expected):
    assert drawing.nice(low, high) == pytest.approx(expected)


def test_an_axis_of_fractions_is_written_as_per_cent_without_rounding_errors():
    axis = drawing.numbers(0, 0.3, "wrong", percent=True)
    assert [name for _, name in axis.ticks] == ["0%", "5%", "10%", "15%", "20%", "25%", "30%"]
    assert (axis.low, axis.high) == (0, 0.3)


def test_values_stand_where_the_axes_say():
    assert (FRAME.across(0), FRAME.across(10), FRAME.across(2.5)) == (10, 110, 35)
    assert (FRAME.down(0), FRAME.down(100), FRAME.down(25)) == (220, 20, 170)


def test_a_line_and_its_band():
    assert parse(drawing.line(FRAME, [(0, 0), (10, 100)], 2)).attrib == {
        "class": "line series-2",
        "points": "10.0,220.0 110.0,20.0",
    }
    # There along the upper edge, back along the lower.
    assert parse(drawing.band(FRAME, [0, 10], [0, 10], [50, 60], 1)).get("points") == (
        "10.0,120.0 110.0,100.0 110.0,200.0 10.0,220.0"
    )


def test_a_histogram_stands_on_its_baseline():
    area = parse(f"<g>{drawing.steps(FRAME, [0, 5, 10], [20, 40], 1, base=10)}</g>").find("polygon")
    assert area.get("points") == "10.0,200.0 10.0,160.0 60.0,160.0 60.0,120.0 110.0,120.0 110.0,200.0"


def test_whiskers_have_caps_across_their_direction():
    def ends(one, other):
        lines = parse(f"<g>{drawing.whisker(FRAME, one, other, 1)}</g>")
        return [tuple(float(part.get(name)) for name in ("x1", "y1", "x2", "y2")) for part in lines]

    assert ends((5, 10), (5, 90)) == [(60, 200, 60, 40), (57, 200, 63, 200), (57, 40, 63, 40)]
    assert ends((2, 50), (8, 50)) == [(30, 120, 90, 120), (30, 117, 30, 123), (90, 117, 90, 123)]


def test_a_bar_begins_at_the_left_edge():
    assert parse(drawing.bar(FRAME, 5, 50, 20, 1)).get("points") == "10.0,140.0 60.0,140.0 60.0,100.0 10.0,100.0"


def test_a_cloud_is_one_element():
    assert parse(drawing.cloud(FRAME, [(0, 0), (5, 50)], 3)).get("d") == "M10.0 220.0h0M60.0 120.0h0"


def test_series_differ_in_shape_not_only_in_colour():
    shapes = {re.sub(r"[\d.\s-]", "", parse(drawing.dot(FRAME, (5, 50), series, 1)).get("d")) for series in (1, 2, 3)}
    assert len(shapes) == 3
    dashes = re.findall(r"\.line\.series-(\d) \{ stroke-dasharray: ([^;]+)", drawing.STYLE)
    assert len({dash for _, dash in dashes}) == len(dashes) == 2  # the first series has none


@pytest.mark.parametrize(("at", "anchor"), [(1, "start"), (9, "end")])
def test_a_threshold_is_named_on_the_side_that_has_room(at, anchor):
    group = parse(f"<g>{drawing.rule(FRAME, at, 'from 90%')}</g>")
    assert float(group.find("line").get("x1")) == FRAME.across(at)
    assert group.find("text").get("text-anchor") == anchor


def test_every_text_comes_out_as_it_went_in():
    frame = Frame(Axis(0, 1, NASTY, [(0, NASTY)]), Axis(0, 1, NASTY, [(1, NASTY)]))
    marks = [drawing.dot(frame, (0, 0), 1, title=NASTY), drawing.rule(frame, 0.5, NASTY)]
    svg = parse(drawing.draw(frame, [*marks, drawing.note(frame, (0, 0), NASTY)], NASTY, NASTY, [(1, NASTY)]))
    texts = [text for text in svg.itertext() if text.strip()]
    assert texts == [NASTY] * 10  # title, description, four of the axes, dot, rule, note, legend
    assert not list(svg.iter("script"))


def test_a_drawing_has_a_text_alternative():
    svg = parse(drawing.draw(FRAME, [], "Recall", "From 80% to 95%."))
    assert svg.get("role") == "img"
    assert (svg.find("title").text, svg.find("desc").text) == ("Recall", "From 80% to 95%.")


def test_two_lines_of_a_tick_stand_around_its_height():
    frame = Frame(Axis(0, 1), Axis(0, 1, "", [(0.5, "right\n312")]), height=100, top=0, bottom=0)
    spans = parse(drawing.draw(frame, [], "t", "d")).findall(".//tspan")
    ys = [float(span.get("y")) for span in spans if span.text in ("right", "312")]
    assert ys == [54 - 7.5, 54 + 7.5]


def test_a_long_legend_takes_more_lines_above_the_chart():
    names = [(1, "맞는 항목을 찾은 메시지"), (2, "틀린 항목을 찾은 메시지"), (3, "주제 밖")]
    svg = parse(drawing.draw(Frame(Axis(0, 1), Axis(0, 1), width=300), [], "t", "d", names))
    assert svg.get("viewBox") == f"0 {-2 * drawing.LEGEND_LINE} 300 {280 + 2 * drawing.LEGEND_LINE}"
    places = {span.text: (float(span.get("x")), float(span.get("y"))) for span in svg.iter("tspan")}
    first, second, third = (places[name] for _, name in names)
    assert first[1] < second[1] == third[1] < 0
    assert third[0] - second[0] > 13 * len("틀린항목을찾은메시지")


def test_a_file_stands_alone():
    svg = parse(
        drawing.standalone(drawing.draw(FRAME, [drawing.line(FRAME, [(0, 0), (1, 1)], 1)], "a > b", "환불", []))
    )
    assert svg.tag == f"{SVG}svg"
    assert (svg.get("width"), svg.get("height"), svg.find(f"{SVG}title").text) == ("120", "240", "a > b")
    assert "--series-1" in svg.find(f"{SVG}style").text
    assert svg.find(f"{SVG}polyline") is not None


def schemes():
    """The colours of light, dark and print."""
    return [dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in drawing.THEME.split("@media")]


def test_every_colour_is_there_in_every_scheme():
    used = set(re.findall(r"var\(--([\w-]+)\)", drawing.STYLE)) - {"hue"}
    assert len(schemes()) == 3
    assert all(used <= scheme.keys() for scheme in schemes())


@pytest.mark.parametrize("scheme", schemes())
@pytest.mark.parametrize("paper", ["paper", "card"])
def test_contrast_is_that_of_wcag_aa(scheme, paper):
    for name in ("ink", "soft", "series-1"):  # the first series is the colour of links too
        assert contrast(scheme[name], scheme[paper]) >= 4.5
    for series in (2, 3, 4):
        assert contrast(scheme[f"series-{series}"], scheme[paper]) >= 3


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
