"""What differs from call to call, and sizes baked into the code, are refused with their line (`# <-`)."""

import random
import sys

import pytest
import torch
from torch.nn import functional as F

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.frontend.tracer import traced as traced_with_remarks


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
def test_what_differs_from_call_to_call(forward, net, refused):
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


def a_mean_of_three_steps_or_more(m, x):
    y = m.fc(x)
    return y.mean(0) if x.shape[0] >= 3 else y.sum(0)


def padded_to_four_steps(m, x):
    if x.shape[0] < 4:
        x = torch.cat([x, x.new_zeros(4 - x.shape[0], *x.shape[1:])])
    return m.lif(m.fc(x)).sum(0)


@pytest.mark.parametrize("forward", [a_mean_of_three_steps_or_more, padded_to_four_steps])
def test_what_is_other_at_fewer_steps_is_found(forward, net):
    with pytest.raises(TraceError, match=r"differs|differ"):
        trace(net(forward), (4,), layout="TBX", steps=4)


def test_a_network_that_does_not_run_at_one_step_is_taken(net, traced):
    def changes(m, x):
        if x.shape[0] < 2:
            raise ValueError("at least two steps")
        return m.fc(x)

    traced(net(changes), (4,), steps=4)


def another_sum_of_many_steps(m, x):
    y = m.fc(x)
    return y + x if x.shape[0] > 12 else y  # <-


def at_most_ten_steps(m, x):
    steps = [m.fc(x[t]) for t in range(min(len(x), 10))]
    steps += [m.fc(m.fc(x[t])) for t in range(10, len(x))]  # <-
    return torch.stack(steps)


def another_sum_of_many_samples(m, x):
    y = m.fc(x)
    return y * 2 if x.shape[1] >= 16 else y  # <-


def to_the_end(m, x):
    return m.fc(x[: len(x)][0 : x.shape[0] : 1][:, : sys.maxsize])


def test_bounds_that_are_the_sizes_themselves_are_taken(net, traced):
    traced(net(to_the_end))


SIZES = {
    the_last_five_steps: "a slice to -5 of T = 3",
    the_first_sixteen_steps: "a slice to 16 of T = 3",
    the_first_six_samples: "a slice to 6 of B = 2",
    at_most_fifty_steps: "a slice to 50 of T = 3",
    another_sum_of_many_steps: "13 steps of 2 samples after 3 steps of 2 samples",
    another_sum_of_many_samples: "3 steps of 17 samples after 3 steps of 2 samples",
    at_most_ten_steps: "on 13 steps of 2 samples, not on 3 steps of 2 samples",
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


def test_a_network_too_large_to_be_recorded_far_beyond_its_sizes_says_so(net, monkeypatch):
    monkeypatch.setattr("spikec.frontend.again.MOST_WORK", 16 * (13 * 2 + 3 * 17) - 1)
    found = traced_with_remarks(net(another_sum_of_many_steps), (4,), layout="TBX", steps=3)
    (said,) = (remark for remark in found.remarks if "too large" in remark)
    assert said.endswith("from more than 4 steps or 5 samples on was not seen")
    monkeypatch.undo()
    monkeypatch.setattr("spikec.frontend.again.MOST_WORK", 16 * (13 * 2 + 3 * 17))
    with pytest.raises(TraceError, match="13 steps"):
        trace(net(another_sum_of_many_steps), (4,), layout="TBX", steps=3)


@pytest.mark.parametrize("forward", SIZES, ids=lambda f: f.__name__)
def test_sizes_baked_into_the_code_are_named_with_their_line(forward, net, refused):
    refused(net(forward), forward, SIZES[forward])


def test_a_repetition_baked_into_a_network_without_time_is_its_own(net, traced):
    traced(net(lambda m, x: m.lif(m.fc(x).repeat(4, 1, 1)).mean(0)), layout="BX", steps=4)
