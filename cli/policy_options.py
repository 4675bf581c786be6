"""The options that set a Policy: one a field, its name with dashes, and --policy for a named one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import click

from hwmodels.policies import POLICIES, Preset, preset
from spikec.cost import Policy

Command = TypeVar("Command", bound=Callable[..., Any])  # Any: click decorates any function

FIELDS = {
    "counting": "Count events exactly, or rate x dense operations as papers do.",
    "multibit": "An input of value n costs n accumulates, one accumulate, or one MAC.",
    "zero_weights": "Whether a weight of zero costs an operation.",
    "first_layer": "Compute the layer behind direct coding once, or at every step.",
    "ssa": "Order of attention's products: as traced, (q k^T) v, or q (k^T v).",
    "bias": "State bias additions apart, or count them as operations.",
    "rate_of": "Under --counting rate: the mean value, or the share of inputs that are not zero.",
    "domain": "AC or MAC by inferred domain, or by the values observed (NeuroBench's rule).",
    "attention": "Whether the products of attention are counted.",
}


def policy_options(function: Command) -> Command:
    """Adds --policy and an option for every field of Policy."""
    for name, values in reversed(list(Policy.choices().items())):
        option = click.option(
            f"--{name.replace('_', '-')}",
            name,
            type=click.Choice(values),
            help=f"{FIELDS[name]}  [default: {values[0]}]",
        )
        function = option(function)
    words = f"A named policy: {', '.join(POLICIES)}. Fields given beside it win."
    return click.option("--policy", "policy_name", metavar="NAME", help=words)(function)


def policy_of(policy_name: str | None, fields: Mapping[str, str | None]) -> Preset:
    """The policy that the options say, with the pipeline that a named one brings.

    Raises:
        UnknownName: no policy of that name.
    """
    named = Preset(Policy(), "") if policy_name is None else preset(policy_name)
    given: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}  # Any: checked by click
    return replace(named, policy=replace(named.policy, **given))
