import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.errors import SpaceError
from spikec.search.genome import Genes, Genome

numbers = st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False)
genes = st.dictionaries(st.text(max_size=6).filter(lambda name: name != "depth"), numbers, max_size=4)
genomes = st.builds(
    lambda globals_, blocks: Genome({**globals_, "depth": len(blocks)}, blocks), genes, st.lists(genes, max_size=4)
)


@given(genomes)
def test_json_and_pickle_give_the_same_genome_back(genome):
    for back in (Genome.from_json(genome.to_json()), pickle.loads(pickle.dumps(genome))):
        assert back == genome
        assert hash(back) == hash(genome)
        assert back.to_json() == genome.to_json()


def test_json_is_canonical_whatever_the_order():
    one = Genome({"width": 8, "depth": 1}, [{"tau": 2.0, "ratio": 3}])
    other = Genome({"depth": 1, "width": 8}, [{"ratio": 3, "tau": 2.0}])
    assert one == other
    assert len({one, other}) == 1
    assert one.to_json() == '{"blocks":[{"ratio":3,"tau":2.0}],"globals":{"depth":1,"width":8}}' == other.to_json()


def test_text_is_one_readable_line():
    genome = Genome({"width": 8, "depth": 2}, [{"tau": 2.0, "ratio": 3}, {"tau": 4.0, "ratio": 2}])
    assert str(genome) == "depth=2 width=8 | ratio=3 tau=2.0 | ratio=2 tau=4.0"


def test_is_frozen_and_deaf_to_later_changes_of_what_it_was_made_from():
    block = {"ratio": 3}
    genome = Genome({"depth": 1}, [block])
    block["ratio"] = 4
    assert genome.blocks[0]["ratio"] == 3
    with pytest.raises(AttributeError):
        genome.blocks = ()
    with pytest.raises(TypeError):
        genome.blocks[0]["ratio"] = 4
    assert genome.blocks[0] == Genes({"ratio": 3}) == {"ratio": 3}


def test_different_genes_are_different_genomes():
    assert Genome({"depth": 1}, [{"ratio": 3}]) != Genome({"depth": 1}, [{"ratio": 4}])
    assert Genome({"depth": 1, "width": 8}, [{}]) != Genome({"depth": 1, "width": 9}, [{}])


@pytest.mark.parametrize("globals_", [{}, {"depth": 2}, {"depth": 0}])
def test_depth_has_to_be_the_number_of_blocks(globals_):
    with pytest.raises(SpaceError, match="1 blocks"):
        Genome(globals_, [{"ratio": 3}])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"globals":{"depth":0}}',
        '{"globals":{"depth":0},"blocks":{}}',
        '{"globals":{"depth":1},"blocks":[3]}',
        '{"globals":{"depth":1},"blocks":[{"ratio":"3"}]}',
        '{"globals":{"depth":true},"blocks":[{}]}',
        '{"globals":{"depth":1},"blocks":[{}],"more":1}',
    ],
)
def test_what_is_no_genome_is_refused(text):
    with pytest.raises(SpaceError):
        Genome.from_json(text)


def test_numbers_stay_what_they_are():
    plain = json.loads(Genome({"depth": 1}, [{"ratio": 3, "tau": 2.0}]).to_json())
    assert type(plain["blocks"][0]["ratio"]) is int
    assert type(plain["blocks"][0]["tau"]) is float
    with pytest.raises(ValueError, match="JSON compliant"):
        Genome({"depth": 1}, [{"tau": np.nan}]).to_json()
