"""Reads network.json and weights.npz and connects one process a node."""

import json
import os

import numpy as np

from spikec_lava.node import NodeSpec
from spikec_lava.processes import border, plain, stateful, weighted

VERSION = 1

PROCESSES = {
    "add": plain.Add,
    "avg_pool": plain.AvgPool,
    "batch_norm": weighted.BatchNorm,
    "conv1d": weighted.Conv1d,
    "conv2d": weighted.Conv2d,
    "delay": stateful.Delayed,
    "if": stateful.If,
    "lif": stateful.Lif,
    "linear": weighted.Linear,
    "matmul": plain.MatMul,
    "max_pool": plain.MaxPool,
    "mean": plain.Mean,
    "mul": plain.Mul,
    "reshape": plain.Reshape,
    "scale": plain.Scale,
    "sum": plain.Sum,
    "sum_pool": plain.SumPool,
    "threshold": stateful.Threshold,
    "transpose": plain.Transpose,
}
SPIKING = {"lif": ("spikes", "membranes"), "if": ("spikes", "membranes"), "threshold": ("spikes",)}
DTYPES = {"spikes": np.uint8, "membranes": np.float64, "value": np.float64}


def read_description(folder):
    """network.json as a dict."""
    with open(os.path.join(folder, "network.json"), encoding="utf-8") as file:
        description = json.load(file)
    if description.get("format") != "spikec-lava" or description.get("version") != VERSION:
        raise ValueError(f"{folder}/network.json is no spikec-lava network of version {VERSION}")
    return description


def shapes_of(description):
    """The shape of every value, that of one sample at one step."""
    shapes = {value["name"]: value["shape"] for value in description["inputs"]}
    for node in description["nodes"]:
        shapes.update({value["name"]: value["shape"] for value in node["results"]})
    return shapes


def feeds_of(description):
    """What enters the network: value name to (input name, whether it is one value for the inference)."""
    feeds = {v["name"]: (v["name"], False) for v in description["inputs"] if v["timing"] == "step"}
    for node in description["nodes"]:
        if node["runs_on"] == "host" and node["op"] == "repeat":
            feeds[node["name"]] = (node["inputs"][0], True)
    return feeds


def samples_of(description, inputs):
    """How many samples the inputs hold."""
    first = description["inputs"][0]
    return inputs[first["name"]].shape[1 if first["timing"] == "step" else 0]


def recorded_values(description):
    """What leaves the network by an output process: outputs, or what the host reduces to outputs."""
    nodes = description["nodes"]
    reductions = {n["name"]: n["inputs"][0] for n in nodes if n["runs_on"] == "host" and n["op"] != "repeat"}
    return list(dict.fromkeys(reductions.get(value, value) for value in description["outputs"]))


class Network:
    """The connected processes, and the arrays on disk that they write: [steps, samples, ...] each."""

    def __init__(self, folder, job, inputs, steps):
        """Makes and connects the processes.

        Args:
            folder: holds network.json and weights.npz.
            job: a scratch folder; `errors` and `records` are made in it.
            inputs: input name to frames, [samples, ...], or [steps, samples, ...] where one changes.
            steps: of one sample.
        """
        self.description = read_description(folder)
        self.steps = steps
        self.samples = samples_of(self.description, inputs)
        self.shapes = shapes_of(self.description)
        self.errors = os.path.join(job, "errors")
        self.folder = os.path.join(job, "records")
        os.makedirs(self.errors, exist_ok=True)
        os.makedirs(self.folder, exist_ok=True)
        self.records = {}  # (kind, name) to file
        self.ports = {}  # value name to the port that sends it
        self.processes = []
        with np.load(os.path.join(folder, "weights.npz"), allow_pickle=False) as weights:
            self.weights = {name: weights[name] for name in weights.files}
        self.connect(inputs)

    def connect(self, inputs):
        """Makes every process, then draws every edge (a delay may take a value that is defined after it)."""
        for value, (name, once) in feeds_of(self.description).items():
            self.feed(value, inputs[name], once)
        nodes = [node for node in self.description["nodes"] if node["runs_on"] == "lava"]
        made = [(node, self.process(node)) for node in nodes]
        for node, process in made:
            for port, value in zip("ab", node["inputs"], strict=False):
                self.ports[value].connect(getattr(process, port))
        for value in recorded_values(self.description):
            spec = self.spec(f"output:{value}", "output", shapes=[self.shapes[value]])
            spec.records["value"] = self.record("value", value, self.shapes[value])
            output = border.Output(spec)
            self.ports[value].connect(output.a)
            self.processes.append(output)

    def feed(self, value, frames, once):
        """Makes the input process that sends `value`."""
        spec = self.spec(f"input:{value}", "input", results=[self.shapes[value]], attrs={"once": once})
        spec.weights["frames"] = frames
        source = border.Input(spec)
        self.ports[value] = source.out
        self.processes.append(source)

    def process(self, node):
        """Makes the process of one node."""
        spec = self.spec(
            node["name"],
            node["op"],
            shapes=[self.shapes[value] for value in node["inputs"]],
            results=[value["shape"] for value in node["results"]],
            attrs=node["fields"],
        )
        spec.weights.update({slot: self.weights[name] for slot, name in node["weights"].items()})
        for kind in SPIKING.get(node["op"], ()):
            spec.records[kind] = self.record(kind, node["name"], spec.results[0])
        process = PROCESSES[node["op"]](spec)
        for port, value in zip(("out", "state"), node["results"], strict=False):
            self.ports[value["name"]] = getattr(process, port)
        self.processes.append(process)
        return process

    def spec(self, name, op, shapes=(), results=(), attrs=None):
        """A node's description without weights and records."""
        return NodeSpec(name, op, attrs or {}, list(shapes), list(results), {}, self.steps, self.errors)

    def record(self, kind, name, shape):
        """An array on disk that a process fills step by step; it outlives the process."""
        path = os.path.join(self.folder, f"{len(self.records):05d}.npy")
        self.records[kind, name] = path
        shape = (self.steps, self.samples, *shape)
        return np.lib.format.open_memmap(path, mode="w+", dtype=DTYPES[kind], shape=shape)
