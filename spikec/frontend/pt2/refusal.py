"""Why a node of a .pt2 file is not taken; who reads it adds the operator's name and the module's path."""


class Refusal(Exception):
    """A call that has no form in a graph: in words that follow the operator's name."""
