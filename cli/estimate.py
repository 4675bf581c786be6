"""spikec estimate: what each layer of a model costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import click
from rich.console import Console

from cli.budget_option import budget_option, check_budgets
from cli.opened import max_bytes_option, opened
from cli.policy_options import policy_of, policy_options
from hwmodels.mapping.partition import Method
from spikec.cost import Report
from spikec.errors import UsageError
from spikec.files import check_output, write_text
from spikec.frontend.foreign import Reading
from spikec.model import save
from spikec.report.budget import Budget
from spikec.report.comparison import comparison_table, print_comparison
from spikec.report.csv_table import estimate_csv
from spikec.report.html import estimate_html
from spikec.report.mapping_facts import check_fit
from spikec.report.sections import hardware_label
from spikec.report.table import estimate_table, print_estimate
from spikec.report.view import Refusal
from spikec.tasks.estimation import Question, with_counts
from spikec.tasks.estimation import estimate as run
from spikec.tasks.pricing import Where

Answers = Sequence[Report | Refusal]
HW = "Hardware model, by name or TOML file; repeat to compare."
DATA = "Samples: digits, digits:SPLIT:test, npz:FILE with an array inputs.  [default: the calibration batch in MODEL]"
KEEP = "Save MODEL there with the counts of the first --hw in place of a calibration batch."
MAP = (
    "Partition and place the network on the chip's cores: how many, what binds them, traffic, latency, and energy with "
    "messages and static power where the chip prices them; without data too, energies then null."
)
MAPPING = "Places of the cores: JSON, [chip, x, y, slot] a core, or a report that holds them; implies --map."
PARTITION = (
    "With --map, how neurons of dense layers are put on cores: by the chip's rule, or regrouped so that spikes reach "
    "fewer of them, by moves and exchanges (connectivity) or by Mt-KaHyPar (pip install 'spikec[partition]'). "
    "It gains where weights are zero, and takes --zero-weights skip.  [default: rule]"
)
PLOT = "Draw energy a node, and with --map the mesh of cores: PNG, SVG or PDF."
RATES = "Published rates (JSON or CSV, by scope) in place of data; with --counting rate."


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--hw", "hardware", multiple=True, default=("45nm",), show_default=True, help=HW)
@click.option("--data", metavar="SPEC", help=DATA)
@click.option("--samples", type=int, metavar="N", help="Only the first N samples.  [default: all, at most 1024]")
@click.option("--rates", type=click.Path(path_type=Path), metavar="FILE", help=RATES)
@click.option("--steps", type=int, metavar="T", help="Time steps.  [default: the model's own]")
@policy_options
@click.option("--map", "map_it", is_flag=True, help=MAP)
@click.option("--partition", type=click.Choice(get_args(Method)), help=PARTITION)
@click.option("--mapping", "places", type=click.Path(path_type=Path), metavar="FILE", help=MAPPING)
@budget_option
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv", "html"]), default="table", show_default=True
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help=PLOT)
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to stdout.")
@click.option("--keep-counts", type=click.Path(path_type=Path), metavar="FILE", help=KEEP)
@max_bytes_option
@click.option("--force", is_flag=True, help="Replace the files of -o, --plot and --keep-counts.")
@click.option("-v", "--verbose", is_flag=True, help="In the table, also the nodes that count nothing.")
@click.pass_context
def estimate(
    ctx: click.Context,
    /,
    model: Path,
    hardware: Sequence[str],
    data: str | None,
    samples: int | None,
    rates: Path | None,
    steps: int | None,
    map_it: bool,
    partition: Method | None,
    places: Path | None,
    policy_name: str | None,
    budgets: Sequence[Budget],
    form: str,
    plot: Path | None,
    out: Path | None,
    keep_counts: Path | None,
    max_bytes: int,
    force: bool,
    verbose: bool,
    **fields: str | None,
) -> None:
    """Energy and counts of each node of MODEL on one chip or several.

    Events are counted exactly on real samples, and every assumption is printed. Exit code 1 where a chip refuses
    the network or, with --map, does not hold it, or any is over a --budget.

    \b
      spikec estimate winner.pt --hw 45nm
      spikec estimate winner.pt --data digits:0:test --format json
      spikec estimate winner.pt --multibit mac --first-layer per-step
      spikec estimate winner.pt --budget "energy_mj<=0.5" --budget "ac<2e6"
      spikec estimate net.pt --policy spikformer-paper --rates rates.csv
      spikec estimate net.nir --hw mine.toml --map --plot cores.png
      spikec estimate net.nir --hw loihi1 --map --partition connectivity --zero-weights skip
    """
    _check(form, hardware, plot, (out, plot, keep_counts), force)
    if rates is not None and keep_counts is not None:
        raise UsageError("--keep-counts beside --rates: nothing is counted", mend="leave one of them out")
    if places is not None and len(hardware) > 1:
        raise UsageError(f"--mapping with {len(hardware)} chips", expected="one, whose cores it places")
    policy = policy_of(policy_name, fields)
    mapped = map_it or places is not None
    if partition is not None and not mapped:
        raise UsageError(f"--partition {partition} without --map: nothing is put on cores", mend="--map beside it")
    where = Where(places, partition or "rule") if mapped else None
    question = Question(policy.policy, policy.pipeline, policy_name or "", data, samples, rates, steps, where)
    loaded = opened(model, Reading(max_bytes=max_bytes))
    answers = run(loaded, hardware, question)
    reports = [answer for answer in answers if isinstance(answer, Report)]
    # Files before stdout, whose reader may go away.
    if out is not None:
        write_text(out, FORMS[form](answers, verbose))
        click.echo(f"written: {out}", err=True)
    if plot is not None and reports:
        from spikec.report.mapping_plot import estimate_plot  # as in _check

        estimate_plot(reports[0], plot)
        click.echo(f"drawn for {hardware_label(reports[0])}: {plot}", err=True)
    if keep_counts is not None:
        save(with_counts(loaded, hardware[0], question), keep_counts, force=force)
        click.echo(f"saved with its counts: {keep_counts}", err=True)
    if out is None and form == "table":
        _print(answers, verbose)
    elif out is None:
        click.echo(FORMS[form](answers, verbose), nl=False)
    check_budgets(budgets, reports)
    check_fit(reports)
    if len(reports) < len(answers):
        ctx.exit(1)


def _check(form: str, hardware: Sequence[str], plot: Path | None, files: Sequence[Path | None], force: bool) -> None:
    if form == "html" and len(hardware) > 1:
        raise UsageError(f"--format html with {len(hardware)} chips", expected="one", mend="table, json or csv")
    given = [path for path in files if path is not None]
    for path in given:
        check_output(path, force=force)
    if len({path.resolve() for path in given}) < len(given):
        raise UsageError("two of -o, --plot and --keep-counts are one file", mend="a name for each")
    if plot is not None:
        from spikec.report.plots import check_plot_name  # matplotlib, half a second, only where a plot is wanted

        check_plot_name(plot)


def _print(answers: Answers, verbose: bool) -> None:
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        click.echo(FORMS["table"](answers, verbose), nl=False)
    elif len(answers) > 1:
        print_comparison(answers, console)
    else:
        for answer in answers:
            if isinstance(answer, Report):
                print_estimate(answer, console, verbose=verbose)
            else:
                click.echo(answer.reason)


def _table(answers: Answers, verbose: bool) -> str:
    if len(answers) > 1:
        return comparison_table(answers, 130)
    (answer,) = answers
    return estimate_table(answer, 130, verbose=verbose) if isinstance(answer, Report) else f"{answer.reason}\n"


def _json(answers: Answers, verbose: bool) -> str:
    plain = [a.to_dict() if isinstance(a, Report) else _refused(a) for a in answers]
    whole: object = plain[0] if len(plain) == 1 else plain
    return json.dumps(whole, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _refused(answer: Refusal) -> dict[str, str | None]:
    return {"hardware": answer.hardware, "file": answer.file or None, "refused": answer.reason}


def _csv(answers: Answers, verbose: bool) -> str:
    return estimate_csv(answers)


def _html(answers: Answers, verbose: bool) -> str:
    (answer,) = answers
    return estimate_html(answer) if isinstance(answer, Report) else f"{answer.reason}\n"


FORMS: dict[str, Callable[[Answers, bool], str]] = {"table": _table, "json": _json, "csv": _csv, "html": _html}
