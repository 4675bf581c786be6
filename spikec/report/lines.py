"""Module paths in lines of a table."""


def broken_at_dots(path: str, width: int) -> str:
    """A module path in lines of at most `width`, broken behind dots: whole, so never to be mistaken.

    A part that is longer than a line stays whole, for the table to fold.
    """
    lines = [""]
    for piece in path.replace(".", ".\0").replace(" ", " \0").split("\0"):
        room = width - (2 if len(lines) > 1 else 0)
        if lines[-1] and len((lines[-1] + piece).rstrip()) > room:
            lines.append("")
        lines[-1] += piece
    return "\n  ".join(line.rstrip() for line in lines)
