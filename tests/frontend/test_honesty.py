"""No wrong graph is given: writes, data, state, sizes and what runs unseen are taken right, or refused with their line.

A line that must be named ends in `# <-`.
"""

import copy
import inspect
import linecache
import random
import re
import sys
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.frontend.tracer import traced as traced_with_remarks
from spikec.ir.neurons import IF
from spikec.snn.neuron import LIFNeuron

MAP = (3, 4, 4)


def marked(function):
    """The number of the line of `function` that ends in the mark."""
    found, start = inspect.getsourcelines(function)
    return next(start + place for place, line in enumerate(found) if line.rstrip().endswith("# <-"))


def refused(model, function, *words, shape=(4,), layout="TBX", steps=3):
    """Checks that the network is refused for the marked line of `function`, and in these words."""
    with pytest.raises(TraceError) as caught:
        trace(model, shape, layout=layout, steps=steps)
    number = marked(function)
    said = str(caught.value)
    assert f"test_honesty.py:{number}: {linecache.getline(__file__, number).strip()}" in said, said
    for word in words:
        assert word in said, said


def write_to_a_view(m, x):
    y = m.fc(x)
    z = y.view(-1)
    z += 1  # <-
    return y


def write_to_the_base(m, x):
    y = m.fc(x)
    z = y.flatten(0, 1)
    y += 1  # <-
    return z.reshape(x.shape)


def write_to_a_part(m, x):
    y = m.fc(x)
    y[..., 0].mul_(2.0)  # <-
    return m.fc(y)


def write_to_a_step(m, x):
    y = m.fc(x)
    for t in range(x.shape[0]):
        y[t] += x[t]  # <-
    return y


def write_to_a_chunk(m, x):
    y = m.fc(x)
    a, b = y.chunk(2, -1)
    a *= 2  # <-
    return torch.cat([a, b], -1)


def write_to_a_detached(m, x):
    y = m.fc(x)
    y.detach().add_(1.0)  # <-
    return y


def write_to_what_contiguous_did_not_copy(m, x):
    y = m.fc(x)
    z = y.contiguous()
    z -= 1  # <-
    return m.fc(y)


def write_to_what_a_conversion_did_not_copy(m, x):
    y = m.fc(x)
    z = y.to(x.dtype)
    z /= 2  # <-
    return z + y


def write_into_the_input_and_use_what_was_seen_of_it(m, x):
    rows = x.flatten(0, 1)
    x += 1  # <-
    return m.fc(rows).reshape(x.shape)


def write_in_inference_mode(m, x):
    with torch.inference_mode():
        y = m.fc(x)
        z = y.view(-1)
        z += 1  # <-
        return m.fc(y)


def write_into_a_part_of_a_buffer_and_use_all_of_it(m, x):
    buffer = torch.zeros(x.shape, dtype=x.dtype)
    first = buffer.view(-1, 4)
    first += x.reshape(-1, 4)
    return m.fc(x) + buffer  # <-


def write_through_a_view_that_is_gone(m, x):
    buffer = torch.zeros(x.shape, dtype=x.dtype)
    rows = buffer.view(-1, 4)
    rows += x.reshape(-1, 4)
    del rows
    y = m.fc(x)
    for _ in range(50):
        y = y + 1.0
    return y + buffer  # <-


def preallocate(m, x):
    out = torch.empty_like(x)
    for t in range(x.shape[0]):
        out[t] = m.fc(x[t])  # <-
    return out


def give_out(m, x):
    out = torch.empty_like(x)
    torch.add(x, m.fc(x), out=out)  # <-
    return out


def count(m, x):
    m.calls += 1  # <-
    return m.fc(x)


def clamp_weights(m, x):
    m.fc.weight.data.clamp_(-0.1, 0.1)  # <-
    return m.fc(x)


def fill_weights(m, x):
    m.fc.weight[0] = 0.0  # <-
    return m.fc(x)


def accumulate_into_a_buffer(m, x):
    m.calls += x.mean()  # <-
    return m.fc(x)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)  # <-


