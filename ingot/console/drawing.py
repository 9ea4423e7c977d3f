"""Where the tables of a graph stand on a drawing: a column a layer, and in it an order in which few lines cross.

A line that goes on over a layer has a place there as a table has, so that it runs through a gap and behind no box. The
whole graph is small (a few dozen tables), and the same for everyone: a few sweeps by the mean place of the neighbours
are enough, and networkx or Graphviz would be a dependency for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ingot.lineage import LAYERS, Dataset, Graph

TITLES: Mapping[str, str] = {
    "source": "Source",
    "landing": "Landed",
    "data": "Bronze objects",
    "lake": "Lake (Parquet)",
    "bronze": "Warehouse: bronze",
    "staging": "Staging",
    "silver": "Silver",
    "gold": "Gold",
}
"""What layers are called on the page."""

_WIDTH, _HEIGHT = 142, 26  # of a table, in units of the drawing
_COLUMN, _ROW, _TOP = 166, 38, 34
_LONGEST = 21  # characters that fit into a table's box

Role = Literal["chosen", "upstream", "downstream", "other"]


@dataclass(frozen=True)
class Box:
    """A table on the drawing.

    Attributes:
        role: what it is to the chosen table; ``other`` if nothing is chosen or it has nothing to do with it.
    """

    dataset: Dataset
    label: str
    x: int
    y: int
    role: Role


@dataclass(frozen=True)
class Line:
    """From a table to one that is made of it, as an SVG path."""

    path: str
    lit: bool


@dataclass(frozen=True)
class Drawing:
    """All of it; ``columns`` has each layer's title and place."""

    width: int
    height: int
    box_width: int
    box_height: int
    columns: Sequence[tuple[str, int]]
    boxes: Sequence[Box]
    lines: Sequence[Line]


def draw(graph: Graph, roles: Mapping[str, Role]) -> Drawing:
    """Lay a graph out.

    Args:
        roles: what the tables are to the chosen one, by id; empty if none is chosen.
    """
    layers = [layer for layer in LAYERS if any(d.layer == layer for d in graph.datasets.values())]
    number = {id: layers.index(dataset.layer) for id, dataset in graph.datasets.items()}
    ways = {(a, b): _way(a, b, number) for a, b in graph.edges}
    columns: list[list[str]] = [[id for id in sorted(number) if number[id] == column] for column in range(len(layers))]
    for (a, _), way in ways.items():
        for column, bend in enumerate(way[1:-1], start=number[a] + 1):
            columns[column].append(bend)
    place = _places(columns, [pair for way in ways.values() for pair in pairwise(way)])
    most = max(map(len, columns), default=0)
    spots = {
        # A short column stands in the middle of the long ones.
        id: (column * _COLUMN, _TOP + int((most - len(ids)) * _ROW / 2) + place[id] * _ROW)
        for column, ids in enumerate(columns)
        for id in ids
    }
    boxes = [
        Box(graph.datasets[id], _label(graph.datasets[id]), *spots[id], roles.get(id, "other"))
        for id in sorted(number, key=lambda id: (number[id], place[id]))
    ]
    lines = [Line(_path([spots[id] for id in way]), a in roles and b in roles) for (a, b), way in ways.items()]
    lines.sort(key=lambda line: line.lit)  # what is lit is drawn over the rest
    return Drawing(
        width=len(layers) * _COLUMN - (_COLUMN - _WIDTH) + 2,
        height=_TOP + most * _ROW,
        box_width=_WIDTH,
        box_height=_HEIGHT,
        columns=[(TITLES[layer], column * _COLUMN) for column, layer in enumerate(layers)],
        boxes=boxes,
        lines=lines,
    )


def roles_of(graph: Graph, id: str, column: str | None = None) -> dict[str, Role]:
    """What all tables are to one, or to one of its columns."""
    roles: dict[str, Role] = dict.fromkeys(graph.upstream(id, column).datasets, "upstream")
    roles |= dict.fromkeys(graph.downstream(id, column).datasets, "downstream")
    roles[id] = "chosen"
    return roles


def _way(a: str, b: str, number: Mapping[str, int]) -> list[str]:
    """From one table to another, with a bend in each layer between them."""
    return [a, *(f"{a} → {b} {column}" for column in range(number[a] + 1, number[b])), b]


def _places(columns: Sequence[Sequence[str]], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    before, after = defaultdict(list), defaultdict(list)
    for a, b in pairs:
        before[b].append(a)
        after[a].append(b)
    place = {id: number for ids in columns for number, id in enumerate(ids)}
    share = {id: len(ids) for ids in columns for id in ids}
    for near in (before, after, before, after):
        for ids in columns if near is before else reversed(columns):
            wanted = {}
            for id in ids:
                around = [(place[other] + 0.5) / share[other] for other in near[id]]
                wanted[id] = sum(around) / len(around) if around else (place[id] + 0.5) / share[id]
            for number, id in enumerate(sorted(ids, key=lambda id: (wanted[id], place[id]))):
                place[id] = number
    return place


def _label(dataset: Dataset) -> str:
    name = dataset.id.partition(".")[2].removeprefix("stg_")
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _path(spots: Sequence[tuple[int, int]]) -> str:
    """From the right side of the first spot, level through those between, to the left side of the last."""
    (x, y), *following = [(x, y + _HEIGHT // 2) for x, y in spots]
    right = x + _WIDTH
    path = f"M{right} {y}"
    for x, below in following:
        if x < right:  # of the same layer: around its right side
            return f"{path}C{right + 18} {y} {right + 18} {below} {right} {below}"
        middle = (right + x) // 2
        path += f"C{middle} {y} {middle} {below} {x} {below}"
        right, y = x + _WIDTH, below
        if (x, below) != following[-1]:
            path += f"H{right}"
    return path
