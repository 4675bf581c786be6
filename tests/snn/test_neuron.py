"""The LIF module against snnTorch's Leaky and SpikingJelly's LIFNode: spikes and input gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import snntorch
import torch
from snntorch import surrogate as snntorch_surrogate
from torch import Tensor, nn

from spikec.errors import UsageError
from spikec.snn.neuron import AUTO_SPIKFORMER, SPIKFORMER, Convention, FiresAt, LIFNeuron, Reset
from spikec.snn.surrogate import SIGMOID_4, SigmoidSurrogate, surrogate_derivative_

STEPS = 6
FP32 = 1e-5


def currents(seed: int = 0, scale: float = 1.5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(STEPS, 8, 50, generator=generator, dtype=torch.float64) * scale + 0.4


def spikes_and_gradient(neuron: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes, and the gradient of a fixed random functional of them: every step counts differently."""
    leaf = x.clone().requires_grad_()
    spikes = neuron(leaf)
    towards = torch.randn(x.shape, generator=torch.Generator().manual_seed(99), dtype=x.dtype)
    (spikes * towards).sum().backward()
    assert leaf.grad is not None
    return spikes.detach(), leaf.grad


def assert_alike(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], x: Tensor, precision: float = 1e-9
) -> None:
    """Equal spikes, equal gradients, and a firing rate at which both mean something."""
    q, gradient = spikes_and_gradient(ours, x)
    expected, expected_gradient = spikes_and_gradient(theirs, x)
    assert 0.05 < q.mean() < 0.8
    assert gradient.abs().mean() > 1e-3
    assert torch.equal(q, expected.to(q.dtype))
    torch.testing.assert_close(gradient, expected_gradient, rtol=precision, atol=precision / 10)


def snntorch_leaky(tau: float, *, reset_delay: bool, mechanism: str = "zero") -> Callable[[Tensor], Tensor]:
    # snnTorch's spikes are fp32 whatever the membrane is, so its gradients pass through fp32: FP32 below
    leaky = snntorch.Leaky(
        beta=torch.tensor(1.0 - 1.0 / tau, dtype=torch.float64),
        threshold=torch.tensor(1.0, dtype=torch.float64),
        spike_grad=snntorch_surrogate.sigmoid(slope=4),
        reset_mechanism=mechanism,
        reset_delay=reset_delay,
    )

    def run(x: Tensor) -> Tensor:
        membrane = torch.zeros_like(x[0])
        spikes = []
        for current in x:
            q, membrane = leaky(current, membrane)
            spikes.append(q.to(x.dtype))
        return torch.stack(spikes)

    return run


@pytest.mark.parametrize("tau", [1.25, 2.0, 10.0])
def test_eq1_equals_snntorch_leaky_whose_reset_carries_gradients(tau: float) -> None:
    # Without delay, Leaky multiplies the membrane by (1 - spk) undetached: our detach_reset=False.
    ours = replace(AUTO_SPIKFORMER, detach_reset=False).neuron(1.0, tau)
    assert_alike(ours, snntorch_leaky(tau, reset_delay=False), currents(), FP32)


@pytest.mark.parametrize("tau", [1.25, 2.0, 10.0])
def test_eq1_detached_equals_snntorch_leaky_with_delayed_reset(tau: float) -> None:
    # With delay, Leaky detaches the reset and applies it a step later: the same spikes.
    assert_alike(AUTO_SPIKFORMER.neuron(1.0, tau), snntorch_leaky(tau, reset_delay=True), currents(), FP32)


def test_detaching_the_reset_matters() -> None:
    attached = replace(AUTO_SPIKFORMER, detach_reset=False).neuron(1.0, 2.0)
    _, with_reset = spikes_and_gradient(attached, currents())
    _, without = spikes_and_gradient(AUTO_SPIKFORMER.neuron(1.0, 2.0), currents())
    assert (with_reset - without).abs().max() > 0.1


@pytest.mark.parametrize(("reset", "mechanism"), [("soft", "subtract"), ("none", "none")])
def test_soft_and_no_reset_equal_snntorch(reset: Reset, mechanism: str) -> None:
    # Leaky subtracts twice from a membrane that is above the threshold even after its reset (it counts as a
    # reset of its own at the next step), which no current below 1.5 brings about.
    x = currents().clamp(max=1.4)
    neuron = LIFNeuron(2.0, 1.0, reset=reset, decay_input=False, fires_at=">", detach_reset=False)
    assert_alike(neuron, snntorch_leaky(2.0, reset_delay=False, mechanism=mechanism), x, FP32)


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("detach_reset", [True, False])
@pytest.mark.parametrize("v_reset", [0.0, -0.25, None])
def test_equals_spikingjelly(decay_input: bool, detach_reset: bool, v_reset: float | None) -> None:
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron", reason="scripts/install-oracles")
    surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    theirs = neuron.LIFNode(
        tau=2.0,
        decay_input=decay_input,
        v_threshold=1.0,
        v_reset=v_reset,
        surrogate_function=surrogate.Sigmoid(alpha=4.0),
        detach_reset=detach_reset,
        step_mode="m",
    )
    ours = LIFNeuron(
        2.0,
        1.0,
        v_reset or 0.0,
        reset="soft" if v_reset is None else "hard",
        decay_input=decay_input,
        detach_reset=detach_reset,
    )
    assert_alike(ours, theirs, currents(scale=2.0))


