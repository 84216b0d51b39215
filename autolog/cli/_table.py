"""Tables that fit the terminal: expendable columns are left out in turn, then texts are cut; other cells stay whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """The layout of a column.

    Attributes:
        heading: the name of the column.
        right: align the cells on the right.
        point: align the cells at their decimal points; on the right if there is no room for that.
        least: the least width when room is short; None for the width of the widest cell.
        most: the greatest width while other columns need room; None for the width of the widest cell.
        narrow: a width below `least`, before the last columns are left out.
        leave: the order in which columns are left out, the highest number first and equal ones together; 0 for never.
    """

    heading: str
    right: bool = False
    point: bool = False
    least: int | None = None
    most: int | None = None
    narrow: int | None = None
    leave: int = 0


def draw(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int | None, total: Sequence[Text] | None = None
) -> Iterator[Text]:
    """Yield the lines of a table no wider than `width`, or as wide as necessary for None; the total comes last."""
    plain = [list(row) for row in rows] + ([list(total)] if total is not None else [])
    cells = _aligned(columns, plain)
    widths = _widths(columns, cells, width)
    if width is not None and _room(widths, width) < 0:  # a tiny amount beside a huge one
        cells = plain
        widths = _widths(columns, cells, width)
    rule = Text("─" * (sum(widths.values()) + len(_GAP) * (len(widths) - 1)), style="dim")
    yield _line(columns, [Text(column.heading, style="bold") for column in columns], widths)
    yield rule
    for number, row in enumerate(cells):
        if total is not None and number == len(rows):
            yield rule
        yield _line(columns, row, widths)


def fits(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> bool:
    """Return whether all columns fit into `width` at their least widths."""
    return sum(_least(columns, _usual(columns, _natural(columns, rows)))) + len(_GAP) * (len(columns) - 1) <= width


def _natural(columns: Sequence[Column], cells: Sequence[Sequence[Text]]) -> list[int]:
    """Return the natural width of each column."""
    return [max([len(column.heading), *(row[index].cell_len for row in cells)]) for index, column in enumerate(columns)]


def _usual(columns: Sequence[Column], natural: Sequence[int]) -> list[int]:
    return [min(width, column.most or width) for width, column in zip(natural, columns, strict=True)]


def _least(columns: Sequence[Column], usual: Sequence[int]) -> list[int]:
    return [min(width, column.least or width) for width, column in zip(usual, columns, strict=True)]


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int | None) -> dict[int, int]:
    """Return the widths, by index, of the columns for which there is room."""
    natural = _natural(columns, cells)
    if width is None:
        return dict(enumerate(natural))
    usual = _usual(columns, natural)
    left = dict(enumerate(_least(columns, usual)))
    while (room := _room(left, width)) < 0:
        first = max(columns[index].leave for index in left)
        if first <= 1:
            left = {index: min(size, columns[index].narrow or size) for index, size in left.items()}
            room = _room(left, width)
        if first == 0 or room >= 0:
            break
        left = {index: size for index, size in left.items() if columns[index].leave != first}
    for limits in (usual, natural):
        for index in sorted(left, key=lambda index: (max(columns[index].leave, 1), columns[index].least or 0)):
            more = min(limits[index] - left[index], max(room, 0))
            left[index] += more
            room -= more
    return left


def _room(widths: Mapping[int, int], width: int) -> int:
    """Return how much of a line remains beside columns of these widths; negative if they do not fit."""
    return width - sum(widths.values()) - len(_GAP) * (len(widths) - 1)


def _aligned(columns: Sequence[Column], cells: Sequence[Sequence[Text]]) -> list[list[Text]]:
    """Return the cells, with figures padded so that the decimal points of a column are aligned."""
    aligned = [list(row) for row in cells]
    for index, column in enumerate(columns):
        if column.point:
            for row in aligned:
                row[index] = row[index].copy()
            _align_points([row[index] for row in aligned])
    return aligned


def _align_points(cells: Sequence[Text]) -> None:
    """Pad figures in place so that their decimal points are aligned."""
    after = [len(cell.plain.partition(".")[2]) + ("." in cell.plain) if cell.plain else 0 for cell in cells]
    most = max(after, default=0)
    for cell, digits in zip(cells, after, strict=True):
        if digits < most and any(char.isdigit() for char in cell.plain):
            cell.append(" " * (most - digits))


def _line(columns: Sequence[Column], cells: Sequence[Text], widths: Mapping[int, int]) -> Text:
    last = max(widths)
    parts = []
    for index, width in widths.items():
        right = columns[index].right or columns[index].point
        parts.append(_fitted(cells[index], width, right, pad=right or index != last))
    return Text(_GAP).join(parts)


def _fitted(cell: Text, width: int, right: bool, pad: bool) -> Text:
    """Return a cell cut to a width and, with `pad`, filled up to it."""
    missing = width - cell.cell_len
    if missing == 0 or (missing > 0 and not pad):
        return cell
    cell = cell.copy()
    if missing < 0:
        cell.truncate(width, overflow="ellipsis")
        missing = width - cell.cell_len  # one, if half of a wide character was cut off
    if pad and right:
        cell.pad_left(missing)
    elif pad:
        cell.pad_right(missing)
    return cell
