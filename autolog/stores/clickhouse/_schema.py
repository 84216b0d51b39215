"""The tables of the ClickHouse store, for one node or a cluster, as migrations that never change after their release.

`log` has a row for every version of a record. The latest version counts (ReplacingMergeTree, read with FINAL); if it is
`gone`, the record is deleted. The table is ordered by project and time, for finding the newest records. `place` maps
ids to times, for every version, so that servers see each other's changes; a materialised view fills it. `change` keeps
changes for an hour, because the engine may at any time drop all but the latest versions from `log` (`_merge`). `hour`
holds sums, which are valid where `sealed` says so (`_hours`).

On a cluster (`cluster=`), every statement runs ON CLUSTER (unless `on_cluster=0`). With `replicated=1`, the tables of a
shard are replicated. With `distributed=1`, the rows are in tables called `..._local`, distributed by a hash of project
and id, so that all versions of a record are on one shard; the store uses Distributed tables on top of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from autolog.errors import StoreError
from autolog.stores.clickhouse._client import OLDEST, Database
from autolog.stores.clickhouse._rows import CHANGE, RAW, TYPES
from autolog.stores.clickhouse._url import Target

Statements = Iterator[str]
_INDEXES = (
    "INDEX log_seq seq TYPE minmax GRANULARITY 1",
    "INDEX log_at created_at TYPE minmax GRANULARITY 1",
    "INDEX log_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 1",
    "INDEX log_response response_id TYPE bloom_filter(0.01) GRANULARITY 1",
    "INDEX log_session session TYPE bloom_filter(0.01) GRANULARITY 1",
    'INDEX log_user "user" TYPE bloom_filter(0.01) GRANULARITY 1',
    "INDEX log_prompt prompt_id TYPE bloom_filter(0.01) GRANULARITY 1",
    "INDEX log_media media_hashes TYPE bloom_filter(0.001) GRANULARITY 1",
)


def table_statements(
    target: Target, name: str, columns: str, engine: str, order: str, shard: str, more: str = ""
) -> Statements:
    """Yield statements that create a table: local, replicated, or distributed over shards by the expression `shard`."""
    on, local = target.on, target.local(name)
    kind, _, arguments = engine.partition("(")
    arguments = arguments.removesuffix(")")
    if target.replicated:
        path = f"'/clickhouse/tables/{{shard}}/{target.database}/{local}', '{{replica}}'"
        kind, arguments = f"Replicated{kind}", f"{path}, {arguments}" if arguments else path
    yield f"CREATE TABLE IF NOT EXISTS `{local}`{on} ({columns}) ENGINE = {kind}({arguments}) ORDER BY {order}{more}"
    if target.distributed:
        yield (
            f"CREATE TABLE IF NOT EXISTS `{name}`{on} AS `{local}` "
            f"ENGINE = Distributed('{target.cluster}', '{target.database}', '{local}', {shard})"
        )


#: The columns of the tables.
COLUMNS = {
    "log": TYPES,
    "place": {
        "project": "LowCardinality(String)", "id": "String", "created_at": "DateTime64(6, 'UTC')", "version": "Int64",
        "gone": "UInt8",
    },
    "change": {**CHANGE, "at": "DateTime"},
    "hour": {
        "project": "LowCardinality(String)", "dimension": "LowCardinality(String)", "start": "Int32",
        "value": "String", "calls": "Int64", "errors": "Int64", "input_tokens": "Int64", "output_tokens": "Int64",
        "cost": "Float64", "priced": "Int64", "buckets": "Array(Int32)", "counts": "Array(Int64)", "stamp": "Int64",
    },
    "sealed": {"start": "Int32", "stamp": "Int64", "whole": "UInt8"},
    "media": {"sha256": "String", "content": "String"},
    "document": {"kind": "String", "key": "String", "data": "String", "first": "Int64", "version": "Int64"},
}  # fmt: skip
_MORE = {
    ("change", "at"): " DEFAULT now()",
    ("media", "content"): " CODEC(NONE)",
    **{("log", name): " CODEC(ZSTD(3))" for name in RAW},
}


def _columns(table: str) -> str:
    return ", ".join(f'"{name}" {kind}{_MORE.get((table, name), "")}' for name, kind in COLUMNS[table].items())


def _create(target: Target) -> Statements:
    yield from table_statements(
        target, "log", ", ".join((_columns("log"), *_INDEXES)), "ReplacingMergeTree(version, gone)",
        "(project, created_at, id)", "cityHash64(project, id)",
        " PARTITION BY toYYYYMM(created_at) SETTINGS index_granularity = 1024, "
        "allow_experimental_replacing_merge_with_cleanup = 1",
    )  # fmt: skip
    yield from table_statements(
        target, "place", f"{_columns('place')}, INDEX place_id id TYPE bloom_filter(0.01) GRANULARITY 1",
        "MergeTree()", "(project, id, version)", "cityHash64(project, id)", " SETTINGS index_granularity = 1024",
    )  # fmt: skip
    yield (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS `place_view`{target.on} TO `{target.local('place')}` "
        f"AS SELECT project, id, created_at, version, gone FROM `{target.local('log')}`"
    )
    yield from table_statements(
        target, "change", _columns("change"), "MergeTree()", "(project, id, version)", "cityHash64(project, id)",
        " TTL at + INTERVAL 1 HOUR SETTINGS index_granularity = 256",
    )  # fmt: skip
    yield from table_statements(
        target, "hour", _columns("hour"), "ReplacingMergeTree(stamp)", "(dimension, project, start, value)",
        "cityHash64(start)",
    )  # fmt: skip
    yield from table_statements(
        target, "sealed", _columns("sealed"), "ReplacingMergeTree(stamp)", "start", "cityHash64(start)",
    )  # fmt: skip
    yield from table_statements(
        target, "media", _columns("media"), "ReplacingMergeTree()", "sha256", "cityHash64(sha256)",
        " SETTINGS index_granularity = 16",
    )  # fmt: skip
    yield from table_statements(
        target, "document", _columns("document"), "ReplacingMergeTree(version)", "(kind, key)",
        "cityHash64(kind, key)",
    )  # fmt: skip


def _sum_by_the_model_asked_for(target: Target) -> Statements:
    """Recompute the sums: failed calls count for the requested model, and calls that need no price are not unpriced."""
    yield f"TRUNCATE TABLE IF EXISTS `{target.local('sealed')}`{target.on}"


def _add_scores(target: Target) -> Statements:
    """Add the column for finding records by score; for older records, it is filled when they change."""
    for name in dict.fromkeys((target.local("log"), "log")):
        yield f"ALTER TABLE `{name}`{target.on} ADD COLUMN IF NOT EXISTS scores {TYPES['scores']}"


#: All migrations; the table `autolog_schema` says how many a database has had.
MIGRATIONS: tuple[Callable[[Target], Statements], ...] = (_create, _sum_by_the_model_asked_for, _add_scores)


def prepare(db: Database, target: Target) -> None:
    """Create the database and its tables, or bring them up to date.

    Raises:
        StoreError: if the server is too old, the database is another program's or a newer autolog's, or its tables are
            not those of its version.
    """
    if db.version < OLDEST:
        known = ".".join(map(str, db.version))
        raise StoreError(target.shown, f"ClickHouse {known} is too old; {'.'.join(map(str, OLDEST))} is the oldest")
    if target.database not in db.databases():
        db.command(f"CREATE DATABASE IF NOT EXISTS `{target.database}`{target.on}", database=False)
    tables = _columns_there(db)
    version = 0
    if "autolog_schema" in tables:
        ((version,),) = db.query("SELECT max(version) FROM autolog_schema")
    elif tables.keys() & COLUMNS.keys():
        raise StoreError(target.shown, "this database holds another program's tables; choose another database")
    if version > len(MIGRATIONS):
        raise StoreError(target.shown, "this database was written by a newer autolog: pip install -U autolog-llm")
    if version == len(MIGRATIONS):
        _check(tables, target)
    if version < len(MIGRATIONS):  # statements can be run twice, as another server may be doing the same
        for statement in _schema_table(target):
            db.command(statement)
        for number, migrate in enumerate(MIGRATIONS[version:], version + 1):
            for statement in migrate(target):
                db.command(statement)
            db.insert("autolog_schema", {"version": "UInt32"}, [[number]])
    for statement in ttl(target):
        db.command(statement)


def _columns_there(db: Database) -> dict[str, dict[str, str]]:
    """Return the types of the columns of each table in the database."""
    found: dict[str, dict[str, str]] = {}
    for table, name, kind in db.query(
        "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()"
    ):
        found.setdefault(table, {})[name] = kind
    return found


def _check(tables: dict[str, dict[str, str]], target: Target) -> None:
    """Refuse tables without the expected columns, which a development version with the same number may have made."""
    for table, columns in COLUMNS.items():
        differing = [name for name, kind in columns.items() if tables.get(table, {}).get(name) != kind]
        if differing:
            raise StoreError(
                target.shown,
                f"the table {table} does not match this version (see {', '.join(differing[:5])}): a development "
                "version of autolog made it; export with that one and import here, or choose another database",
            )


def _schema_table(target: Target) -> Statements:
    """Yield statements that create the table which marks a database as autolog's."""
    yield from table_statements(
        target, "autolog_schema", "version UInt32, made_at DateTime DEFAULT now()", "ReplacingMergeTree()", "version",
        "version",
    )  # fmt: skip


def ttl(target: Target) -> Statements:
    """Yield statements that set the age at which records are deleted, as the option says; 0 removes it."""
    if target.ttl_days == 0:
        for name in ("log", "place"):
            yield f"ALTER TABLE `{target.local(name)}`{target.on} REMOVE TTL"
    elif target.ttl_days is not None:
        for name in ("log", "place"):
            yield (
                f"ALTER TABLE `{target.local(name)}`{target.on} MODIFY TTL toDateTime(created_at) + "
                f"INTERVAL {target.ttl_days} DAY SETTINGS materialize_ttl_after_modify = 0"
            )
