"""Edges, subgraphs, names and ends of a .nir file."""

import itertools

import h5py
import nir
import numpy as np
import pytest

from spikec.errors import ModelFileError, TraceError, UnsupportedOp
from spikec.frontend.foreign import Reading, read
from spikec.ir.text import parse

DT = 1e-4


def node_in(*shape):
    return nir.Input(np.array(shape))


def node_out(*shape):
    return nir.Output(np.array(shape))


def lif(n=4, v_threshold=0.8):
    one = np.ones(n)
    return nir.LIF(tau=4 * DT * one, r=4 * one, v_leak=0 * one, v_threshold=v_threshold * one, v_reset=0 * one)


def linear(out=4, into=4, seed=0):
    return nir.Linear(np.random.default_rng(seed).normal(0.2, 0.7, size=(out, into)))


def graph_within(*shape, **nodes):
    """A subgraph of nodes one after the other."""
    names = ["first", *nodes, "last"]
    inner = {"first": node_in(*shape), **nodes, "last": node_out(*shape)}
    return nir.NIRGraph(inner, list(itertools.pairwise(names)), type_check=False)


def data(shape, steps=20, seed=3):
    return np.random.default_rng(seed).uniform(-0.5, 1.5, size=(steps, 4, *shape))


def test_edges_into_a_node_are_summed(taken, values, reference, alive):
    nodes = {"input": node_in(4), "a": linear(seed=1), "b": linear(seed=2), "join": lif(), "output": node_out(4)}
    edges = [("input", "a"), ("input", "b"), ("a", "join"), ("b", "join"), ("input", "join"), ("join", "output")]
    graph = taken(nodes, edges).graph
    x = data([4])
    expected = reference(nodes, edges, x, DT)["join"]
    alive(expected)
    assert np.array_equal(values(graph, x)["join"], expected)
    assert [node.name for node in graph.nodes] == ["a", "b", "join.add", "join.add_1", "join"]


def test_a_residual_of_spikes_is_of_integers(taken):
    nodes = {"input": node_in(4), "a": lif(), "b": lif(), "w": linear(), "output": node_out(4)}
    edges = [("input", "a"), ("a", "b"), ("a", "w"), ("b", "w"), ("w", "output")]
    graph = taken(nodes, edges).graph
    assert str(graph.types["w.add"]) == "int(0,2) step [4]"


def test_every_output_is_one_of_the_graph(taken, values, reference):
    nodes = {
        "input": node_in(4),
        "a": lif(),
        "b": linear(3),
        "spikes": node_out(4),
        "y": node_out(3),
        "again": node_out(4),
    }
    edges = [("input", "a"), ("a", "b"), ("a", "spikes"), ("b", "y"), ("a", "again")]
    found = taken(nodes, edges)
    assert found.graph.outputs == ("a", "b")
    assert found.facts["outputs"] == {"again": "a", "spikes": "a", "y": "b"}
    x = data([4])
    expected = reference(nodes, edges, x, DT)
    np.testing.assert_allclose(values(found.graph, x)["b"], expected["b"], rtol=1e-12, atol=1e-12)


def test_several_edges_into_an_output_are_summed_aloud(taken, values, reference):
    nodes = {"input": node_in(4), "a": linear(seed=1), "b": linear(seed=2), "output": node_out(4)}
    edges = [("input", "a"), ("input", "b"), ("a", "output"), ("b", "output")]
    found = taken(nodes, edges)
    x = data([4])
    (y,) = values(found.graph, x).values()
    np.testing.assert_allclose(y, reference(nodes, edges, x, DT)["output"], rtol=1e-12, atol=1e-12)
    assert any("summed" in remark and remark.endswith(": output") for remark in found.remarks)


def test_an_input_that_is_the_output(taken, values):
    found = taken({"input": node_in(4), "output": node_out(4)}, [("input", "output")])
    assert found.graph.outputs == ("input",)
    x = data([4])
    assert np.array_equal(values(found.graph, x)["input"], x)


def test_a_subgraph_is_inlined_under_joined_names(taken, values, reference, alive):
    block = graph_within(4, fc=linear(seed=5), lif=lif(v_threshold=0.4))
    nodes = {"input": node_in(4), "lif": lif(), "block": block, "output": node_out(4)}
    edges = [("input", "lif"), ("lif", "block"), ("block", "output")]
    graph = taken(nodes, edges).graph
    assert [node.name for node in graph.nodes] == ["lif", "block.fc", "block.lif"]
    assert graph.node("block.lif").scope == "block.lif"
    flat = {"input": nodes["input"], "lif": lif(), "fc": block.nodes["fc"], "last": block.nodes["lif"]}
    x = data([4])
    expected = reference(flat, [("input", "lif"), ("lif", "fc"), ("fc", "last")], x, DT)["last"]
    alive(expected)
    assert np.array_equal(values(graph, x)["block.lif"], expected)


