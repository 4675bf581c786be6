"""The front door for .nir files: our own come back as they were written, any other is read by NIR's own equations.

NIR states continuous neurons and no time step. What a step is, and how an equation becomes one, are asked for (--dt,
--integrator) or assumed aloud. Several edges into a node are summed; subgraphs are inlined under joined names.
"""
