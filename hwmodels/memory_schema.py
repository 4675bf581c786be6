"""The table [memory] of a chip file: the sizes whose price is known, how values are stored, the readings' constants."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from pydantic_core import PydanticCustomError

from hwmodels.sram import Memory
from spikec.cost import Evidence

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Price = Annotated[FiniteFloat, Field(ge=0, le=1e9)]
BYTES: dict[str, int] = {"byte": 1, "KiB": 1024, "MiB": 1024 * 1024}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Sourced(_Table):
    """Whose number this is, and how far to trust it."""

    evidence: Literal["assumed", "derived", "simulated", "measured"]
    source: Text


class AccessTable(_Sourced):
    """What one access costs; `high` where the source gives a range."""

    value: Price
    unit: Literal["pJ"]
    high: Price | None = None

    @model_validator(mode="after")
    def _check(self) -> AccessTable:
        if self.high is not None and self.high < self.value:
            raise PydanticCustomError("order", "value <= high", {})
        return self


class SizeTable(_Table):
    """A memory of a size whose price is known."""

    size: Count
    unit: Literal["byte", "KiB", "MiB"]
    energy: AccessTable

    @property
    def size_bytes(self) -> int:
        """Its size in bytes."""
        return self.size * BYTES[self.unit]


class WordTable(_Sourced):
    """How wide each stored value is."""

    value: Count
    unit: Literal["bit"]


class ReuseTable(_Sourced):
    """How many stored values one access carries: 1 where none is used again."""

    value: Count
    unit: Literal["values an access"]


class QueueTable(_Sourced):
    """How many messages the queue of spikes before and behind a layer holds."""

    value: Annotated[int, Field(ge=0)]
    unit: Literal["word"]


class SlopeTable(_Sourced):
    """What each bit of a memory's size adds to the price of an access."""

    value: Price
    unit: Literal["pJ/bit"]


class PiecewiseTable(_Table):
    """Constants of the reading 'piecewise'."""

    queue: QueueTable


class LineTable(_Table):
    """Constants of the reading 'line'."""

    queue: QueueTable
    at_zero: AccessTable
    slope: SlopeTable


class MemoryTable(_Table):
    """Memories of a chip of model 'memory'."""

    word: WordTable
    reuse: ReuseTable
    # TOML has no tuples, so the list is taken laxly.
    sram: Annotated[tuple[SizeTable, ...], Field(min_length=1, strict=False)]
    dram: AccessTable
    piecewise: PiecewiseTable
    line: LineTable

    @model_validator(mode="after")
    def _check(self) -> MemoryTable:
        sizes = [table.size_bytes for table in self.sram]
        if sizes != sorted(set(sizes)):
            raise PydanticCustomError("sizes", "sizes of sram in ascending order, each once", {})
        return self

    def memory(self) -> Memory:
        """The memories as plain data."""
        sram = [table.energy for table in self.sram]
        line = self.line
        parts = [self.word, self.reuse, *sram, self.dram, self.piecewise.queue, line.queue, line.at_zero, line.slope]
        table = "; ".join(dict.fromkeys(energy.source for energy in sram))
        return Memory(
            word_bits=self.word.value,
            values_an_access=self.reuse.value,
            points=tuple((float(size.size_bytes), size.energy.value) for size in self.sram),
            dram_pj=self.dram.value if self.dram.high is None else self.dram.high,
            line=(line.at_zero.value, line.slope.value),
            fifo_words={"piecewise": self.piecewise.queue.value, "line": line.queue.value},
            evidence=min(Evidence[part.evidence.upper()] for part in parts),
            sources={"piecewise": table, "line": line.slope.source, "dram": self.dram.source},
        )
