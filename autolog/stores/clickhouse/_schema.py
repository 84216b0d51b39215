"""The tables of the ClickHouse store, for one node or a cluster: migrations, each once and never changed after release.

`log` has a row for every version of a record; the latest one stands (ReplacingMergeTree, read with FINAL), and one that
is `gone` takes the record away. It is ordered by project and time, for the newest first; `place` knows under which time
an id is, in every version, so that servers see each other's changes; a materialised view fills it. `change` has those
changes for an hour, for of `log` the engine drops all but the latest at any time (`_clickhouse_merge`). `hour` holds
sums, valid where `sealed` says so (`_clickhouse_hours`).

On a cluster (`cluster=`) every statement runs ON CLUSTER (unless `on_cluster=0`). With `replicated=1` the tables of a
shard copy themselves. With `distributed=1` the rows lie in tables called `..._local`, spread by a hash of project and
id, so that all versions of a record are on one shard; the tables that the store uses are Distributed ones above them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from autolog.stores.clickhouse._rows import CHANGE, RAW, TYPES
from autolog.stores.clickhouse._url import Place

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


def _table(place: Place, name: str, columns: str, engine: str, order: str, shard: str, more: str = "") -> Statements:
    """A table that may be local, replicated, or spread over shards by the expression `shard`."""
    on, local = place.on, place.local(name)
    kind, _, arguments = engine.partition("(")
    arguments = arguments.removesuffix(")")
    if place.replicated:
        path = f"'/clickhouse/tables/{{shard}}/{place.database}/{local}', '{{replica}}'"
        kind, arguments = f"Replicated{kind}", f"{path}, {arguments}" if arguments else path
    yield f"CREATE TABLE IF NOT EXISTS `{local}`{on} ({columns}) ENGINE = {kind}({arguments}) ORDER BY {order}{more}"
    if place.distributed:
        yield (
            f"CREATE TABLE IF NOT EXISTS `{name}`{on} AS `{local}` "
            f"ENGINE = Distributed('{place.cluster}', '{place.database}', '{local}', {shard})"
        )


def _create(place: Place) -> Statements:
    columns = ", ".join(f'"{name}" {kind}' + (" CODEC(ZSTD(3))" if name in RAW else "") for name, kind in TYPES.items())
    yield from _table(
        place, "log", ", ".join((columns, *_INDEXES)), "ReplacingMergeTree(version, gone)",
        "(project, created_at, id)", "cityHash64(project, id)",
        " PARTITION BY toYYYYMM(created_at) SETTINGS index_granularity = 1024, "
        "allow_experimental_replacing_merge_with_cleanup = 1",
    )  # fmt: skip
    yield from _table(
        place, "place",
        "project LowCardinality(String), id String, created_at DateTime64(6, 'UTC'), version Int64, gone UInt8, "
        "INDEX place_id id TYPE bloom_filter(0.01) GRANULARITY 1",
        "MergeTree()", "(project, id, version)", "cityHash64(project, id)", " SETTINGS index_granularity = 1024",
    )  # fmt: skip
    yield (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS `place_view`{place.on} TO `{place.local('place')}` "
        f"AS SELECT project, id, created_at, version, gone FROM `{place.local('log')}`"
    )
    yield from _table(
        place, "change", ", ".join((*(f"{name} {kind}" for name, kind in CHANGE.items()), "at DateTime DEFAULT now()")),
        "MergeTree()", "(project, id, version)", "cityHash64(project, id)",
        " TTL at + INTERVAL 1 HOUR SETTINGS index_granularity = 256",
    )  # fmt: skip
    yield from _table(
        place, "hour",
        "project LowCardinality(String), dimension LowCardinality(String), start Int32, value String, calls Int64, "
        "errors Int64, input_tokens Int64, output_tokens Int64, cost Float64, priced Int64, buckets Array(Int32), "
        "counts Array(Int64), stamp Int64",
        "ReplacingMergeTree(stamp)", "(dimension, project, start, value)", "cityHash64(start)",
    )  # fmt: skip
    yield from _table(
        place, "sealed", "start Int32, stamp Int64, whole UInt8", "ReplacingMergeTree(stamp)", "start",
        "cityHash64(start)",
    )  # fmt: skip
    yield from _table(
        place, "media", "sha256 String, content String CODEC(NONE)", "ReplacingMergeTree()", "sha256",
        "cityHash64(sha256)", " SETTINGS index_granularity = 16",
    )  # fmt: skip
    yield from _table(
        place, "document", "kind String, key String, data String, first Int64, version Int64",
        "ReplacingMergeTree(version)", "(kind, key)", "cityHash64(kind, key)",
    )  # fmt: skip


#: `autolog_schema` says how many a database has had.
MIGRATIONS: tuple[Callable[[Place], Statements], ...] = (_create,)


def schema_table(place: Place) -> Statements:
    """The table that marks a database as ours."""
    yield from _table(
        place, "autolog_schema", "version UInt32, made_at DateTime DEFAULT now()", "ReplacingMergeTree()", "version",
        "version",
    )  # fmt: skip


def ttl(place: Place) -> Statements:
    """Records that are too old delete themselves, as the option says; 0 ends that."""
    if place.ttl_days == 0:
        for name in ("log", "place"):
            yield f"ALTER TABLE `{place.local(name)}`{place.on} REMOVE TTL"
    elif place.ttl_days is not None:
        for name in ("log", "place"):
            yield (
                f"ALTER TABLE `{place.local(name)}`{place.on} MODIFY TTL toDateTime(created_at) + "
                f"INTERVAL {place.ttl_days} DAY SETTINGS materialize_ttl_after_modify = 0"
            )