@pytest.mark.parametrize("decay_input", [True, False])
def test_the_step_is_computed_in_the_order_that_the_op_states(decay_input: bool) -> None:
    x, tau = currents(), 1.7
    v, expected = torch.full_like(x[0], 0.1), []
    for current in x:
        h = v + (current - (v - 0.1)) / tau if decay_input else v - (v - 0.1) / tau + current
        expected.append((h >= 0.9).double())
        v = torch.where(h >= 0.9, 0.1, h)
    spikes = LIFNeuron(tau, 0.9, 0.1, decay_input=decay_input)(x)
    assert torch.equal(spikes, torch.stack(expected))


@pytest.mark.parametrize("fires_at", [">=", ">"])
def test_a_membrane_at_the_threshold(fires_at: FiresAt) -> None:
    neuron = LIFNeuron(2.0, 1.0, fires_at=fires_at)
    assert neuron(torch.full((1, 3), 2.0)).eq(fires_at == ">=").all()


@pytest.mark.parametrize("convention", [SPIKFORMER, AUTO_SPIKFORMER, replace(SPIKFORMER, reset="soft")])
def test_spikes_do_not_depend_on_whether_gradients_are_asked_for(convention: Convention) -> None:
    neuron = convention.neuron(1.0, 2.0)
    x = currents().float()
    assert torch.equal(neuron(x), neuron(x.clone().requires_grad_()).detach())


def test_nothing_is_kept_between_calls() -> None:
    neuron = SPIKFORMER.neuron(1.0, 2.0)
    assert torch.equal(neuron(currents()), neuron(currents()))


def test_numbers_may_be_scalar_buffers() -> None:
    plain, buffered = LIFNeuron(4.0, 0.8), LIFNeuron(4.0, 0.8)
    buffered.tau, buffered.v_threshold = (torch.tensor(n, dtype=torch.float64) for n in (4.0, 0.8))
    for ours, theirs in zip(
        spikes_and_gradient(plain, currents(scale=3.0)),
        spikes_and_gradient(buffered, currents(scale=3.0)),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_numbers_set_before_backward_do_not_reach_it() -> None:
    neuron = SPIKFORMER.neuron(1.0, 2.0)
    _, expected = spikes_and_gradient(neuron, currents())
    leaf = currents().requires_grad_()
    spikes = neuron(leaf)
    neuron.tau, neuron.v_threshold = 10.0, 0.1
    towards = torch.randn(leaf.shape, generator=torch.Generator().manual_seed(99), dtype=leaf.dtype)
    (spikes * towards).sum().backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, expected)


def test_the_sigmoid_is_snntorchs() -> None:
    u = torch.linspace(-3.0, 3.0, 101, dtype=torch.float64)
    theirs = surrogate_derivative_(snntorch_surrogate.sigmoid(slope=4), u.clone())
    torch.testing.assert_close(SIGMOID_4.derivative_(u.clone()), theirs, rtol=1e-10, atol=0.0)
    assert SIGMOID_4.derivative_(torch.zeros(1)).item() == 1.0
    assert torch.equal(SIGMOID_4(u), snntorch_surrogate.sigmoid(slope=4)(u))


def test_the_sigmoid_survives_membranes_that_overflow_snntorchs() -> None:
    u = torch.tensor([-30.0, 30.0])
    assert surrogate_derivative_(snntorch_surrogate.sigmoid(slope=4), u.clone()).isnan().any()
    assert SIGMOID_4.derivative_(u.clone()).abs().max() < 1e-6


def test_any_snntorch_surrogate_can_be_used() -> None:
    x = currents()
    sigmoid = LIFNeuron(surrogate=SigmoidSurrogate(4.0))
    same = LIFNeuron(surrogate=snntorch_surrogate.sigmoid(slope=4))
    torch.testing.assert_close(spikes_and_gradient(sigmoid, x)[1], spikes_and_gradient(same, x)[1])
    other = LIFNeuron(surrogate=snntorch_surrogate.atan())
    assert not torch.allclose(spikes_and_gradient(sigmoid, x)[1], spikes_and_gradient(other, x)[1])


def test_the_op_states_the_whole_convention() -> None:
    op, weights = AUTO_SPIKFORMER.neuron(0.6, 1.25).spikec_neuron()
    assert (op.reset, op.decay_input, op.fires_at, op.reset_delay) == ("hard", False, ">", False)
    assert weights == {"tau": 1.25, "v_threshold": 0.6, "v_reset": 0.0}


def test_refuses_a_tau_below_one() -> None:
    with pytest.raises(UsageError, match="tau"):
        LIFNeuron(tau=0.5)


def test_is_a_module_without_state() -> None:
    neuron: nn.Module = SPIKFORMER.neuron(1.0, 2.0)
    assert not list(neuron.state_dict())


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("fires_at", [">=", ">"])
def test_what_a_trace_of_torch_records_is_the_same_bit_for_bit(
    reset: Reset, decay_input: bool, fires_at: FiresAt
) -> None:
    """Of a loop that writes into tensors a trace would keep the numbers of its own run."""
    neuron = LIFNeuron(1.7, 1.0, 0.1, reset=reset, decay_input=decay_input, fires_at=fires_at)
    recorded = torch.jit.trace(neuron, (currents(seed=1),))
    x = currents(seed=2)
    spikes = neuron(x)
    assert torch.equal(recorded(x), spikes)
    assert 0.1 < spikes.mean() < 0.95
