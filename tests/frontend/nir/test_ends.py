"""Graphs of several Inputs and Outputs, and subgraphs of several, of which an edge does not say which it means."""

import nir
import numpy as np
import pytest

from spikec.errors import ModelFileError, UnsupportedOp
from spikec.frontend.foreign import read

DT = 1e-4


def lif(n=4):
    one = np.ones(n)
    return nir.LIF(tau=4 * DT * one, r=4 * one, v_leak=0 * one, v_threshold=0.8 * one, v_reset=0 * one)


def affine(out, into, seed):
    random = np.random.default_rng(seed)
    return nir.Affine(random.normal(0.2, 0.6, size=(out, into)), random.normal(size=out) / 5)


def ends(**shapes):
    """An Input for each shape, or an Output where its name begins so."""
    kinds = {name: nir.Output if name.startswith("out") else nir.Input for name in shapes}
    return {name: kinds[name](np.array(shape)) for name, shape in shapes.items()}


def two_eyes():
    nodes = {**ends(left=[6], right=[3], out=[4], out_y=[2]), "a": affine(4, 6, 1), "b": affine(4, 3, 2)}
    nodes |= {"lif": lif(), "y": affine(2, 4, 3)}
    edges = [("left", "a"), ("right", "b"), ("a", "lif"), ("b", "lif"), ("lif", "out"), ("lif", "y"), ("y", "out_y")]
    return nodes, edges


def data(nodes, steps=20):
    random = np.random.default_rng(5)
    shapes = {name: node.input_type["input"] for name, node in nodes.items() if isinstance(node, nir.Input)}
    return {name: random.uniform(-0.5, 1.5, size=(steps, 4, *shape)) for name, shape in shapes.items()}


def test_every_input_is_one_of_the_graph_under_its_name(taken, values, reference, alive):
    nodes, edges = two_eyes()
    found = taken(nodes, edges)
    assert {name: str(kind) for name, kind in found.graph.inputs.items()} == {
        "left": "real step [6]",
        "right": "real step [3]",
    }
    assert list(found.graph.inputs) == ["left", "right"], "in the order of the file"
    assert found.encoder == "several"
    assert found.facts["inputs"] == {"left": "left", "right": "right"}
    assert found.facts["outputs"] == {"out": "lif", "out_y": "y"}
    x = data(nodes)
    expected = reference(nodes, edges, x, DT)
    alive(expected["lif"])
    run = values(found.graph, x)
    assert np.array_equal(run["lif"], expected["lif"])
    np.testing.assert_allclose(run["y"], expected["y"], rtol=1e-12, atol=1e-12)


def test_a_file_of_several_inputs_is_one_that_nir_reads(written):
    path = written(*two_eyes(), check=True)
    assert sorted(nir.read(path).inputs) == ["left", "right"]
    assert sorted(read(path).graph.inputs) == ["left", "right"]


def test_an_input_named_as_no_value_can_be(taken):
    nodes = {**ends(**{"linkes Auge": [4], "a b": [4], "out": [4]}), "lif": lif()}
    found = taken(nodes, [("linkes Auge", "lif"), ("a b", "lif"), ("lif", "out")])
    assert sorted(found.graph.inputs) == ["a_b", "linkes_Auge"]
    assert any("'linkes Auge' is linkes_Auge" in remark for remark in found.remarks)


def test_a_way_back_that_an_input_enters_is_heard_a_step_later_from_the_neuron_alone(taken, values, reference, alive):
    nodes = {**ends(x=[4], hint=[4], out=[4]), "lif": lif(), "back": affine(4, 4, 4)}
    edges = [("x", "lif"), ("lif", "back"), ("hint", "back"), ("back", "lif"), ("lif", "out")]
    found = taken(nodes, edges)
    x = data(nodes)
    expected = reference(nodes, edges, x, DT, late=[("lif", "back")])
    alive(expected["lif"])
    assert np.array_equal(values(found.graph, x)["lif"], expected["lif"])