def test_subgraphs_within_subgraphs_and_sums_at_their_ends(taken, values):
    inner = graph_within(4, twice=nir.Scale(np.full(4, 2.0)))
    outer = nir.NIRGraph(
        {"in": node_in(4), "deep": inner, "w": nir.Scale(np.full(4, 3.0)), "out": node_out(4)},
        [("in", "deep"), ("in", "w"), ("deep", "out"), ("w", "out")],
        type_check=False,
    )
    nodes = {"input": node_in(4), "a": nir.Scale(np.full(4, 5.0)), "block": outer, "output": node_out(4)}
    edges = [("input", "a"), ("input", "block"), ("a", "block"), ("block", "output"), ("input", "output")]
    graph = taken(nodes, edges).graph
    x = data([4])
    (y,) = values(graph, x).values()
    np.testing.assert_allclose(y, x + (2 + 3) * (x + 5 * x), rtol=1e-12)
    assert "block.deep.twice" in graph.types


def test_a_subgraph_that_only_passes_on(taken, values):
    nodes = {"input": node_in(4), "block": graph_within(4), "fc": linear(), "output": node_out(4)}
    edges = [("input", "block"), ("block", "fc"), ("input", "fc"), ("fc", "output")]
    graph = taken(nodes, edges).graph
    x = data([4])
    np.testing.assert_allclose(values(graph, x)["fc"], 2 * x @ nodes["fc"].weight.T, rtol=1e-9, atol=1e-9)


def test_a_name_of_a_subgraph_and_the_same_name_outside_stay_apart(taken):
    nodes = {"input": node_in(4), "a": graph_within(4, lif=lif()), "a.lif": lif(), "output": node_out(4)}
    edges = [("input", "a"), ("a", "a.lif"), ("a.lif", "output")]
    found = taken(nodes, edges)
    assert sorted(node.scope for node in found.graph.nodes) == ["a.lif", "a.lif_1"]
    assert any("renamed" in remark and "a.lif_1" in remark for remark in found.remarks)


@pytest.mark.parametrize("name", ["my lif", "Schwelle ü", "-x", ".hidden", "a;b)", "%q", "lif\n@x", "0"])
def test_any_name_becomes_one_that_the_text_form_takes(taken, name):
    nodes = {"input": node_in(4), name: lif(), "output": node_out(4)}
    found = taken(nodes, [("input", name), (name, "output")])
    text = found.graph.text()
    assert parse(text, found.graph.weights).text() == text
    assert any("renamed" in remark and name in remark for remark in found.remarks) is (name != "0")


def test_names_that_would_become_one_stay_apart(taken):
    nodes = {"input": node_in(4), "a b": lif(), "a_b": lif(), "a?b": lif(), "output": node_out(4)}
    edges = [("input", "a b"), ("a b", "a_b"), ("a_b", "a?b"), ("a?b", "output")]
    graph = taken(nodes, edges).graph
    assert len({node.scope for node in graph.nodes}) == 3


def test_of_many_names_that_change_six_are_said_and_all_are_kept(taken):
    names = ["input", *(f"n {k}" for k in range(8)), "output"]
    nodes = {name: lif() for name in names} | {"input": node_in(4), "output": node_out(4)}
    found = taken(nodes, list(itertools.pairwise(names)))
    (said,) = [remark for remark in found.remarks if "renamed" in remark]
    assert said.endswith(
        ": 'n 0' is n_0, 'n 1' is n_1, 'n 2' is n_2, 'n 3' is n_3, 'n 4' is n_4, 'n 5' is n_5 and 2 more"
    )
    assert found.facts["renamed"] == {f"n {k}": f"n_{k}" for k in range(8)}


def test_a_name_that_a_membrane_has(taken):
    nodes = {"input": node_in(4), "lif": lif(), "lif.v": linear(), "output": node_out(4)}
    graph = taken(nodes, [("input", "lif"), ("lif", "lif.v"), ("lif.v", "output")]).graph
    assert graph.outputs != ("lif.v",)
    assert graph.producers[graph.outputs[0]].op.mnemonic == "linear"


def test_the_order_of_nodes_in_the_file_does_not_matter(taken, values):
    nodes = {"z_in": node_in(4), "y": linear(seed=1), "x": lif(), "b": linear(seed=2), "a_out": node_out(4)}
    edges = [("x", "b"), ("z_in", "y"), ("b", "a_out"), ("y", "x")]
    graph = taken(nodes, edges).graph
    assert [node.name for node in graph.nodes] == ["y", "x", "b"]


def refused(taken, nodes, edges, **offenders):
    with pytest.raises(UnsupportedOp) as caught:
        taken(nodes, edges)
    found = {offender.path: offender.reason for offender in caught.value.offenders}
    assert set(found) == {name.replace("__", ".") for name in offenders}
    for name, said in offenders.items():
        assert said in found[name.replace("__", ".")]


def test_a_node_that_hangs_loose_is_refused_before_a_reader_invents_an_end(taken):
    nodes = {"input": node_in(4), "a": linear(), "unfed": linear(), "unheard": lif(), "output": node_out(4)}
    edges = [("input", "a"), ("unfed", "a"), ("a", "unheard"), ("a", "output")]
    refused(taken, nodes, edges, unfed="no way leads from an Input", unheard="no way leads from it to an Output")


