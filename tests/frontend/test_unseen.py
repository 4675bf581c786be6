"""What depends on the numbers, or runs where a recording does not see it, is refused with its line (`# <-`)."""

import copy
import threading

import pytest
import torch
from torch import nn


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
def test_what_depends_on_the_numbers(forward, net, refused):
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
def test_what_runs_where_it_is_not_seen(forward, net, refused):
    refused(net(forward), forward)


def test_what_a_thread_does_shows_far_from_the_usual_inputs(net, refused):
    refused(net(by_a_thread), by_a_thread, "differs by")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_function(scripted, net, refused):
    def forward(m, x):
        return m.fc(x) + scripted(x)  # <-

    refused(net(forward), forward, "aten.gt.Scalar", "without TorchScript")


def test_autograd_functions(net, traced, ops, refused):
    refused(net(lambda m, x: Step.apply(m.fc(x))), Step.forward, "'gt' is not taken", "spikec_neuron()")
    assert ops(traced(net(lambda m, x: m.fc(x) + Identity.apply(x)))) == ["linear", "add"]
