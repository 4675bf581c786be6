"""The file itself: data beside it, what it declares, and what it holds beside one graph."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from spikec.errors import ModelFileError, UnsupportedOp
from spikec.frontend.foreign import Reading, read

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def linear(node, model, port):
    """y = x W, with W in the file."""
    return lambda: model([node("MatMul", ["x", "w"], ["y"])], [port("x", "n", 4)], ["y"], w=WEIGHT)


def weight_of(found):
    (weight,) = found.graph.weights.values()
    return weight.array


@pytest.mark.parametrize("location", ["w.bin", "below/w.bin"])
def test_data_in_the_models_folder_are_read(tmp_path, linear, location):
    (tmp_path / "below").mkdir()
    onnx.save(linear(), tmp_path / "net.onnx", save_as_external_data=True, location=location, size_threshold=0)
    assert (tmp_path / location).is_file()
    assert np.array_equal(weight_of(read(tmp_path / "net.onnx")), WEIGHT.T)


def beside(linear, **said):
    """The model with its weight said to lie in a file."""
    content = linear()
    (tensor,) = content.graph.initializer
    external_data_helper.set_external_data(tensor, said.pop("location", "w.bin"), **said)
    tensor.ClearField("raw_data")
    return content


@pytest.mark.parametrize(
    "outside", ["../w.bin", "/etc/hostname", "below/../../w.bin", "C:\\w.bin", "..\\w.bin", "link"]
)
def test_data_elsewhere_are_never_opened(tmp_path, linear, outside):
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    (folder / "link").symlink_to(tmp_path / "w.bin")
    (folder / "net.onnx").write_bytes(beside(linear, location=outside).SerializeToString())
    with pytest.raises(ModelFileError, match="outside the model's folder"):
        read(folder / "net.onnx")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"location": "absent.bin"}, "where there is no file"),
        ({"location": ""}, "the name of a file"),
        ({"offset": 8}, "bytes 8 to 56 of 'w.bin', which has 48"),
        ({"length": 40}, "48 bytes of it"),
        ({"offset": 2**40}, "which has 48"),
    ],
)
def test_data_that_are_not_what_is_declared_are_refused(tmp_path, linear, said, reason):
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    (tmp_path / "net.onnx").write_bytes(beside(linear, **said).SerializeToString())
    with pytest.raises(ModelFileError, match=reason):
        read(tmp_path / "net.onnx")


def huge(content):
    content.graph.initializer[0].dims[0] = 2**40


def short(content):
    content.graph.initializer[0].raw_data = b"1234"


def twice(content):
    content.graph.initializer.append(content.graph.initializer[0])


def of_nothing(content):
    content.graph.node[0].input[0] = "absent"


def in_a_circle(content):
    content.graph.node[0].input[0] = "y"


def made_twice(content):
    content.graph.node.append(content.graph.node[0])


def without_outputs(content):
    del content.graph.output[:]


def without_version(content):
    del content.opset_import[:]


def of_old_operators(content):
    content.opset_import[0].version = 6


def of_nobodys_operators(content):
    content.opset_import[0].version = 99


BROKEN = {
    huge: "tensors up to 'w' declare 13194139533312 bytes",
    short: r"tensor 'w' has 4 bytes of data for a shape of \[4, 3\]",
    twice: "two initialisers of the name 'w'",
    of_nothing: "takes 'absent', which nothing before it makes",
    in_a_circle: "takes 'y', which nothing before it makes",
    made_twice: "the tensor 'y' is made twice",
    without_outputs: "a file without a network",
    without_version: "operators of version not said",
    of_old_operators: "operators of version 6; expected one of 7 to 28",
    of_nobodys_operators: "operators of version 99",
}


@pytest.mark.parametrize("harm", BROKEN, ids=lambda harm: harm.__name__)
def test_a_file_that_contradicts_itself_cannot_be_read(reader, linear, harm):
    content = linear()
    harm(content)
    with pytest.raises(ModelFileError, match=BROKEN[harm]) as caught:
        reader.taken(content)
    assert ".onnx" in str(caught.value)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_file_that_is_cut_short_cannot_be_read(reader, linear, part):
    whole = linear().SerializeToString()
    with pytest.raises(ModelFileError):
        reader.taken(whole[: int(part * len(whole))])


def test_the_budget_is_kept(reader, linear):
    with pytest.raises(ModelFileError, match="--max-bytes"):
        reader.taken(linear(), max_bytes=40)
    path = reader.file(linear())
    assert read(path, Reading(max_bytes=2**16)).graph.parameters == 12


def test_functions_and_sparse_tensors_are_refused_by_name(reader, linear):
    content = linear()
    content.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], [], []))
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "s"), numpy_helper.from_array(np.zeros(1, np.int64)), [3]
    )
    content.graph.sparse_initializer.append(sparse)
    with pytest.raises(UnsupportedOp) as caught:
        reader.taken(content)
    assert [(o.op, o.path) for o in caught.value.offenders] == [
        ("local function", "Twice"),
        ("sparse initialiser", "s"),
    ]


def test_control_flow_and_operators_of_others_are_refused_by_name(reader, node, model, port):
    body = helper.make_graph([node("Neg", ["x"], ["t"])], "branch", [], [port("t")])
    nodes = [
        node("If", ["c"], ["a"], then_branch=body, else_branch=body, name="choose"),
        node("FusedMatMul", ["x", "x"], ["b"], domain="com.microsoft", name="fused"),
        node("Relu", ["x"], ["r"], name="relu"),
        node("Neg", ["r"], ["y"]),
    ]
    content = model(nodes, [port("x", "n", 3)], ["y", "a", "b"], c=np.asarray(True))
    with pytest.raises(UnsupportedOp) as caught:
        reader.taken(content)
    assert [(o.op, o.path, o.reason) for o in caught.value.offenders] == [
        ("If", "choose", "control flow, of which a graph has none"),
        ("com.microsoft::FusedMatMul", "fused", "is not taken"),
        ("Relu", "relu", "is not taken: an activation of real numbers, of which Gelu, Exp and Softmax are"),
    ]


def test_half_precision_is_refused_where_it_is_used(reader, node, model, port):
    content = model([node("Add", ["x", "h"], ["y"])], [port("x", "n", 3)], ["y"])
    content.graph.initializer.append(helper.make_tensor("h", TensorProto.BFLOAT16, [3], [1.0, 2.0, 3.0]))
    with pytest.raises(UnsupportedOp, match="'h' holds bfloat16"):
        reader.taken(content)
