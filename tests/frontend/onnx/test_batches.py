"""Where the samples lie in a file's tensors: its batch left open, fixed, or not there at all."""

import numpy as np
import pytest

from spikec.errors import TraceError, UnsupportedOp
from spikec.run.interp import Interpreter


def ints(*numbers):
    return np.array(numbers, np.int64)


@pytest.fixture
def rows(node, model, port):
    """y = W x on inputs of these axes."""

    def make(*axes):
        weight = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
        return model([node("MatMul", ["x", "w"], ["y"])], [port("x", *axes)], ["y"], w=weight)

    return make


@pytest.mark.parametrize("batch", ["n", 1, 2, 3, 7])
def test_the_graph_takes_any_batch_and_is_the_same_for_each(reader, rows, batch):
    found = reader.taken(rows(batch, 5, 4))
    assert found.graph.inputs["x"].shape == (5, 4)
    assert found.graph.sha256 == reader.taken(rows("other", 5, 4)).graph.sha256
    assert any("batch is fixed at" in remark for remark in found.remarks) is (batch != "n")


def test_a_batch_behind_time_is_found_where_it_is_left_open(reader, node, model, port):
    """Steps before the batch, as SpikingJelly has them: step by step, and stacked again."""
    nodes = [
        node("Slice", ["x", "zero", "one", "zero"], ["a"]),
        node("Slice", ["x", "one", "two", "zero"], ["b"]),
        node("Sub", ["b", "a"], ["c"]),
        node("Concat", ["a", "c"], ["y"], axis=0),
    ]
    constants = {"zero": ints(0), "one": ints(1), "two": ints(2)}
    found = reader.taken(model(nodes, [port("x", 2, "n", 3)], ["y"], **constants))
    x = np.random.default_rng(0).normal(size=(6, 2, 3))
    (y,) = Interpreter().run(found.graph, {"x": x}, 1).values()
    np.testing.assert_array_equal(y.numpy(), np.stack([x[:, 0], x[:, 1] - x[:, 0]], axis=1))
    assert any("the batch of the output 'y' is not its first axis" in remark for remark in found.remarks)


def test_a_first_axis_that_is_no_batch_makes_a_sample_of_the_whole(reader, node, model, port):
    """The first row less the second: no batch can be there."""
    nodes = [
        node("Gather", ["x", "first"], ["a"], axis=0),
        node("Gather", ["x", "second"], ["b"], axis=0),
        node("Sub", ["a", "b"], ["y"]),
    ]
    content = model(nodes, [port("x", 2, 3)], ["y"], first=np.int64(0), second=np.int64(1))
    found = reader.taken(content)
    assert found.graph.inputs["x"].shape == (2, 3)
    assert "'x' has no batch: a sample is the whole [2, 3]" in found.remarks
    x = np.random.default_rng(0).normal(size=(5, 2, 3))
    (y,) = Interpreter().run(found.graph, {"x": x}, 1).values()
    np.testing.assert_array_equal(y.numpy(), x[:, 0] - x[:, 1])


MIXING = {
    "a mean over the batch": ("ReduceMean", {}, {"a": ints(0)}, "a reduction over the batch"),
    "a sum over all": ("ReduceSum", {"keepdims": 0}, {}, "a reduction over the batch"),
    "a norm over the batch": ("Softmax", {"axis": 0}, {}, "the batch"),
    "the first hundred samples": ("Slice", {}, {"a": ints(0), "b": ints(100)}, "of more would take a part"),
    "the last five samples": ("Slice", {}, {"a": ints(-5), "b": ints(2**63 - 1)}, "of more would take a part"),
    "one sample of all": ("Gather", {"axis": 0}, {"a": np.int64(0)}, "the batch"),
}


@pytest.mark.parametrize("case", MIXING)
def test_what_mixes_samples_is_refused(reader, node, model, port, case):
    op, attributes, constants, said = MIXING[case]
    content = model([node(op, ["x", *constants], ["y"], **attributes)], [port("x", "n", 3)], ["y"], **constants)
    with pytest.raises(UnsupportedOp, match=said):
        reader.taken(content)


def test_what_was_taken_for_the_batch_is_said_where_that_may_be_wrong(reader, node, model, port):
    content = model([node("ReduceMean", ["x", "axes"], ["y"])], [port("x", 3, "n", 2)], ["y"], axes=np.array([1]))
    with pytest.raises(UnsupportedOp, match="a reduction over the batch") as caught:
        reader.taken(content)
    assert caught.value.mend.startswith(
        "axis 1 of 'x' was taken for the batch: where it is another, leave that one open"
    )


def test_sizes_that_hold_for_one_batch_only_are_refused(reader, node, model, port):
    """The batch is open, and the exporter wrote 2 x 3 for it."""
    content = model([node("Reshape", ["x", "s"], ["y"])], [port("x", "n", 3)], ["y"], s=ints(2, 3))
    with pytest.raises(TraceError, match=r"at batch 3 .*a reshape|one network for every batch"):
        reader.taken(content)


def test_a_batch_that_is_computed_with_is_refused(reader, node, model, port):
    """x times the number of samples: at each batch it is another network."""
    nodes = [
        node("Shape", ["x"], ["s"], start=0, end=1),
        node("Cast", ["s"], ["count"], to=1),
        node("Mul", ["x", "count"], ["y"]),
    ]
    with pytest.raises(TraceError, match=r"at other batches it is another network: .*factor=2\.0.*factor=3\.0"):
        reader.taken(model(nodes, [port("x", "n", 3)], ["y"]))


def test_constants_that_differ_from_sample_to_sample_are_refused(reader, node, model, port):
    constant = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = model([node("Add", ["x", "c"], ["y"])], [port("x", "n", 3)], ["y"], c=constant)
    with pytest.raises((TraceError, UnsupportedOp), match=r"differs from sample to sample|one network for every batch"):
        reader.taken(content)


def test_several_open_sizes_are_refused_by_their_names(reader, rows):
    with pytest.raises(TraceError, match=r"axis 0 \('n'\), axis 1 \('tokens'\).*only the batch"):
        reader.taken(rows("n", "tokens", 4))


def test_a_batch_open_in_one_input_and_fixed_in_another_is_refused(reader, node, model, port):
    nodes = [node("Add", ["x", "v"], ["v_out"])]
    content = model(nodes, [port("x", "n", 3), port("v", 2, 3)], ["v_out"])
    with pytest.raises(TraceError, match="left open in 'x' and fixed in 'v'"):
        reader.taken(content)


def test_an_input_whose_axes_are_not_said_is_refused(reader, node, model, port):
    content = model([node("Neg", ["x"], ["y"])], [port("x", "n", 3)], ["y"])
    content.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(TraceError, match="an input whose axes are not said"):
        reader.taken(content)