WRITES = [
    write_to_a_view,
    write_to_the_base,
    write_to_a_part,
    write_to_a_chunk,
    write_to_a_detached,
    write_to_what_contiguous_did_not_copy,
    write_to_what_a_conversion_did_not_copy,
    write_into_the_input_and_use_what_was_seen_of_it,
    write_in_inference_mode,
]
OTHER_WRITES = {
    write_into_a_part_of_a_buffer_and_use_all_of_it: "shares memory",
    write_through_a_view_that_is_gone: "shares memory",
    write_to_a_step: "'__setitem__' is not taken",
    preallocate: "'__setitem__' is not taken",
    give_out: "'out'",
    count: "'calls' of the network itself is written to by add_",
    clamp_weights: "'fc.weight' of the network itself is written to by clamp_",
    fill_weights: "'fc.weight' of the network itself is written to by __setitem__",
    accumulate_into_a_buffer: "'calls' of the network itself is written to by add_",
}


@pytest.mark.parametrize("forward", WRITES, ids=lambda f: f.__name__)
def test_a_write_that_other_views_of_the_memory_see(forward, net):
    refused(net(forward), forward, "was written to in place after it was computed", "copy before writing")


@pytest.mark.parametrize("forward", OTHER_WRITES, ids=lambda f: f.__name__)
def test_a_write_into_what_the_graph_has_no_value_for(forward, net):
    model = net(forward)
    model.register_buffer("calls", torch.zeros(()))
    refused(model, forward, OTHER_WRITES[forward])


def test_an_autograd_function_that_writes_into_what_it_takes(net):
    refused(net(lambda m, x: Doubled.apply(m.fc(x))), Doubled.forward, "written to in place")


def write_where_nothing_else_is_used(m, x):
    y = m.fc(x.flatten(0, 1)).reshape(x.shape)
    y += x
    y *= 0.5
    return y


def write_to_another_name(m, x):
    y = z = m.fc(x)
    z += 1
    return y + z


def write_into_a_copy(m, x):
    y = m.fc(x)
    z = y.clone()
    z += x
    return y + z


def write_into_the_input(m, x):
    x += 1
    return m.fc(x)


def fill_a_constant_first(m, x):
    table = torch.zeros(4, dtype=x.dtype)
    table[1] = 3.0
    return m.fc(x) + table


def change_a_constant_later(m, x):
    table = torch.ones(4, dtype=x.dtype)
    y = m.fc(x) + table
    table += 1
    return y * table


def share_an_array(m, x):
    array = np.ones(4)
    y = m.fc(x) + torch.from_numpy(array).to(x.dtype)
    array += 1
    return y


TAKEN_WRITES = [
    write_where_nothing_else_is_used,
    write_to_another_name,
    write_into_a_copy,
    write_into_the_input,
    fill_a_constant_first,
    change_a_constant_later,
    share_an_array,
]


@pytest.mark.parametrize("forward", TAKEN_WRITES, ids=lambda f: f.__name__)
def test_a_write_that_is_taken(forward, net, traced):
    traced(net(forward))


def test_a_recording_lets_go_of_what_the_network_let_go_of(net):
    seen = []

    def forward(m, x):
        alive = []
        for _ in range(200):
            x = x * 0.5
            alive.append(weakref.ref(x))
        seen.append(sum(ref() is not None for ref in alive))
        return m.fc(x)

    trace(net(forward), (4,), layout="TBX", steps=3)
    assert seen[0] < 80


def branch(m, x):
    y = m.fc(x)
    if y.sum() > 0:  # <-
        y = y + 1
    return y


def branch_on_the_largest(m, x):
    return m.fc(x) if x.max() > 0.5 else x  # <-


def loop_while(m, x):
    y = m.fc(x)
    while y.mean() > -1:  # <-
        y = y - 1
    return y


def repeat_so_often(m, x):
    y = m.fc(x)
    for _ in range(int(x.mean((0, 2))[0])):  # <-
        y = y + 1
    return y


