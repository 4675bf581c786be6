"""spikec search: from a space and data to a subnet that spends little for its accuracy."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.policy_options import policy_of, policy_options
from cli.stopped import Stopped
from spikec.errors import UsageError
from spikec.report.progress import progress
from spikec.report.study_table import print_study, study_table
from spikec.search.sampler import SAMPLERS
from spikec.search.winner import WinnerRule
from spikec.tasks.search_setup import TRIALS, SearchSettings
from spikec.tasks.searching import Searched
from spikec.tasks.searching import search as run

DEFAULT = SearchSettings()
_BY_METHOD = ", ".join(f"{count} for {method}" for method, count in TRIALS.items())
ALPHA = "Choose by F_AEB with this weight of energy, 0 to 1; evolution seeks by the same."
SEED = "Of the supernet's training and of the search; the same seed gives the same trials."
RESUME = "Go on with the study in this folder; the result is as if it had never stopped."


@click.command()
@click.option("--space", default=DEFAULT.space, show_default=True, help="Search space, by name or TOML file.")
@click.option("--data", default=DEFAULT.data, show_default=True, help="Data set to train, search and test on.")
@click.option("--split", type=int, default=DEFAULT.split, show_default=True, help="Which fixed split of the data.")
@click.option("--hw", "hardware", default=DEFAULT.hardware, show_default=True, help="Chip whose energy is minimised.")
@click.option("--method", type=click.Choice(sorted(SAMPLERS)), default=DEFAULT.method, show_default=True)
@click.option("--trials", type=int, help=f"Distinct subnets to evaluate.  [default: {_BY_METHOD}]")
@click.option(
    "--random", "baseline", type=int, default=DEFAULT.baseline, show_default=True, help="Random ones, for the plot."
)
@click.option("--finalists", type=int, default=DEFAULT.finalists, show_default=True, help="Subnets to re-score.")
@click.option("--epochs", type=int, default=DEFAULT.epochs, show_default=True, help="Epochs of the supernet.")
@click.option("--min-accuracy", type=float, help="Choose the least energy at this accuracy (a fraction).")
@click.option("--alpha", type=float, help=ALPHA)
@click.option(
    "--floor", type=float, default=DEFAULT.floor, show_default=True, help="Least accuracy of the front shown."
)
@click.option("--seed", type=int, default=DEFAULT.seed, show_default=True, help=SEED)
@policy_options
@click.option("--out", type=click.Path(path_type=Path), help="The study's folder.  [default: runs/SPACE-TIME]")
@click.option("--resume", type=click.Path(path_type=Path), metavar="FOLDER", help=RESUME)
@click.pass_context
def search(
    ctx: click.Context,
    /,
    min_accuracy: float | None,
    alpha: float | None,
    policy_name: str | None,
    out: Path | None,
    resume: Path | None,
    **options: Any,  # Any: click's values, by the names of SearchSettings
) -> None:
    """Search a space for a Spikformer that spends little energy for its accuracy.

    Trains a weight-entangled supernet with one random subnet a step, lets the method choose subnets, values each by
    accuracy on the validation split and energy on the chip, re-scores the finalists and chooses the winner: the
    least energy within half a point of the best, unless --min-accuracy or --alpha say otherwise. The test split is
    read once, after the choice. Everything told is on disk: Ctrl-C loses nothing, --resume goes on.

    \b
      spikec search                                 bundled digits, about two minutes on one core
      spikec search --split 1 --seed 1 --out runs/b
      spikec search --method evolution --alpha 0.5
      spikec search --resume runs/b
    """
    policy_fields = {name: options.pop(name) for name in type(DEFAULT.policy).choices()}
    if resume is not None:
        _refuse_beside_resume(ctx)
        settings, folder = None, resume
    else:
        policy = policy_of(policy_name, policy_fields).policy
        options["trials"] = TRIALS[options["method"]] if options["trials"] is None else options["trials"]
        rule = _rule(min_accuracy, alpha)
        options["options"] = {"alpha": alpha} if alpha is not None and options["method"] == "evolution" else {}
        settings = SearchSettings(**options, policy=policy, policy_name=policy_name or "", rule=rule)
        folder = out or Path("runs") / f"{Path(settings.space).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    began: list[str] = []

    def begun(done: str) -> None:
        began.append(done)
        new = "" if settings is None else f"search of {settings.space} into {folder}, seed {settings.seed}"
        click.echo(new or f"going on with {folder}: {done}", err=True)

    steps = _Steps()
    try:
        with steps:
            found = run(settings, out=folder, resume=resume is not None, tick=steps, begun=begun)
    except KeyboardInterrupt:
        if not began:
            raise
        done = steps.seen or resume is not None
        kept = "all that was done is kept" if done else "nothing is done yet, and the study's folder stays"
        again = shlex.join(["spikec", "search", "--resume", str(folder)])
        raise Stopped(f"stopped; {kept}. Go on with: {again}") from None
    _print(found)


def _refuse_beside_resume(ctx: click.Context) -> None:
    given = [
        f"--{name.replace('_', '-')}"
        for name in ctx.params
        if name != "resume" and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(f"--resume beside {', '.join(given)}", expected="--resume alone: the study has its settings")


def _rule(min_accuracy: float | None, alpha: float | None) -> WinnerRule:
    if min_accuracy is not None and alpha is not None:
        raise UsageError("--min-accuracy and --alpha contradict each other", mend="give one of them")
    if alpha is not None:
        return WinnerRule("alpha", alpha)
    return WinnerRule() if min_accuracy is None else WinnerRule("min-accuracy", min_accuracy)


UNITS = {"supernet": "epochs", "search": "trials", "random": "trials", "finalists": "subnets"}


class _Steps:
    """One progress line a step of the search, on stderr."""

    def __init__(self) -> None:
        self.seen = False  # whether anything was done
        self._step = ""
        self._line: Any = None  # Any: the context manager of one progress line
        self._advance: Callable[..., None] = lambda done, note="": None

    def __enter__(self) -> _Steps:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def __call__(self, step: str, done: int, total: int, words: str) -> None:
        """Shows how far a step is."""
        self.seen = self.seen or done > 0
        if step != self._step:
            self._close()
            self._step = step
            self._line = progress(step, total, UNITS.get(step, ""))
            self._advance = self._line.__enter__()
        self._advance(done, words)

    def _close(self) -> None:
        if self._line is not None:
            self._line.__exit__(None, None, None)
            self._line = None


def _print(found: Searched) -> None:
    console = Console()
    if console.is_terminal:
        print_study(found.view, console)
    else:
        click.echo(study_table(found.view, 110), nl=False)
    genome = json.loads(found.result["winner"]["genome"])
    click.echo(f"winner: {found.winner}  {json.dumps(genome['globals'])}")
    click.echo(f"page and plot: {found.folder / 'report.html'}, {found.folder / 'front.png'}", err=True)
