"""docs/ops.md from the ops themselves: their fields, operands, weights and the equations of their docstrings."""

from __future__ import annotations

import inspect
from dataclasses import fields

from spikec.ir.op import Op
from spikec.ir.ops import OPS

_HEAD = """# The ops

Written by `scripts/make-docs` from the ops' own classes (`spikec/ir`); do not edit it here. A field is printed in the
text form where it differs from its default. Shapes are of one sample at one step: neither time nor batch is part of a
value's type.
"""


def op_table_markdown() -> str:
    """The page: one section an op, in the order of their mnemonics."""
    return "\n".join([_HEAD, *(_section(name, OPS[name]) for name in sorted(OPS))])


def _section(name: str, op: type[Op]) -> str:
    lines = [f"## {name}", "", "```text", inspect.getdoc(op) or "", "```", ""]
    settings = ", ".join(f"`{f.name}={f.default!r}`" for f in fields(op))
    weights = [f"`{slot}`" for slot in op.slots] + [f"`{slot}` (optional)" for slot in op.optional]
    results = ["the value", *(f"`.{suffix}`" for suffix in op.extra_results)]
    operands = f"{op.arity} or more" if op.variadic else op.arity
    lines.append(f"- operands: {operands}; results: {', '.join(results)}")
    lines += [f"- weights: {', '.join(weights)}"] if weights else []
    lines += [f"- fields: {settings}"] if settings else []
    return "\n".join([*lines, ""])
