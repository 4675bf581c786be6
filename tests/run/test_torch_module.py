"""A graph as a torch module: the interpreter's numbers, gradients by independent formulas, and back to a graph."""

import copy

import numpy as np
import pytest
import torch
from snntorch import surrogate as snntorch_surrogate
from torch import nn

from spikec.errors import DataError, UsageError, VerifyError
from spikec.ir.builder import GraphBuilder
from spikec.ir.integrators import LI, I
from spikec.ir.linear import BatchNorm, Linear
from spikec.ir.neurons import IF, LIF, PLIF, Alpha, CubaLIF, MultiLevelSpike, Threshold
from spikec.ir.text import parse
from spikec.ir.time import Repeat, TimeSum
from spikec.ir.types import REAL, IntFormat, Role, TensorType, Timing, Weight, constant, weight_of
from spikec.run.interp import Interpreter
from spikec.run.torch_module import TorchModuleRunner, to_graph, to_torch
from spikec.snn.config import uniform_config
from spikec.snn.graph_builder import build_graph
from spikec.snn.spikformer import new_spikformer
from spikec.snn.supernet import recalibrate

T, B, N = 7, 3, 4


def parameter(values):
    return weight_of(np.asarray(values, np.float64))


def of_op(op, weights):
    """A graph of one op, its weights parameters."""
    builder = GraphBuilder(T)
    x = builder.input("x", TensorType((N,)))
    name = builder.add(op, x, weights={slot: parameter(value) for slot, value in weights.items()}, scope="n")
    return builder.graph(name, *(f"{name}.{suffix}" for suffix in op.extra_results))


@pytest.fixture
def drive(rng):
    return torch.tensor(rng.normal(0.4, 1.0, (T, B, N)), requires_grad=True)


def sigmoid_spike(h, threshold, at):
    """Spikes whose gradient is that of sigmoid(4 (h - threshold)), whose value is added and taken away again."""
    fired = (h > threshold if at == ">" else h >= threshold).to(h.dtype)
    smooth = torch.sigmoid(4 * (h - threshold))
    return fired + smooth - smooth.detach()


def charged(op, x, v, leak, w, state):
    if isinstance(op, IF):
        return v + x
    if isinstance(op, PLIF):
        share = 1 / (1 + torch.exp(-w["w"]))
        return v + share * ((x if op.decay_input else 0) - (v - leak)) + (0 if op.decay_input else x)
    if isinstance(op, CubaLIF):
        x = state["i"] = state["i"] * w["alpha"] + x
    if op.decay_input:
        return v + (x - (v - leak)) / w["tau"]
    return leak + (v - leak) * w["beta"] + x if "beta" in w else v - (v - leak) / w["tau"] + x


def by_loop(op, drive, w, detached=True):
    """Spikes and membranes [T, ...] from the ops' docstrings, (1 - q) v + q v_reset in the place of a choice."""
    reset = w.get("v_reset", torch.zeros(()))
    leak = w.get("v_leak", reset)
    v, late, spikes, membranes, state = w.get("v0", leak).expand(B, N), None, [], [], {"i": torch.zeros(B, N)}
    for x in drive:
        if late is not None and op.reset == "hard":
            v = (1 - late) * v + late * reset
        h = charged(op, x, v, leak, w, state)
        if late is not None and op.reset == "soft":
            h = h - late * w["v_threshold"]
        q = sigmoid_spike(h, w["v_threshold"], op.fires_at)
        told = q.detach() if detached else q
        late = told if op.reset_delay else None
        after = {"hard": (1 - told) * h + told * reset, "soft": h - told * w["v_threshold"], "none": h}[op.reset]
        v = h if op.reset_delay else after
        spikes.append(q)
        membranes.append(v)
    return torch.stack(spikes), torch.stack(membranes)


