"""Tables that fit the terminal: expendable columns are left out in turn, then texts are cut; other cells stay whole."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

#: A text and the name of its style.
Part = tuple[str, str]
#: A cell of a table. Parts take a third of the time of a `Text`: a trace of 2,000 spans is drawn in 70 ms, not 180.
Cell = Text | Sequence[Part]
Line = list[Part]

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
        leave: the order in which columns are left out, the highest number first and equal ones together. Those below
            zero are left out only if the rest does not fit at all, and then, from the right, those of 0.
    """

    heading: str
    right: bool = False
    point: bool = False
    least: int | None = None
    most: int | None = None
    narrow: int | None = None
    leave: int = 0


def draw(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None, total: Sequence[Cell] | None = None
) -> Iterator[Line]:
    """Yield the lines of a table no wider than `width`, or as wide as necessary for None; the total comes last."""
    plain = [[_on_one_line(parts(cell)) for cell in row] for row in (rows if total is None else [*rows, total])]
    cells = _aligned(columns, plain)
    widths = _widths(columns, cells, width)
    if width is not None and _room(widths, width) < 0:  # a tiny amount beside a huge one
        cells = plain
        widths = _widths(columns, cells, width)
    if width is not None and _room(widths, width) < 0:
        widths = _widths(columns, cells, width, _most_important(columns, widths, width))
    rule = [("─" * (sum(widths.values()) + len(_GAP) * (len(widths) - 1)), "dim")]
    yield _line(columns, [[(column.heading, "bold")] for column in columns], widths)
    yield rule
    for number, row in enumerate(cells):
        if total is not None and number == len(rows):
            yield rule
        yield _line(columns, row, widths)


def parts(cell: Cell) -> Sequence[Part]:
    """Return the parts of a cell: those of a `Text` are separated where its styles change."""
    if not isinstance(cell, Text):
        return cell
    if not cell.spans:
        return [(cell.plain, str(cell.style))]
    changes = sorted({place for span in cell.spans for place in (span.start, span.end)})
    return [
        (piece.plain, " ".join(str(style) for style in (piece.style, *(span.style for span in piece.spans))))
        for piece in cell.divide(changes)
    ]


def _on_one_line(cell: Sequence[Part]) -> Sequence[Part]:
    """Return a cell with spaces in place of line breaks and tabs, which would break the table."""
    if all(text.isprintable() for text, _ in cell):
        return cell
    return [(text.translate({ord("\n"): " ", ord("\t"): " "}), style) for text, style in cell]


def fits(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> bool:
    """Return whether all columns fit into `width` at their least widths."""
    natural = _natural(columns, [[parts(cell) for cell in row] for row in rows])
    return sum(_least(columns, _usual(columns, natural))) + len(_GAP) * (len(columns) - 1) <= width


def _size(cell: Sequence[Part]) -> int:
    """Return the width of a cell on the screen."""
    return sum([len(text) if text.isascii() else cell_len(text) for text, _ in cell])


def _natural(columns: Sequence[Column], cells: Sequence[Sequence[Sequence[Part]]]) -> list[int]:
    """Return the natural width of each column."""
    return [max([len(column.heading), *(_size(row[index]) for row in cells)]) for index, column in enumerate(columns)]


def _usual(columns: Sequence[Column], natural: Sequence[int]) -> list[int]:
    return [min(width, column.most or width) for width, column in zip(natural, columns, strict=True)]


def _least(columns: Sequence[Column], usual: Sequence[int]) -> list[int]:
    return [min(width, column.least or width) for width, column in zip(usual, columns, strict=True)]


def _most_important(columns: Sequence[Column], widths: Mapping[int, int], width: int) -> set[int]:
    """Return the indexes of the columns that fit into a terminal too narrow for all that usually stay."""
    left = dict(widths)
    order = sorted(left, key=lambda index: (columns[index].leave == 0, -columns[index].leave, -index))
    for index in order[:-1]:
        if _room(left, width) < 0:
            del left[index]
    return set(left)


def _widths(
    columns: Sequence[Column],
    cells: Sequence[Sequence[Sequence[Part]]],
    width: int | None,
    only: Container[int] | None = None,
) -> dict[int, int]:
    """Return the widths, by index, of the columns for which there is room, among all or among `only` these."""
    natural = _natural(columns, cells)
    if width is None:
        return dict(enumerate(natural))
    usual = _usual(columns, natural)
    left = {index: size for index, size in enumerate(_least(columns, usual)) if only is None or index in only}
    while (room := _room(left, width)) < 0:
        first = max(columns[index].leave for index in left)
        if first <= 1:
            left = {index: min(size, columns[index].narrow or size) for index, size in left.items()}
            room = _room(left, width)
        if first <= 0 or room >= 0:
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


def _aligned(columns: Sequence[Column], cells: Sequence[Sequence[Sequence[Part]]]) -> list[list[Sequence[Part]]]:
    """Return the cells, with figures padded so that the decimal points of a column are aligned."""
    aligned = [list(row) for row in cells]
    for index, column in enumerate(columns):
        if column.point:
            figures = ["".join(text for text, _ in row[index]) for row in aligned]
            after = [len(figure.partition(".")[2]) + ("." in figure) for figure in figures]
            most = max(after, default=0)
            for row, figure, digits in zip(aligned, figures, after, strict=True):
                if digits < most and any(char.isdigit() for char in figure):
                    row[index] = _padded(row[index], right=most - digits)
    return aligned


def _line(columns: Sequence[Column], cells: Sequence[Sequence[Part]], widths: Mapping[int, int]) -> Line:
    last = max(widths)
    line: Line = []
    for index, width in widths.items():
        if line:
            line.append((_GAP, ""))
        right = columns[index].right or columns[index].point
        line += _fitted(cells[index], width, right, pad=right or index != last)
    return line


def _fitted(cell: Sequence[Part], width: int, right: bool, pad: bool) -> Sequence[Part]:
    """Return a cell cut to a width and, with `pad`, filled up to it."""
    missing = width - _size(cell)
    if missing < 0:
        cell = _cut(cell, width)
        missing = width - _size(cell)  # one, if half of a wide character was cut off
    if missing == 0 or not pad:
        return cell
    return _padded(cell, left=missing) if right else _padded(cell, right=missing)


def _padded(cell: Sequence[Part], left: int = 0, right: int = 0) -> Sequence[Part]:
    """Return a cell with spaces around it, which are in the cell's style if it has a single one."""
    if len(cell) == 1:
        ((text, style),) = cell
        return [(" " * left + text + " " * right, style)]
    return [(" " * left, ""), *cell, (" " * right, "")]


def _cut(cell: Sequence[Part], width: int) -> list[Part]:
    """Return the beginning of a cell that is wider than `width`, with an ellipsis."""
    kept: list[Part] = []
    room = width - 1
    for text, style in cell:
        size = cell_len(text)
        if size > room:
            kept.append((set_cell_size(text, room) + "…", style))
            break
        kept.append((text, style))
        room -= size
    return kept
