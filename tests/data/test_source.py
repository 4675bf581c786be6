"""What --data SPEC means, and what is said of files that hold no samples."""

import os
import pickle
import re

import numpy as np
import pytest

from spikec.data import digits
from spikec.data.source import load
from spikec.errors import DataError, UnknownName


def saved(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "samples.npz"


@pytest.mark.parametrize(
    ("spec", "whole", "split", "part"),
    [
        ("digits", "digits:0:validation", 0, "validation"),
        ("digits:3", "digits:3:validation", 3, "validation"),
        ("digits:1:test", "digits:1:test", 1, "test"),
        ("digits::train", "digits:0:train", 0, "train"),
    ],
)
def test_digits_by_split_and_part(spec, whole, split, part):
    found = load(spec)
    expected = getattr(digits.load(split), part)
    np.testing.assert_array_equal(found.inputs, expected.samples)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.ids, expected.ids)
    assert found.spec == whole
    assert load(whole).spec == whole


@pytest.mark.parametrize("spec", ["digits:x", "digits:-1", "digits:0:all", "digits:0:test:more", "digits:1.5"])
def test_digits_of_no_such_part(spec):
    with pytest.raises(DataError, match="digits:SPLIT"):
        load(spec)


def test_an_unknown_data_set_names_the_nearest():
    with pytest.raises(UnknownName, match=r"'digit'.*Try: digits"):
        load("digit")
    with pytest.raises(UnknownName):
        load("")


def test_a_file_without_npz_before_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("img.npz", inputs=np.ones((2, 3)))
    (tmp_path / "img").write_bytes((tmp_path / "img.npz").read_bytes())
    for name in ("img.npz", "absent.npz", "img", str(tmp_path / "img.npz")):
        with pytest.raises(DataError, match=re.escape(f"Try: npz:{name}")):
            load(name)


def test_a_file_of_another_array_says_how_to_name_it(path):
    with pytest.raises(DataError, match=r"it holds \['x'\].*Try: numpy\.savez\(FILE, inputs=array\)"):
        load(saved(path, x=np.ones((2, 3))))


def test_a_file_with_labels_and_ids(path):
    inputs = np.arange(24, dtype=np.uint8).reshape(4, 6)
    found = load(saved(path, inputs=inputs, labels=np.array([1, 0, 2, 1], np.int8), ids=np.array([7, 5, 3, 1])))
    np.testing.assert_array_equal(found.inputs, inputs)
    assert found.inputs.dtype == np.float32
    assert found.labels.dtype == found.ids.dtype == np.int64
    assert (found.labels.tolist(), found.ids.tolist()) == ([1, 0, 2, 1], [7, 5, 3, 1])
    assert found.spec == f"npz:{path}"


def test_a_file_of_inputs_alone(path):
    found = load(saved(path, inputs=np.ones((3, 2, 4, 4))))
    assert found.labels is None
    assert found.ids.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        (np.array([[1.0, np.nan], [np.inf, 0.0]]), "2 NaN or infinite"),
        (np.array([[1e300, 0.0]]), "1 NaN or infinite"),  # finite in fp64, not in fp32
        (np.ones((0, 4)), "[0, 4]"),
        (np.ones((3, 0)), "[3, 0]"),
        (np.ones(4), "[4]"),
        (np.float64(1.0), "[]"),
        (np.array([["a", "b"]]), "<U1"),
        (np.ones((2, 2), np.complex64), "complex64"),
        (np.array([["2020-01-01"]], "datetime64[D]"), "datetime64"),
    ],
)
def test_inputs_that_are_no_samples(inputs, word, path):
    with pytest.raises(DataError) as caught:
        load(saved(path, inputs=inputs))
    assert word in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["labels", "ids"])
@pytest.mark.parametrize(
    "array", [np.zeros(2, np.int64), np.zeros((3, 1), np.int64), np.array(["a", "b", "c"]), np.ones(3)]
)
def test_labels_and_ids_are_one_integer_a_sample(name, array, path):
    with pytest.raises(DataError, match=f"'{name}'.*each of 3"):
        load(saved(path, inputs=np.ones((3, 2)), **{name: array}))


def refused(path, word):
    with pytest.raises(DataError) as caught:
        load(f"npz:{path}")
    assert word in str(caught.value), str(caught.value)
    assert "inputs" in str(caught.value)
    assert not re.search("unsafe|allow_pickle|Errno", str(caught.value)), "no advice to open what was refused"


def test_files_that_are_missing_or_something_else(path, tmp_path):
    refused(path, "no such file")
    refused(tmp_path, "this is a folder")
    path.write_bytes(b"")
    refused(path, "the file is empty")
    path.write_text("inputs: 1 2 3")
    refused(path, "no file of numpy's")
    np.save(tmp_path / "one.npy", np.ones((2, 2)))
    refused(tmp_path / "one.npy", "one array")
    np.savez(path, other=np.ones((2, 2)), more=np.ones(1))
    refused(path, "['more', 'other']")
    with pytest.raises(DataError):
        load("npz:")


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickled_arrays_are_refused_and_not_run(path, tmp_path):
    trap = tmp_path / "trap"
    for arrays in (
        {"inputs": np.array([[Payload(trap)]], object)},
        {"inputs": np.ones((1, 2)), "labels": np.array([Payload(trap)], object)},
        {"inputs": np.ones((1, 2)), "extra": np.array([Payload(trap)], object)},
    ):
        np.savez(path, **arrays)
        refused(path, "not unpickled")
    path.write_bytes(pickle.dumps(Payload(trap)))
    refused(path, "no file of numpy's")
    assert not trap.exists()


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_truncated_and_damaged_archives(writer, path):
    writer(path, inputs=np.random.default_rng(0).normal(size=(20, 10)))
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        refused(path, "cannot be read")
    expected = np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32)
    for at in range(0, len(whole), 37):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        try:
            found = load(f"npz:{path}")
        except DataError:
            continue
        np.testing.assert_array_equal(found.inputs, expected)


def test_taking_a_few(path):
    samples = load(saved(path, inputs=np.ones((5, 2)), labels=np.arange(5)))
    assert samples.take(None) is samples
    assert samples.take(5) is samples
    assert samples.take(9) is samples
    few = samples.take(2)
    assert (few.inputs.shape, few.labels.tolist(), few.ids.tolist()) == ((2, 2), [0, 1], [0, 1])
    for count in (0, -1):
        with pytest.raises(DataError, match="at least 1"):
            samples.take(count)
