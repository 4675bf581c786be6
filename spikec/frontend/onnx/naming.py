"""Names of an ONNX file as the text form of graphs takes them: letters, digits, _ . and -."""

from __future__ import annotations

import re

MOST_LETTERS = 200
SCOPES = "pkg.torch.onnx.name_scopes"
"""Under which key of a node's metadata torch's exporter writes the module path."""
_LIST = re.compile(r"\[(?:'[^']*'(?:, )?)+\]")


def cleaned(name: str) -> str:
    """`name` in the letters of the text form, '' where none of it is left. '/' and '::' become '.'."""
    name = name[:MOST_LETTERS].replace("::", ".").replace("/", ".")
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)
    return re.sub(r"\.{2,}", ".", name).lstrip(".-").rstrip(".")


def scope_of(op: str, name: str, scopes: str, number: int) -> str:
    """The module path that a node came from, where the file says it, else the node's own name.

    Args:
        op: the node's operator.
        name: the node's; torch's exporter through TorchScript writes '/blocks.0/attn/MatMul'.
        scopes: of the node's metadata, as torch's exporter writes it: "['', 'blocks.0', 'blocks.0.attn', 'matmul']".
        number: of the node, for one that has no name.
    """
    if len(scopes) <= 10 * MOST_LETTERS and _LIST.fullmatch(scopes):
        *_, module, _ = ["", *re.findall(r"'([^']*)'", scopes)]
        if cleaned(module):
            return cleaned(module)
    path = cleaned(name)
    if name.startswith("/"):
        module, _, last = path.rpartition(".")
        if module and re.fullmatch(rf"{re.escape(op)}(_\d+)?", last):
            return module
    return path or cleaned(f"{op}_{number}") or f"node_{number}"