def test_a_cycle_apart_is_refused(taken):
    nodes = {
        "input": node_in(4),
        "a": lif(),
        "own": lif(),
        "w": nir.Affine(np.eye(4), np.ones(4)),
        "output": node_out(4),
    }
    edges = [("input", "a"), ("a", "output"), ("own", "w"), ("w", "own")]
    refused(taken, nodes, edges, own="no way leads from an Input", w="no way leads from an Input")


def test_a_double_edge_is_refused(taken):
    nodes = {"input": node_in(4), "a": lif(), "output": node_out(4)}
    refused(taken, nodes, [("input", "a"), ("input", "a"), ("a", "output")], a="2 edges from 'input'")


@pytest.mark.parametrize("kind", ["Input", "Output"])
def test_a_graph_without_an_end_is_refused(taken, kind):
    nodes = {"input": node_in(4), "a": lif(), "output": node_out(4)}
    del nodes[kind.lower()]
    edges = [("a", "output")] if kind == "Input" else [("input", "a")]
    with pytest.raises(TraceError, match=f"the graph has no {kind}"):
        taken(nodes, edges)


def test_edges_the_wrong_way_are_refused(taken):
    nodes = {"input": node_in(4), "a": lif(), "output": node_out(4)}
    edges = [("input", "a"), ("a", "output"), ("output", "a"), ("a", "input")]
    refused(taken, nodes, edges, input="an edge from 'a' leads into it", output="an edge leads from it to 'a'")


def test_operands_of_other_shapes_are_refused(taken):
    nodes = {"input": node_in(4), "a": linear(3), "b": lif(), "output": node_out(4)}
    edges = [("input", "a"), ("input", "b"), ("a", "b"), ("b", "output")]
    refused(taken, nodes, edges, b="shapes differ")


def custom(path, kind="MaxPool2d"):
    with h5py.File(path, "r+") as file:
        for name in ("a", "b"):
            del file[f"node/nodes/{name}/type"]
            file[f"node/nodes/{name}/type"] = kind


def test_nodes_of_other_types_are_refused_by_name(written):
    nodes = {"input": node_in(4), "a": lif(), "b": lif(), "c": lif(), "output": node_out(4)}
    path = written(nodes, [("input", "a"), ("a", "b"), ("b", "c"), ("c", "output")])
    custom(path)
    with pytest.raises(UnsupportedOp) as caught:
        read(path)
    assert [(o.op, o.path, o.reason) for o in caught.value.offenders] == [
        ("MaxPool2d", "a", "is no node of NIR 1.0.8"),
        ("MaxPool2d", "b", "is no node of NIR 1.0.8"),
    ]


def test_a_field_that_nir_does_not_know_is_refused(written):
    nodes = {"input": node_in(4), "a": lif(), "output": node_out(4)}
    path = written(nodes, [("input", "a"), ("a", "output")])
    with h5py.File(path, "r+") as file:
        file["node/nodes/a/refractory"] = 3
    with pytest.raises(UnsupportedOp, match=r"has the fields refractory, which NIR 1\.0\.8 does not know"):
        read(path)


def test_an_edge_to_nowhere_is_no_network(written):
    nodes = {"input": node_in(4), "a": lif(), "output": node_out(4)}
    path = written(nodes, [("input", "a"), ("a", "output"), ("a", "b")])
    with pytest.raises(ModelFileError, match="lead from 'a' to 'b'"):
        read(path)


def test_a_lone_node_is_no_graph(tmp_path):
    path = tmp_path / "lone.nir"
    nir.write(path, lif())
    with pytest.raises(TraceError, match="holds a LIF, no graph"):
        read(path)


def test_metadata_are_said_to_be_left_unread(written):
    nodes = {"input": node_in(4), "a": lif(), "output": node_out(4)}
    nodes["a"].metadata = {"origin": "hand"}
    found = read(written(nodes, [("input", "a"), ("a", "output")], metadata={"author": "someone"}))
    assert "metadata that are not read: author, origin" in found.remarks


def test_one_node_with_more_edges_than_any_network_has(taken):
    scales = {f"s{i}": nir.Scale(np.ones(1)) for i in range(1001)}
    nodes = {"input": node_in(1), **scales, "output": node_out(1)}
    edges = [*(("input", name) for name in scales), *((name, "output") for name in scales)]
    refused(taken, nodes, edges, output="1001 edges lead into it")


def test_a_value_that_no_memory_holds_is_refused(taken):
    scale = nir.Scale(np.ones(1))
    nodes = {"input": node_in(2**20, 2**20), "a": scale, "output": node_out(2**20, 2**20)}
    with pytest.raises(ModelFileError, match="1099511627776 elements"):
        taken(nodes, [("input", "a"), ("a", "output")])


def test_steps_are_sixteen_aloud_or_those_asked_for(written):
    nodes = {"input": node_in(4), "a": lif(), "output": node_out(4)}
    path = written(nodes, [("input", "a"), ("a", "output")])
    found = read(path)
    assert found.graph.steps == 16
    assert any("16 steps (--steps)" in remark for remark in found.remarks)
    asked = read(path, Reading(steps=5))
    assert asked.graph.steps == 5
    assert not any("--steps" in remark for remark in asked.remarks)