def test_cycles_of_other_shapes_behind_each_input(taken, values, reference, alive):
    nodes = {**ends(x=[6], y=[3], out_x=[6], out_y=[3]), "a": lif(6), "b": lif(3)}
    edges = [("x", "a"), ("a", "a"), ("a", "out_x"), ("y", "b"), ("b", "b"), ("b", "out_y")]
    found = taken(nodes, edges)
    x = data(nodes)
    expected = reference(nodes, edges, x, DT, late=[("a", "a"), ("b", "b")])
    run = values(found.graph, x)
    for name in "ab":
        alive(expected[name])
        assert np.array_equal(run[name], expected[name])


def test_an_input_that_leads_nowhere_is_refused(taken):
    nodes = {**ends(x=[4], idle=[4], out=[4]), "lif": lif()}
    with pytest.raises(UnsupportedOp, match="no way leads from it to an Output") as caught:
        taken(nodes, [("x", "lif"), ("lif", "out")])
    assert [offender.path for offender in caught.value.offenders] == ["idle"]


def test_an_edge_from_one_input_to_another_is_refused(taken):
    nodes = {**ends(x=[4], y=[4], out=[4]), "lif": lif()}
    with pytest.raises(UnsupportedOp, match="an edge from 'x' leads into it"):
        taken(nodes, [("x", "y"), ("y", "lif"), ("lif", "out")])


def block(*shapes_out, **shapes_in):
    """A subgraph in which every Input leads to every Output through one neuron."""
    outputs = {f"out{i}": shape for i, shape in enumerate(shapes_out)}
    nodes = {**ends(**shapes_in, **outputs), "lif": lif()}
    edges = [*((name, "lif") for name in shapes_in), *(("lif", name) for name in outputs)]
    return nir.NIRGraph(nodes, edges, type_check=False)


SEVERAL = {
    "two Inputs": (block([4], a=[4], b=[4]), "has 2 Inputs and 1 Outputs"),
    "two Outputs": (block([4], [4], a=[4]), "has 1 Inputs and 2 Outputs"),
    "two of each": (block([4], [4], a=[4], b=[4]), "has 2 Inputs and 2 Outputs"),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_subgraph_of_several_ends_is_refused_by_nir_itself_and_here_by_name(written, name):
    node, said = SEVERAL[name]
    nodes = {**ends(x=[4], out=[4]), "block": node}
    path = written(nodes, [("x", "block"), ("block", "out")])
    with pytest.raises(ValueError, match="type mismatch"):
        nir.read(path)
    with pytest.raises(UnsupportedOp, match=f"{said}; an edge to a subgraph does not say which it means") as caught:
        read(path)
    assert [(offender.op, offender.path) for offender in caught.value.offenders] == [("NIRGraph", "block")]


def test_nir_has_no_edge_between_subgraphs_of_several_ends_either(written):
    nodes = {**ends(x=[4], out=[4]), "one": block([4], [4], a=[4], b=[4]), "two": block([4], [4], a=[4], b=[4])}
    path = written(nodes, [("x", "one"), ("one", "two"), ("two", "out")])
    with pytest.raises((ValueError, NotImplementedError)):
        nir.read(path)
    with pytest.raises(UnsupportedOp) as caught:
        read(path)
    assert [offender.path for offender in caught.value.offenders] == ["one", "two"]


def test_an_edge_to_an_end_of_a_subgraph_is_no_edge_of_nir(written):
    nodes = {**ends(x=[4], out=[4]), "block": block([4], a=[4], b=[4])}
    path = written(nodes, [("x", "block.a"), ("x", "block.b"), ("block", "out")])
    with pytest.raises(ValueError, match="does not exist"):
        nir.read(path)
    with pytest.raises(ModelFileError, match=r"lead from 'x' to 'block\.a'"):
        read(path)
