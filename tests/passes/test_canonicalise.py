"""canonicalise: text before and after, the same bits, and what it leaves alone."""

import pytest

from passes.canonicalise import Canonicalise

NEURON = {"tau": 2.0, "vth": 0.5}
HEADER = "graph(%x: spike step [2,3,4], %z: spike step [2,3,4]) steps 3"
LIF = "%q = lif(%y; tau=tau, v_threshold=vth)"

CASES = {
    "identities": (
        """
        %a = reshape(%x) {shape=(2, 3, 4)}
        %b = transpose(%a) {axes=(0, 1, 2)}
        %y = scale(%b)
        """,
        ["%q = lif(%x; tau=tau, v_threshold=vth)"],
    ),
    "reshapes": (
        """
        %a = reshape(%x) {shape=(6, 4)}
        %b = reshape(%a) {shape=(24,)}
        %y = reshape(%b) {shape=(4, 6)}
        """,
        ["%y = reshape(%x) {shape=(4, 6)}", LIF],
    ),
    "reshapes there and back": (
        "%a = reshape(%x) {shape=(6, 4)}\n %y = reshape(%a) {shape=(2, 3, 4)}",
        ["%q = lif(%x; tau=tau, v_threshold=vth)"],
    ),
    "transposes": (
        "%a = transpose(%x) {axes=(1, 2, 0)}\n %y = transpose(%a) {axes=(1, 0, 2)}",
        ["%y = transpose(%x) {axes=(2, 1, 0)}", LIF],
    ),
    "transposes there and back": (
        "%a = transpose(%x) {axes=(1, 2, 0)}\n %y = transpose(%a) {axes=(2, 0, 1)}",
        ["%q = lif(%x; tau=tau, v_threshold=vth)"],
    ),
    "a transpose into each operand": (
        """
        %a = transpose(%x) {axes=(0, 2, 1)}
        %b = transpose(%z) {axes=(0, 2, 1)}
        %c = matmul(%a, %b) {transpose_a=True}
        %d = matmul(%a, %z)
        %y = matmul(%c, %c)
        """,
        [
            "%c = matmul(%x, %z) {transpose_b=True}",
            "%d = matmul(%x, %z) {transpose_a=True}",
            "%y = matmul(%c, %c)",
            LIF,
        ],
    ),
    "a swap behind another transpose": (
        """
        %a = transpose(%x) {axes=(1, 0, 2)}
        %b = transpose(%a) {axes=(0, 2, 1)}
        %c = transpose(%z) {axes=(1, 0, 2)}
        %y = matmul(%c, %b)
        """,
        [
            "%a = transpose(%x) {axes=(1, 0, 2)}",
            "%c = transpose(%z) {axes=(1, 0, 2)}",
            "%y = matmul(%c, %a) {transpose_b=True}",
            LIF,
        ],
    ),
    "two transposes that make a swap": (
        """
        %a = transpose(%x) {axes=(1, 2, 0)}
        %b = transpose(%a) {axes=(2, 1, 0)}
        %y = matmul(%b, %z)
        """,
        ["%y = matmul(%x, %z) {transpose_a=True}", LIF],
    ),
    "a swap that an add takes as well": (
        """
        %a = transpose(%x) {axes=(0, 2, 1)}
        %b = matmul(%a, %z)
        %c = add(%a, %a)
        %y = matmul(%b, %c)
        """,
        [
            "%a = transpose(%x) {axes=(0, 2, 1)}",
            "%b = matmul(%x, %z) {transpose_a=True}",
            "%c = add(%a, %a)",
            "%y = matmul(%b, %c)",
            LIF,
        ],
    ),
    "moves of nothing": (
        """
        %a = expand(%x) {shape=(2, 3, 4)}
        %b = slice(%a) {axis=1, stop=3}
        %c = pad(%b) {before=(0, 0, 0), after=(0, 0, 0)}
        %y = upsample(%c) {factors=(1, 1)}
        """,
        ["%q = lif(%x; tau=tau, v_threshold=vth)"],
    ),
    "a step that finds one element": (
        "%a = slice(%x) {axis=1, stop=1}\n %y = slice(%a) {axis=1, stop=1, step=2}",
        ["%a = slice(%x) {axis=1}", "%q = lif(%a; tau=tau, v_threshold=vth)"],
    ),
    "pieces put together again": (
        """
        %a = slice(%x) {axis=2, stop=1}
        %b = slice(%x) {axis=2, start=1, stop=3}
        %c = slice(%x) {axis=2, start=3, stop=4}
        %d = concat(%a, %b, %c) {axis=2}
        %y = add(%d, %z)
        """,
        ["%y = add(%x, %z)", LIF],
    ),
    "one of the pieces is taken beside": (
        """
        %a = slice(%x) {axis=0, stop=1}
        %b = slice(%x) {axis=0, start=1, stop=2}
        %c = concat(%a, %b)
        %d = concat(%b, %a)
        %y = add(%c, %d)
        """,
        [
            "%a = slice(%x)",
            "%b = slice(%x) {start=1, stop=2}",
            "%d = concat(%b, %a)",
            "%y = add(%x, %d)",
            LIF,
        ],
    ),
    "a piece of what was put together": (
        """
        %a = concat(%x, %z) {axis=1}
        %b = slice(%a) {axis=1, start=3, stop=6}
        %c = slice(%a) {axis=1, stop=3}
        %y = add(%b, %c)
        """,
        ["%y = add(%z, %x)", LIF],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rewrites(case, make_graph, assert_same):
    lines, expected = CASES[case]
    before = make_graph(f"{HEADER}\n{lines}\n{LIF}\nreturn %q", **NEURON)
    after = Canonicalise()(before)
    assert after.text().splitlines() == [HEADER, *expected, "return %q"]
    assert_same(before, after, exact=True)
    assert Canonicalise()(after) is after


def test_an_output_follows_what_equals_it(make_graph, assert_same):
    before = make_graph(
        f"{HEADER}\n {LIF.replace('%y', '%x')}\n %r = reshape(%q) {{shape=(2, 3, 4)}}\n return %r, %q", **NEURON
    )
    after = Canonicalise()(before)
    assert after.outputs == ("q", "q")
    assert_same(before, after, exact=True)


def test_a_merged_move_that_is_an_output_stays(make_graph, assert_same):
    lines = "%a = reshape(%x) {shape=(6, 4)}\n %y = reshape(%a) {shape=(24,)}"
    before = make_graph(f"{HEADER}\n{lines}\n{LIF}\nreturn %q, %a", **NEURON)
    after = Canonicalise()(before)
    assert [node.name for node in after.nodes] == ["a", "y", "q"]
    assert after.node("y").inputs == ("x",)
    assert_same(before, after, exact=True)
    assert Canonicalise()(after) is after


def test_a_swap_that_is_an_output_ends_up_merged(make_graph, assert_same):
    lines = """
        %a = transpose(%x) {axes=(1, 0, 2)}
        %b = transpose(%a) {axes=(0, 2, 1)}
        %c = transpose(%z) {axes=(1, 0, 2)}
        %y = matmul(%c, %b)
        """
    before = make_graph(f"{HEADER}\n{lines}\n{LIF}\nreturn %q, %b", **NEURON)
    after = Canonicalise()(before)
    assert after.text().splitlines() == [
        HEADER,
        "%a = transpose(%x) {axes=(1, 0, 2)}",
        "%b = transpose(%x) {axes=(1, 2, 0)}",
        "%c = transpose(%z) {axes=(1, 0, 2)}",
        "%y = matmul(%c, %a) {transpose_b=True}",
        LIF,
        "return %q, %b",
    ]
    assert_same(before, after, exact=True)
    assert Canonicalise()(after) is after


def test_what_reached_no_output_before_is_not_its_business(make_graph):
    graph = make_graph(f"{HEADER}\n%dead = reshape(%x) {{shape=(24,)}}\n{LIF.replace('%y', '%x')}\nreturn %q", **NEURON)
    assert Canonicalise()(graph) is graph
    lines = "%dead = reshape(%x) {shape=(24,)}\n%y = scale(%x)"
    after = Canonicalise()(make_graph(f"{HEADER}\n{lines}\n{LIF}\nreturn %q", **NEURON))
    assert [node.name for node in after.nodes] == ["dead", "q"]


def test_a_move_that_only_a_delay_takes_stays(make_graph):
    graph = make_graph(
        """
        graph(%x: spike step [4]) steps 3
        %d = delay(%r; steps=one) : spike step [2,2]
        %e = reshape(%d) {shape=(4,)}
        %y = add(%x, %e)
        %q = lif(%y; tau=tau, v_threshold=vth)
        %i = scale(%q)
        %r = reshape(%i) {shape=(2, 2)}
        return %i
        """,
        one=1.0,
        **NEURON,
    )
    after = Canonicalise()(graph)
    assert [node.name for node in after.nodes] == ["d", "e", "y", "q", "r"]
    assert after.node("r").inputs == after.outputs == ("q",)
    assert Canonicalise()(after) is after


def test_a_delay_follows_a_value_that_is_removed_after_it(make_graph):
    graph = make_graph(
        """
        graph(%x: spike step [4]) steps 3
        %d = delay(%r; steps=one) : spike step [4]
        %y = add(%x, %d)
        %q = lif(%y; tau=tau, v_threshold=vth)
        %r = reshape(%q) {shape=(4,)}
        return %q
        """,
        one=1.0,
        **NEURON,
    )
    after = Canonicalise()(graph)
    assert after.node("d").inputs == ("q",)
    assert Canonicalise()(after) is after


def test_the_spikformers_key_is_read_transposed(spikformer, assert_same):
    after = Canonicalise()(spikformer)
    assert len(after.nodes) == len(spikformer.nodes) - 1
    product = after.node("blocks.0.attn.matmul")
    assert product.inputs == ("blocks.0.attn.transpose", "blocks.0.attn.transpose_1")
    assert product.op.transpose_b
    assert_same(spikformer, after, exact=True)
    assert Canonicalise()(after) is after


LEFT_ALONE = {
    "a reshape": "%y = reshape(%x) {shape=(6, 4)}",
    "transposes of other axes": """
        %a = transpose(%x) {axes=(1, 0, 2)}
        %b = transpose(%z) {axes=(1, 2, 0)}
        %y = matmul(%a, %b)
        """,
    "a cycle of three axes": """
        %a = transpose(%x) {axes=(2, 0, 1)}
        %b = transpose(%z) {axes=(2, 1, 0)}
        %y = matmul(%a, %b)
        """,
    "a reshape of a transpose": "%a = transpose(%x) {axes=(0, 2, 1)}\n %y = reshape(%a) {shape=(2, 3, 4)}",
    "a scale": "%y = scale(%x) {factor=2.0}",
    "a change of sign": "%y = scale(%x) {factor=-1.0}",
    "moves of something": """
        %a = expand(%s) {shape=(2, 3, 4)}
        %b = slice(%a) {axis=1, start=1, stop=3}
        %c = pad(%b) {before=(0, 1, 0), after=(0, 0, 0)}
        %y = upsample(%c) {factors=(1, 2)}
        """,
    "pieces in another order": """
        %a = slice(%x) {axis=2, stop=2}
        %b = slice(%x) {axis=2, start=2, stop=4}
        %y = concat(%b, %a) {axis=2}
        """,
    "pieces along another axis": """
        %a = slice(%x) {axis=1, stop=1}
        %b = slice(%x) {axis=1, start=1, stop=2}
        %y = concat(%a, %b) {axis=2}
        """,
    "pieces with a gap": """
        %a = slice(%x) {axis=2, stop=2}
        %b = slice(%x) {axis=2, start=3, stop=4}
        %y = concat(%a, %b) {axis=2}
        """,
    "pieces that are not all": """
        %a = slice(%x) {axis=2, stop=1}
        %b = slice(%x) {axis=2, start=1, stop=3}
        %y = concat(%a, %b) {axis=2}
        """,
    "pieces of two values": """
        %a = slice(%x) {axis=2, stop=2}
        %b = slice(%z) {axis=2, start=2, stop=4}
        %y = concat(%a, %b) {axis=2}
        """,
    "every second element": """
        %a = slice(%x) {axis=2, stop=3, step=2}
        %b = slice(%x) {axis=2, start=3, stop=4}
        %y = concat(%a, %b) {axis=2}
        """,
    "a piece across the seam": "%a = concat(%x, %z) {axis=1}\n %y = slice(%a) {axis=1, start=2, stop=5}",
    "every second element of an operand": "%a = concat(%x, %z) {axis=1}\n %y = slice(%a) {axis=1, stop=3, step=2}",
    "a piece along another axis": "%a = concat(%x, %z) {axis=1}\n %y = slice(%a) {axis=2, stop=3}",
    "an operand of a narrower domain": """
        %w = add(%z, %z)
        %a = concat(%x, %w) {axis=1}
        %y = slice(%a) {axis=1, stop=3}
        """,
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_alone(case, make_graph):
    header = HEADER.replace("%z:", "%s: spike step [2,3,1], %z:")
    graph = make_graph(f"{header}\n{LEFT_ALONE[case]}\n{LIF}\nreturn %q", **NEURON)
    assert Canonicalise()(graph) is graph
