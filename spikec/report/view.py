"""Views: what report renders besides a `Report`, as plain data that its callers fill in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal


@dataclass(frozen=True)
class Refusal:
    """A chip that cannot price a graph.

    Args:
        hardware: its name.
        reason: why not, as text.
        file: that it came from; '' for a chip that comes along.
    """

    hardware: str
    reason: str
    file: str = ""

    @property
    def label(self) -> str:
        """Its name, and its file where it came from one."""
        return chip_label(self.hardware, self.file)


def chip_label(name: str, file: str | None) -> str:
    """`45nm`, or `45nm (mine.toml)` for a chip from a file: a copy has the name of what it was copied from."""
    return f"{name} ({PurePath(file).name})" if file else name


@dataclass(frozen=True)
class StudyRow:
    """One told trial of a study.

    Args:
        number: the trial's, unique within its kind.
        genome: one line, such as `str(Genome)` gives; blocks parted by ` | `.
        accuracy: of the screen, a fraction.
        energy_pj: of the screen, pJ per inference, above 0.
        kind: asked of the study's sampler, or drawn at random beside it.
        final_accuracy: of the canonical evaluation, a fraction; None unless it was a finalist.
        final_energy_pj: likewise, pJ per inference.
        on_front: no other trial of the search beats its screen values, and it is above the floor.
        winner: chosen by the winner's rule.
    """

    number: int
    genome: str
    accuracy: float
    energy_pj: float
    kind: Literal["search", "random"] = "search"
    final_accuracy: float | None = None
    final_energy_pj: float | None = None
    on_front: bool = False
    winner: bool = False

    @property
    def finalist(self) -> bool:
        """Whether it has final values."""
        return self.final_accuracy is not None and self.final_energy_pj is not None


@dataclass(frozen=True)
class TestResult:
    """A network on the test split, which is read once, after the choice.

    Args:
        name: such as `winner` or `largest subnet`.
        accuracy: a fraction.
        energy_pj: pJ per inference.
    """

    __test__ = False  # pytest would collect it by its name

    name: str
    accuracy: float
    energy_pj: float


@dataclass(frozen=True)
class StudyView:
    """A study as its table, plot and page show it.

    Args:
        space, method, hardware, data: their names.
        policy: the options that say how energy was counted; '' for the default.
        seed: of the search.
        split: of the data, where it has numbered splits.
        steps: the least and greatest T of the space.
        rows: every told trial, those of the search and the random ones.
        accuracy_floor: the least accuracy of the front that is shown, a fraction.
        reference: the fixed point of hypervolume: accuracy (a fraction), energy in pJ.
        hypervolume, random_hypervolume: in accuracy times decades of energy.
        equal_hypervolumes: the same of the first trials of both, as many as the fewer of the two; None where they are
            as many anyway.
        winner_rule: in words.
        failed: trials that could not be evaluated.
        tests: what the test split gave.
        paired_test: the winner against the largest subnet, in words.
        config: the resolved configuration, plain data.
        fingerprints: by name.
        next_commands: to go on with.
    """

    space: str
    method: str
    hardware: str
    data: str
    seed: int
    steps: tuple[int, int]
    rows: tuple[StudyRow, ...]
    winner_rule: str
    policy: str = ""
    split: int | None = None
    accuracy_floor: float = 0.0
    reference: tuple[float, float] | None = None
    hypervolume: float | None = None
    random_hypervolume: float | None = None
    equal_hypervolumes: tuple[float, float] | None = None
    failed: int = 0
    tests: tuple[TestResult, ...] = ()
    paired_test: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)  # Any: plain data, as TOML holds it
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    next_commands: tuple[str, ...] = ()

    def of_kind(self, kind: Literal["search", "random"]) -> tuple[StudyRow, ...]:
        """The rows of that kind, in their order."""
        return tuple(row for row in self.rows if row.kind == kind)

    @property
    def front(self) -> tuple[StudyRow, ...]:
        """The front's rows, ascending in energy."""
        return tuple(sorted((r for r in self.rows if r.on_front), key=lambda r: (r.energy_pj, r.number)))

    @property
    def shown(self) -> tuple[StudyRow, ...]:
        """What a table shows: the front, every finalist and the winner, ascending in energy."""
        rows = (r for r in self.rows if r.on_front or r.winner or r.finalist)
        return tuple(sorted(rows, key=lambda r: (r.energy_pj, r.number)))

    @property
    def title(self) -> str:
        """`digits on 45nm: nsga2, 160 trials, seed 0, split 0, T = 1..4`."""
        low, high = self.steps
        split = "" if self.split is None else f", split {self.split}"
        span = f"T = {low}" if low == high else f"T = {low}..{high}"
        trials = len(self.of_kind("search"))
        return f"{self.space} on {self.hardware}: {self.method}, {trials} trials, seed {self.seed}{split}, {span}"


def hypervolumes(view: StudyView) -> list[str]:
    """`nsga2 0.8123 of 160 trials`, the same of random sampling, and both at equal trials, where alone they compare."""
    values = ((view.method, "search", view.hypervolume), ("random sampling", "random", view.random_hypervolume))
    said = [
        f"{name} {value:.4f} of {sum(row.kind == kind for row in view.rows)} trials"
        for name, kind, value in values
        if value is not None
    ]
    if view.equal_hypervolumes is not None:
        own, drawn = view.equal_hypervolumes
        count = min(len(view.of_kind("search")), len(view.of_kind("random")))
        said.append(f"of the first {count} of each {own:.4f} and {drawn:.4f}")
    return said