VOLTAGES = {"v_threshold": 0.7, "v_reset": -0.2, "v_leak": 0.1, "v0": 0.3}
NEURONS = {
    "lif-tau": (LIF, {"decay_input": True}, VOLTAGES | {"tau": 1.7}),
    "lif-tau-alone": (LIF, {"decay_input": False}, {"v_threshold": 0.7, "tau": 1.7}),
    "lif-beta": (LIF, {"decay_input": False}, VOLTAGES | {"beta": 0.6}),
    "plif": (PLIF, {}, VOLTAGES | {"w": -0.3}),
    "plif-whole-input": (PLIF, {"decay_input": False}, {"v_threshold": 0.7, "w": 0.2}),
    "if": (IF, {}, {"v_threshold": 0.9, "v_reset": -0.2, "v0": 0.3}),
    "cuba": (CubaLIF, {}, VOLTAGES | {"alpha": 0.4, "beta": 0.6}),
}
RESETS = [(reset, late) for reset in ("hard", "soft", "none") for late in (False, True)]


def gradients(outputs, drive, weights, rng):
    """Of a random sum of the outputs, by the drive and each weight."""
    total = sum((torch.tensor(rng.normal(size=y.shape)) * y).sum() for y in outputs)
    found = torch.autograd.grad(total, [drive, *weights.values()], allow_unused=True)
    return dict(zip(["drive", *weights], found, strict=True))


def same_gradients(found, expected):
    """None is no gradient at all, as by a voltage that nothing is reset to."""
    for name, gradient in expected.items():
        mine, theirs = (np.zeros(()) if g is None else g.numpy() for g in (found[name], gradient))
        assert np.isfinite(mine).all(), name
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize(("reset", "late"), RESETS)
@pytest.mark.parametrize("kind", NEURONS)
def test_gradients_of_a_neuron_by_a_loop(kind, reset, late, detach, drive):
    op_of, fields, numbers = NEURONS[kind]
    op = op_of(**fields, reset=reset, reset_delay=late, fires_at=">" if late else ">=")
    graph = of_op(op, numbers)
    module = to_torch(graph, detach_reset=detach, dtype=torch.float64)
    outputs = module(drive)
    for name, y in Interpreter().run(graph, {"x": drive.detach().numpy()}).items():
        assert torch.equal(outputs[graph.outputs.index(name)], y)
    assert 0.02 < outputs[0].mean() < 0.98
    weights = {slot: torch.tensor(value, dtype=torch.float64, requires_grad=True) for slot, value in numbers.items()}
    expected = gradients(by_loop(op, drive, weights, detach), drive, weights, np.random.default_rng(5))
    mine = {slot: module.tensors()[f"n.{slot}"] for slot in numbers}
    same_gradients(gradients(outputs[:2], drive, mine, np.random.default_rng(5)), expected)


def test_the_surrogate_is_the_callers(drive):
    graph = of_op(IF(), {"v_threshold": 0.9})
    given = snntorch_surrogate.fast_sigmoid(slope=25)
    found, default = (
        torch.autograd.grad(to_torch(graph, s, dtype=torch.float64)(drive)[0].sum(), drive)[0]
        for s in (given, to_torch(graph).numbers.surrogate)
    )
    h, v, slopes = None, torch.zeros(B, N, dtype=torch.float64), []
    for x in drive.detach():
        h = v + x
        slopes.append(1 / (1 + 25 * (h - 0.9).abs()) ** 2)
        v = torch.where(h >= 0.9, 0.0, h)
    torch.testing.assert_close(found[-1], slopes[-1])
    assert not torch.allclose(found, default)


def test_refractory_steps_pass_no_gradient(drive):
    graph = of_op(IF(refractory=T), {"v_threshold": 0.2})
    outputs = to_torch(graph, dtype=torch.float64)(drive)
    assert torch.equal(outputs[0], Interpreter().run(graph, {"x": drive.detach().numpy()})["n"])
    (gradient,) = torch.autograd.grad(outputs[0].sum(), drive)
    fired = outputs[0].cumsum(0) - outputs[0] > 0
    assert fired.any()
    assert not gradient[fired].any()


