"""The options that set a Policy: one a field, its name with dashes, and --policy for a named one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import click

from hwmodels.policies import POLICIES, Preset, preset
from spikec.cost import Policy
from spikec.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])  # Any: click decorates any function

FIELDS = {
    "counting": "Count events exactly, rate x dense operations as papers do, or as another library counts.",
    "multibit": "An input of value n costs n accumulates, one accumulate, or one MAC; not with --domain observed.",
    "zero_weights": "Whether a weight of zero costs an operation.",
    "first_layer": "Compute the layer behind direct coding once, or at every step.",
    "ssa": "Order of attention's products: as traced, (q k^T) v, or q (k^T v).",
    "bias": "State bias additions apart, or count them as operations.",
    "rate_of": "With --counting rate alone: the mean value, or the share of inputs that are not zero.",
    "rate_over": "With --counting rate alone: rates over all steps, or of each, of which products take the smaller.",
    "domain": "AC or MAC by inferred domain, or by the values observed (NeuroBench's rule).",
    "attention": "Products of attention: counted, left out, or (on chips that take spikes) as coincidence neurons.",
    "memory": "How memories are priced where public implementations differ; of chips of model memory alone.",
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


class Idle(NamedTuple):
    """Values of a field that change nothing where another field has some value, and what to do about it."""

    field: str
    values: tuple[str, ...]
    beside: str
    value: str
    mend: str


LIBRARIES = ("spikingjelly", "syops")
"""Ways of counting that are another library's: no other field has a say."""
IDLE = (
    *(
        Idle(field, values, "counting", library, "--counting events or rate, or leave it out")
        for library in LIBRARIES
        for field, values in Policy.choices().items()
        if field != "counting"
    ),
    Idle("rate_of", ("nonzero",), "counting", "events", "--counting rate, or leave it out"),
    Idle("rate_over", ("step",), "counting", "events", "--counting rate, or leave it out"),
    Idle("multibit", ("ac", "mac"), "domain", "observed", "--domain inferred, or leave it out"),
    Idle("multibit", ("ac",), "counting", "rate", "--rate-of nonzero, which under rates says what a value n counts"),
)
"""A report must not name as chosen what had no say (docs/policy.md has why)."""


def policy_of(policy_name: str | None, fields: Mapping[str, str | None]) -> Preset:
    """The policy that the options say, with the pipeline that a named one brings.

    Raises:
        UnknownName: no policy of that name.
        UsageError: an option that has no effect beside another, or beside what the named policy sets.
    """
    named = Preset(Policy(), "") if policy_name is None else preset(policy_name)
    given: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}  # Any: checked by click
    policy = replace(named.policy, **given)
    for idle in IDLE:
        chosen = given.get(idle.field)
        named_so = chosen == getattr(named.policy, idle.field)  # what a named policy says as a whole is its own affair
        if chosen in idle.values and not named_so and getattr(policy, idle.beside) == idle.value:
            beside = _option(idle.beside, idle.value)
            if idle.beside not in given and policy_name is not None:
                beside = f"--policy {policy_name}, which is {beside}"
            raise UsageError(f"{_option(idle.field, chosen)} beside {beside}: it has no effect", mend=idle.mend)
    return replace(named, policy=policy)


def _option(field: str, value: str) -> str:
    return f"--{field.replace('_', '-')} {value}"
