"""What an access costs by the memory's size, under both readings, and what a file may say of memories."""

from dataclasses import replace

import numpy as np
import pytest

from hwmodels.memory import MemoryModel
from hwmodels.registry import CHIPS, load
from hwmodels.sram import READINGS, access_term
from hwmodels.totals import total_bounds_pj
from spikec.cost import Evidence, Policy, Rates
from spikec.errors import HardwareFileError
from spikec.ir.arithmetic import Add, MatMul
from spikec.ir.builder import GraphBuilder
from spikec.ir.linear import Linear
from spikec.ir.time import Delay
from spikec.ir.types import SPIKE, TensorType

GOOD = (CHIPS / "45nm-memory.toml").read_text(encoding="utf-8")
CHIP = load("45nm-memory")
TABLE = Policy(counting="rate")


def pj(reading, size_bytes):
    return READINGS[reading].price(CHIP.memory, size_bytes)


def wide(size=600):
    builder = GraphBuilder(1)
    x = builder.input("x", TensorType((size,), SPIKE))
    y = builder.add(Linear(), x, scope="wide", weights={"weight": np.ones((size, size), np.float32)})
    return builder.graph(builder.add(Add(), y, y))


def priced(chip, graph, policy=TABLE):
    (linear,) = graph.nodes_of(Linear)
    return chip.price(graph, Rates({(linear.name, 0): 0.5}, 1), policy)


def edited(tmp_path, old, new):
    assert GOOD.count(old) >= 1
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("kib", "energy"), [(0, 0), (4, 5), (8, 10), (20, 15), (32, 20), (528, 60), (1024, 100), (4096, 100)]
)
def test_straight_lines_lead_through_horowitz_sizes_from_nothing_and_no_higher(kib, energy):
    assert pj("piecewise", kib * 1024) == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize(("bits", "energy"), [(0, 13.2), (8e6, 100.4), (8e7, 885.2)])
def test_one_line_never_falls_below_13_pj_and_never_ends(bits, energy):
    assert pj("line", bits / 8) == pytest.approx(energy, rel=1e-12)


def test_the_line_is_least_squares_over_horowitz_sizes_of_1000_bytes():
    slope, at_zero = np.polyfit([8e3 * 8, 32e3 * 8, 1e6 * 8], [10, 20, 100], 1)
    assert (round(slope, 7), round(at_zero, 1)) == CHIP.memory.line[::-1]


def test_a_price_says_the_size_of_its_memory_and_its_source():
    term = access_term("read_weight", "read_weight", CHIP.memory, "piecewise", 2048)
    assert (term.energy_pj, term.note, term.evidence) == (10, "of a memory of 8,192 bytes", Evidence.ASSUMED)
    assert "Horowitz" in term.source
    assert term.high_pj is None


def test_a_memory_beyond_the_largest_is_bounded_by_dram():
    wide_costs = priced(CHIP, wide())
    read = wide_costs[0].energy_pj["read_weight"]
    assert read == 300 * 600 * 100
    others = sum(wide_costs[0].energy_pj.values()) - read
    low, high = total_bounds_pj(wide_costs, 1)
    assert low is None
    assert high == pytest.approx(300 * 600 * 2600 + others, rel=1e-12)
    assert priced(CHIP, wide(500))[0].high_pj is None
    said = " ".join(CHIP.assumptions(wide(), TABLE))
    assert "read_weight of 1,440,000 bytes" in said
    assert "DRAM's 2600 pJ" in said
    assert "DRAM" not in " ".join(CHIP.assumptions(wide(500), TABLE))


def test_two_values_an_access_halve_the_prices_of_accesses_alone(tmp_path):
    packed = load(edited(tmp_path, 'value = 1\nunit = "values an access"', 'value = 2\nunit = "values an access"'))
    whole, half = (priced(chip, wide(500))[0].energy_pj for chip in (CHIP, packed))
    assert half == pytest.approx({term: pj / (1 if term in ("ac", "address_ac") else 2) for term, pj in whole.items()})
    assert "one of 2 in an access" in packed.assumptions(wide(), TABLE)[1]


