"""The winner: how one subnet is chosen among the finalists, and how the rule reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spikec.errors import NoWinner, StudyError
from spikec.search.fitness import Scale, f_aeb
from spikec.search.objectives import Values

# In binary 0.9 - 0.3 is more than 0.6; accuracies are fractions of a few thousand samples, far wider apart.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class WinnerRule:
    """How to choose among re-scored finalists.

    Args:
        kind: 'within': least energy among those within `value` of the best accuracy.
            'min-accuracy': least energy among those of accuracy `value` at least.
            'alpha': greatest F_AEB with alpha = `value`, scaled over the finalists.
        value: an accuracy as a fraction, or alpha; in [0, 1].
        accuracy: the name of the accuracy among a row's values.
        energy: the name of the energy.

    Raises:
        StudyError: value is outside [0, 1].
    """

    kind: Literal["within", "min-accuracy", "alpha"] = "within"
    value: float = 0.005
    accuracy: str = "accuracy"
    energy: str = "energy_pj"

    def __post_init__(self) -> None:
        """Checks the range."""
        if not 0.0 <= self.value <= 1.0:
            mend = f"{self.value / 100:g}, if a percentage was meant" if 1 < self.value <= 100 else ""
            raise StudyError(found=f"--{self.kind} {self.value:g}", expected="a fraction in [0, 1]", mend=mend)

    def __str__(self) -> str:
        """The rule as it is printed."""
        match self.kind:
            case "within":
                return f"least energy within {self.value * 100:g} points of the best re-scored finalist"
            case "min-accuracy":
                return f"least energy at an accuracy of {self.value * 100:g} % or more"
            case "alpha":
                return f"greatest F_AEB at alpha {self.value:g}, scaled over the finalists"


def winner(rows: Sequence[Values], rule: WinnerRule) -> int:
    """The chosen row's index; of equals, the more accurate, then the earlier.

    Args:
        rows: the finalists' re-scored values.
        rule: how to choose.

    Raises:
        StudyError: no rows.
        NoWinner: none as accurate as the rule asks; the best accuracy is named.
    """
    if not rows:
        raise StudyError("no finalist to choose a winner from")
    if rule.kind == "alpha":
        scale = Scale.of(rows, rule.accuracy, rule.energy)
        return min(range(len(rows)), key=lambda i: (-f_aeb(rows[i], scale, rule.value), -rows[i][rule.accuracy], i))
    best = max(row[rule.accuracy] for row in rows)
    least = (best - rule.value if rule.kind == "within" else rule.value) - _ROUNDING
    passing = [i for i, row in enumerate(rows) if row[rule.accuracy] >= least]
    if not passing:
        raise NoWinner(
            found=f"no finalist reaches an accuracy of {rule.value:g}; the best has {best:g}",
            mend="a new search with a lower --min-accuracy, or with more trials",
        )
    return min(passing, key=lambda i: (rows[i][rule.energy], -rows[i][rule.accuracy], i))