def test_alpha_by_a_loop(drive):
    numbers = {"alpha": 0.9, "beta": 0.6, "v_threshold": 0.5}
    graph = of_op(Alpha(), numbers)
    module = to_torch(graph, dtype=torch.float64)
    outputs = module(drive)
    w = {slot: torch.tensor(value, dtype=torch.float64, requires_grad=True) for slot, value in numbers.items()}
    gain = torch.log(w["alpha"]) / (torch.log(w["beta"]) - torch.log(w["alpha"])) + 1
    e = i = last = torch.zeros(B, N)
    spikes, membranes = [], []
    for x in drive:
        e, i = w["alpha"] * e + x, w["beta"] * i - x
        h = gain * (e + i)
        e, i, h = ((1 - last) * value for value in (e, i, h))
        spikes.append(sigmoid_spike(h, w["v_threshold"], ">"))
        membranes.append(h)
        last = spikes[-1].detach()
    expected = gradients([torch.stack(spikes), torch.stack(membranes)], drive, w, np.random.default_rng(5))
    mine = {slot: module.tensors()[f"n.{slot}"] for slot in numbers}
    same_gradients(gradients(outputs, drive, mine, np.random.default_rng(5)), expected)
    assert 0.02 < outputs[0].mean() < 0.98


@pytest.mark.parametrize("weights", [{"tau": 3.0, "v_leak": 0.2}, {"beta": 0.7}])
def test_a_leaky_integrator_is_a_weighted_sum(weights, drive):
    graph = of_op(LI(decay_input="tau" in weights), weights)
    (gradient,) = torch.autograd.grad(to_torch(graph, dtype=torch.float64)(drive)[-1].sum(), drive)
    left = 1 - 1 / 3 if "tau" in weights else 0.7
    gain = 1 / 3 if "tau" in weights else 1.0
    expected = [gain * left ** (T - 1 - t) for t in range(T)]
    np.testing.assert_allclose(gradient, np.broadcast_to(np.reshape(expected, (T, 1, 1)), (T, B, N)), rtol=1e-12)


def test_what_has_no_state(drive):
    (gradient,) = torch.autograd.grad(to_torch(of_op(I(), {}), dtype=torch.float64)(drive)[-1].sum(), drive)
    assert (gradient == 1).all()
    y = to_torch(of_op(Threshold(), {"v_threshold": 0.3}), dtype=torch.float64)(drive)
    s = torch.sigmoid(4 * (drive.detach() - 0.3))
    np.testing.assert_allclose(torch.autograd.grad(y.sum(), drive)[0], 4 * s * (1 - s), rtol=1e-12)
    y = to_torch(of_op(MultiLevelSpike(2, 0.5), {}), dtype=torch.float64)(drive * 3)
    (gradient,) = torch.autograd.grad(y.sum(), drive)
    inside = ((drive.detach() * 3 > 0) & (drive.detach() * 3 < 2)).double()
    assert torch.equal(gradient, inside * 3 * 0.5)  # straight through, between the lowest level and the highest
    assert set(y.unique().tolist()) == {0.0, 0.5, 1.0}


def test_rounding_passes_the_gradient_straight(drive):
    op = LIF(decay_input=False, rounding="floor", fires_at=">")
    y = to_torch(of_op(op, {"beta": 0.5, "v_threshold": 1e6}), dtype=torch.float64)(drive * 100)[1]
    (gradient,) = torch.autograd.grad(y[-1].sum(), drive)
    expected = [100 * 0.5 ** (T - 1 - t) for t in range(T)]
    np.testing.assert_allclose(gradient, np.broadcast_to(np.reshape(expected, (T, 1, 1)), (T, B, N)), rtol=1e-12)


CYCLE = """graph(%x: real step [4]) steps 7
%d = delay(%q; steps=two) : spike step [3]
%r = linear(%d; weight=wr)
%c = linear(%x; weight=wx)
%a = add(%c, %r)
%q = lif(%a; tau=tau, v_threshold=half)
%m = time_sum(%q)
return %m
"""


