"""The tests mirror the source: a module's tests are in the corresponding folder, under the module's name.

A private module inside a room is an implementation of the modules beside it, and may be tested through them.
"""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "autolog"

#: Modules and folders that are tested as one unit elsewhere.
ELSEWHERE = {
    "_display/cassettes.py": "testing/test_replay.py",
    "_display/files.py": "cli/test_export.py",
    "_display/styled.py": "cli/test_trace.py",
    "_capture/libraries/": "capture/libraries/test_calls.py",  # the same tests for every library
    "_delivery/journal_file.py": "delivery/test_journal.py",
    "_folders.py": "delivery/test_journal.py",
    "_native.py": "delivery/test_worker.py",
    "_options.py": "test_config.py",
    "_capture/otel_spans.py": "capture/test_opentelemetry.py",
    "_delivery/assembly.py": "test_recorder.py",
    "_delivery/children.py": "test_lifecycle.py",
    "_processing/deferred.py": "test_lifecycle.py",
    "_pricing/reports.py": "pricing/test_reconcile.py",
    "_processing/opentelemetry.py": "capture/test_opentelemetry.py",
    "_processing/span_record.py": "processing/test_enrich.py",
    "_reading/caching/": "reading/caching/test_causes.py",  # the rules, case by case
    "_reading/derive.py": "dialects/test_contract.py",
    "_sqlite.py": "delivery/test_journal.py",
    "_version.py": "test_config.py",
    "_record/zstd.py": "record/test_bodies.py",
    "cli/_children/": "cli/test_run.py",
    "cli/alerts.py": "cli/test_remote.py",
    "cli/copy.py": "stores/test_copy.py",
    "cli/keys.py": "cli/test_remote.py",
    "cli/projects.py": "cli/test_remote.py",
    "cli/ui.py": "cli/test_serve.py",
    "dialects/exports/": "dialects/test_exports.py",  # row by row, the same for every service
    "dialects/otlp/families/": "dialects/test_otlp.py",  # tables that the reader of spans uses
    "server/dashboard/": "server/dashboard/test_pages.py",  # in a browser, page by page
    "server/routes/": "server/test_vendors.py",  # by the vendors' own SDKs
    "stores/clickhouse/": "stores/test_store.py",  # one suite for both engines
    "stores/sqlite/": "stores/test_store.py",
    "stores/lookup.py": "cli/test_show.py",
    "stores/query.py": "stores/test_store.py",
    "stores/retention.py": "cli/test_prune.py",
}


def mirrored(module: Path) -> Path:
    """Return where the tests of a module belong: private names lose their underscore."""
    *folders, name = module.relative_to(PACKAGE).with_suffix("").parts
    return TESTS.joinpath(*(folder.lstrip("_") for folder in folders), f"test_{name.lstrip('_')}.py")


def is_private(module: Path) -> bool:
    """Return whether a module is private to its room; those beside the rooms are rooms of one file."""
    return module.name.startswith("_") and module.parent != PACKAGE


def test_every_module_has_its_tests_or_a_place_where_they_are() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if not path.name.startswith("__") and not is_private(path)]
    missing = [str(path.relative_to(PACKAGE)) for path in modules if not mirrored(path).exists()]
    assert [module for module in missing if not module.startswith(tuple(ELSEWHERE))] == []


def test_the_places_that_are_named_are_there() -> None:
    assert not [place for place in ELSEWHERE.values() if not (TESTS / place).exists()]
    assert not [module for module in ELSEWHERE if not (PACKAGE / module).exists()]


def test_rooms_have_folders_of_tests() -> None:
    rooms = [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    assert not [room.name for room in rooms if not any((TESTS / room.name.lstrip("_")).rglob("test_*.py"))]