def test_the_report_says_what_is_assumed_and_left_out():
    said = CHIP.assumptions(wide(500), TABLE)
    assert "each value of 32 bits that is read or written is an access of its own" in said[1]
    assert "no reuse" in said[1]
    assert "'piecewise'" in said[2]
    assert said[-1].endswith("which are left out: add (1)")
    assert "13.2 pJ" in CHIP.assumptions(wide(500), replace(TABLE, memory="line"))[2]


def test_every_price_of_a_node_is_among_the_chips():
    graph = wide(500)
    prices = {(term.name, term.energy_pj) for term in CHIP.prices(graph, TABLE)}
    for cost in priced(CHIP, graph):
        for term, energy in cost.energy_pj.items():
            assert any(energy == pytest.approx(cost.counts[term] * price) for name, price in prices if name == term)


def test_a_model_of_a_users_file_is_the_same(tmp_path):
    own = load(edited(tmp_path, 'name = "45nm-memory"', 'name = "own"'))
    assert isinstance(own, MemoryModel)
    assert (own.memory, own.terms) == (CHIP.memory, CHIP.terms)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('unit = "values an access"', 'unit = "values"', "memory.reuse.unit"),
        ("[[memory.sram]]\nsize = 8\n", "[[memory.sram]]\nsize = 64\n", "ascending order"),
        ("high = 2600.0", "high = 26.0", "value <= high"),
        ('size = 8\nunit = "KiB"', 'size = 8\nunit = "kB"', "'byte', 'KiB' or 'MiB'"),
        ("value = 13.2", "value = -13.2", "greater than or equal to 0"),
        ('model = "memory"', 'model = "arithmetic"', "no memory beside the model 'arithmetic'"),
        ('count = "mac"', 'count = "bias_add"', "one term of count ac and one of mac"),
        ("[memory.line.slope]", "[memory.line.slop]", "slop"),
    ],
)
def test_a_bad_table_of_memories_is_named_by_its_key(tmp_path, old, new, words):
    with pytest.raises(HardwareFileError, match=words):
        load(edited(tmp_path, old, new))


def test_a_chip_of_this_model_must_have_memories(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GOOD[: GOOD.index("[memory.word]")], encoding="utf-8")
    with pytest.raises(HardwareFileError, match="memory"):
        load(path)


def test_the_ann_beside_it_pays_for_its_memories_too():
    graph = wide(500)
    sizes = (500, 250_000, 500)
    read_input, read_weight, write_output = (pj("piecewise", 4 * words) for words in sizes)
    arithmetic = 250_000 * 3.2 + 1000 * 0.1
    accesses = 500 * read_input + 250_000 * read_weight + 500 * write_output
    assert CHIP.ann_energy_pj(graph, Policy()) == pytest.approx(arithmetic + accesses, rel=1e-12)


def test_products_of_attention_are_macs_without_accesses_in_the_ann():
    builder = GraphBuilder(1)
    a, b = (builder.input(name, TensorType((4, 6), SPIKE)) for name in "ab")
    graph = builder.graph(builder.add(MatMul(transpose_b=True), a, b))
    assert CHIP.ann_energy_pj(graph, Policy()) == pytest.approx(4 * 6 * 4 * 3.2, rel=1e-12)
    assert CHIP.assumptions(graph, Policy())[-1].endswith("matmul (1)")


def test_a_delay_holds_values_of_which_the_source_says_nothing():
    builder = GraphBuilder(2)
    x = builder.input("x", TensorType((4,), SPIKE))
    graph = builder.graph(builder.add(Delay(), x, weights={"steps": np.int64(1)}))
    assert CHIP.assumptions(graph, Policy())[-1].endswith("delay (1)")
