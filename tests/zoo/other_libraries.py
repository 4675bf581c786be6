"""Norse's and sinabs' LIF layers as neurons of spikec, and networks of them.

The adapters are what a user writes; the documentation shows them. Equations from the libraries' own code: Norse 1.1.0,
`norse/torch/functional/lif.py`; sinabs 3.1.3, `sinabs/layers/functional/lif.py`.
"""

from __future__ import annotations

import norse.torch as norse
import sinabs.activation as sina
import sinabs.layers as sl
import torch
from torch import Tensor, nn

from spikec.errors import TraceError
from spikec.ir.neurons import LIF, CubaLIF

# docs: Norse


class NorseLIF(norse.LIF):
    """Norse's LIF: the current jumps, charges the membrane and leaks after it, in Euler steps of dt."""

    spikec_exact = False  # it multiplies by dt/tau where the op divides by tau/dt

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0]

    def spikec_neuron(self):
        tau_syn, tau = (1 / float(self.dt * inverse) for inverse in (self.p.tau_syn_inv, self.p.tau_mem_inv))
        numbers = {"v_threshold": self.p.v_th, "v_reset": self.p.v_reset, "v_leak": self.p.v_leak}
        return CubaLIF(decay_input=True, fires_at=">"), {"tau_syn": tau_syn, "tau": tau, **numbers}


# docs: sinabs


class SinabsLIF(sl.LIF):
    """sinabs' LIF of [B, T, ...] with one spike a step, without a synapse of its own."""

    spikec_layout = "BTX"

    def reset(self) -> None:
        self.reset_states()

    @property
    def spikec_exact(self) -> bool:
        return not self.norm_input  # it weighs membrane and input where the op divides their difference by tau

    def spikec_neuron(self):
        resets = (sina.MembraneSubtract(), sina.MembraneReset())
        more = self.tau_syn_calculated is not None or self.min_v_mem is not None
        if self.spike_fn is not sina.SingleSpike or self.reset_fn not in resets or more:
            raise TraceError("it is more than a LIF that fires once a step", mend="spike_fn=SingleSpike, and no more")
        reset = "soft" if self.reset_fn == resets[0] else "hard"
        op = LIF(decay_input=self.norm_input, reset=reset, fires_at=">=")
        beta = self.alpha_mem_calculated
        leak = {"tau": 1 / (1 - beta)} if self.norm_input else {"beta": beta}
        return op, {**leak, "v_threshold": self.spike_threshold}


# docs: end


def norse_net(dt: float = 0.001) -> nn.Module:
    """A convnet of Norse's neurons on [T, B, 2, 8, 8], one of them with numbers of its own."""
    own = norse.LIFParameters(
        tau_mem_inv=torch.tensor(150.0),
        tau_syn_inv=torch.tensor(70.0),
        v_leak=torch.tensor(-0.1),
        v_reset=torch.tensor(-0.2),
        v_th=torch.tensor(0.3),
    )
    return nn.Sequential(
        norse.Lift(nn.Conv2d(2, 4, 3, padding=1)),
        NorseLIF(norse.LIFParameters(v_th=torch.tensor(0.4)), dt=dt),
        nn.Flatten(2),
        nn.Linear(4 * 8 * 8, 10),
        NorseLIF(own, dt=dt),
    )


def sinabs_net(norm_input: bool) -> nn.Module:
    """A convnet of sinabs' neurons on [B, T, 2, 8, 8]."""

    def lif(tau: float, reset: object) -> nn.Module:
        return SinabsLIF(tau_mem=tau, spike_fn=sina.SingleSpike, reset_fn=reset, norm_input=norm_input)

    return nn.Sequential(
        sl.Repeat(nn.Conv2d(2, 4, 3, padding=1)),
        lif(4.0, sina.MembraneSubtract()),
        nn.Flatten(2),
        nn.Linear(4 * 8 * 8, 10),
        lif(2.5, sina.MembraneReset()),
    )
