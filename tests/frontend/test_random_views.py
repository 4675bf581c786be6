"""Random programs of views, layers and sums: each is refused, or its graph computes what it computes."""

import random

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.run.interp import Interpreter

SHAPE = (4, 2, 3)


def permuted(rng, rank):
    axes = rng.sample(range(rank), rank)
    return lambda x: x.permute(axes)


def swapped(rng, rank):
    one, two = rng.randrange(rank), -1 - rng.randrange(rank)
    return lambda x: x.transpose(one, two)


def flattened(rng, rank):
    start = rng.randrange(rank)
    end = rng.randrange(start, rank)
    return lambda x: x.flatten(start, end)


def parted(rng, rank):
    axis, parts = rng.randrange(rank), rng.choice([1, 2, 3])
    return lambda x: x.reshape(*x.shape[:axis], parts, -1, *x.shape[axis + 1 :])


def taken_from_the_front(rng, rank):
    axis = rng.randrange(rank)
    return lambda x: x.reshape(*x.shape[:axis], -1, x.shape[0], *x.shape[axis + 1 :])


def grown(rng, rank):
    axis = rng.randrange(rank + 1)
    return lambda x: x.unsqueeze(axis)


def linear(rng, rank):
    seed = rng.randrange(100)

    def layer(x):
        width = x.shape[-1]
        weight = torch.randn(3, width, generator=torch.Generator().manual_seed(seed)).to(x.dtype)
        return F.linear(x, weight)

    return layer


def convolved(rng, rank):
    seed = rng.randrange(100)

    def layer(x):
        channels = x.shape[1]
        weight = torch.randn(2, channels, 3, 3, generator=torch.Generator().manual_seed(seed)).to(x.dtype)
        return F.conv2d(x, weight, padding=1)

    return layer


def attended(rng, rank):
    return lambda x: (x @ x.transpose(-1, -2)) @ x


def doubled(rng, rank):
    return lambda x: x + x.clone()


def averaged(rng, rank):
    axis, keepdim = rng.randrange(rank), rng.random() < 0.3
    return lambda x: x.mean(axis, keepdim)


def summed(rng, rank):
    axis = rng.randrange(rank)
    return lambda x: x.sum(axis)


VIEWS = (permuted, swapped, flattened, parted, taken_from_the_front, grown)
LAYERS = (linear, convolved, attended, doubled, averaged, summed)


def program(seed):
    """A forward of a few random views and layers; ranks are those on an input [3, 2, *SHAPE]."""
    rng, steps = random.Random(seed), []
    x = torch.rand(3, 2, *SHAPE)
    for _ in range(rng.randint(2, 7)):
        step = rng.choice(VIEWS if rng.random() < 0.6 else LAYERS)(rng, max(x.ndim, 1))
        try:
            x = step(x)
        except (RuntimeError, IndexError):
            continue
        steps.append(step)

    def forward(model, x):
        for step in steps:
            x = step(x)
        return x

    return forward


def equal(model, graph):
    """Compares values as sorted lists: torch may put time and batch elsewhere than a graph value has them."""
    twin = model.double()
    for steps, batch in ((3, 2), (3, 5), (4, 3)):
        x = np.random.default_rng(batch).normal(size=(steps, batch, *SHAPE))
        (ours,) = Interpreter().run(graph, {"input": x}, steps).values()
        theirs = twin(torch.from_numpy(x))
        np.testing.assert_allclose(np.sort(ours.reshape(-1)), np.sort(theirs.reshape(-1)), rtol=1e-9, atol=1e-9)


def tried(seeds, net):
    taken = 0
    for seed in seeds:
        model = net(program(seed))
        try:
            graph = trace(model, SHAPE, layout="TBX", steps=3)
        except TraceError:
            continue
        equal(model, graph)
        taken += 1
    return taken


def test_random_programs(net):
    assert tried(range(300), net) > 60


@pytest.mark.long
def test_many_random_programs(net):
    assert tried(range(1000, 11_000), net) > 2000
