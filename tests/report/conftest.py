"""A report of a digits Spikformer as an estimate gives it, and a study beside it; no network is run."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikec.cost import SCHEMA_VERSION, Policy, Report
from spikec.report.view import StudyRow, StudyView, TestResult

STEPS, TOKENS, WIDTH, HIDDEN = 4, 16, 48, 144
AC_PJ, MAC_PJ = 0.9, 4.6
SAMPLES = 256
TERMS = [
    {"name": name, "count": name, "energy_pj": price, "low_pj": None, "high_pj": None, "evidence": "derived"}
    for name, price in (("ac", AC_PJ), ("mac", MAC_PJ))
]


class Nodes:
    """Collects nodes as a report holds them."""

    def __init__(self):
        self.nodes = []

    def add(self, op, scope, rate=None, ac=0.0, mac=0.0, **counts):
        energy = {"ac": ac * AC_PJ, "mac": mac * MAC_PJ} if ac or mac else {}
        kinds = {"ac": ac, "mac": mac, **counts}
        self.nodes.append(
            {
                "name": f"{scope}.{op}{len(self.nodes)}".lstrip("."),
                "scope": scope,
                "op": op,
                "rate": rate,
                "counts": {kind: value for kind, value in kinds.items() if value},
                "energy_pj": {term: pj for term, pj in energy.items() if pj},
            }
        )

    def synaptic(self, op, scope, rate, macs):
        self.add(op, scope, rate, ac=rate * STEPS * macs)

    def neurons(self, scope, rate, elements):
        self.add("lif", scope, rate, neuron_update=float(STEPS * elements))


def digits_nodes(depth=2, width=WIDTH):
    """Nodes of a Spikformer on 8x8 digits: three stem convs, RPE, blocks, head."""
    nodes = Nodes()
    draw = np.random.default_rng(0)
    nodes.add("input", "")
    nodes.add("conv2d", "patch_embed.proj_conv", mac=64.0 * 9 * width / 4)
    nodes.add("repeat", "patch_embed")
    nodes.neurons("patch_embed.proj_lif", 0.213, 64 * width // 4)
    nodes.synaptic("conv2d", "patch_embed.proj_conv1", 0.213, 64 * 9 * width**2 / 8)
    nodes.neurons("patch_embed.proj_lif1", 0.164, 64 * width // 2)
    nodes.add("maxpool", "patch_embed.maxpool")
    nodes.synaptic("conv2d", "patch_embed.proj_conv2", 0.381, 16 * 9 * width**2 / 2)
    nodes.neurons("patch_embed.proj_lif2", 0.197, 16 * width)
    nodes.synaptic("conv2d", "patch_embed.rpe_conv", 0.197, 16 * 9 * width**2)
    nodes.neurons("patch_embed.rpe_lif", 0.142, 16 * width)
    nodes.add("add", "patch_embed", residual_add=float(STEPS * 16 * width))
    nodes.add("flatten", "patch_embed")
    nodes.add("transpose", "patch_embed")
    for block in range(depth):
        add_block(nodes, f"block.{block}", width, draw)
    nodes.add("mean", "", residual_add=float(STEPS * TOKENS * width))
    nodes.add("timemean", "")
    nodes.add("linear", "head", mac=10.0 * width, bias_add=10.0)
    nodes.add("output", "")
    return nodes.nodes


def add_block(nodes, scope, width, draw):
    """Attention and MLP of one block, with rates drawn near to measured ones."""
    stream = 0.4 + 0.2 * draw.random()
    for part in "qkv":
        nodes.synaptic("linear", f"{scope}.attn.{part}_linear", stream, TOKENS * width**2)
        nodes.neurons(f"{scope}.attn.{part}_lif", 0.02 + 0.1 * draw.random(), TOKENS * width)
        nodes.add("reshape", f"{scope}.attn")
        nodes.add("transpose", f"{scope}.attn")
    nodes.synaptic("matmul", f"{scope}.attn", 0.011, TOKENS**2 * width)
    nodes.synaptic("matmul", f"{scope}.attn", 0.023, TOKENS**2 * width)
    nodes.add("scale", f"{scope}.attn")
    nodes.neurons(f"{scope}.attn.attn_lif", 0.031, TOKENS * width)
    nodes.synaptic("linear", f"{scope}.attn.proj_linear", 0.031, TOKENS * width**2)
    nodes.neurons(f"{scope}.attn.proj_lif", 0.118, TOKENS * width)
    nodes.add("add", scope, residual_add=float(STEPS * TOKENS * width))
    nodes.synaptic("linear", f"{scope}.mlp.fc1_linear", stream + 0.1, TOKENS * width * HIDDEN)
    nodes.neurons(f"{scope}.mlp.fc1_lif", 0.074, TOKENS * HIDDEN)
    nodes.synaptic("linear", f"{scope}.mlp.fc2_linear", 0.074, TOKENS * width * HIDDEN)
    nodes.neurons(f"{scope}.mlp.fc2_lif", 0.133, TOKENS * width)
    nodes.add("add", scope, residual_add=float(STEPS * TOKENS * width))


def make_report(nodes, **changes):
    """The report of these nodes on 45nm, its totals summed from them."""
    total = math.fsum(pj for node in nodes for pj in node["energy_pj"].values())
    kinds = sorted({kind for node in nodes for kind in node["counts"]})
    counts = {kind: math.fsum(node["counts"].get(kind, 0.0) for node in nodes) for kind in kinds}
    dense = math.fsum(
        node["counts"].get("mac", 0.0) + node["counts"].get("ac", 0.0) / ((node["rate"] or 1.0) * STEPS)
        for node in nodes
    )
    policy = {name: values[0] for name, values in Policy.choices().items()}
    fields = {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": "digits-winner", "parameters": 96_346, "graph_sha256": "5ab1e0" * 10 + "5ab1"},
        "priced_graph_sha256": "c0ffee" * 10 + "c0ff",
        "passes": ("fold-batchnorm", "hoist-repeat"),
        "steps": STEPS,
        "hardware": {"name": "45nm", "node": "45 nm", "sha256": "0d15ea5e" * 8, "evidence": "derived", "terms": TERMS},
        "policy": {**policy, "name": ""},
        "data": {"spec": "calibration batch of winner.pt", "samples": SAMPLES, "seed": 0},
        "nodes": tuple(nodes),
        "totals": {
            "energy_pj": total,
            "energy_pj_se": total * 0.0042,
            "energy_pj_low": None,
            "energy_pj_high": None,
            "counts": counts,
            "latency_ns": None,
        },
        "ann": {"energy_pj": dense * MAC_PJ, "macs": dense},
        "left_out": {kind: counts[kind] for kind in kinds if kind not in ("ac", "mac")},
        "assumptions": ("energy is arithmetic alone: no memory, no network, no neuron update",),
    }
    return Report(**{**fields, **changes})


@pytest.fixture(name="make_report")
def make_report_fixture():
    return make_report


@pytest.fixture
def digits_report():
    return make_report(digits_nodes())


@pytest.fixture
def deep_report():
    """Eight blocks of width 384 under a long module path."""
    nodes = digits_nodes(depth=8, width=384)
    longer = [{**node, **{key: f"backbone.encoder.{node[key]}" for key in ("name", "scope")}} for node in nodes]
    return make_report(longer)


@pytest.fixture
def small_report():
    """Seven nodes, one of them dead, one changed field of the policy, bounds and a latency."""
    nodes = Nodes()
    nodes.add("conv2d", "stem.conv", mac=4608.0)
    nodes.neurons("stem.lif", 0.25, 64)
    nodes.add("reshape", "")
    nodes.synaptic("linear", "blocks.0.attn.q_linear", 0.25, 1024.0)
    nodes.synaptic("matmul", "blocks.0.attn", 0.003, 40.0)
    nodes.synaptic("matmul", "blocks.0.attn", 0.5, 256.0)
    nodes.nodes.append(
        {
            "name": "dead",
            "scope": "blocks.0.mlp.fc1_linear",
            "op": "linear",
            "rate": 0.0,
            "counts": {"ac": 0.0},
            "energy_pj": {"ac": 0.0},
        }
    )
    nodes.add("linear", "head", mac=160.0, bias_add=10.0)
    report = make_report(nodes.nodes)
    total = report.energy_pj
    totals = {**report.totals, "energy_pj_low": total, "energy_pj_high": 1.5 * total, "latency_ns": 12_500.0}
    policy = {**report.policy, "multibit": "mac"}
    return make_report(nodes.nodes, totals=totals, policy=policy)


def mapping_facts():
    """Two layers on five cores of two chips, 2 x 1 tiles of two cores each, with a run."""
    return json.loads(Path(__file__).with_name("mapping.json").read_text("utf-8"))


@pytest.fixture
def mapped_report(small_report):
    """The small report, mapped."""
    return replace(small_report, mapping=mapping_facts())


@pytest.fixture
def unpriced_report(mapped_report):
    """The same without data: no energies, no run, cores one after the other."""
    facts = mapping_facts()
    for key in ("core_energy_pj", "core_counts", "links", "latency"):
        del facts[key]
    facts["layers"] = [{**layer, "energy_pj": None} for layer in facts["layers"]]
    facts["placement"] = {"method": "contiguous"}
    bare = {"rate": None, "counts": {}, "energy_pj": None, "energy_pj_low": None, "energy_pj_high": None}
    nodes = tuple({**node, **bare} for node in mapped_report.nodes)
    totals = {**dict.fromkeys(mapped_report.totals), "counts": {}}
    hardware = {**mapped_report.hardware, "evidence": None}
    return replace(mapped_report, mapping=facts, nodes=nodes, totals=totals, hardware=hardware, left_out={})


@pytest.fixture
def misfit_report(unpriced_report):
    """A layer of it fits nowhere: it has no places."""
    facts = dict(unpriced_report.mapping)
    del facts["places"], facts["board"], facts["placement"]
    gone = {"cores": None, "binding_limit": "synapse_words", "utilisation": {}}
    layers = [facts["layers"][0], {**facts["layers"][1], **gone}]
    del layers[1]["first_core"], layers[1]["parts"]
    misfit = {"scope": "blocks.0.attn.q_lif", "node": "q", "limit": "synapse_words", "needed": 65536}
    misfit |= {"available": 12000, "mends": ["at most 900 inputs", "another chip: one of 65,536 synapse words"]}
    return replace(unpriced_report, mapping={**facts, "fits": False, "layers": layers, "misfits": [misfit], "cores": 4})


def genome(draw):
    depth = int(draw.integers(1, 4))
    blocks = [
        f"heads={draw.choice([2, 4])} ratio={draw.choice([2, 3, 4])} tau={draw.choice([1.25, 2.0, 4.0])}"
        f" threshold={draw.choice([0.6, 0.8, 1.0, 1.2])}"
        for _ in range(depth)
    ]
    globals_ = f"depth={depth} steps={draw.integers(1, 5)} width={draw.choice([32, 48, 64])}"
    return " | ".join([globals_, *blocks])


def study_rows(kind, count, draw, lift):
    rows = []
    for number in range(count):
        energy_pj = float(10 ** draw.uniform(4.9, 6.9))
        best = 0.985 - 0.35 * np.exp(-(np.log10(energy_pj) - 4.7) / 0.28)
        accuracy = best - lift * draw.exponential(0.05)
        accuracy = round(max(0.12, accuracy) * 360) / 360
        rows.append(StudyRow(number, genome(draw), float(accuracy), energy_pj, kind))
    return rows


def with_front(rows, floor):
    """The rows with the front marked, twelve finalists scored, and a winner chosen among them."""
    best, front = 0.0, []
    for row in sorted(rows, key=lambda r: (r.energy_pj, -r.accuracy)):
        if row.accuracy > best and row.accuracy >= floor:
            front.append(row.number)
        best = max(best, row.accuracy)
    finals = {n: rows[n].accuracy - 0.006 for n in front[-9:]}
    least = max(finals.values()) - 0.005
    winner = min((n for n in finals if finals[n] >= least), key=lambda n: rows[n].energy_pj)
    return tuple(
        StudyRow(
            r.number,
            r.genome,
            r.accuracy,
            r.energy_pj,
            r.kind,
            final_accuracy=finals.get(r.number),
            final_energy_pj=r.energy_pj * 1.02 if r.number in finals else None,
            on_front=r.number in front,
            winner=r.number == winner,
        )
        for r in rows
    )


@pytest.fixture
def study_view():
    """160 trials of a search, 160 at random, with a front, finalists and a winner."""
    draw = np.random.default_rng(1)
    searched = with_front(study_rows("search", 160, draw, 0.5), 0.5)
    drawn = study_rows("random", 160, draw, 1.5)
    chosen = next(row for row in searched if row.winner)
    return StudyView(
        space="digits",
        method="nsga2",
        hardware="45nm",
        data="digits",
        seed=0,
        split=0,
        steps=(1, 4),
        rows=(*searched, *drawn),
        winner_rule="least energy within 0.5 points of the best re-scored finalist",
        accuracy_floor=0.5,
        reference=(0.5, 1.2e7),
        hypervolume=0.8123,
        random_hypervolume=0.7711,
        tests=(
            TestResult("winner", 0.9778, chosen.energy_pj),
            TestResult("largest subnet", 0.9833, 5.1e6),
        ),
        paired_test="-0.56 points on 360 samples (only the first right: 2, only the second: 4; exact McNemar"
        " p = 0.688)",
        config={"method": "nsga2", "seed": 0, "options": {"population": 16}, "run": {"trials": 160}},
        fingerprints={"space": "ab" * 32, "data": "cd" * 32, "hardware": "ef" * 32, "torch": "2.13.0"},
        next_commands=("spikec estimate runs/demo/winners/0.pt --hw 45nm",),
    )
