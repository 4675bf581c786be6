"""A graph as DOT and SVG: every node and operand is there, no line runs through a box, odd names do no harm."""

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from spikec.ir.builder import GraphBuilder
from spikec.ir.text import parse
from spikec.ir.types import constant
from spikec.report.dot import INTEGERS, REALS, SPIKES, dot
from spikec.report.svg import svg
from spikec.snn.config import uniform_config
from spikec.snn.graph_builder import build_graph
from spikec.snn.spikformer import Spikformer

SVG = "{http://www.w3.org/2000/svg}"
LOOP = """graph(%x: spike step [4], %image: real once [4]) steps 3
%d = delay(%q; steps=one) : spike step [4] @back
%r = repeat(%image)
%a = add(%x, %d)
%b = add(%a, %r)
%q = if(%b; v_threshold=one) @cell
%m = time_mean(%q)
return %m, %a, %q
"""


def spikformer():
    config = uniform_config("digits", (1, 8, 8), 10, width=16, depth=2, heads=2, steps=2)
    return build_graph(config, Spikformer(config).state_dict())


GRAPHS = {"loop": lambda: parse(LOOP, {"one": constant(1.0)}), "spikformer": spikformer}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]()


def boxes_of(root):
    """Name to (left, top, right, bottom)."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        x, y, w, h = (float(group.find(f"{SVG}rect").get(key)) for key in ("x", "y", "width", "height"))
        found[group.find(f"{SVG}title").text] = (x, y, x + w, y + h)
    return found


def lines_of(root):
    """(title, colour, dashed, path) of every operand's line."""
    paths = [path for path in root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    return [(p.find(f"{SVG}title").text, p.get("stroke"), p.get("stroke-dasharray"), p.get("d")) for p in paths]


def points(path):
    """Places on a path of M, V, H, C and Q, close to each other."""
    x = y = 0.0
    for command, numbers in re.findall(r"([MVHCQ])([^MVHCQ]*)", path):
        n = [float(number) for number in numbers.split()]
        ends = {"M": n, "V": [x, *n], "H": [*n, y]}.get(command, n)
        corners = [(x, y), *zip(ends[::2], ends[1::2], strict=True)]
        if command != "M":
            for t in np.linspace(0, 1, 60):
                yield tuple(bezier(np.array(corners), t))
        x, y = ends[-2:]


def bezier(corners, t):
    while len(corners) > 1:
        corners = corners[:-1] * (1 - t) + corners[1:] * t
    return corners[0]


def test_every_node_and_every_operand_is_drawn(graph):
    root = ElementTree.fromstring(svg(graph))
    outputs = [f"output {number}" for number in range(len(graph.outputs))]
    assert set(boxes_of(root)) == {*graph.inputs, *(node.name for node in graph.nodes), *outputs}
    assert len(lines_of(root)) == sum(len(node.inputs) for node in graph.nodes) + len(outputs)
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {str(node.type) for node in graph.nodes} <= texts
    assert {node.op.mnemonic for node in graph.nodes} <= texts
    assert {"spikes", "integers", "real", "once"} <= texts


def test_lines_have_the_colour_of_their_values(graph):
    for title, colour, dashed, _ in lines_of(ElementTree.fromstring(svg(graph))):
        kind = title.split(": ")[1]
        assert colour == (SPIKES if kind.startswith("spike") else INTEGERS if kind.startswith("int") else REALS)
        assert (dashed is not None) == (" once " in kind)


def test_boxes_lie_apart_and_inside_the_drawing(graph):
    root = ElementTree.fromstring(svg(graph))
    left, top, width, height = map(float, root.get("viewBox").split())
    boxes = boxes_of(root)
    for x0, y0, x1, y1 in boxes.values():
        assert left < x0 < x1 < left + width
        assert top < y0 < y1 < top + height
    for (a, mine), (b, theirs) in itertools.combinations(boxes.items(), 2):
        apart = mine[2] <= theirs[0] or theirs[2] <= mine[0] or mine[3] <= theirs[1] or theirs[3] <= mine[1]
        assert apart, f"{a} and {b}"


def test_no_line_runs_through_a_box_or_out_of_the_drawing(graph):
    root = ElementTree.fromstring(svg(graph))
    left, top, width, height = map(float, root.get("viewBox").split())
    boxes = boxes_of(root)
    for title, _, _, path in lines_of(root):
        start, end = title.split(": ")[0].split(" to ")
        others = [box for name, box in boxes.items() if name not in (start, end)]
        for x, y in points(path):
            assert left <= x <= left + width, title
            assert top <= y <= top + height, title
            assert not any(x0 < x < x1 and y0 < y < y1 for x0, y0, x1, y1 in others), title


def test_dot_has_every_node_and_every_operand(graph):
    text = dot(graph)
    edges = sum(len(node.inputs) for node in graph.nodes) + len(graph.outputs)
    assert text.count(" -> ") == edges
    for node in graph.nodes:
        assert f'"{node.name}" [label="{node.op.mnemonic}' in text
    assert text.count("{") == text.count("}")


def test_a_graph_without_nodes_is_drawn():
    builder = GraphBuilder()
    x = builder.input("x", parse("graph(%x: real once [2]) steps 1\nreturn %x", {}).types["x"])
    root = ElementTree.fromstring(svg(builder.graph(x)))
    assert set(boxes_of(root)) == {"x", "output 0"}