def look_up(m, x):
    return m.fc(x) * [1.0, 2.0][x.mean((0, 2))[0].long()]  # <-


def by_numpy(m, x):
    return m.fc(x) * float(x.detach().numpy().mean())  # <-


def by_list(m, x):
    return m.fc(x) * max(x.flatten().tolist())  # <-


def by_item(m, x):
    largest = max(row.sum(-1)[0].item() for row in x)  # <-
    return m.fc(x) * largest


def sample_by_sample(m, x):
    return torch.stack([m.fc(x[:, b]) for b in range(x.shape[1])], 1)  # <-


def mask(m, x):
    return m.fc(x).masked_fill(x > 0.5, 0.0)  # <-


def select(m, x):
    return m.fc(x)[:, :, x.mean((0, 1)).argsort()]  # <-


def own_threshold(m, x):
    return (m.fc(x) >= 0.5).to(x.dtype)  # <-


DATA = [
    branch,
    branch_on_the_largest,
    loop_while,
    repeat_so_often,
    look_up,
    by_numpy,
    by_list,
    by_item,
    sample_by_sample,
    mask,
    select,
    own_threshold,
]


@pytest.mark.parametrize("forward", DATA, ids=lambda f: f.__name__)
def test_what_depends_on_the_numbers(forward, net):
    refused(net(forward), forward)


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return (x > 100).to(x.dtype)  # <-


class Identity(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, grad):
        return -grad


@pytest.fixture(scope="module")
def scripted():
    @torch.jit.script
    def far(x):
        return (x > 100.0).to(x.dtype)

    return far


def by_vmap(m, x):
    return m.fc(x) + torch.func.vmap(lambda row: (row > 100).to(row.dtype))(x)  # <-


def by_functions_turned_off(m, x):
    with torch._C.DisableTorchFunction():
        far = (x > 100).to(x.dtype)  # <-
    return m.fc(x) + far


def by_a_deep_copy(m, x):
    return m.fc(copy.deepcopy(x))  # <-


def by_dlpack(m, x):
    return m.fc(x) + torch.from_dlpack(x)  # <-


def by_memory(m, x):
    return m.fc(x) + x.untyped_storage().nbytes()  # <-


def by_a_subclass(m, x):
    return m.fc(x.as_subclass(nn.Buffer))  # <-


def by_a_thread(m, x):
    found = []
    thread = threading.Thread(target=lambda: found.append((x > 100).to(x.dtype)))
    thread.start()
    thread.join()
    return m.fc(x) + found[0]  # <-


UNSEEN = [by_vmap, by_functions_turned_off, by_a_deep_copy, by_dlpack, by_memory, by_a_subclass]


@pytest.mark.parametrize("forward", UNSEEN, ids=lambda f: f.__name__)
def test_what_runs_where_it_is_not_seen(forward, net):
    refused(net(forward), forward)


def test_what_a_thread_does_shows_far_from_the_usual_inputs(net):
    refused(net(by_a_thread), by_a_thread, "differs by")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_function(scripted, net):
    def forward(m, x):
        return m.fc(x) + scripted(x)  # <-

    refused(net(forward), forward, "aten.gt.Scalar", "without TorchScript")


def test_autograd_functions(net, traced, ops):
    refused(net(lambda m, x: Step.apply(m.fc(x))), Step.forward, "'gt' is not taken", "spikec_neuron()")
    assert ops(traced(net(lambda m, x: m.fc(x) + Identity.apply(x)))) == ["linear", "add"]


def kept_tensor(m, x):
    before, m.kept = getattr(m, "kept", None), m.fc(x)
    return m.kept if before is None or before.shape != x.shape else m.kept + before  # <-


def membrane(m, x):
    spikes = []
    for drive in x:
        m.held = 0.5 * m.held + m.fc(drive)  # <-
        spikes.append(m.held)
    return torch.stack(spikes)


def count_in_python(m, x):
    m.number = getattr(m, "number", 0) + 1
    return m.fc(x) * m.number  # <-


