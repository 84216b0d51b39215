"""Count the structure of the source tree: `python tests/house.py`.

Print the rooms (modules and packages directly under `autolog/`), the imports between them, import cycles, and functions
and modules that are too long. Imports for the type checker only are counted, too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent / "autolog"
#: The longest function and the longest module, in lines.
LONG_FUNCTION, LONG_MODULE = 50, 400


def room_edges() -> tuple[set[str], set[tuple[str, str]]]:
    """Return the rooms, and the pairs of an importing and an imported room; `autolog/__init__.py` is not a room."""
    graph = grimp.build_graph("autolog", exclude_type_checking_imports=False)
    rooms = {module.split(".")[1] for module in graph.modules if "." in module}
    edges = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            both = [name.split(".")[1] if "." in name else "" for name in (module, imported)]
            if both[0] != both[1] and set(both) <= rooms:
                edges.add((both[0], both[1]))
    return rooms, edges


def circles(edges: set[tuple[str, str]]) -> set[str]:
    """Return the rooms that are part of an import cycle."""
    reached = set(edges)
    while more := {(a, d) for a, b in reached for c, d in edges if b == c} - reached:
        reached |= more
    return {a for a, b in reached if a == b}


def long_functions() -> list[str]:
    """Return the functions of more than `LONG_FUNCTION` lines, with their lengths."""
    functions = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONG_FUNCTION:
                    functions.append(f"{path.relative_to(ROOT)}:{node.name} {length}")
    return functions


def long_modules() -> list[str]:
    """Return the modules of more than `LONG_MODULE` lines, with their lengths."""
    lengths = {path: path.read_text().count("\n") for path in sorted(ROOT.rglob("*.py"))}
    return [f"{path.relative_to(ROOT)} {length}" for path, length in lengths.items() if length > LONG_MODULE]


def main() -> None:
    rooms, edges = room_edges()
    print(f"{len(rooms)} rooms, {len(edges)} edges between them, in circles: {', '.join(circles(edges)) or 'none'}")
    print(f"functions over {LONG_FUNCTION} lines: {', '.join(long_functions()) or 'none'}")
    print(f"modules over {LONG_MODULE} lines: {', '.join(long_modules()) or 'none'}")


if __name__ == "__main__":
    main()
