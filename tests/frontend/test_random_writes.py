"""Random programs that write in place, through views and into constants, branch on data, keep state and hide work.

Each is written to a file of its own, so that a refusal must name one of its lines, and one that could be at fault.
A graph that is given computes what the program computes, on other inputs, batches and T.
"""

import random
import re

import numpy as np
import pytest
import torch

from spikec.errors import TraceError
from spikec.frontend.tracer import trace
from spikec.run.interp import Interpreter

# What a statement takes and makes: whole [T, B, 4], flat [T B, 4], half [T, B, 2], row [4]; {n} is a new name.
WHOLE, FLAT, HALF, ROW = "whole", "flat", "half", "row"
PLAIN = [
    (WHOLE, "{n} = m.fc({whole})"),
    (WHOLE, "{n} = {whole} + {whole2}"),
    (WHOLE, "{n} = {whole} * 0.5"),
    (WHOLE, "{n} = {whole}.clone()"),
    (WHOLE, "{n} = {whole}.detach()"),
    (WHOLE, "{n} = {whole}.contiguous()"),
    (WHOLE, "{n} = {whole}.to(x.dtype)"),
    (WHOLE, "{n} = {whole}"),
    (WHOLE, "{n} = m.lif({whole})"),
    (WHOLE, "{n} = {flat}.view(x.shape)"),
    (WHOLE, "{n} = {flat}.reshape(x.shape)"),
    (WHOLE, "{n} = torch.cat([{half}, {half2}], -1)"),
    (WHOLE, "{n} = {whole} + {row}"),
    (WHOLE, "{n} = torch.ones_like({whole})"),
    (WHOLE, "{n} = torch.zeros(x.shape, dtype=x.dtype)"),
    (FLAT, "{n} = {whole}.flatten(0, 1)"),
    (FLAT, "{n} = {whole}.view(-1, 4)"),
    (FLAT, "{n} = m.fc({flat})"),
    (HALF, "{n} = {whole}[..., :2]"),
    (HALF, "{n} = {whole}[..., ::2]"),
    (HALF, "{n} = {whole}.chunk(2, -1)[1]"),
    (HALF, "{n} = {whole}.narrow(-1, 1, 2)"),
    (HALF, "{n} = {half} - {half2}"),
    (ROW, "{n} = torch.full((4,), 0.5, dtype=x.dtype)"),
    (ROW, "{n} = {row}"),
]
WRITING = [
    "{whole} += 1.0",
    "{whole} += {whole2}",
    "{whole} *= 2.0",
    "{whole}.add_({whole2})",
    "{whole}.sub_({row})",
    "{flat} += 0.5",
    "{flat}.mul_(0.5)",
    "{half} /= 2",
    "{half} += {half2}",
    "{row} += 1.0",
    "{row}[1] = 3.0",
    "{whole}[0] = 0.0",
    "{whole}[..., 0].add_(1.0)",
    "{whole}.zero_()",
    "{whole}.copy_({whole2})",
    "{whole}.relu_()",
    "torch.add({whole}, {whole2}, out={whole2})",
]
FAULTY = [
    "{n} = {whole} if {whole}.sum() > 0 else {whole2}",
    "{n} = {whole} * random.random()",
    "{n} = {whole} + far({whole2})",
    "{n} = {whole} + torch.func.vmap(lambda row: (row > 100).to(row.dtype))({whole2})",
    "{n} = {whole} if x.shape[0] < 4 else {whole2} + 1.0",
    "{n} = {whole} * float({whole2}.mean((1, 2))[0])",
    "{n} = {whole} + m.kept if isinstance(m.kept, torch.Tensor) and m.kept.shape == x.shape else {whole}; m.kept = {n}",
]
LATER = ("shares memory", "other numbers", "does not come from the input and differs")
NAMED = re.compile(r"program_\d+\.py:(\d+): ([^\n]*)")


class Program:
    """A forward function as text, and which of its lines could be at fault."""

    def __init__(self, seed):
        self.rng, self.names = random.Random(seed), {WHOLE: ["x"], FLAT: [], HALF: [], ROW: []}
        self.lines, self.suspects = ["def forward(m, x):"], set()
        for _ in range(self.rng.randint(3, 9)):
            self.step()
        self.lines.append(f"    return {self.rng.choice(self.names[WHOLE])}, {self.names[WHOLE][-1]}")

    def step(self):
        luck = self.rng.random()
        if luck < 0.62:
            kind, text = self.rng.choice(PLAIN)
        else:
            kind, text = WHOLE, self.rng.choice(WRITING if luck < 0.95 else FAULTY)
        taken = {}
        for slot in dict.fromkeys(re.findall(r"\{(\w+)\}", text.replace("{n}", ""))):
            known = self.names[slot.rstrip("2")]
            if not known:
                return
            taken[slot] = self.rng.choice(known[-3:])
        new = f"v{len(self.lines)}"
        self.lines.append("    " + text.format(n=new, **taken))
        if luck >= 0.62 or "lif" in text:  # a neuron may be given a constant
            self.suspects.add(len(self.lines))
        if "{n}" in text:
            self.names[kind].append(new)

    def compiled(self, path, far):
        path.write_text("\n".join(self.lines) + "\n")
        found = {"torch": torch, "random": random, "far": far}
        exec(compile(path.read_text(), str(path), "exec"), found)
        return found["forward"]


@pytest.fixture(scope="module")
def far():
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        return torch.jit.script(_far)


def _far(x):
    return (x > 100.0).to(x.dtype)


def check_equal(model, graph):
    twin = model.double()
    for steps, batch in ((3, 2), (3, 5), (5, 3)):
        x = np.random.default_rng(batch).normal(size=(steps, batch, 4)) * 3
        ours = Interpreter().run(graph, {"input": x}, steps, graph.outputs)
        with torch.no_grad():
            theirs = twin(torch.from_numpy(x.copy()))
        for name, value in zip(graph.outputs, theirs, strict=True):
            mine = np.broadcast_to(ours[name], value.shape)
            np.testing.assert_allclose(mine, value.numpy(), rtol=1e-9, atol=1e-9)


def check_named(program, error):
    """Every line that the refusal names is one of the program's, and some of them could be at fault."""
    if "an output of the network does not come from its input" in str(error):
        return
    said = [(int(number), text) for number, text in NAMED.findall(str(error))]
    assert said, str(error)
    for number, text in said:
        assert text.startswith(program.lines[number - 1].strip()), str(error)
    # a line that takes what another one hid, or made by chance, may be any
    later = any(words in str(error) for words in LATER)
    assert later or any(number in program.suspects for number, _ in said), "\n".join([*program.lines, str(error)])


def tried(seeds, net, far, folder):
    taken = refused = 0
    for seed in seeds:
        program = Program(seed)
        model = net(program.compiled(folder / f"program_{seed}.py", far))
        model.kept = None
        try:
            graph = trace(model, (4,), layout="TBX", steps=3)
        except TraceError as error:
            check_named(program, error)
            refused += 1
        else:
            model.kept = None
            check_equal(model, graph)
            taken += 1
    return taken, refused


def test_random_writes(net, far, tmp_path):
    taken, refused = tried(range(120), net, far, tmp_path)
    assert taken > 30
    assert refused > 30


@pytest.mark.full
def test_more_random_writes(net, far, tmp_path):
    taken, refused = tried(range(1000, 1800), net, far, tmp_path)
    assert taken > 150
    assert refused > 150


@pytest.mark.long
def test_many_random_writes(net, far, tmp_path):
    taken, refused = tried(range(10_000, 20_000), net, far, tmp_path)
    assert taken > 2000
    assert refused > 2000
