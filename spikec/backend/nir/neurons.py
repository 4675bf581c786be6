"""The forms of neurons and integrators as standard NIR nodes, or the reasons why they have none.

NIR states time constants in seconds and weighs the input by r / tau: with tau = dt times steps, r = 1 is an input that
decays with the membrane (r dt/tau = 1/steps), and r = steps one that does not (r dt/tau = 1).
"""

from __future__ import annotations

import numpy as np

from spikec.backend.nir.numbers import MEMBRANE, SYNAPSE, Array, Leak, full, tau_of, written_threshold
from spikec.backend.nir.site import Described, Fields, Site

KNOWN = {"v": "membrane", "i": "current"}


def steps_of_leak(site: Site, leak: Leak) -> Array:
    """The time constant in steps, given or as the share says it."""
    return site.full(leak.tau) if site.array(leak.share) is None else tau_of(site.full(leak.share))


def lif(site: Site) -> Described:
    """LIF."""
    fault = _neuron_fault(site, "v0", "v_leak", "v_reset")
    if fault:
        return fault
    steps = steps_of_leak(site, MEMBRANE)
    return "LIF", {"tau": steps * site.dt, **_membrane(site, steps), **_firing(site)}


def cuba_lif(site: Site) -> Described:
    """CubaLIF, with w_in = tau_syn/dt so that the current is charged with the input itself."""
    fault = _neuron_fault(site, "v0", "v_leak", "v_reset")
    if not fault and site.full("i0").any():
        fault = "NIR has no first current; runtimes start at 0, this neuron does not"
    if fault:
        return fault
    steps, synapse = steps_of_leak(site, MEMBRANE), steps_of_leak(site, SYNAPSE)
    times: Fields = {"tau_syn": synapse * site.dt, "tau_mem": steps * site.dt, "w_in": synapse}
    return "CubaLIF", {**times, **_membrane(site, steps), **_firing(site)}


def leaky_integrator(site: Site) -> Described:
    """LI."""
    fault = _leak_fault(site) or _first_fault(site, "v0", "v_leak")
    if fault:
        return fault
    steps = steps_of_leak(site, MEMBRANE)
    return "LI", {"tau": steps * site.dt, **_membrane(site, steps)}


def integrate_and_fire(site: Site) -> Described:
    """IF, with r = 1/dt so that r dt = 1."""
    return _neuron_fault(site, "v0", "v_reset") or ("IF", {"r": full(1.0 / site.dt, site.shape), **_firing(site)})


def integrator(site: Site) -> Described:
    """I, with r as IF's."""
    return _first_fault(site, "v0") or ("I", {"r": full(1.0 / site.dt, site.shape)})


def _membrane(site: Site, steps: Array) -> Fields:
    return {"r": np.ones(site.shape) if site.op.decay_input else steps, "v_leak": site.full("v_leak", "v_reset")}


def _firing(site: Site) -> Fields:
    threshold = written_threshold(site.full("v_threshold"), site.op.fires_at)
    return {"v_reset": site.full("v_reset"), "v_threshold": threshold}


def _neuron_fault(site: Site, *first_membrane: str) -> str:
    """Why NIR cannot say this neuron. A delayed reset gives the same spikes; metadata say which membrane is meant."""
    op = site.op
    faults = {
        f"NIR's neurons reset to a value; this one has reset '{op.reset}'": op.reset != "hard",
        "NIR's neurons do not round; this one does": getattr(op, "rounding", "none") != "none",
        f"NIR has no refractory steps; this neuron has {op.refractory}": op.refractory != 0,
    }
    return (
        next((fault for fault, applies in faults.items() if applies), "")
        or _first_fault(site, *first_membrane)
        or _leak_fault(site)
        or _use_fault(site)
    )


def _first_fault(site: Site, *first_membrane: str) -> str:
    starts = site.full(*first_membrane).any()
    return "NIR has no first membrane; runtimes start at 0, this neuron does not" if starts else ""


def _leak_fault(site: Site) -> str:
    for share in (MEMBRANE.share, SYNAPSE.share):
        if site.array(share) is not None and not (site.full(share) < 1).all():
            return f"NIR's leaks have a time constant, which no {share} of 1 or more is"
    return ""


def _use_fault(site: Site) -> str:
    used = [result for result in site.op.extra_results if site.used(result)]
    return (
        f"its {KNOWN[used[0]]} %{site.node.name}.{used[0]} is used, and NIR's neurons give spikes only" if used else ""
    )
