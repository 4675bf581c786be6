"""What the default search on real digits gives: the acceptance figures on seed and split 0."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.func import functional_call

from cli.main import spikec
from spikec.data import digits
from spikec.model import Model
from spikec.run.interp import Interpreter
from spikec.search import record as records
from spikec.search import spacefile
from spikec.search.genome import Genome
from spikec.snn.checkpoint import load_checkpoint
from spikec.snn.config import config_from_plain
from spikec.snn.supernet import Supernet, recalibrate
from spikec.tasks.networks import network_of
from spikec.tasks.searching import Searched
from spikec.tasks.subnets import config_of

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("digits-search")]


def test_the_winner_is_accurate_at_less_than_half_the_energy(searched: Searched) -> None:
    result = searched.result
    assert result["test"]["winner_accuracy"] >= 0.95
    energies = [result[which]["final"]["energy_pj"] for which in ("winner", "largest")]
    assert energies[0] <= 0.5 * energies[1]
    assert "McNemar" in result["test"]["paired"]["text"]


def test_nsga2_spans_more_than_random_at_equal_trials(searched: Searched) -> None:
    counts = [len(searched.view.of_kind(kind)) for kind in ("search", "random")]
    assert counts[0] == counts[1]
    assert searched.view.hypervolume is not None
    assert searched.view.random_hypervolume is not None
    assert searched.view.hypervolume > searched.view.random_hypervolume


def test_the_winner_is_least_in_energy_within_half_a_point(searched: Searched) -> None:
    finals = {t.number: t.final for t in records.read(searched.folder).trials if t.final is not None}
    best = max(final["accuracy"] for final in finals.values())
    chosen = searched.result["winner"]
    near = [final["energy_pj"] for final in finals.values() if final["accuracy"] >= best - 0.005 - 1e-9]
    assert chosen["final"]["energy_pj"] == min(near)
    assert len(finals) == 12


def test_a_bare_estimate_repeats_the_stored_energy_to_the_last_digit(searched: Searched) -> None:
    result = CliRunner().invoke(spikec, ["estimate", str(searched.winner), "--hw", "45nm", "--format", "json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["totals"]["energy_pj"] == searched.result["winner"]["final"]["energy_pj"]
    keys = {"schema_version", "model", "priced_graph_sha256", "passes", "steps", "hardware", "policy", "data"}
    assert keys | {"nodes", "totals", "ann", "left_out"} <= set(report)
    assert set(report["model"]) == {"name", "parameters", "graph_sha256"}
    totals = {"energy_pj", "energy_pj_se", "energy_pj_low", "energy_pj_high", "counts", "latency_ns"}
    assert totals <= set(report["totals"])
    assert sum(sum(node["energy_pj"].values()) for node in report["nodes"]) == pytest.approx(
        report["totals"]["energy_pj"], rel=1e-12
    )


def test_the_winner_alone_is_the_subnet_inside_the_supernet(searched: Searched, winner: Model) -> None:
    stored = load_checkpoint(searched.folder / "supernet.pt", keys=["config", "model"])
    supernet = Supernet(config_from_plain(stored["config"]), torch.Generator())
    supernet.load_state_dict(stored["model"])
    config = config_of(spacefile.load("digits"), Genome.from_json(searched.result["winner"]["genome"]), 10)
    inside = supernet.subnet(config)
    recalibrate(inside, torch.from_numpy(digits.load(0).train.samples[:512]))
    statistics = {name: value.double() for name, value in inside.named_buffers()}
    slices = supernet.double().slices(inside)
    alone = network_of(winner).double()
    assert alone.config == config
    x = torch.from_numpy(digits.load(0).test.samples[:64]).double()
    with torch.no_grad():
        logits = functional_call(inside.double(), {**slices, **statistics}, (x,))
        assert torch.equal(logits, alone(x))
        (graph_logits,) = Interpreter(torch.float64).run(winner.graph, {"input": x.numpy()}).values()
    assert torch.allclose(graph_logits, logits, rtol=0, atol=1e-9)
    assert len(set(logits.argmax(1).tolist())) > 5


def test_the_page_and_the_plot_show_the_search(searched: Searched) -> None:
    page = (searched.folder / "report.html").read_text()
    assert "spikec estimate" in page
    assert "<svg" in page
    png = (searched.folder / "front.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) > 10_000


@pytest.mark.parametrize("target", [("nir", "--dialect", "extended"), ("lava",)])
def test_the_winner_is_exported_and_proven(
    searched: Searched, tmp_path: Path, target: tuple[str, ...], needs_lava: None
) -> None:
    out = tmp_path / "out"
    words = ["export", str(searched.winner), "--target", *target, "--verify", "-o", str(out)]
    result = CliRunner().invoke(spikec, words)
    assert result.exit_code == 0, result.output
    verdict = json.loads((out / "verdict.json").read_text())
    assert verdict["passed"]
    assert verdict["samples"] >= 16
    assert verdict["spikes_differing"] == 0
    assert all(0 < layer["rate"] < 1 and layer["membrane_difference"] <= 1e-9 for layer in verdict["layers"])
    report = json.loads((out / "report.json").read_text())
    manifest = json.loads((out / "manifest.json").read_text())
    assert report["priced_graph_sha256"] == manifest["graph_sha256"] == verdict["graph_sha256"]


def test_strict_nir_refuses_the_winner_by_name(searched: Searched, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        spikec, ["export", str(searched.winner), "--target", "nir", "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "blocks.0.attn" in result.stderr
    assert "matmul" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_changed_weight_turns_the_verdict(searched: Searched, tmp_path: Path) -> None:
    import h5py

    out = tmp_path / "out"
    words = ["export", str(searched.winner), "--target", "nir", "--dialect", "extended", "-o", str(out)]
    assert CliRunner().invoke(spikec, words).exit_code == 0
    with h5py.File(next(out.glob("*.nir")), "r+") as file:
        found: list[str] = []
        file.visit(lambda name: found.append(name) if name.endswith("fc1_linear/weight") else None)
        weight = file[found[0]]
        values = weight[...]
        values.flat[int(np.abs(values).argmax())] *= 1.001
        weight[...] = values
    result = CliRunner().invoke(spikec, ["verify", str(out)])
    assert result.exit_code == 1
    assert not json.loads((out / "verdict.json").read_text())["passed"]
    assert "fc1" in result.stderr
