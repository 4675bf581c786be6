"""The caller's protocol, outside the network: the input's frames, and the outputs over time."""

import numpy as np


def checked_inputs(description, path, steps):
    """The arrays of the input file, one for every input of the network, checked.

    Raises:
        ValueError: one is missing, has another shape, holds no sample or is not finite.
    """
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    counts = set()
    for value in description["inputs"]:
        name = value["name"]
        lead = [steps] if value["timing"] == "step" else []
        if name not in arrays:
            raise ValueError(f"{path} has no array '{name}'; found {sorted(arrays)}")
        found = list(arrays[name].shape)
        samples = found[len(lead)] if len(found) > len(lead) else 0
        if found != [*lead, samples, *value["shape"]]:
            expected = ", ".join(map(str, [*lead, "samples", *value["shape"]]))
            raise ValueError(f"{path}: '{name}' is {found}, expected [{expected}]")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{path}: '{name}' holds values that are not finite")
        counts.add(samples)
    if len(counts) != 1 or not counts.pop():
        raise ValueError(f"{path}: the inputs need the same number of samples, at least one")
    return {value["name"]: np.asarray(arrays[value["name"]], dtype=np.float64) for value in description["inputs"]}


REDUCTIONS = {
    "time_mean": lambda x: x.sum(axis=0) / x.shape[0],
    "time_sum": lambda x: x.sum(axis=0),
    "time_last": lambda x: x[-1],
}


def reduced_outputs(description, values):
    """Every output of the graph from the values that the network recorded, [steps, samples, ...]."""
    nodes = {node["name"]: node for node in description["nodes"] if node["runs_on"] == "host"}
    outputs = {}
    for name in description["outputs"]:
        node = nodes.get(name)
        outputs[name] = values[name] if node is None else REDUCTIONS[node["op"]](values[node["inputs"][0]])
    return outputs
