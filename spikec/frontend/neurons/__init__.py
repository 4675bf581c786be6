"""Neurons of other frameworks, by the names of their classes, and the protocol for everybody else's."""
