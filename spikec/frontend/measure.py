"""How far graph and network may differ, and how far they do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spikec.errors import TraceError
from spikec.ir.op import Op


@dataclass(frozen=True)
class Bounds:
    """What is taken for equal.

    Args:
        name: of the precision.
        real: difference of real values, relative to the largest of them where that is above 1.
        spikes: share of spikes that may differ.
    """

    name: str
    real: float
    spikes: float


DOUBLE = Bounds("fp64", 1e-9, 0.0)
SINGLE = Bounds("fp32", 1e-3, 0.01)
"""In fp32 a sum in another order differs by about 1e-6, and a membrane that near to its threshold may flip."""


class Measure:
    """Compares, refuses what is out of bounds, and keeps count of what is not.

    Args:
        bounds: of the precision.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.differing = self.compared = 0
        self.difference = 0.0

    def said(self) -> str:
        """What was found, in words."""
        words = f"{self.differing} of {self.compared} spikes differ"
        return f"{words}, real values by up to {self.difference:.2g}"

    def spikes(self, where: str, ours: Tensor, theirs: Tensor) -> None:
        """Compares the spikes of a neuron in the network.

        Raises:
            TraceError: they differ in shape, or in more places than the bound allows.
        """
        _same_shape(where, ours, theirs)
        differing = self._counted(ours, theirs)
        if differing > self.bounds.spikes * theirs.numel():
            raise TraceError(
                f"{differing} of {theirs.numel()} spikes differ between network and graph in {self.bounds.name}",
                where=where,
                mend="report the network: this is a fault of the tracer, or of the neuron's spikec_neuron()",
            )

    def neuron(self, path: str, op: Op, ours: Tensor, theirs: Tensor) -> None:
        """Compares a neuron with its op on the same drives.

        Raises:
            TraceError: the spikes differ in more places than the bound allows.
        """
        _same_shape(f"neuron '{path}'", ours, theirs)
        if self._counted(ours, theirs) > self.bounds.spikes * theirs.numel():
            raise TraceError(f"the neuron '{path}' does not do what its spikec_neuron() says: {op}")

    def reals(self, what: str, ours: Tensor, theirs: Tensor) -> None:
        """Compares real values.

        Raises:
            TraceError: they differ in shape, or by more than the bound allows.
        """
        _same_shape(what, ours, theirs)
        finite = theirs.isfinite()
        if self.bounds.real < float("inf") and not torch.equal(finite, ours.isfinite()):
            raise TraceError(f"{what} is not finite where it is between network and graph in {self.bounds.name}")
        ours, theirs = torch.where(finite, ours, 0.0), torch.where(finite, theirs, 0.0)
        difference = float((ours - theirs).abs().max())
        if not difference <= self.bounds.real * max(1.0, float(theirs.abs().max())):
            raise TraceError(f"{what} differs by {difference:.3g} between network and graph in {self.bounds.name}")
        self.difference = max(self.difference, difference)

    def _counted(self, ours: Tensor, theirs: Tensor) -> int:
        differing = int((ours != theirs.to(ours.dtype)).sum())
        self.differing += differing
        self.compared += theirs.numel()
        return differing


def _same_shape(where: str, ours: Tensor, theirs: Tensor) -> None:
    if ours.shape != theirs.shape:
        raise TraceError(
            f"network and graph differ in shape at another batch size or T: {ours.shape} and {theirs.shape}",
            where=where,
            mend="take sizes from the input (x.shape), not from numbers in the code",
        )
