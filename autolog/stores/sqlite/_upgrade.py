"""Bring older files up to date: migrate or repair their tables, or rebuild them from their contents.

A file's `user_version` says how many migrations it has had, but not which ones: a development version may have had
others under the same number. The tables themselves are therefore inspected. If they are those of the version, the
missing migrations are applied; otherwise, new tables are filled with the records in the old ones.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from autolog._guard import logger
from autolog._record.bodies import decode_json, decode_object
from autolog._record.record import FIELDS, Record
from autolog._record.times import from_micros
from autolog._sqlite import immediate, use_write_ahead_log
from autolog.errors import StoreError, shown
from autolog.stores.sqlite import _rollup
from autolog.stores.sqlite._insert import insert
from autolog.stores.sqlite._records import write_facets
from autolog.stores.sqlite._rollup import Rollups
from autolog.stores.sqlite._rows import INTO_LOG, TIMES, to_row
from autolog.stores.sqlite._schema import MIGRATIONS

#: Marks a file as autolog's ("alog"), so that no other program's database is mistaken for one.
APPLICATION_ID = 0x616C6F67
#: The `_fingerprint` of a file that has had all migrations.
FINGERPRINT = "9bfd1bb7df6e2928"
#: Tables whose rows have the same meaning in all versions.
_CARRIED = ("body", "dictionary", "media", "media_use", "document")
_OLD = "before_"

#: A table's columns (name, type, not null, place in the primary key), its unique keys, and whether it autoincrements.
_Shape = tuple[frozenset[tuple[Any, ...]], frozenset[tuple[str, ...]], bool]


def bring_up_to_date(db: sqlite3.Connection, url: str) -> None:
    """Bring a file's tables to this version.

    Raises:
        StoreError: if the file is another program's or a newer autolog's, or its contents cannot be read.
    """
    db.execute("BEGIN")  # a consistent snapshot, as another process may be creating the tables
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    version, fingerprint = _version(db), _fingerprint(db)
    db.execute("COMMIT")
    if application != APPLICATION_ID and (application or tables):
        raise StoreError(url, "this file is another program's database; choose another path")
    if version > len(MIGRATIONS):
        raise StoreError(url, "this file was written by a newer autolog: pip install -U autolog-llm")
    use_write_ahead_log(db)
    if version == len(MIGRATIONS) and (fingerprint == FINGERPRINT or _is_whole(db)):
        return
    with immediate(db):
        _migrate(db, url)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _migrate(db: sqlite3.Connection, url: str) -> None:
    version = _version(db)  # another process may have been faster
    expected, _ = _expected(version)
    if _has(db, expected):
        for migrate in MIGRATIONS[version:]:
            migrate(db)
    else:
        try:
            count = _rebuild(db)
        except (sqlite3.DatabaseError, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
            raise StoreError(
                url,
                f"its tables match no version of autolog, and cannot be read ({error}); choose another path, or "
                "move this file away and a new one will be created",
            ) from error
        logger.warning("the tables of %s matched no release: its %s records were moved to new ones", shown(url), count)
    _mend_indexes(db)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _fingerprint(db: sqlite3.Connection) -> str:
    """Return a hash of all definitions of tables and indexes."""
    rows = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return hashlib.sha256("\n".join(f"{name} {_normal(sql)}" for name, sql in rows).encode()).hexdigest()[:16]


def _normal(sql: str) -> str:
    return " ".join(sql.split())


# Existing and expected tables and indexes


def _is_whole(db: sqlite3.Connection) -> bool:
    """Return whether all tables and indexes of this version exist; there may be others."""
    tables, indexes = _expected(len(MIGRATIONS))
    return _has(db, tables) and indexes.items() <= _indexes(db).items()


def _has(db: sqlite3.Connection, expected: dict[str, _Shape]) -> bool:
    return all(_shape(db, table) == shape for table, shape in expected.items())


def _expected(version: int) -> tuple[dict[str, _Shape], dict[str, str]]:
    """Return the tables and indexes after `version` migrations."""
    db = sqlite3.connect(":memory:")
    try:
        _rollup.prepare(db)
        for migrate in MIGRATIONS[:version]:
            migrate(db)
        return {table: _shape(db, table) for table in _tables(db)}, _indexes(db)
    finally:
        db.close()


def _tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in rows]


def _shape(db: sqlite3.Connection, table: str) -> _Shape:
    columns = db.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (table,))
    unique = db.execute("SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND origin = 'u'", (table,)).fetchall()
    keys = [tuple(row[0] for row in db.execute("SELECT name FROM pragma_index_info(?)", index)) for index in unique]
    (counting,) = db.execute(
        "SELECT count(*) FROM sqlite_master WHERE name = ? AND sql LIKE '%AUTOINCREMENT%'", (table,)
    ).fetchone()
    return frozenset(columns), frozenset(keys), bool(counting)


def _indexes(db: sqlite3.Connection) -> dict[str, str]:
    rows = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    return {name: _normal(sql) for name, sql in rows}


def _mend_indexes(db: sqlite3.Connection) -> None:
    """Create the indexes that are missing or have another definition."""
    existing = _indexes(db)
    for name, sql in _expected(len(MIGRATIONS))[1].items():
        if existing.get(name) != sql:
            db.execute(f"DROP INDEX IF EXISTS {name}")
            db.execute(sql)


# New tables for old records


def _rebuild(db: sqlite3.Connection) -> int:
    """Recreate all tables and fill them from the old ones; return the number of records."""
    for name in _indexes(db):
        db.execute(f'DROP INDEX "{name}"')
    old = _tables(db)
    for table in old:
        db.execute(f'ALTER TABLE "{table}" RENAME TO "{_OLD}{table}"')
    for migrate in MIGRATIONS:
        migrate(db)
    for table in _CARRIED:
        columns = _columns(db, table)
        if set(columns) <= set(_columns(db, _OLD + table)):
            names = ", ".join(f'"{column}"' for column in columns)
            db.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {_OLD}{table}")  # noqa: S608 - our tables
    rollups, count = Rollups(), 0
    rollups.begin()
    for seq, record in _old_records(db) if "log" in old else ():
        insert(db, INTO_LOG, [(seq, *to_row(record))], "ON CONFLICT DO NOTHING")
        write_facets(db, [(seq, record)])
        rollups.note(record, 1)
        count += 1
    rollups.end(db)
    for table in old:
        db.execute(f'DROP TABLE "{_OLD}{table}"')
    return count


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _old_records(db: sqlite3.Connection) -> Iterator[tuple[int, Record]]:
    """Yield the records of the old table, from the columns named after fields and from `rest`."""
    columns = _columns(db, f"{_OLD}log")
    for row in db.execute(f"SELECT * FROM {_OLD}log ORDER BY n"):  # noqa: S608 - our table
        values = dict(zip(columns, row, strict=True))
        fields = decode_object(values.get("rest"))
        fields |= {name: _field(name, values[name]) for name in FIELDS if values.get(name) is not None}
        yield values["n"], msgspec.convert(fields, Record, strict=False)


def _field(name: str, value: Any) -> Any:
    """Return a column's value in the type that `Record` has for it."""
    if name in TIMES and isinstance(value, int):
        return from_micros(value)
    if isinstance(value, str) and "str |" not in (kind := str(Record.__annotations__[name])) and kind != "str":
        return value if name in TIMES else decode_json(value)
    return value
