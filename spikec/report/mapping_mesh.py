"""The mesh of a mapping as shapes to draw: chips, tiles shaded by how full their cores are, links as wedges by load.

Lengths are in tiles: a tile is `SIDE` wide, one apart from the next; chips are `GAP` further apart. x runs east, y
south. A link is a wedge that points where its packets go, as broad at its foot as its load is great.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from spikec.cost import Report
from spikec.report import units
from spikec.report.mapping_facts import bottleneck_text
from spikec.report.mapping_rows import LayerRow, layer_rows

Facts = Mapping[str, Any]  # Any: the key `mapping` of a report
Point = tuple[float, float]
Said = TypeVar("Said")

SIDE, GAP = 0.66, 0.45
_LANE, _BROADEST, _NARROWEST = 0.12, 0.11, 0.02
_STEPS = {"east": (1, 0), "west": (-1, 0), "south": (0, 1), "north": (0, -1)}
_PALE, _FULL = (0xEA, 0xF2, 0xF9), (0x00, 0x4C, 0x86)
_PALE_LINK, _FULL_LINK = (0xD2, 0xD2, 0xD2), (0x1C, 0x1C, 0x1C)
SLOWEST = "#cc0022"
_DARK = 0.55  # from this shade on, text is white


@dataclass(frozen=True)
class Tile:
    """A tile of the board: its middle, what stands on it, and how it is filled.

    Args:
        shade: 0 to 1, where all its cores are full; None where no core of it is used.
        label: cores in use, '' where there is none.
        title: where it is and what stands there, in words.
        slowest: whether the core that binds the slowest step stands on it.
    """

    x: float
    y: float
    shade: float | None
    label: str
    title: str
    slowest: bool

    @property
    def fill(self) -> str:
        """Its colour."""
        return "#ffffff" if self.shade is None else _blend(_PALE, _FULL, self.shade)

    @property
    def ink(self) -> str:
        """The colour of its label."""
        return "#ffffff" if self.shade is not None and self.shade > _DARK else "#222222"


@dataclass(frozen=True)
class Wedge:
    """A link that is used: a triangle, and its colour."""

    points: tuple[Point, Point, Point]
    fill: str
    title: str
    slowest: bool


@dataclass(frozen=True)
class Box:
    """The outline of a chip: its corner and size, and its name, '' where there is one chip."""

    x: float
    y: float
    width: float
    height: float
    name: str


@dataclass(frozen=True)
class Picture:
    """All of it.

    Args:
        width, height: of the board.
        key: what shades, numbers, wedges and the red outline say, a sentence each.
    """

    width: float
    height: float
    chips: tuple[Box, ...]
    tiles: tuple[Tile, ...]
    wedges: tuple[Wedge, ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class _Board:
    across: int
    down: int
    columns: int
    rows: int
    cores_a_tile: int

    def at(self, column: int, row: int) -> Point:
        """The middle of a tile of the board."""
        return column + 0.5 + GAP * (column // self.columns), row + 0.5 + GAP * (row // self.rows)

    def of(self, place: Sequence[int]) -> tuple[int, int]:
        """The tile on the board of a place: chip, x and y in it, slot."""
        down, across = divmod(place[0], self.across)
        return across * self.columns + place[1], down * self.rows + place[2]


def picture(report: Report) -> Picture | None:
    """The mesh of the report's mapping; None where it has none, or its cores have no places."""
    facts = report.mapping
    if not facts or not facts.get("places"):
        return None
    mesh, chips = facts["mesh"], facts["board"]
    board = _Board(chips["chips_across"], chips["chips_down"], mesh["columns"], mesh["rows"], mesh["cores_a_tile"])
    right, bottom = board.at(board.across * board.columns - 1, board.down * board.rows - 1)
    return Picture(
        width=right + 0.5,
        height=bottom + 0.5,
        chips=tuple(_chips(board)),
        tiles=tuple(_tiles(report, facts, board)),
        wedges=tuple(_wedges(facts, board)),
        key=tuple(_key(facts, board)),
    )


def _key(facts: Facts, board: _Board) -> Iterator[str]:
    cores = f"{board.cores_a_tile} core{'s' * (board.cores_a_tile != 1)}"
    shade = "its shade: how full they are, of the limit nearest to each"
    yield f"A square is a tile of {cores}; its number: cores in use; {shade}."
    links: Facts = facts.get("links") or {}
    if links.get("loads"):
        most = units.count(links["max"])
        yield f"A wedge is a link, pointing where its packets go; the broadest: {most} packets an inference."
    if facts.get("latency"):
        yield f"Red outline: what the slowest step waits for, {bottleneck_text(facts['latency']['bottleneck'])}."


