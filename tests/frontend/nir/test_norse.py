"""Norse as a third opinion: what its importer makes of a graph fires as the graph that is read of the same file.

Norse holds its numbers in float32; every number of a neuron is a power of two here, and what is drawn is float32, so
that it computes in fp64 what the file says.
"""

import itertools
import warnings

import nir
import numpy as np
import pytest
import torch

DT = 2.0**-10
SHAPES = {"dense": [12], "convolutional": [2, 8, 8]}


def single(array):
    return np.asarray(array, np.float32)


def affine(out, into, seed, mean=0.1, scale=0.6):
    random = np.random.default_rng(seed)
    return nir.Affine(single(random.normal(mean, scale, (out, into))), single(random.uniform(-0.2, 0.3, out)))


def lif(*shape, v_leak=0.0):
    one = np.ones(shape)
    return nir.LIF(4 * DT * one, one, v_leak * one, 0.25 * one, 0 * one)


def cuba(*shape):
    one = np.ones(shape)
    times = {"tau_syn": 2 * DT * one, "tau_mem": 4 * DT * one, "r": 2 * one, "w_in": 4 * one}
    return nir.CubaLIF(**times, v_leak=0 * one, v_threshold=one, v_reset=0 * one)


NEURONS = {"LIF": lif, "LIF that leaks to 1/8": lambda *shape: lif(*shape, v_leak=0.125), "CubaLIF": cuba}


def dense(neuron):
    return {"fc1": affine(16, 12, 1), "n1": neuron(16), "fc2": affine(10, 16, 2), "n2": neuron(10)}, [10]


def convolutional(neuron):
    random = np.random.default_rng(3)
    weight, bias = single(random.normal(0.06, 0.4, (4, 2, 3, 3))), single(random.uniform(-0.2, 0.3, 4))
    two = np.array([2, 2])
    nodes = {"conv": nir.Conv2d((8, 8), weight, 1, 1, 1, 1, bias), "n1": neuron(4, 8, 8)}
    nodes |= {"pool": nir.SumPool2d(two, two, 0 * two), "flat": nir.Flatten(np.array([4, 4, 4]), 0, -1)}
    return {**nodes, "fc": affine(10, 64, 2, 0.01, 0.2), "n2": neuron(10)}, [10]


NETWORKS = {"dense": dense, "convolutional": convolutional}


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_norse_gives_the_same_spikes(taken, values, alive, network, neuron):
    importer = pytest.importorskip("norse.torch.utils.import_nir")
    inner, out = NETWORKS[network](NEURONS[neuron])
    nodes = {"input": nir.Input(np.array(SHAPES[network])), **inner, "output": nir.Output(np.array(out))}
    edges = list(itertools.pairwise(nodes))
    x = np.random.default_rng(8).uniform(-0.2, 1.2, size=(25, 4, *SHAPES[network]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importer.from_nir(nir.NIRGraph(dict(nodes), list(edges)), dt=DT).double()
    seen = {name: [] for name in ("n1", "n2")}
    for name, frames in seen.items():
        module.get_submodule(name).register_forward_hook(lambda _, __, y, frames=frames: frames.append(y[0].numpy()))
    found = values(taken(nodes, edges, dt=DT).graph, x, list(seen))
    for sample in range(x.shape[1]):  # one by one, since its Flatten knows no batch
        state = None
        with torch.no_grad():
            for frame in torch.from_numpy(x[:, sample]):
                _, state = module(frame, state)
    for name, frames in seen.items():
        expected = np.stack(frames).reshape(x.shape[1], x.shape[0], *frames[0].shape).swapaxes(0, 1)
        alive(expected)
        assert int((found[name] != expected).sum()) == 0, name
