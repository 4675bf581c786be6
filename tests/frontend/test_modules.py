"""Modules as users wrap, compile, prune, hook and nest them; neurons that were used before, or twice."""

import inspect
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.frontend.tracer import traced as traced_with_remarks
from spikec.ir.neurons import IF, LIF
from spikec.snn.config import uniform_config
from spikec.snn.neuron import LIFNeuron
from spikec.snn.spikformer import new_spikformer


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), LIFNeuron(v_threshold=0.1), nn.Linear(4, 3)).eval()


def remarks(model, **sizes) -> tuple[str, ...]:
    return traced_with_remarks(model, sizes.pop("shape", (4,)), layout="TBX", steps=3, **sizes).remarks


def weight_normed(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.nn.utils.weight_norm(model[0])
    return model


def parametrized(make):
    def change(model):
        make(model[0])
        return model.eval()

    return change


class Positive(nn.Module):
    def forward(self, weight):
        return weight * weight


WEIGHTS = {
    "weight_norm as a hook": weight_normed,
    "weight_norm as a parametrization": parametrized(parametrizations.weight_norm),
    "orthogonal": parametrized(parametrizations.orthogonal),
    "spectral norm": parametrized(parametrizations.spectral_norm),
    "spectral norm as a hook": parametrized(torch.nn.utils.spectral_norm),
    "a parametrization of one's own": parametrized(
        lambda layer: parametrize.register_parametrization(layer, "weight", Positive())
    ),
    "pruned": parametrized(lambda layer: prune.l1_unstructured(layer, "weight", 0.5)),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_computed(case, traced, ops):
    graph = traced(WEIGHTS[case](layers()))
    assert ops(graph) == ["linear", "lif", "linear"]
    assert graph.parameters == 35


def test_a_parametrization_left_in_training_mode_is_named():
    model = layers()
    parametrizations.weight_norm(model[0])
    with pytest.raises(TraceError, match=r"module '0\.parametrizations', .*training mode"):
        trace(model, (4,), layout="TBX", steps=3)


@pytest.mark.full
def test_what_torch_compile_made_runs_as_it_was_written(net, traced, ops):
    inner, twice = (torch.compile(made, backend="eager") for made in (layers(), lambda x: x * 2.0))
    assert ops(traced(inner)) == ["linear", "lif", "linear"]
    assert ops(traced(net(lambda m, x: m.inner(twice(x)), inner=inner))) == ["scale", "linear", "lif", "linear"]


def test_data_parallel(traced, ops):
    assert ops(traced(nn.DataParallel(layers()).eval())) == ["linear", "lif", "linear"]


def test_a_lazy_module_has_no_weights_yet(traced):
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(3)).eval()
    with pytest.raises(TraceError, match=r"tensor '0\.weight', '0\.bias', '1\.weight'.*lazy.*run the network once"):
        trace(model, (4,), layout="TBX", steps=3)
    model(torch.rand(1, 1, 4))
    traced(model)


def test_weights_that_are_no_real_numbers():
    with pytest.raises(TraceError, match=r"tensor '0\.weight', '0\.bias'.*complex"):
        trace(nn.Sequential(nn.Linear(4, 4, dtype=torch.complex64)).eval(), (4,), layout="TBX", steps=3)
    with pytest.raises(TraceError, match=r"tensor '0\.weight', '0\.bias'.*meta"):
        trace(nn.Sequential(nn.Linear(4, 4, device="meta")).eval(), (4,), layout="TBX", steps=3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quantised_modules():
    model = torch.ao.quantization.quantize_dynamic(layers(), {nn.Linear}, dtype=torch.qint8).eval()
    with pytest.raises(TraceError, match=r"module '0': the function 'linear_dynamic' is not taken"):
        trace(model, (4,), layout="TBX", steps=3)


def test_a_network_that_cannot_be_copied(net):
    model = net(lambda m, x: m.fc(x))
    model.lock = threading.Lock()
    with pytest.raises(TraceError, match=r"cannot be replayed, since copy.deepcopy of it raised TypeError: .*lock"):
        trace(model, (4,), layout="TBX", steps=3)


HOOKS = {
    "that keeps": (lambda m, x, y: m.__dict__.setdefault("seen", []).append(y), ["linear", "lif", "linear"]),
    "that changes": (
        lambda m, x, y: y * 2,
        {0: ["linear", "scale", "lif", "linear"], 1: ["linear", "lif", "scale", "linear"]},
    ),
}


@pytest.mark.parametrize("place", [0, 1], ids=["of a layer", "of a neuron"])
@pytest.mark.parametrize("case", HOOKS)
def test_a_hook(case, place, traced, ops):
    hook, expected = HOOKS[case]
    model = layers()
    model[place].register_forward_hook(hook)
    assert ops(traced(model)) == (expected[place] if isinstance(expected, dict) else expected)


@pytest.mark.parametrize("place", [0, 1], ids=["of a layer", "of a neuron"])
def test_a_hook_before(place, traced, ops):
    model = layers()
    model[place].register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    found = ["linear", "lif", "linear"]
    found.insert(place, "scale")
    assert ops(traced(model)) == found


def test_a_hook_that_reads_is_named_with_its_line():
    def tell(m, x, y):
        print(y.mean((0, 1)).tolist())

    model = layers()
    model[0].register_forward_hook(tell)
    number = inspect.getsourcelines(tell)[1] + 1
    with pytest.raises(TraceError, match=rf"module '0', test_modules.py:{number}: print\(.*: tolist reads"):
        trace(model, (4,), layout="TBX", steps=3)


def test_a_hook_of_every_module_that_changes_a_neuron():
    def double(m, x, y):
        return y * 2 if isinstance(m, LIFNeuron) else None

    handle = nn.modules.module.register_module_forward_hook(double)
    try:
        with pytest.raises(TraceError, match=r"module '1'.*spikes differ"):
            trace(layers(), (4,), layout="TBX", steps=3)
    finally:
        handle.remove()


def loop_over_modules(m, x):
    for layer in m.several:
        x = layer(x)
    return m.named["head"](x)


CALLS = {
    "modules in lists and dicts": (loop_over_modules, ["linear", "lif", "linear"]),
    "functional_call": (
        lambda m, x: torch.func.functional_call(m.fc, {"weight": m.fc.weight * 2, "bias": m.fc.bias}, (x,)),
        ["linear"],
    ),
    "forward called by itself": (lambda m, x: m.fc.forward(x), ["linear"]),
    "keywords": (lambda m, x: m.fc(input=x), ["linear"]),
}


@pytest.mark.parametrize("case", CALLS)
def test_calls(case, net, traced, ops):
    forward, expected = CALLS[case]
    several = nn.ModuleList([nn.Linear(4, 4), LIFNeuron(v_threshold=0.1)])
    model = net(forward, several=several, named=nn.ModuleDict({"head": nn.Linear(4, 2)}))
    assert ops(traced(model)) == expected


@pytest.mark.full  # checkpoints import torch's compiler
def test_a_checkpoint(net, traced, ops):
    assert ops(traced(net(lambda m, x: checkpoint(m.fc, x, use_reentrant=False)))) == ["linear"]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_on_and_off(mode, net, traced, ops):
    def forward(m, x):
        with mode():
            return m.lif(m.fc(x))

    assert ops(traced(net(forward))) == ["linear", "lif"]


def test_nested_outputs_are_taken_in_order(net):
    def forward(m, x):
        y = m.fc(x)
        return {"spikes": m.lif(y), "parts": {"drive": y, "more": (y.mean(0), {"input": x})}}

    graph = trace(net(forward), (4,), layout="TBX", steps=3)
    assert graph.outputs == ("lif", "fc", "time_mean", "input")


def test_nested_tuples_that_could_be_steps(net):
    with pytest.raises(TraceError, match=r"def forward\(self, x\).*not the steps of one value"):
        trace(net(lambda m, x: (m.fc(x), (m.fc(x), m.lif(x)))), (4,), layout="TBX", steps=3)


def test_the_dead_layers_of_a_spikformer_are_reported_and_not_counted():
    config = uniform_config("digits", (1, 8, 8), 10, width=32, depth=2, heads=2, steps=2)
    model = new_spikformer(config, torch.Generator().manual_seed(0)).eval()
    live = sum(p.numel() for p in model.parameters())
    for block in model.blocks:
        block.norm1, block.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
    found = traced_with_remarks(model.eval(), (1, 8, 8), layout="BX", steps=2)
    assert found.graph.parameters == live
    assert sum(p.numel() for p in model.parameters()) == live + 2 * 2 * 64
    assert found.remarks == (
        "8 of the network's parameters are never used, and not in the graph: blocks.0.norm1.weight, "
        "blocks.0.norm1.bias, blocks.0.norm2.weight, blocks.0.norm2.bias, blocks.1.norm1.weight, "
        "blocks.1.norm1.bias, ...",
    )


def test_a_network_that_uses_all_its_parameters_leaves_no_remark():
    assert remarks(layers()) == ()


def test_a_neuron_called_twice_has_two_states(net, traced, ops):
    graph = traced(net(lambda m, x: m.lif(m.fc(m.lif(x)) + 0.25)))
    first, second = graph.nodes_of(LIF)
    assert first.weights == second.weights
    assert first.name != second.name


def test_a_neuron_called_twice_on_one_value_of_which_one_is_used(net, traced, ops):
    def forward(m, x):
        spikes, _ = m.lif(x), m.lif(x)
        return spikes

    assert ops(traced(net(forward))) == ["lif", "lif"]


class Stepped(nn.Module):
    """IF, one step a call, its membrane given and handed on."""

    spikec_states = ("v",)

    def forward(self, x, v=None):
        v = x if v is None else v + x
        q = (v >= 0.5).to(x.dtype)
        return q, v * (1 - q)

    def spikec_neuron(self):
        return IF(reset="hard"), {"v_threshold": 0.5}


def test_a_neuron_of_one_step_with_a_state_for_each_place(net, traced, ops):
    def forward(m, x):
        v = w = None
        spikes = []
        for drive in x:
            q, v = m.n(m.fc(drive), v)
            q, w = m.n(q * 0.5, w)
            spikes.append(q)
        return torch.stack(spikes)

    assert ops(traced(net(forward, n=Stepped()))) == ["linear", "if", "scale", "if"]


def test_a_state_that_goes_to_another_place(net):
    def forward(m, x):
        v, spikes = None, []
        for drive in x:
            q, v = m.n(m.fc(drive), v)
            q, v = m.n(q * 0.5, v)
            spikes.append(q)
        return torch.stack(spikes)

    with pytest.raises(TraceError, match=r"test_modules.py:\d+: q, v = m\.n\(q \* 0\.5, v\)"):
        trace(net(forward, n=Stepped()), (4,), layout="TBX", steps=3)


@pytest.fixture(scope="module")
def snn():
    return pytest.importorskip("snntorch")


@pytest.fixture(scope="module")
def sj():
    return pytest.importorskip("spikingjelly.activation_based.neuron")


class Loop(nn.Module):
    def __init__(self, neuron):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.neuron = nn.Linear(4, 4), neuron

    def forward(self, x):
        return torch.stack([self.neuron(self.fc(drive)) for drive in x])


class Whole(Loop):
    def forward(self, x):
        return self.neuron(self.fc(x))


RESET = "neurons that keep their state from call to call were reset"


@pytest.mark.parametrize("kind", ["snntorch", "spikingjelly, step by step", "spikingjelly, all steps"])
def test_states_left_from_an_earlier_run_are_reset_and_that_is_said(kind, request):
    if kind == "snntorch":
        model = Loop(request.getfixturevalue("snn").Leaky(0.5, threshold=0.2, init_hidden=True))
    else:
        mode = "s" if "by" in kind else "m"
        model = (Loop if mode == "s" else Whole)(request.getfixturevalue("sj").LIFNode(v_threshold=0.2, step_mode=mode))
    model.eval()
    fresh = traced_with_remarks(model, (4,), layout="TBX", steps=3)
    with torch.no_grad():
        model(torch.rand(5, 7, 4))
    used = traced_with_remarks(model, (4,), layout="TBX", steps=3)
    assert used.graph.sha256 == fresh.graph.sha256
    assert any(remark.startswith(RESET) for remark in used.remarks)


def test_a_neuron_that_keeps_its_state_cannot_stand_in_two_places(sj):
    class Twice(Whole):
        def forward(self, x):
            return self.neuron(self.fc(self.neuron(x)))

    number = inspect.getsourcelines(Twice.forward)[1] + 1
    place = rf"module 'neuron', test_modules.py:{number}: return self\.neuron\(self\.fc"
    with pytest.raises(TraceError, match=place + r".*its state 'v' comes from an earlier call"):
        trace(Twice(sj.LIFNode(v_threshold=0.2, step_mode="m")).eval(), (4,), layout="TBX", steps=3)


class Carried(nn.Module):
    """A neuron by its own forward, whose membrane is an attribute."""

    def __init__(self):
        super().__init__()
        self.fc, self.v = nn.Linear(4, 4), None

    def forward(self, x):
        self.v = x if self.v is None or self.v.shape != x.shape else self.v * 0.5 + x
        return self.fc(self.v)


def test_a_membrane_in_an_attribute_is_named_with_its_line():
    number = inspect.getsourcelines(Carried.forward)[1] + 1
    with pytest.raises(TraceError, match=rf"test_modules.py:{number}: self\.v = x.*kept from an earlier call"):
        trace(Carried().eval(), (4,), layout="TBX", steps=3)


def test_a_buffer_that_is_used_as_a_number(net, traced):
    model = net(lambda m, x: m.fc(x) * m.norm.num_batches_tracked)
    model.norm.num_batches_tracked += 3
    (node,) = (node for node in traced(model).nodes if node.op.mnemonic == "scale")
    assert node.op.factor == 3.0


def test_the_format_is_that_of_the_first_real_tensor(net, traced):
    model = net(lambda m, x: m.fc(x))
    model.register_parameter("index", nn.Parameter(torch.arange(3), requires_grad=False))
    model._parameters = {"index": model.index, **model._parameters}
    assert not next(model.parameters()).is_floating_point()
    assert traced(model).weights["fc.weight"].array.dtype == np.float32