def _chips(board: _Board) -> Iterator[Box]:
    for chip in range(board.across * board.down):
        down, across = divmod(chip, board.across)
        x, y = board.at(across * board.columns, down * board.rows)
        name = f"chip {chip}" if board.across * board.down > 1 else ""
        yield Box(x - 0.5, y - 0.5, board.columns, board.rows, name)


def _tiles(report: Report, facts: Facts, board: _Board) -> Iterator[Tile]:
    cores: dict[tuple[int, int], list[int]] = {}
    for core, place in enumerate(facts["places"]):
        cores.setdefault(board.of(place), []).append(core)
    by_tile = _by_tile(facts, board)
    rows = layer_rows(report)
    layer_of, full = _by_core(rows, facts, [row.label for row in rows], ""), _by_core(rows, facts, _shares(rows), 0.0)
    slowest = _slowest_core(facts)
    for row in range(board.down * board.rows):
        for column in range(board.across * board.columns):
            here = cores.get((column, row), [])
            energy = by_tile.get((column, row))
            share = sum(full[core] for core in here) / board.cores_a_tile
            said = [f"tile ({column}, {row})", f"{len(here)} of {board.cores_a_tile} cores in use"]
            said += [f"{units.percent(share)} % full"] if here else []
            said += [] if energy is None else [units.energy(energy)]
            said += list(dict.fromkeys(layer_of[core] for core in here))
            x, y = board.at(column, row)
            yield Tile(x, y, share if here else None, str(len(here) or ""), "; ".join(said), slowest in here)


def _by_tile(facts: Facts, board: _Board) -> dict[tuple[int, int], float]:
    """pJ an inference of each tile in use; none where no energy is known, or all are 0."""
    energies: Sequence[float] = facts.get("core_energy_pj") or ()
    if not any(energies):
        return {}
    found: dict[tuple[int, int], float] = {}
    for place, energy in zip(facts["places"], energies, strict=True):
        tile = board.of(place)
        found[tile] = found.get(tile, 0.0) + energy
    return found


def _shares(rows: Sequence[LayerRow]) -> list[float]:
    """Of each layer the greatest share of a limit that its fullest core takes."""
    return [max(row.uses.values(), default=0.0) for row in rows]


def _by_core(rows: Sequence[LayerRow], facts: Facts, of_layer: Sequence[Said], unused: Said) -> list[Said]:
    """What is said of layers, by core."""
    found = [unused] * len(facts["places"])
    for row, layer, said in zip(rows, facts["layers"], of_layer, strict=True):
        first = layer.get("first_core")
        for core in range(first, first + row.cores) if first is not None and row.cores else ():
            found[core] = said
    return found


def _slowest_core(facts: Facts) -> int | None:
    bottleneck = (facts.get("latency") or {}).get("bottleneck") or {}
    return None if not bottleneck or bottleneck.get("link") else bottleneck["number"]


def _wedges(facts: Facts, board: _Board) -> Iterator[Wedge]:
    links: Facts = facts.get("links") or {}
    slowest = ((facts.get("latency") or {}).get("bottleneck") or {}).get("link") or {}
    for column, row, direction, load in links.get("loads") or ():
        share = load / links["max"]
        binds = (slowest.get("x"), slowest.get("y"), slowest.get("direction")) == (column, row, direction)
        title = f"from tile ({column}, {row}) to the {direction}: {units.count(load)} packets an inference"
        points = _wedge(board, (column, row), _STEPS[direction], share)
        yield Wedge(points, _blend(_PALE_LINK, _FULL_LINK, share), title, binds)


def _wedge(board: _Board, start: tuple[int, int], step: tuple[int, int], share: float) -> tuple[Point, Point, Point]:
    """Foot, foot and tip; on the right-hand side as packets go, so that the link back has its own lane."""
    (x, y), (to_x, to_y) = board.at(*start), board.at(start[0] + step[0], start[1] + step[1])
    half, lane = SIDE / 2, (-step[1] * _LANE, step[0] * _LANE)
    foot = (x + step[0] * half + lane[0], y + step[1] * half + lane[1])
    tip = (to_x - step[0] * half + lane[0], to_y - step[1] * half + lane[1])
    breadth = _NARROWEST + (_BROADEST - _NARROWEST) * share
    side = (-step[1] * breadth, step[0] * breadth)
    return (foot[0] + side[0], foot[1] + side[1]), (foot[0] - side[0], foot[1] - side[1]), tip


def _blend(pale: Sequence[int], full: Sequence[int], share: float) -> str:
    mixed = (round(a + (b - a) * min(max(share, 0.0), 1.0)) for a, b in zip(pale, full, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)