def test_gradients_through_a_cycle_by_a_loop(drive, rng):
    wr, wx = (torch.tensor(rng.normal(size=shape), requires_grad=True) for shape in ((3, 3), (3, 4)))
    given = {"wr": parameter(wr.detach().numpy()), "wx": parameter(wx.detach().numpy())}
    graph = parse(CYCLE, given | {"two": constant(2.0), "tau": constant(1.5), "half": constant(0.5)})
    module = to_torch(graph, dtype=torch.float64)
    v, spikes = torch.zeros(B, 3), []
    for t, x in enumerate(drive):
        h = v + (x @ wx.T + (spikes[t - 2] @ wr.T if t >= 2 else 0.0) - v) / 1.5
        spikes.append(sigmoid_spike(h, 0.5, ">="))
        v = (1 - spikes[-1].detach()) * h
    y = module(drive)
    np.testing.assert_array_equal(y.detach(), sum(spikes).detach())
    weights = {"wr": wr, "wx": wx}
    expected = gradients([sum(spikes)], drive, weights, np.random.default_rng(2))
    found = gradients([y], drive, {name: module.tensors()[name] for name in weights}, np.random.default_rng(2))
    same_gradients(found, expected)
    assert expected["wr"].abs().max() > 0.1


@pytest.mark.parametrize("form", ["digits", "cifar", "dvs", "imagenet"])
def test_a_spikformer_learns_as_its_module_does(form):
    image = {"digits": (1, 8, 8), "cifar": (3, 16, 16), "dvs": (2, 32, 32), "imagenet": (3, 32, 32)}[form]
    config = uniform_config(form, image, 10, width=32, depth=2, heads=4, steps=3)
    network = new_spikformer(config, torch.Generator().manual_seed(0)).double()
    frames = (config.steps,) if config.layout.frames else ()
    generator = torch.Generator().manual_seed(1)
    recalibrate(network, torch.rand((*frames, 8, *image), generator=generator, dtype=torch.float64))
    network.eval()
    module = to_torch(build_graph(config, network.state_dict()), dtype=torch.float64)
    x = torch.randint(0, 3, (*frames, 4, *image), generator=generator).double()
    ours, theirs = module(x), network(x)
    assert torch.equal(ours, theirs)
    for logits in (ours, theirs):
        nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    mine = dict(module.named_parameters())
    for name, p in network.named_parameters():
        np.testing.assert_allclose(mine.pop(name).grad, p.grad, rtol=1e-9, atol=1e-9 * float(p.grad.abs().max()))
    assert not mine
    live = [name for name, p in network.named_parameters() if p.grad.any()]
    assert len(live) > 0.9 * len(dict(network.named_parameters()))


WEIRD = """graph(%x: real step [2]) steps 2
%a = linear(%x; weight=type)
%b = linear(%a; weight=a)
%c = linear(%b; bias=a.b, weight=a..b)
%d = linear(%c; weight=forward.training.-)
%q = plif(%d; v_threshold=numbers, w=graph)
return %q
"""


def test_weights_keep_their_names_whatever_they_are():
    names = ("type", "a", "a..b", "forward.training.-")
    weights = {name: parameter(np.eye(2)) for name in names} | {"a.b": parameter([0.5, 0.5])}
    graph = parse(WEIRD, weights | {"numbers": constant(0.5), "graph": parameter(0.0)})
    module = to_torch(graph, dtype=torch.float64)
    assert set(module.state_dict()) == set(graph.weights)
    assert {name for name, _ in module.named_parameters()} == {*weights, "graph"}
    assert {name for name, _ in module.named_buffers()} == {"numbers"}
    twin = copy.deepcopy(module)
    state = {name: tensor * 2 for name, tensor in module.state_dict().items()}
    twin.load_state_dict(state, strict=True)
    assert to_graph(twin).weights["a..b"].array.tolist() == (2 * np.eye(2)).tolist()
    assert to_graph(module).weights["a..b"] is graph.weights["a..b"]
    module(torch.zeros(2, 1, 2, dtype=torch.float64))


def small(rng, builder=None):
    builder = builder or GraphBuilder(4)
    x = builder.add(Repeat(), builder.input("x", TensorType((6,), REAL, Timing.ONCE)))
    weights = {"weight": rng.normal(size=(8, 6)).astype(np.float32), "bias": rng.normal(size=8).astype(np.float32)}
    x = builder.add(Linear(), x, scope="fc", weights=weights)
    statistics = {"mean": weight_of(rng.normal(size=8).astype(np.float32), Role.STATISTIC)}
    statistics["var"] = weight_of(rng.uniform(0.5, 1, 8).astype(np.float32), Role.STATISTIC)
    x = builder.add(BatchNorm(0), x, scope="bn", weights=statistics | {"weight": np.ones(8, np.float32)})
    x = builder.add(PLIF(), x, scope="q", weights={"w": parameter(0.1), "v_threshold": 0.3})
    x = builder.add(TimeSum(), x)
    return builder.graph(builder.add(Linear(), x, scope="head", weights={"weight": rng.normal(size=(2, 8)) * 0.1}))