def random_gain(m, x):
    return m.fc(x) * torch.rand(1)  # <-


def random_table(m, x):
    return m.fc(x) + torch.rand(4)  # <-


def random_of_python(m, x):
    return m.fc(x) * random.random()  # <-


def random_order(m, x):
    y = x
    for place in range(random.randrange(10_000)):
        y = y * (place + 2.0)  # <-
        if place > 3:
            break
    return m.fc(y) * random.random()


def noise(m, x):
    return m.fc(x) + torch.randn_like(x)  # <-


MEMO = []


def grow_a_list(m, x):
    MEMO.append(1)
    return m.fc(x) / 2 ** len(MEMO)  # <-


STATE = {
    kept_tensor: "kept from an earlier call",
    membrane: "feedback is a neuron's",
    count_in_python: "differs from call to call: Scale(factor=2.0) in the place of Scale(factor=1.0)",
    random_gain: "differs from call to call",
    random_table: "differs from call to call: other numbers",
    random_of_python: "differs from call to call",
    noise: "'randn_like' is not taken",
    grow_a_list: "differs from call to call",
}


@pytest.mark.parametrize("forward", STATE, ids=lambda f: f.__name__)
def test_what_differs_from_call_to_call(forward, net):
    model = net(forward)
    model.held = 0.0
    refused(model, forward, STATE[forward])


def zeros_of_one_batch(m, x):
    return m.fc(x) + torch.ones(3, 2, 4, dtype=x.dtype)  # <-


def steps_in_a_reshape(m, x):
    return m.fc(x.reshape(3, -1, 4))  # <-


def batch_in_a_reshape(m, x):
    return m.fc(x.reshape(-1, 2, 4))  # <-


def steps_in_a_loop(m, x):
    return torch.stack([m.fc(x[t]) for t in range(3)])  # <-


def longer_is_deeper(m, x):
    y = m.fc(x)
    if x.shape[0] > 3:
        y = m.fc(y)  # <-
    return y


def batch_as_a_number(m, x):
    return m.fc(x) * x.shape[1]  # <-


def length_as_a_number(m, x):
    return m.fc(x) * len(x)  # <-


def numbered_samples(m, x):
    return m.fc(x) + torch.arange(x.shape[1]).reshape(1, -1, 1)  # <-


def numbered_steps(m, x):
    return m.fc(x) + torch.arange(x.shape[0]).reshape(-1, 1, 1)  # <-


def squeezed(m, x):
    return F.linear(x, m.fc.weight[:1]).squeeze()  # <-


def squeezed_batch(m, x):
    return m.fc(x).squeeze(1)  # <-


def one_sample_alone(m, x):
    if x.shape[1] == 1:
        return x * 2.0
    return m.fc(x)  # <-


def the_last_five_steps(m, x):
    return m.lif(x)[-5:].sum(0)  # <-


def the_first_sixteen_steps(m, x):
    x = x[:16]  # <-
    return m.lif(m.fc(x))


def the_first_six_samples(m, x):
    return m.fc(x)[:, :6]  # <-


def at_most_fifty_steps(m, x):
    return m.fc(x.split(50, 0)[0])  # <-


def to_the_end(m, x):
    return m.fc(x[: len(x)][0 : x.shape[0] : 1][:, : sys.maxsize])


def test_bounds_that_are_the_sizes_themselves_are_taken(net, traced):
    traced(net(to_the_end))


class Bounded(nn.Module):
    """An IF whose membrane has bounds, or that tires after some spikes; it says that it has neither."""

    def __init__(self, low=-1e30, high=1e30, spikes=1000):
        super().__init__()
        self.low, self.high, self.spikes = low, high, spikes

    def forward(self, x):
        v, out = torch.zeros_like(x[0]), []
        left = torch.full_like(x[0], self.spikes)
        for drive in x:
            v = (v + drive).clamp(self.low, self.high)
            q = ((v >= 1.0) & (left > 0)).to(x.dtype)
            v, left = v - q, left - q
            out.append(q)
        return torch.stack(out)

    def spikec_neuron(self):
        return IF(reset="soft", fires_at=">="), {"v_threshold": 1.0}


