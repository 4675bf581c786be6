"""Auto-Spikformer's scalar fitness F_AEB, over a scaling set that is fixed once."""

from collections.abc import Sequence
from dataclasses import dataclass

from spikec.search.objectives import Values


@dataclass(frozen=True)
class Scale:
    """The least and greatest accuracy and energy of a set of rows: what F_AEB scales by.

    The paper does not say over which set the scale runs. Here it is fixed once, for a search from its initial
    population, so that a fitness never changes afterwards.

    Args:
        accuracy: the name of what is maximised.
        energy: the name of what is minimised.
        accuracy_low, accuracy_high, energy_low, energy_high: the ends, in the values' own units.
    """

    accuracy: str
    energy: str
    accuracy_low: float
    accuracy_high: float
    energy_low: float
    energy_high: float

    @staticmethod
    def of(rows: Sequence[Values], accuracy: str, energy: str) -> "Scale":
        """The scale that these rows span; at least one row."""
        up, down = [row[accuracy] for row in rows], [row[energy] for row in rows]
        return Scale(accuracy, energy, min(up), max(up), min(down), max(down))


def f_aeb(values: Values, scale: Scale, alpha: float = 0.5) -> float:
    """alpha (1 - E) + (1 - alpha) A, more is fitter; E and A min-max scaled by `scale`.

    Che et al., Front. Neurosci. 2024, eq. 6, with its sense mended: as printed, alpha E + (1 - alpha) A, more
    energy would be fitter. Values outside the scale give E and A outside [0, 1] rather than being clipped, so
    that a subnet better than all of the scaling set is still told from another. Both are linear, whatever the
    objectives' axes.

    Args:
        values: raw values, the scale's accuracy and energy among them.
        scale: the fixed ends.
        alpha: the weight of energy, in [0, 1].
    """
    accuracy = _scaled(values[scale.accuracy], scale.accuracy_low, scale.accuracy_high)
    energy = _scaled(values[scale.energy], scale.energy_low, scale.energy_high)
    return alpha * (1.0 - energy) + (1.0 - alpha) * accuracy


def _scaled(value: float, low: float, high: float) -> float:
    # Where a set has one value only, there is no range to scale by, and it says nothing about fitness.
    return (value - low) / (high - low) if high > low else 0.0
