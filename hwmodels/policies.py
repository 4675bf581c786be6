"""Named policies, and the passes that a policy adds to a chip's pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.model import PassSpec, Pipeline
from spikec.cost import Policy
from spikec.errors import UnknownName


@dataclass(frozen=True)
class Preset:
    """A policy by name.

    Args:
        policy: the fields it sets.
        words: whose way of counting it is.
        pipeline: replaces the chip's; None keeps it.
    """

    policy: Policy
    words: str
    pipeline: Pipeline | None = None


POLICIES: dict[str, Preset] = {
    "neurobench": Preset(
        Policy(domain="observed", zero_weights="skip", first_layer="per-step", attention="skip"),
        "NeuroBench's effective MACs and ACs of Conv and Linear, on the network as it was traced",
        pipeline=(),
    ),
    # Unfolded, because a folded BatchNorm leaves a bias that the papers' scripts do not see among the operations.
    "spikformer-paper": Preset(
        Policy(counting="rate", multibit="ac", first_layer="per-step", ssa="kv", bias="in-ops"),
        "the energy tables of Spikformer and Spikingformer, by the latter's script",
        pipeline=(),
    ),
    "spikingjelly": Preset(
        Policy(counting="spikingjelly", first_layer="per-step", domain="observed"),
        "estimate_simple_energy of SpikingJelly 2.0.0, on the network as it was traced",
        pipeline=(),
    ),
    "syops": Preset(
        Policy(counting="syops", first_layer="per-step", domain="observed", bias="in-ops", attention="skip"),
        "syops 0.0.5, on the network as it was traced",
        pipeline=(),
    ),
    "lemaire": Preset(
        Policy(counting="rate", first_layer="per-step", rate_of="nonzero", domain="observed", attention="skip"),
        "estimate_lemaire_energy of SpikingJelly 2.0.0 (Lemaire et al. 2022), with --hw 45nm-memory",
        pipeline=("fold-batchnorm", "repeat-first"),
    ),
}


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UnknownName: there is none; the nearest names are in the message.
    """
    if name not in POLICIES:
        raise UnknownName(name, "policy", POLICIES)
    return POLICIES[name]


def pipeline_for(policy: Policy, pipeline: Pipeline) -> Pipeline:
    """A chip's pipeline and the passes that the policy chooses, each once.

    Under `events` a Repeat moves behind the first layer (first_layer='once') and attention is multiplied in the
    order that `ssa` names; under `rate` both are terms of the formula, and the graph stays as it is.
    """
    if policy.counting != "events":
        return pipeline
    chosen: list[PassSpec] = []
    if policy.ssa != "graph":
        chosen.append({"pass": "reorder-attention", "order": policy.ssa})
    if policy.first_layer == "once":
        chosen.append("hoist-repeat")
    present = {pass_name(spec) for spec in pipeline}
    return (*pipeline, *(spec for spec in chosen if pass_name(spec) not in present))


def pass_name(spec: PassSpec) -> str:
    """The name of a pass in a pipeline, with or without parameters."""
    return spec if isinstance(spec, str) else str(spec["pass"])
