"""NIR: a strict dialect of its standard nodes alone, and an extended one that carries every op of spikec.

strict      What nir.read, nirtorch, snnTorch and SpikingJelly take. An op that NIR has no node for is refused.
extended    Standard nodes where NIR has them; every other op is a node of a type of its own, `Spikec` and the op's
            name (SpikecMatMul). No foreign reader may take it for a NIR graph: its root has the type `SpikecGraph`,
            which `nir.read` refuses as it refuses the nodes' types.

In both, several edges into a node are summed, as NIR says. So the operands of an op whose operands are no sum
(MatMul, Mul) never are edges into the node itself: each enters by a node of type `SpikecOperand` with its `index`.
A neuron's membrane, where it is used, leaves by a node of type `SpikecResult`.

The numbers stand in the standard fields, and edges in `edges`: from there the reader takes them, and from there a
foreign reader computes. Metadata add what NIR cannot say (names, module paths, formats, which of two equal roundings,
the caller's protocol); where metadata and fields disagree, the file is refused or the fields win, never the metadata.
"""
