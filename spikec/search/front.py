"""Fronts: which rows nothing beats, how they crowd, and the volume they cover."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spikec.errors import StudyError
from spikec.search.objectives import Objective, Values, coordinates

Points = NDArray[np.float64]


def points(rows: Sequence[Values], objectives: Sequence[Objective]) -> Points:
    """The rows as coordinates (rows, objectives), less is better; StudyError as for `coordinates`."""
    flat = [coordinates(row, objectives) for row in rows]
    return np.array(flat, dtype=np.float64).reshape(len(rows), len(objectives))


def ranks(coords: Points) -> NDArray[np.int64]:
    """Each point's front: 0 where nothing dominates it, 1 where only points of front 0 do, and so on.

    Equal points share a front. Nondominated sorting of Deb et al., IEEE Trans. Evol. Comput. 6(2), 2002, by
    pymoo.
    """
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    result = np.zeros(len(coords), dtype=np.int64)
    for rank, members in enumerate(NonDominatedSorting().do(coords)):
        result[members] = rank
    return result


def crowding(coords: Points) -> Points:
    """Each point's crowding distance in one front, at least 0; infinite for an objective's best and worst.

    Deb et al. 2002, each objective scaled by its range in the front, mean over objectives, by pymoo.
    """
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

    if len(coords) <= 2:
        return np.full(len(coords), np.inf)
    return np.asarray(calc_crowding_distance(coords), dtype=np.float64)


def nondominated(
    rows: Sequence[Values], objectives: Sequence[Objective], floors: Mapping[str, float] | None = None
) -> tuple[int, ...]:
    """The rows that no other row beats, as indices, from the best in the last objective on.

    Args:
        rows: values by name; all objectives among them.
        objectives: what to compare by. With accuracy and energy_pj the order is ascending energy.
        floors: the least value of some names, the accuracy floor; rows below one are left out before
            comparing.

    Returns:
        Indices into rows; equal rows are all kept. Empty where no row passes the floors.
    """
    passing = [i for i, row in enumerate(rows) if all(row[name] >= least for name, least in (floors or {}).items())]
    if not passing:
        return ()
    coords = points([rows[i] for i in passing], objectives)
    first = np.flatnonzero(ranks(coords) == 0)
    order = sorted(first, key=lambda i: (*reversed(coords[i].tolist()), i))
    return tuple(passing[i] for i in order)


def hypervolume(rows: Sequence[Values], objectives: Sequence[Objective]) -> float:
    """The volume that the rows dominate up to the objectives' references, on the objectives' axes.

    With accuracy linear and energy log10 its unit is accuracy times decades of energy. A row that is not
    better than every reference adds nothing. Zitzler and Thiele, PPSN V, 1998; computed by pymoo.

    Raises:
        StudyError: an objective has no reference.
    """
    from pymoo.indicators.hv import HV

    unset = [objective.name for objective in objectives if objective.reference is None]
    if unset:
        raise StudyError(f"hypervolume needs a reference value for {', '.join(unset)}")
    corner = np.array([o.coordinate(o.reference) for o in objectives if o.reference is not None])
    coords = points(rows, objectives)
    inside = coords[(coords < corner).all(axis=1)]
    return float(HV(ref_point=corner)(inside)) if len(inside) else 0.0