def test_trained_and_back_it_runs_as_the_module_does(rng):
    graph = small(rng)
    module = to_torch(graph).train()
    x = torch.tensor(rng.normal(size=(32, 6)), dtype=torch.float32)
    target = (x[:, 0] > 0).long()
    optimiser = torch.optim.Adam(module.parameters(), 0.02)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(module(x), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    trained = to_graph(module)
    trained.verify()
    changed = {name for name, weight in trained.weights.items() if weight is not graph.weights[name]}
    assert changed == {name for name, weight in graph.weights.items() if weight.role is Role.PARAMETER}
    assert all(
        trained.weights[n].type == w.type and trained.weights[n].role is w.role for n, w in graph.weights.items()
    )
    np.testing.assert_array_equal(
        Interpreter(torch.float32).run(trained, {"x": x.numpy()})[trained.outputs[0]], module(x).detach()
    )
    assert trained.text() == graph.text()


def test_untrained_it_is_the_same_graph(rng):
    graph = small(rng)
    for module in (to_torch(graph), to_torch(graph, dtype=torch.float64), to_torch(graph).double()):
        assert to_graph(module).sha256 == graph.sha256


def test_statistics_stay_in_training_mode(rng):
    module = to_torch(small(rng), dtype=torch.float64).train()
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    x = torch.tensor(rng.normal(size=(9, 6)))
    one = module(x)
    assert torch.equal(one, module.eval()(x))
    torch.testing.assert_close(one[:1], module(x[:1]))
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())


def test_steps_are_the_callers(rng):
    module = to_torch(small(rng), dtype=torch.float64)
    x = torch.tensor(rng.normal(size=(3, 6)))
    for steps in (None, 1, 9):
        expected = Interpreter().run(module.graph, {"x": x.numpy()}, steps)[module.graph.outputs[0]]
        assert torch.equal(module(x, steps=steps), expected)


def fixed(values, scale, bits=4):
    return Weight(np.array(values, np.int8), Role.PARAMETER, IntFormat(bits, scale))


def test_fixed_point_weights_stay_on_their_grid():
    text = "graph(%x: real step [2]) steps 1\n%y = linear(%x; weight=w)\nreturn %y\n"
    graph = parse(text, {"w": fixed([[3, -8]], 0.1)})
    for dtype in (torch.float32, torch.float64):
        module = to_torch(graph, dtype=dtype)
        assert to_graph(module).weights["w"] is graph.weights["w"]
        with torch.no_grad():
            module.tensors()["w"].copy_(torch.tensor([[-4 * 0.1, 7 * 0.1]], dtype=dtype))
        assert to_graph(module).weights["w"].same_as(fixed([[-4, 7]], 0.1))
        for off in (0.05, 0.8, -0.9):
            with torch.no_grad():
                module.tensors()["w"].fill_(off)
            with pytest.raises(UsageError, match=r"'w' was trained .*int\(4,0.1\)"):
                to_graph(module)


def test_what_training_broke_is_no_graph(rng):
    module = to_torch(small(rng))
    with torch.no_grad():
        module.tensors()["fc.bias"].fill_(torch.nan)
    with pytest.raises(VerifyError, match=r"fc\.bias"):
        to_graph(module)


def test_inputs_that_do_not_fit(rng):
    module = to_torch(small(rng))
    with pytest.raises(DataError, match="no data for input '%x'"):
        module()
    with pytest.raises(DataError, match=r"\[3, 5\]"):
        module(torch.zeros(3, 5))
    with pytest.raises(UsageError, match="2 inputs"):
        module(torch.zeros(3, 6), torch.zeros(3, 6))


def test_a_runner_follows_no_gradient(rng):
    for _, value in TorchModuleRunner().values(small(rng), {"x": rng.normal(size=(2, 6))}, 2, set()):
        assert not value.requires_grad
