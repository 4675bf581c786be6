"""The trial: one genome of a study, and what became of it."""

from dataclasses import dataclass
from typing import Literal

from spikec.search.genome import Genome
from spikec.search.objectives import Values

State = Literal["asked", "told", "final", "failed"]


@dataclass(frozen=True)
class Trial:
    """One genome of a study and its values.

    Its life::

        ask ──▶ asked ──tell──▶ told ──finish──▶ final
                  │
                  └────fail───▶ failed

    - asked: its genome was handed out and is on disk. A study resumed in this state hands it out again,
      first.
    - told: its screen values, by whatever cheaper means the search has, are on disk; the sampler knows them.
    - final: re-scored by the canonical evaluation. Only now may it be called a winner. The sampler never sees
      final values, and fronts never mix the two kinds.
    - failed: it could not be evaluated; the reason is kept, the sampler is not told.

    Args:
        number: 0 for the first asked, and so on.
        genome: of the study's space.
        state: as above.
        screen: values by name, from told on; raw, in the units of their names.
        final: values by name, once final.
        seconds: what evaluating the screen values took, where it was told.
        reason: why it failed.
        asked_after: how many trials had been told when it was asked. With `told_as` it is the interleaving of
            asks and tells, which is all that a sampler's state depends on.
        told_as: 0 for the first trial told, and so on.
    """

    number: int
    genome: Genome
    state: State = "asked"
    screen: Values | None = None
    final: Values | None = None
    seconds: float | None = None
    reason: str | None = None
    asked_after: int = 0
    told_as: int | None = None
