"""The table [cores] of a chip file: mesh, limits of a core, how synapses are written, how long a step's end takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from pydantic_core import PydanticCustomError

from hwmodels.mapping.limits import CoreLimits

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Evidence = Literal["assumed", "derived", "simulated", "measured"]
Rule = Literal["contiguous", "tiles"]
LatencyRule = Literal["slowest", "simple"]
MOST_CORES = 2**20
"""Cores that a chip may have: a check of plausibility, since each of its links is laid out."""
NANOSECONDS: dict[str, float] = {"ns": 1.0, "us": 1e3, "ms": 1e6}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Sourced(_Table):
    """Whose numbers these are, and how far to trust them."""

    evidence: Evidence
    source: Text


class MeshTable(_Sourced):
    """A chip's grid of tiles, and the cores a tile."""

    columns: Count
    rows: Count
    cores_a_tile: Count

    @model_validator(mode="after")
    def _plausible(self) -> MeshTable:
        cores = self.columns * self.rows * self.cores_a_tile
        if cores > MOST_CORES:
            words = f"at most {MOST_CORES} cores a chip, found {cores}"
            raise PydanticCustomError("mesh", "{words}", {"words": words})
        return self


class LimitTable(_Sourced):
    """How much of a resource one core holds."""

    value: Count
    unit: Literal["neurons", "axons", "words", "slots"]


class LimitsTable(_Table):
    """What a core holds. A limit that is left out is not known, and is not checked."""

    neurons: LimitTable
    synapse_words: LimitTable | None = None
    axons_in: LimitTable | None = None
    axons_out: LimitTable | None = None
    total_words: LimitTable | None = None

    @model_validator(mode="after")
    def _check(self) -> LimitsTable:
        allowed = {
            "neurons": ("neurons", "slots"),
            "axons_in": ("axons", "words"),
            "axons_out": ("axons",),
            "synapse_words": ("words",),
            "total_words": ("words",),
        }
        for name, units in allowed.items():
            limit: LimitTable | None = getattr(self, name)
            if limit is not None and limit.unit not in units:
                words = "the unit of {name} as {units}, found {found}"
                given = {"name": name, "units": " or ".join(units), "found": limit.unit}
                raise PydanticCustomError("unit", words, given)
        return self


class EncodingTable(_Sourced):
    """How the synapses of an input axon are written into words; see `hwmodels.mapping.words`.

    An index names the target beside each weight; a layer in which every pair is stored may do without.
    """

    word_bits: Count
    header_bits: Annotated[int, Field(ge=0)]
    index_bits_dense: Annotated[int, Field(ge=0)]
    index_bits_conv: Annotated[int, Field(ge=0)]
    # TOML has no tuples, so the list is taken laxly.
    weight_bits: Annotated[tuple[Count, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> EncodingTable:
        if list(self.weight_bits) != sorted(set(self.weight_bits)):
            raise PydanticCustomError("order", "widths of weights, ascending, each once", {})
        return self


class BarrierTable(_Sourced):
    """How long the end of a step takes, by the number of tiles that hold cores in use; linear between those given."""

    tiles: Annotated[tuple[Count, ...], Field(strict=False, min_length=1)]
    value: Annotated[tuple[Annotated[FiniteFloat, Field(ge=0)], ...], Field(strict=False, min_length=1)]
    unit: Literal["ns", "us", "ms"]
    between: Literal["linear", "next"] = "linear"

    @model_validator(mode="after")
    def _check(self) -> BarrierTable:
        if len(self.tiles) != len(self.value) or list(self.tiles) != sorted(set(self.tiles)):
            raise PydanticCustomError("order", "a value for each number of tiles, which ascend", {})
        if list(self.value) != sorted(self.value):
            raise PydanticCustomError("order", "a barrier that does not fall with more tiles", {})
        return self

    @property
    def nanoseconds(self) -> tuple[float, ...]:
        """The values in ns."""
        return tuple(value * NANOSECONDS[self.unit] for value in self.value)


class CoresTable(_Table):
    """Cores: their number and grid, the rule by which networks are split over them, and what ends a step.

    `rule`: `tiles` (Loihi 2's compiler, `hwmodels.mapping.tiles` and `caps`) or `contiguous` (boxes of neurons filled
    one after the other). `latency`: `slowest` (slowest core or link, and the barrier) or `simple` (SANA-FE's); none
    where nothing is known of time. `active`: which neurons are updated in a step's time, those whose drive is not
    zero, or those that anything touches (`hwmodels.touching`).
    """

    rule: Rule
    mesh: MeshTable
    limits: LimitsTable
    encoding: EncodingTable | None = None
    barrier: BarrierTable | None = None
    latency: LatencyRule | None = None
    splits_height: bool = False
    active: Literal["driven", "touched"] = "driven"

    @model_validator(mode="after")
    def _check(self) -> CoresTable:
        if self.limits.synapse_words is not None and self.encoding is None:
            raise PydanticCustomError("encoding", "a table encoding, since synapse_words limits a core", {})
        if self.latency is not None and self.barrier is None:
            raise PydanticCustomError("barrier", "a table barrier, since latency names a rule", {})
        asked = (self.limits.synapse_words, self.limits.axons_in, self.limits.total_words)
        if self.rule == "tiles" and None in asked:
            words = "synapse_words, axons_in and total_words, which the rule 'tiles' asks for"
            raise PydanticCustomError("limits", words, {})
        if self.rule == "tiles" and self.encoding is not None and self.encoding.index_bits_conv:
            raise PydanticCustomError("index", "index_bits_conv = 0, as the rule 'tiles' stores convolutions", {})
        return self

    @property
    def cores_a_chip(self) -> int:
        """Cores a chip."""
        return self.mesh.columns * self.mesh.rows * self.mesh.cores_a_tile

    def core_limits(self) -> CoreLimits:
        """The limits as the rule 'tiles' takes them."""
        limits, encoding = self.limits, self.encoding
        assert limits.synapse_words is not None
        assert limits.axons_in is not None
        assert limits.total_words is not None
        assert encoding is not None
        return CoreLimits(
            neuron_slots=limits.neurons.value,
            synapse_words=limits.synapse_words.value,
            axon_words=limits.axons_in.value,
            total_words=limits.total_words.value,
            word_bits=encoding.word_bits,
            index_bits=encoding.index_bits_dense,
            header_bits=encoding.header_bits,
            weight_bits=encoding.weight_bits,
            cores_a_chip=self.cores_a_chip,
            splits_height=self.splits_height,
        )
