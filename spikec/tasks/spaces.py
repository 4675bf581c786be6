"""space check: whether a search space says networks that a search can build, key by key."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

from spikec.errors import SpaceError
from spikec.search.schema import parse
from spikec.search.space import SearchSpace
from spikec.snn.config import FORMS, FormName
from spikec.snn.neuron import FiresAt, Reset

ATTENTION_FACTOR = 0.5
Whole = Annotated[int, Field(ge=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
Tau = Annotated[FiniteFloat, Field(ge=1)]
"""In steps; below 1 a membrane would change its sign."""


def _half(value: float) -> float:
    if value != ATTENTION_FACTOR:
        raise ValueError(f"should be {ATTENTION_FACTOR}: an attention LIF fires at half its block's threshold")
    return value


class Known(BaseModel):
    """A table of a space in which every key sets something; one that sets nothing is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WholeGene(BaseModel):
    """A gene of sizes."""

    values: list[Whole]


class PositiveGene(BaseModel):
    """A gene of numbers above 0."""

    values: list[Positive]


class TauGene(BaseModel):
    """A gene of time constants."""

    values: list[Tau]


class Globals(Known):
    """The genes that a Spikformer has once, beside its depth."""

    width: WholeGene
    steps: WholeGene


class Blocks(Known):
    """The genes of each block."""

    ratio: PositiveGene
    heads: WholeGene
    threshold: PositiveGene
    tau: TauGene


class Layer(Known):
    """Threshold and time constant of layers outside the blocks."""

    threshold: Positive
    tau: Tau


class Neuron(Known):
    """The LIF's convention (`spikec.snn.neuron.Convention`)."""

    reset: Reset = "hard"
    decay_input: bool = True
    fires_at: FiresAt = ">="
    reset_delay: bool = False
    v_reset: FiniteFloat = 0.0
    detach_reset: bool = True


class Constants(Known):
    """What every subnet shares."""

    form: FormName
    image: tuple[Whole, Whole, Whole]
    attention_scale: Positive
    attention_threshold_factor: Annotated[float, AfterValidator(_half)] = ATTENTION_FACTOR
    stem: Layer
    rpe: Layer
    neuron: Neuron


class SpikformerSpace(BaseModel):
    """What a space must say to be one of Spikformers."""

    globals: Globals
    blocks: Blocks
    constants: Constants


def check(space: SearchSpace, where: str) -> None:
    """Checks that every subnet of the space is a Spikformer that can be built, trained and priced.

    Args:
        space: any that `spikec.search.spacefile.load` gives.
        where: its file or name, for the message.

    Raises:
        SpaceError: a gene or constant is unknown, missing or out of range, or sizes do not divide; keys are named,
            unknown ones with the nearest that is known.
    """
    said = parse(SpikformerSpace, space.to_plain(), where, SpaceError)
    problems = [*_divisions(said), *_neurons(said.constants)]
    if problems:
        raise SpaceError("; ".join(problems), where=where)


def _divisions(space: SpikformerSpace) -> list[str]:
    """Widths that heads or the stem do not divide, MLPs of no width, images that the stem's pools do not divide."""
    form, constants = FORMS[space.constants.form], space.constants
    widths, heads = space.globals.width.values, space.blocks.heads.values
    found = []
    for what, divisors in (("of blocks.heads", heads), (f"of the stem of form '{constants.form}'", form.stem_divisors)):
        odd = [f"{width} is no multiple of {d}" for width in widths for d in sorted(set(divisors)) if width % d]
        if odd:
            found.append(f"globals.width.values: {', '.join(odd[:3])}{', ...' * (len(odd) > 3)}, {what}")
    least = min(space.blocks.ratio.values)
    if int(least * min(widths)) < 1:
        found.append(f"blocks.ratio.values: {least:g} of a width of {min(widths)} leaves no hidden unit")
    factor = 2 ** len(form.pools)
    if any(side % factor for side in constants.image[1:]):
        sides = "x".join(map(str, constants.image[1:]))
        found.append(f"constants.image: sides {sides}, where the pools of the stem need multiples of {factor}")
    return found


def _neurons(constants: Constants) -> list[str]:
    """Conventions that the network does not have."""
    found = []
    if constants.stem != constants.rpe:
        found.append("constants.rpe: other than constants.stem, and the two are one setting of the network")
    if constants.neuron.reset == "soft" and constants.neuron.reset_delay:
        found.append("constants.neuron.reset_delay: true beside reset 'soft', a neuron that is not trained here")
    return found
