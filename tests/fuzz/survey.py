"""Surveys of mutants: workers are started, and started again behind a mutant that ended one; what came of it, told.

python tests/fuzz/survey.py COUNT FIRST [FORMAT ...]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
MOST_DEATHS = 20
Result = dict[str, Any]


def survey(numbers: Mapping[str, range]) -> list[Result]:
    """What came of these mutants of each format, one result each, in one process as long as none ends it."""
    results: list[Result] = []
    left, deaths = dict(numbers), 0
    while left and deaths < MOST_DEATHS:
        jobs = ",".join(f"{form}:{own.start}:{len(own)}" for form, own in left.items())
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", str(WORKER), jobs],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        results += [line for line in lines if "ended" in line]
        if done.returncode == 0:
            return results
        assert lines, f"no mutant was made\n{done.stderr}"
        form, number, deaths = lines[-1]["format"], lines[-1]["number"], deaths + 1
        fault = f"the process ended with {done.returncode}\n{done.stderr[-4000:]}"
        results.append(
            {**lines[-1], "made": "?", "checked": False, "ended": "death", "fault": fault, "seconds": 0.0, "mb": 0.0}
        )
        left = dict(list(left.items())[list(left).index(form) :])
        left[form] = range(number + 1, left[form].stop)
    return results


def table(results: Iterable[Result]) -> str:
    """By format: how mutants ended, the longest time, the most memory."""
    results = list(results)
    lines = []
    for form in dict.fromkeys(result["format"] for result in results):
        own = [result for result in results if result["format"] == form]
        ends = Counter(result["ended"] for result in own)
        said = "  ".join(f"{end} {ends[end]:5}" for end in ("equal", "other", "exit 1", "exit 2"))
        faults = sum(bool(result["fault"]) for result in own)
        said += f"  checked {sum(result['checked'] for result in own):5}"
        worst = f"{max(r['seconds'] for r in own):6.2f} s  {max(r['mb'] for r in own):5.0f} MB"
        lines.append(f"{form:10} {len(own):5} mutants  {said}  {worst}  faults {faults}")
    return "\n".join(lines)


def faults_of(results: Iterable[Result]) -> list[str]:
    """Each mutant that did what it must not, with how to make it again."""
    return [
        f"python tests/fuzz/worker.py {r['format']}:{r['number']}:1 kept  # {r['made']}: {r['ended']}\n{r['fault']}"
        for r in results
        if r["fault"]
    ]


if __name__ == "__main__":
    from originals import FORMATS

    count, first = int(sys.argv[1]), int(sys.argv[2])
    found = survey({form: range(first, first + count) for form in sys.argv[3:] or FORMATS})
    print("\n\n".join(faults_of(found)))
    print(table(found))