def test_a_neuron_without_bounds_is_what_it_says(net, traced):
    traced(net(lambda m, x: m.neuron(m.fc(x)), neuron=Bounded()))


@pytest.mark.parametrize("bound", [{"low": -3.5}, {"low": -8.0}, {"high": 9.0}, {"spikes": 10}], ids=str)
def test_a_neuron_with_bounds_that_it_does_not_name_is_refused(net, bound):
    with pytest.raises(TraceError, match="does not do what its spikec_neuron"):
        trace(net(lambda m, x: m.neuron(m.fc(x)), neuron=Bounded(**bound)), (4,), layout="TBX", steps=3)


def leaves(m, x):
    if x.shape[1] > 2:
        raise SystemExit(0)  # <-
    return m.fc(x)


def leaves_at_once(m, x):
    raise SystemExit(0)  # <-


@pytest.mark.parametrize("forward", [leaves, leaves_at_once], ids=lambda f: f.__name__)
def test_a_network_that_ends_the_program_is_refused(net, forward):
    refused(net(forward), forward, "fails")


SIZES = {
    the_last_five_steps: "a slice to -5 of T = 3",
    the_first_sixteen_steps: "a slice to 16 of T = 3",
    the_first_six_samples: "a slice to 6 of B = 2",
    at_most_fifty_steps: "a slice to 50 of T = 3",
    zeros_of_one_batch: "4 steps of 5 samples, not on 3 steps of 2 samples",
    steps_in_a_reshape: "4 steps of 5 samples, not on 3 steps of 2 samples",
    batch_in_a_reshape: "4 steps of 5 samples, not on 3 steps of 2 samples",
    steps_in_a_loop: "steps [0, 1, 2] of 4",
    longer_is_deeper: "Linear() in the place of nothing",
    batch_as_a_number: "Scale(factor=5.0) in the place of Scale(factor=2.0)",
    length_as_a_number: "Scale(factor=4.0) in the place of Scale(factor=3.0)",
    numbered_samples: "differs from sample to sample",
    numbered_steps: "from step to step",
    squeezed: "takes time away where its size is 1",
    squeezed_batch: "takes the batch away where its size is 1",
    one_sample_alone: "differs by",
}


@pytest.mark.parametrize("forward", SIZES, ids=lambda f: f.__name__)
def test_sizes_baked_into_the_code_are_named_with_their_line(forward, net):
    refused(net(forward), forward, SIZES[forward])


def test_a_repetition_baked_into_a_network_without_time_is_its_own(net, traced):
    traced(net(lambda m, x: m.lif(m.fc(x).repeat(4, 1, 1)).mean(0)), layout="BX", steps=4)


