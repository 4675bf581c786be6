"""Random loops over time, with what earlier steps left used anywhere: taken right, or refused, never wrong."""

import linecache
import random

import pytest
import snntorch as snn
import torch
from torch import nn

from spikec.errors import TraceError

LIVE = 0.5
"""Of the programs, the least share that must be taken, or the test would prove little."""


class Program(nn.Module):
    """A loop whose every step runs the same random lines on the input, its own values and what earlier steps left."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        draw = random.Random(seed)
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.cells = nn.ModuleList(snn.Leaky(draw.choice((0.5, 0.9)), threshold=0.3) for _ in range(2))
        left = draw.randint(1, 2)
        names = ["now", *(f"left[{place}]" for place in range(left))]
        self.body = []
        for place in range(draw.randint(2, 5)):
            self.body.append(f"v{place} = {self._line(draw, names)}")
            names.append(f"v{place}")
        for cell in range(draw.randint(0, 2)):
            taken = draw.choice(names)
            drive = draw.choice((taken, f"m.layers[{draw.randrange(3)}]({taken}) + now"))
            self.body.append(f"s{cell}, held[{cell}] = m.cells[{cell}]({drive}, held[{cell}])")
            self.body.append(f"s{cell} = s{cell}.to(x.dtype)  # snnTorch's are fp32")
            names.append(f"s{cell}")
        kept = [draw.choice(names) for _ in range(left)]
        self.body.append(f"left = [{', '.join(kept)}]")
        self.body.append(f"given.append({draw.choice(names[1 + left :])})")
        lines = "".join(f"        {line}\n" for line in self.body)
        code = (
            f"def run(m, x):\n    left = [torch.zeros(x.shape[1], 4, dtype=x.dtype) for _ in range({left})]\n"
            f"    held = [cell.init_leaky() for cell in m.cells]\n    given = []\n    for now in x:\n{lines}"
            f"    return {draw.choice(('torch.stack(given)', 'sum(given)', 'given[-1]'))}\n"
        )
        space, file = {"torch": torch}, f"program_{seed}.py"
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
        exec(compile(code, file, "exec"), space)
        self.code, self.run = code, space["run"]

    def _line(self, draw, names):
        a, b = draw.choice(names), draw.choice(names)
        forms = (
            f"m.layers[{draw.randrange(3)}]({a})",
            f"{a} + {b}",
            f"{a} - {b}",
            f"0.5 * {a} + {b}",
            f"{a} * {b}",
            f"{a} * 0.75",
            f"torch.cat([{a}[..., :2], {b}[..., 2:]], -1)",
        )
        return draw.choice(forms)

    def forward(self, x):
        return self.run(self, x)


def outcome(seed, traced, steps):
    network = Program(seed).eval()
    try:
        traced(network, (4,), steps=steps)
    except TraceError as error:
        return str(error)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {steps} steps:\n{network.code}\n{error}") from error
    return ""


def check(seeds, traced):
    said = [outcome(seed, traced, 2 + seed % 4) for seed in seeds]
    assert sum(not words for words in said) >= LIVE * len(said)


@pytest.mark.full
def test_random_loops(traced):
    check(range(30), traced)


@pytest.mark.long
def test_many_random_loops(traced):
    check(range(1000, 1800), traced)
