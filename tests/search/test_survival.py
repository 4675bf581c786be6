"""Studies that are interrupted or killed, anywhere: what follows is what would have followed."""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from spikec.search import record, study
from spikec.search.sampler import SAMPLERS

NAMES = sorted(SAMPLERS)


@pytest.mark.parametrize("method", NAMES)
def test_resumed_equals_uninterrupted_at_every_cut(tmp_path, digits, synthetic, method):
    """The folder as it lies after each ask and each tell is what a kill there would have left."""
    cuts = []

    def copy():
        cuts.append(shutil.copytree(tmp_path / "whole", tmp_path / f"cut{len(cuts)}"))

    whole = synthetic.uninterrupted(tmp_path / "whole", digits, method, copy)
    assert len(cuts) == 2 * synthetic.TRIALS
    for cut in cuts:
        assert synthetic.finish(cut) == whole


def test_resuming_again_and_again_changes_nothing(tmp_path, digits, synthetic):
    whole = synthetic.uninterrupted(tmp_path / "whole", digits, "nsga2")
    study.create(tmp_path / "bits", digits, synthetic.config("nsga2"), synthetic.FINGERPRINTS).close()
    for trials in range(1, synthetic.TRIALS + 1):
        with study.resume(tmp_path / "bits", synthetic.FINGERPRINTS) as opened:
            opened.ask()  # never told: the next process is given it again
        synthetic.finish(tmp_path / "bits", trials)
    assert record.read(tmp_path / "bits").trials == whole


@pytest.mark.parametrize("method", NAMES)
def test_several_workers_told_out_of_order_resume_alike(tmp_path, digits, synthetic, method):
    """The interleaving of asks and tells is part of the trials: replayed as it was, the untold come again."""

    def go_on(opened, held):
        order = random.Random(5)
        for _ in range(20):
            held.append(opened.ask())
            while len(held) > 4:
                trial = held.pop(order.randrange(len(held)))
                opened.tell(trial, synthetic.evaluate(trial.genome))
        return opened.trials

    with study.create(tmp_path / "whole", digits, synthetic.config(method), synthetic.FINGERPRINTS) as opened:
        held = [opened.ask() for _ in range(12)]
        for index in (7, 2, 9, 0, 11, 3, 5, 1):
            opened.tell(held[index], synthetic.evaluate(held[index].genome))
        more = [opened.ask() for _ in range(3)]
        shutil.copytree(tmp_path / "whole", tmp_path / "killed")
        whole = go_on(opened, [trial for trial in held if trial.number in (4, 6, 8, 10)] + more)
    with study.resume(tmp_path / "killed", synthetic.FINGERPRINTS) as again:
        untold = [again.ask() for _ in range(7)]
        assert [trial.number for trial in untold] == [4, 6, 8, 10, 12, 13, 14]
        assert go_on(again, untold) == whole


def run_program(synthetic, *args):
    command = [sys.executable, synthetic.__file__, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("method", "cut"), [("nsga2", 1), ("nsga2", 17), ("evolution", 18), ("random", 9)])
def test_a_killed_process_loses_nothing(tmp_path, digits, synthetic, method, cut):
    """Odd cuts fall between ask and tell; 17 and 18 are mid-generation."""
    whole = synthetic.uninterrupted(tmp_path / "whole", digits, method)
    process = run_program(synthetic, tmp_path / "killed", method, synthetic.TRIALS, cut)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    told = out.count("told")
    assert told == cut // 2
    seen = record.read(tmp_path / "killed").trials
    assert [trial.state for trial in seen] == ["told"] * told + ["asked"] * (cut % 2)
    assert synthetic.finish(tmp_path / "killed") == whole


@pytest.mark.full
@pytest.mark.parametrize("method", NAMES)
def test_killed_at_any_moment_again_and_again(tmp_path, digits, synthetic, method):
    """SIGKILL from outside, wherever it strikes: each told trial was reported after it was on disk."""
    whole = synthetic.uninterrupted(tmp_path / "whole", digits, method)
    moments = random.Random(method)
    folder = tmp_path / "killed"
    for _ in range(8):
        process = run_program(synthetic, folder, method, synthetic.TRIALS, -1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # The search itself lasts some tens of milliseconds, after the imports.
            for _ in range(moments.randrange(1, 4)):
                process.stdout.readline()
            time.sleep(moments.random() * 0.004)
        process.kill()
        out, err = process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGKILL, 0), err
        reported = [int(line.split()[1]) for line in out.splitlines() if line.startswith("told")]
        seen = record.read(folder).trials
        assert all(seen[number].state == "told" for number in reported)
        assert [(t.number, t.genome) for t in seen] == [(t.number, t.genome) for t in whole[: len(seen)]]
    assert synthetic.finish(folder) == whole


def test_final_values_do_not_disturb_what_follows(tmp_path, digits, synthetic):
    whole = synthetic.uninterrupted(tmp_path / "whole", digits, "nsga2")
    study.create(tmp_path / "run", digits, synthetic.config("nsga2"), synthetic.FINGERPRINTS).close()
    synthetic.finish(tmp_path / "run", 10)
    with study.resume(tmp_path / "run", synthetic.FINGERPRINTS) as opened:
        for number in (3, 8):
            opened.finish(opened.trials[number], {"accuracy": 0.1, "energy_pj": 9e9})
    synthetic.finish(tmp_path / "run", synthetic.TRIALS - 2)  # two are final, the others told
    after = record.read(tmp_path / "run").trials
    assert [(t.genome, t.screen, t.told_as) for t in after] == [(t.genome, t.screen, t.told_as) for t in whole]
    assert [t.number for t in after if t.state == "final"] == [3, 8]