def with_autocast(m, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return m.fc(x)  # <-


def to_half_and_back(m, x):
    return m.fc(x.half().float())  # <-


def to_double(m, x):
    return F.linear(x.double(), m.fc.weight.double())  # <-


def as_complex(m, x):
    return m.fc(torch.view_as_real(torch.complex(x, x)).mean(-1))  # <-


def fourier(m, x):
    return m.fc(torch.fft.fft(x).real)  # <-


@pytest.mark.parametrize("forward", [to_half_and_back, to_double, as_complex, fourier], ids=lambda f: f.__name__)
def test_other_formats_in_forward(forward, net):
    refused(net(forward), forward)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_said_and_measured(dtype, net):
    model = net(lambda m, x: m.fc(m.lif(m.fc(x)))).to(dtype)
    found = traced_with_remarks(model, (4,), layout="TBX", steps=3)
    assert found.replayed == "fp64"
    assert f"the network computes in {dtype}; the graph has its weights as float32" in found.remarks
    (said,) = (remark for remark in found.remarks if remark.startswith(f"run as it is, in {dtype}"))
    matched = re.search(r"(\d+) of 48 spikes differ, real values by up to (\S+)$", said)
    assert matched is not None, said
    assert 0 < float(matched[2]) < 0.1
    weight = model.fc.weight.detach().float().numpy()
    np.testing.assert_array_equal(found.graph.weights["fc.weight"].array, weight)


def test_autocast_is_said_and_measured(net):
    found = traced_with_remarks(net(with_autocast), (4,), layout="TBX", steps=3)
    line = f"test_honesty.py:{marked(with_autocast)}: return m.fc(x)  # <-"
    assert f"{line} computes in torch.bfloat16, to which the graph does not round" in found.remarks
    (said,) = (remark for remark in found.remarks if remark.startswith("run as it is, in torch.float32"))
    assert 0 < float(said.rpartition(" ")[2]) < 0.1


class Single(nn.Module):
    """Has a table in fp32 that is no tensor of its own, so that it cannot run in fp64."""

    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 4), LIFNeuron(v_threshold=0.1)
        self.table = {"weight": torch.randn(4, 4)}

    def forward(self, x):
        return F.linear(self.lif(self.fc(x)), self.table["weight"])


def test_what_cannot_run_in_fp64_is_replayed_in_fp32_and_the_difference_said():
    torch.manual_seed(0)
    found = traced_with_remarks(Single().eval(), (4,), layout="TBX", steps=3)
    assert found.replayed == "fp32"
    (said,) = (remark for remark in found.remarks if "fp64" in remark)
    words = r"does not run in fp64 \(.*double.*float.*\), so it was replayed in fp32: (\d+) of (\d+) spikes differ"
    matched = re.search(words + r", real values by up to ([\d.e-]+)$", said, re.IGNORECASE)
    assert matched is not None, said
    assert int(matched[1]) <= int(matched[2]) // 100
    assert int(matched[2]) > 1000
    assert float(matched[3]) < 1e-3


def test_what_cannot_run_in_fp64_is_still_compared(monkeypatch):
    forward = Single.forward
    seen = []

    def unlike(self, x):
        seen.append(x)
        return forward(self, x) * (1.0 if len(seen) < 4 else 1.01)

    monkeypatch.setattr(Single, "forward", unlike)
    with pytest.raises(TraceError, match=r"differs by .* in fp32"):
        trace(Single().eval(), (4,), layout="TBX", steps=3)


def turn_training_on(m, x):
    m.norm.train()
    y = m.norm(m.fc(x).flatten(0, 1)).reshape(x.shape)  # <-
    m.norm.eval()
    return y


def drop_always(m, x):
    return F.dropout(m.fc(x), 0.5)  # <-


def statistics_of_the_batch(m, x):
    return F.batch_norm(m.fc(x).flatten(0, 1), None, None, training=True).reshape(x.shape)  # <-


TRAINING = {turn_training_on: "statistics of its batch", drop_always: "a dropout that is on"}
TRAINING[statistics_of_the_batch] = "statistics of its batch"


@pytest.mark.parametrize("forward", TRAINING, ids=lambda f: f.__name__)
def test_training_inside_forward(forward, net):
    refused(net(forward), forward, TRAINING[forward], ".eval()")


def test_modules_in_training_mode_are_named(net):
    model = net(lambda m, x: m.fc(x), drop=nn.Dropout())
    model.norm.train()
    model.drop.train()
    with pytest.raises(TraceError, match=r"module 'norm', 'drop': .*training mode.*running statistics"):
        trace(model, (4,), layout="TBX", steps=3)


def test_a_batch_norm_in_evaluation_has_its_running_statistics(net, traced):
    model = net(lambda m, x: m.norm(m.fc(x).flatten(0, 1)).reshape(x.shape))
    model.norm.running_mean.uniform_(-1, 1)
    before = model.norm.running_mean.clone()
    graph = traced(model)
    np.testing.assert_array_equal(graph.weights["norm.running_mean"].array, before.numpy())
    assert torch.equal(model.norm.running_mean, before)
