"""The manager: pipelines as chip files hold them, verification after every change, and what every pass owes."""

import tomllib
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint

import pytest

from passes import manager
from passes.manager import PASSES, Applied, entry_of, make, names, run
from spikec.errors import GraphError, ToolchainError, UnknownName, UsageError, VerifyError
from spikec.ir.linear import BatchNorm
from spikec.ir.text import parse
from spikec.ir.types import SPIKE

ENTRIES = [*PASSES, {"pass": "reorder-attention", "order": "qk"}]
NEEDS = {"quantize": ["fold-batchnorm"]}
"""What a pass asks for before it."""
PIPELINES = {
    "priced": ["fold-batchnorm", "hoist-repeat", "remove-dead"],
    "exported": [
        "canonicalise",
        "fold-batchnorm",
        "reorder-attention",
        "fold-scale",
        "lower-maxpool",
        "time-reductions-last",
        "remove-dead",
    ],
}


def with_packages(monkeypatch, *points):
    """Lets the manager see these entry points, as installed packages would state them."""
    found = [EntryPoint(name, value, manager.GROUP) for name, value in points]

    def entry_points(group, name=None):
        assert group == manager.GROUP
        return [point for point in found if name in (None, point.name)]

    monkeypatch.setattr(manager, "entry_points", entry_points)


@pytest.fixture
def others(monkeypatch):
    """A third party's passes, by name."""
    here = {"claims-spikes": ClaimsSpikes, "bits": Bits, "drops-weights": DropsWeights, "turns": turns}
    monkeypatch.setattr(manager, "PASSES", {**PASSES, **here})


@dataclass(frozen=True)
class ClaimsSpikes:
    """A broken pass: it writes spikes where the op gives reals, and no check of its own."""

    name = "claims-spikes"

    def __call__(self, graph):
        wrong = [
            replace(node, types=(node.type.with_domain(SPIKE),)) if isinstance(node.op, BatchNorm) else node
            for node in graph.nodes
        ]
        return replace(graph, nodes=tuple(wrong))


@dataclass(frozen=True)
class DropsWeights:
    """A broken pass: nodes name weights that are gone."""

    name = "drops-weights"

    def __call__(self, graph):
        return replace(graph, weights={})


@dataclass(frozen=True)
class Bits:
    """Changes nothing, and takes parameters."""

    bits: int = 8
    scale: float = 1.0
    name = "bits"

    def __call__(self, graph):
        return replace(graph)


def turns(by):
    """A maker that is a function, and its pass no dataclass."""
    return Turns() if by else Bits()


class Turns:
    name = "turns"

    def __call__(self, graph):
        return replace(graph, outputs=graph.outputs[::-1])


def test_runs_a_pipeline_of_a_chips_file(spikformer, assert_same):
    text = """pipeline = ["fold-batchnorm", "lower-maxpool", { pass = "reorder-attention", order = "kv" }]"""
    passed = run(spikformer, tomllib.loads(text)["pipeline"])
    assert passed.applied == (
        Applied("fold-batchnorm"),
        Applied("lower-maxpool"),
        Applied("reorder-attention", {"order": "kv"}),
    )
    assert [str(applied) for applied in passed.applied] == [
        "fold-batchnorm",
        "lower-maxpool",
        "reorder-attention(order='kv')",
    ]
    assert_same(spikformer, passed.graph)


def test_names_only_the_passes_that_changed_the_graph(spikformer):
    passed = run(spikformer, ["fold-batchnorm", "fold-batchnorm", "remove-dead"])
    assert passed.applied == (Applied("fold-batchnorm"),)
    again = run(passed.graph, ["fold-batchnorm"])
    assert again.graph is passed.graph
    assert again.applied == ()


def test_states_the_parameters_that_stay_at_their_defaults(spikformer, others):
    passed = run(spikformer, ["reorder-attention", {"pass": "bits", "bits": 4}])
    assert [str(applied) for applied in passed.applied] == ["reorder-attention(order='kv')", "bits(bits=4, scale=1.0)"]


def test_an_empty_pipeline_gives_the_graph_back(spikformer):
    assert run(spikformer, []).graph is spikformer


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_bears_the_name_that_finds_it(name):
    assert make(name).name == name
    for word in ("Keeps:", "Changes:", "Leaves alone:"):
        assert word in type(make(name)).__doc__


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_a_pass_is_pure_and_twice_is_once(entry, pipeline, make_spikformer):
    for graph in (make_spikformer(1), run(make_spikformer(1), PIPELINES[pipeline]).graph):
        graph = run(graph, NEEDS.get(entry, []) if isinstance(entry, str) else []).graph
        text, digest, weights = graph.text(), graph.sha256, dict(graph.weights)
        change = make(entry)
        after = change(graph)
        assert (graph.text(), graph.sha256) == (text, digest)
        assert all(graph.weights[name] is weight for name, weight in weights.items())
        assert change(after) is after
        assert (after is graph) == (after.sha256 == digest)
        assert parse(after.text(), after.weights).sha256 == after.sha256


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_spikformer_before_and_after(pipeline, spikformer, golden, assert_same):
    assert spikformer.text() == golden("spikformer")
    after = run(spikformer, PIPELINES[pipeline]).graph
    assert after.text() == golden(f"spikformer_{pipeline}")
    assert_same(spikformer, after, membranes=pipeline == "priced")


