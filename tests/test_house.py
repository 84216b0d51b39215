"""The structure of the source tree: its rooms, the imports between them, and what `import autolog` loads."""

from __future__ import annotations

import ast
import subprocess
import sys

import house

#: The modules that `import autolog` loads: none that reads bodies, knows prices, opens a store or uses the network.
LOADED = """
autolog _config _guard _lifecycle _native _recorder _version errors
_capture _capture.context _capture.exchange _capture.graft _capture.http _capture.imports _capture.opentelemetry _capture.otel_calls _capture.otel_spans
_capture.patch _capture.patching _capture.scope _capture.snapshot _capture.span
_capture.stream_usage _capture.tee _capture.threads
_delivery _delivery.assembly _delivery.children _delivery.delivery _delivery.queue _delivery.worker
_processing _processing.deferred
_record _record.bodies _record.ids _record.streams
providers providers._facts providers._fields providers._defaults providers._openai_streams providers._openai_tasks providers._openai_usage providers._pieces providers._sdks providers._table
providers.openai
"""


def test_import_loads_exactly_these_modules() -> None:
    code = "import sys, autolog; print(*(name for name in sys.modules if name.split('.')[0] == 'autolog'))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(loaded) == sorted(name if name == "autolog" else f"autolog.{name}" for name in LOADED.split())


def test_the_shared_fixtures_load_without_the_packages_of_single_tests() -> None:
    """The environments of `tests/beside` have pytest, the SDKs and autolog with its server, and nothing else."""
    absent = ("hypothesis", "schemathesis", "chdb", "clickhouse_connect", "duckdb", "httpx", "playwright", "websockets")
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import conftest"
    done = subprocess.run([sys.executable, "-c", code], cwd=house.ROOT.parent / "tests", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


#: Words with which a function's docstring must not begin, because it begins with a verb.
NO_VERBS = frozenset(
    [
        "What",
        "Whether",
        "How",
        "A",
        "An",
        "The",
        "One",
        "All",
        "Of",
        "In",
        "So",
        "Every",
        "Each",
        "Those",
        "Where",
        "Which",
        "Who",
        "For",
        "Now",
        "That",
        "Same",
        "Bytes",
        "Text",
        "Texts",
        "Records",
        "Headers",
        "Its",
        "It",
        "Two",
        "No",
        "Some",
        "From",
        "This",
        "If",
        "When",
        "These",
    ]
)


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    docstrings = []
    for path in house.ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (text := ast.get_docstring(node)):
                names = {getattr(decorator, "id", getattr(decorator, "attr", "")) for decorator in node.decorator_list}
                is_value = bool(names & {"property", "setter", "cached_property"})
                if text.split()[0].strip(",.:;") in NO_VERBS and not is_value:
                    docstrings.append(f"{path.name}:{node.name}: {text[:60]}")
    assert docstrings == []


def test_rooms_are_few_and_import_one_another_in_no_circle() -> None:
    rooms, edges = house.room_edges()
    assert len(rooms) <= 30
    assert len(edges) <= 110
    assert not house.circles(edges)


def test_functions_and_modules_are_short() -> None:
    assert house.long_functions() == []
    assert house.long_modules() == []
