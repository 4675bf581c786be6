"""Objectives: what a search values, in which direction, on which axis, from which reference on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from spikec.errors import StudyError

Values: TypeAlias = Mapping[str, float]


@dataclass(frozen=True)
class Objective:
    """One thing that a search maximises or minimises.

    Args:
        name: the key of its value in what a trial is told, such as accuracy (a fraction) or energy_pj.
        direction: 'max' or 'min'.
        axis: 'log10' where ratios matter and not differences, as for energy; its values must be above 0.
            Fronts do not depend on it; crowding and hypervolume do.
        reference: the value, in the objective's own unit, that hypervolume is measured from; fixed for a
            study.
    """

    name: str
    direction: Literal["max", "min"]
    axis: Literal["linear", "log10"] = "linear"
    reference: float | None = None

    def coordinate(self, value: float) -> float:
        """The value on the objective's axis, its sign such that less is better.

        Raises:
            StudyError: the value is not finite, or not above 0 on a logarithmic axis.
        """
        if not math.isfinite(value) or (self.axis == "log10" and value <= 0):
            above = " above 0, its axis being logarithmic" if self.axis == "log10" else ""
            raise StudyError(found=f"{self.name} is {value}", expected=f"a finite number{above}")
        on_axis = math.log10(value) if self.axis == "log10" else float(value)
        return on_axis if self.direction == "min" else -on_axis


def coordinates(values: Values, objectives: Sequence[Objective]) -> tuple[float, ...]:
    """The values of the objectives, in their order, as coordinates of which less is better.

    Raises:
        StudyError: an objective has no value, or one that `Objective.coordinate` refuses.
    """
    missing = [objective.name for objective in objectives if objective.name not in values]
    if missing:
        raise StudyError(found=f"no value for {', '.join(missing)}", expected="a value for every objective")
    return tuple(objective.coordinate(values[objective.name]) for objective in objectives)


def finite(values: Values, objectives: Sequence[Objective]) -> dict[str, float]:
    """The values as plain floats, in the order of their names.

    Raises:
        StudyError: an objective is missing, or any value is no finite number; it is named.
    """
    clean: dict[str, float] = {}
    for name in sorted(values):
        try:
            clean[name] = float(values[name])
        except (TypeError, ValueError) as error:
            raise StudyError(found=f"{name} is {values[name]!r}", expected="a number") from error
        if not math.isfinite(clean[name]):
            raise StudyError(found=f"{name} is {clean[name]}", expected="a finite number")
    coordinates(clean, objectives)
    return clean


def accuracy_and_energy(objectives: Sequence[Objective]) -> tuple[str, str]:
    """The names of the one objective to maximise and the one to minimise, which scalar fitness needs.

    Raises:
        StudyError: there is not exactly one of each.
    """
    up = [objective.name for objective in objectives if objective.direction == "max"]
    down = [objective.name for objective in objectives if objective.direction == "min"]
    if len(up) != 1 or len(down) != 1:
        raise StudyError(
            found=f"objectives to maximise: {up}, to minimise: {down}",
            expected="one of each: accuracy and energy",
        )
    return up[0], down[0]
