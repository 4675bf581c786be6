"""Writes in place are taken right, or refused with their line, which ends in `# <-`."""

import weakref

import numpy as np
import pytest
import torch

from spikec.frontend.tracer import trace


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
def test_a_write_that_other_views_of_the_memory_see(forward, net, refused):
    refused(net(forward), forward, "was written to in place after it was computed", "copy before writing")


@pytest.mark.parametrize("forward", OTHER_WRITES, ids=lambda f: f.__name__)
def test_a_write_into_what_the_graph_has_no_value_for(forward, net, refused):
    model = net(forward)
    model.register_buffer("calls", torch.zeros(()))
    refused(model, forward, OTHER_WRITES[forward])


def test_an_autograd_function_that_writes_into_what_it_takes(net, refused):
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
