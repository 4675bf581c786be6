"""trace: a user's package in a folder of its own, with and without weights, and what can be wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikec.errors import InputError, ModelFileError, SpikecError, TraceError, UnknownName, UsageError
from spikec.model import load, save
from spikec.run.interp import Interpreter
from spikec.tasks.tracing import Foreign, trace_module


def state_of(foreign: Foreign, seed: int = 9, **arguments: object) -> dict[str, torch.Tensor]:
    module = sys.modules[foreign.arch.partition(":")[0]]
    torch.manual_seed(seed)
    state: dict[str, torch.Tensor] = module.build(**arguments).state_dict()
    return state


def test_a_factory_becomes_a_model_that_needs_its_code_no_more(of: Callable[..., Foreign], tmp_path: Path) -> None:
    model = trace_module(of())
    save(model, tmp_path / "model.pt")
    sys.modules.pop(of().arch.partition(":")[0])
    again = load(tmp_path / "model.pt")
    assert again.name == "build"
    assert again.graph.steps == 2
    assert again.input.encoder == "frames"
    assert again.architecture is None
    assert again.provenance["arch"] == of().arch
    assert again.provenance["seed"] == 0
    assert [node.op.mnemonic for node in again.graph.nodes][:3] == ["conv2d", "batch_norm", "lif"]


def test_the_seed_decides_and_torchs_own_generator_is_left_alone(of: Callable[..., Foreign]) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    first, again, other = (trace_module(of(seed=seed)).graph.sha256 for seed in (1, 1, 2))
    assert first == again
    assert first != other
    torch.manual_seed(0)
    trace_module(of(seed=1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
def test_weights_are_those_of_the_file(
    of: Callable[..., Foreign], tmp_path: Path, wrap: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    trace_module(of())
    state = state_of(of())
    torch.save(wrap(state), tmp_path / "sd.pt")
    graph = trace_module(of(weights=tmp_path / "sd.pt")).graph
    np.testing.assert_array_equal(graph.weights["head.weight"].array, state["head.weight"].numpy())
    assert graph.sha256 != trace_module(of()).graph.sha256


def test_arguments_reach_the_factory(of: Callable[..., Foreign]) -> None:
    model = trace_module(of(arch_args={"width": 6, "classes": 7}), name="mine")
    assert model.name == "mine"
    assert model.graph.types[model.graph.outputs[0]].shape == (7,)
    assert model.graph.weights["conv.weight"].array.shape[0] == 6
    assert model.provenance["arch_args"] == {"width": "6", "classes": "7"}


def test_every_layout_gives_the_same_numbers(of: Callable[..., Foreign]) -> None:
    x = torch.rand(3, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    still = x[:1].expand(3, 4, 3, 8, 8)
    results = []
    for foreign, data in (
        (of(steps=3), still),
        (of("swapped", steps=3, layout="BTX"), still),
        (of(steps=3, layout="BX", arch_args={"repeat": True}), still[0]),
    ):
        graph = trace_module(foreign).graph
        (value,) = graph.outputs
        results.append(Interpreter(torch.float64).run(graph, {"input": data.numpy()})[value])
    assert float(results[0].abs().max()) > 0
    torch.testing.assert_close(results[0], results[1])
    torch.testing.assert_close(results[0], results[2])


def test_a_module_that_repeats_its_input_otherwise_than_said_is_refused(of: Callable[..., Foreign]) -> None:
    with pytest.raises(TraceError):
        trace_module(of(steps=4, layout="BX", arch_args={"repeat": True}))


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"arch": "no_colon"}, UsageError, r"package\.module:factory"),
        ({"arch": "users_nowhere.net:build"}, InputError, r"no module 'users_nowhere'.*installed"),
        ({"module": "absent"}, InputError, r"no module '.*\.absent'"),
        ({"module": "needs"}, InputError, r"needs\.py:1: .*a_package_that_is_not_there"),
        ({"module": "garbled"}, InputError, r"garbled\.py:1: .*SyntaxError"),
        ({"factory": "biuld"}, UnknownName, r"unknown factory.*build"),
        ({"factory": "not_callable"}, UsageError, r"is a int"),
        ({"factory": "number"}, InputError, r"gave a int; expected a torch module"),
        ({"factory": "fails"}, InputError, r"net\.py:\d+: .*ZeroDivisionError: by the user's own hand"),
        ({"factory": "leaves"}, InputError, r"SystemExit: done"),
        ({"factory": "bare"}, TraceError, r"no parameters"),
        ({"arch_args": {"wdith": 3}}, InputError, r"^--arch .*TypeError.*wdith"),
        ({"factory": "broken"}, TraceError, r"net\.py:\d+: .*KeyError: 'no such layer'"),
        ({"factory": "counting"}, TraceError, r"float|sum"),
        ({"shape": (1, 8, 8)}, TraceError, r"RuntimeError.*--input.*--layout TBX"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    of: Callable[..., Foreign], change: dict[str, Any], kind: type[SpikecError], words: str
) -> None:
    with pytest.raises(kind, match=words) as error:
        trace_module(of(**change))
    lines = str(error.value).splitlines()
    assert len(lines) == 1 or lines[0].endswith(f"{len(lines) - 1} reasons:")


def test_the_search_path_is_put_back(of: Callable[..., Foreign]) -> None:
    before = list(sys.path)
    with pytest.raises(InputError):
        trace_module(of("fails"))
    assert sys.path == before


def test_weights_of_another_network_name_what_differs(of: Callable[..., Foreign], tmp_path: Path) -> None:
    trace_module(of())
    state = state_of(of(), width=6)
    torch.save({**state, "extra": torch.zeros(1)}, tmp_path / "sd.pt")
    with pytest.raises(ModelFileError, match=r"lacks: extra.*conv\.weight \[6, 3, 3, 3\] for \[4, 3, 3, 3\]"):
        trace_module(of(weights=tmp_path / "sd.pt"))
    state = state_of(of())
    del state["bn.running_mean"]
    torch.save(state, tmp_path / "sd.pt")
    with pytest.raises(ModelFileError, match=r"1 missing: bn\.running_mean"):
        trace_module(of(weights=tmp_path / "sd.pt"))
    torch.save({f"module.{name}": tensor for name, tensor in state_of(of()).items()}, tmp_path / "sd.pt")
    with pytest.raises(ModelFileError, match="DataParallel"):
        trace_module(of(weights=tmp_path / "sd.pt"))


def test_nan_weights_are_refused(of: Callable[..., Foreign], tmp_path: Path) -> None:
    trace_module(of())
    state = state_of(of())
    state["head.bias"][0] = float("nan")
    torch.save(state, tmp_path / "sd.pt")
    with pytest.raises(SpikecError, match=r"head\.bias"):
        trace_module(of(weights=tmp_path / "sd.pt"))


def test_files_that_are_no_weights_are_refused(of: Callable[..., Foreign], tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("no weights")
    torch.save({"epoch": 3}, tmp_path / "other.pt")
    for name in ("absent.pt", "empty.pt", "text.pt", "other.pt", "."):
        with pytest.raises(ModelFileError, match="state dict"):
            trace_module(of(weights=tmp_path / name))


class Payload:
    """Runs code when it is unpickled by a reader that allows it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_pickled_module_is_refused_and_not_executed(of: Callable[..., Foreign], tmp_path: Path) -> None:
    torch.save(Payload(tmp_path / "ran"), tmp_path / "pickled.pt")
    with pytest.raises(ModelFileError, match="refused without executing it"):
        trace_module(of(weights=tmp_path / "pickled.pt"))
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "pickled.pt", weights_only=False)
    assert (tmp_path / "ran").exists()  # the payload is live