def test_every_order_of_the_exports_passes_gives_the_same_spikes(make_spikformer, assert_same):
    graph = make_spikformer(2)
    passes = PIPELINES["exported"]
    for start in range(len(passes)):
        assert_same(graph, run(graph, passes[start:] + passes[:start]).graph, membranes=False, seeds=[start])


def test_catches_a_pass_that_breaks_a_type(spikformer, others):
    with pytest.raises(VerifyError, match=r"pass 'claims-spikes': .*%stem.0_bn .*spike once .*real once"):
        run(spikformer, ["hoist-repeat", "claims-spikes"])


def test_catches_a_pass_that_breaks_a_node(spikformer, others):
    with pytest.raises(VerifyError, match=r"pass 'drops-weights': .*weight 'stem.0_conv.weight'"):
        run(spikformer, ["drops-weights"])


def test_an_unknown_pass_is_named_with_the_nearest(spikformer):
    with pytest.raises(UnknownName, match="unknown pass 'fold-batch-norm'") as caught:
        run(spikformer, ["fold-batch-norm"])
    assert caught.value.nearest[0] == "fold-batchnorm"
    assert set(caught.value.choices) == set(PASSES)


WRONG = {
    "a value outside the choice": ({"pass": "reorder-attention", "order": "vk"}, "one of: 'kv', 'qk'"),
    "a parameter of no such name": ({"pass": "reorder-attention", "ordre": "kv"}, "ordre.*parameters: order"),
    "a pass without parameters": ({"pass": "fold-batchnorm", "bits": 8}, "bits.*parameters: none"),
    "a table without a pass": ({"order": "kv"}, "names no pass"),
    "a number": (3, "names no pass"),
    "a name that is no text": ({"pass": 3}, "names no pass"),
    "text for an int": ({"pass": "bits", "bits": "8"}, "bits = '8'.*type int"),
    "a bool for an int": ({"pass": "bits", "bits": True}, "bits = True.*type int"),
    "a bool for a float": ({"pass": "bits", "scale": True}, "scale = True.*type float"),
    "a parameter that is missing": ({"pass": "turns"}, "'by'"),
    "the class's own constant": ({"pass": "bits", "name": "other"}, "'name'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_entry_is_refused_before_any_pass_runs(case, spikformer, others):
    entry, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        run(spikformer, ["claims-spikes", entry])


SPELLED = {
    "quantize": "quantize",
    "quantize:weight_bits=4": {"pass": "quantize", "weight_bits": 4},
    "quantize:weight_bits=4:decay_bits=8": {"pass": "quantize", "weight_bits": 4, "decay_bits": 8},
    "reorder-attention:order=qk": {"pass": "reorder-attention", "order": "qk"},
    "bits:scale=0.5": {"pass": "bits", "scale": 0.5},
    "bits:scale=[]": {"pass": "bits", "scale": "[]"},
    "bits:scale=": {"pass": "bits", "scale": ""},
}


@pytest.mark.parametrize("text", SPELLED)
def test_a_command_line_spells_parameters_behind_colons(text):
    assert entry_of(text) == SPELLED[text]


@pytest.mark.parametrize("text", ["a:b", "a:=1", "a:b=1:b=2", "a:pass=b", "a:"])
def test_what_is_no_parameter_is_refused(text):
    with pytest.raises(UsageError, match="name:key=value"):
        entry_of(text)


def test_an_int_does_where_a_float_is_asked(spikformer, others):
    assert make({"pass": "bits", "scale": 2}) == Bits(scale=2)


def test_a_maker_may_be_a_function(make_graph, others):
    graph = make_graph("graph(%x: real step [4]) steps 2\n%y = add(%x, %x)\nreturn %x, %y")
    passed = run(graph, [{"pass": "turns", "by": 1}])
    assert passed.graph.outputs == ("y", "x")
    assert passed.applied == (Applied("turns", {"by": 1}),)


def test_a_third_partys_pass_is_found(monkeypatch, spikformer):
    with_packages(monkeypatch, ("mine", "passes.reorder_attention:ReorderAttention"))
    assert "mine" in names()
    assert make({"pass": "mine", "order": "qk"}).order == "qk"
    with pytest.raises(UsageError, match="'kv', 'qk'"):
        make({"pass": "mine", "order": "?"})


def test_a_third_partys_pass_cannot_take_over_a_name(monkeypatch):
    with_packages(monkeypatch, ("remove-dead", "passes.reorder_attention:ReorderAttention"))
    assert type(make("remove-dead")) is PASSES["remove-dead"]
    assert names().count("remove-dead") == 1


@pytest.mark.parametrize("value", ["no_such_module_here:Pass", "passes.remove_dead:NoSuchPass"])
def test_a_third_partys_pass_that_does_not_import_says_so(value, monkeypatch):
    with_packages(monkeypatch, ("mine", value))
    with pytest.raises(ToolchainError, match="pass 'mine': cannot be imported"):
        make("mine")


def test_two_packages_of_one_name_are_refused(monkeypatch):
    with_packages(monkeypatch, ("mine", "a:A"), ("mine", "b:B"))
    with pytest.raises(UsageError, match="2 packages"):
        make("mine")


def test_verify_errors_are_graph_errors_and_say_so_to_a_script(spikformer, others):
    with pytest.raises(GraphError) as caught:
        run(spikformer, ["claims-spikes"])
    assert caught.value.exit_code == 2
