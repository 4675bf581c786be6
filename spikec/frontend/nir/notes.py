"""What the reader assumed or left away, gathered node by node and said in a sentence each."""

from __future__ import annotations

NAMED = 6


class Notes:
    """Sentences, each with the nodes that it is about."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def add(self, sentence: str, name: str = "") -> None:
        """Says the sentence once for all nodes that it is added for."""
        names = self._names.setdefault(sentence, {})
        if name:
            names[name] = None

    def remarks(self) -> tuple[str, ...]:
        """The sentences in the order in which each was first added."""
        return tuple(_sentence(sentence, list(names)) for sentence, names in self._names.items())


def _sentence(sentence: str, names: list[str]) -> str:
    if not names:
        return sentence
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{sentence}: {', '.join(names[:NAMED])}{more}"
