"""The tables of the SQLite store, as migrations that never change after their release."""

from __future__ import annotations

import sqlite3

from autolog.stores.sqlite import _rollup
from autolog.stores.sqlite._rollup import Rollups
from autolog.stores.sqlite._rows import SELECT, from_row


def _create_tables(db: sqlite3.Connection) -> None:
    db.execute("""
        CREATE TABLE log (
            n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT, project TEXT NOT NULL,
            dialect TEXT NOT NULL, trace_id TEXT, span_id TEXT, parent_span_id TEXT, operation_name TEXT,
            provider_name TEXT, request_model TEXT, response_model TEXT, usage_input_tokens INTEGER,
            usage_output_tokens INTEGER, cost REAL, cached INTEGER NOT NULL, status TEXT NOT NULL, status_code INTEGER,
            error_type TEXT, error_message TEXT, created_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, duration REAL, time_to_first_chunk REAL, user TEXT, session TEXT, tags TEXT,
            metadata TEXT, score REAL, feedback INTEGER, prompt_name TEXT, prompt_id TEXT, prompt_version TEXT,
            request_content_type TEXT, response_content_type TEXT, input_preview TEXT, output_preview TEXT, rest TEXT,
            UNIQUE (project, id))""")
    db.execute("CREATE TABLE document (kind TEXT, key TEXT, data TEXT NOT NULL, PRIMARY KEY (kind, key))")
    db.execute("CREATE TABLE body (n INTEGER PRIMARY KEY, request_body BLOB, response_body BLOB)")
    db.execute("CREATE TABLE tag (tag TEXT, n INTEGER, PRIMARY KEY (tag, n)) WITHOUT ROWID")
    db.execute("CREATE TABLE meta (key TEXT, value TEXT, n INTEGER, PRIMARY KEY (key, value, n)) WITHOUT ROWID")
    db.execute("CREATE INDEX log_created ON log (created_at)")
    db.execute("CREATE INDEX log_trace ON log (trace_id) WHERE trace_id IS NOT NULL")
    db.execute("CREATE INDEX log_id ON log (id)")
    for column in ("name", "request_model", "user", "session", "prompt_id"):
        db.execute(f'CREATE INDEX log_{column} ON log ("{column}", created_at) WHERE "{column}" IS NOT NULL')
    db.execute("CREATE INDEX log_error ON log (created_at) WHERE status = 'error'")


def _create_media(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE media (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL)")
    db.execute("CREATE TABLE media_use (n INTEGER, sha256 TEXT, PRIMARY KEY (n, sha256)) WITHOUT ROWID")
    db.execute("CREATE INDEX media_use_sha256 ON media_use (sha256)")


def _add_response_id(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE log ADD COLUMN response_id TEXT")
    db.execute("UPDATE log SET response_id = json_extract(rest, '$.response_id') WHERE rest LIKE '%response_id%'")
    db.execute("CREATE INDEX log_response_id ON log (response_id) WHERE response_id IS NOT NULL")


def _create_facets(db: sqlite3.Connection) -> None:
    db.execute("""
        CREATE TABLE facet (kind TEXT, value TEXT, at INTEGER, n INTEGER, PRIMARY KEY (kind, value, at, n))
        WITHOUT ROWID""")
    db.execute("INSERT INTO facet SELECT 'tag', tag, created_at, n FROM tag JOIN log USING (n)")
    for column in ("request_model", "response_model"):
        db.execute(f"""
            INSERT OR IGNORE INTO facet SELECT 'model', {column}, created_at, n FROM log
            WHERE {column} IS NOT NULL""")  # noqa: S608 - column is ours
    db.execute("DROP TABLE tag")
    db.execute("ALTER TABLE meta RENAME TO old_meta")
    db.execute("""
        CREATE TABLE meta (key TEXT, value TEXT, at INTEGER, n INTEGER, PRIMARY KEY (key, value, at, n))
        WITHOUT ROWID""")
    db.execute("INSERT INTO meta SELECT key, value, created_at, n FROM old_meta JOIN log USING (n)")
    db.execute("DROP TABLE old_meta")
    db.execute("DROP INDEX log_request_model")
    db.execute("CREATE INDEX log_provider_name ON log (provider_name, created_at) WHERE provider_name IS NOT NULL")
    db.execute("CREATE INDEX log_project ON log (project, created_at)")
    db.execute("CREATE INDEX log_cost ON log (cost)")
    db.execute("CREATE INDEX log_duration ON log (duration)")


def _create_rollups(db: sqlite3.Connection) -> None:
    _rollup.create_tables(db)
    rollups = Rollups()
    rollups.begin()
    for row in db.execute(f"SELECT {SELECT} FROM log"):  # noqa: S608 - our columns
        rollups.note(from_row(row), 1)
    rollups.end(db)


def _index_what_is_looked_up(db: sqlite3.Connection) -> None:
    """Add indexes for the lookups that ingestion makes for every log, whose time must not grow with the store.

    Some servers give every response the same id, so the index on it also contains the dialect. The latest log of a
    prompt is found without sorting, because an index ends with the row's number.
    """
    db.execute("DROP INDEX log_response_id")
    db.execute("""
        CREATE INDEX log_response_id ON log (response_id, dialect, created_at) WHERE response_id IS NOT NULL""")
    db.execute("CREATE INDEX log_prompt ON log (prompt_id) WHERE prompt_id IS NOT NULL")


def _create_dictionary(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE dictionary (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, data BLOB NOT NULL)")


def _sum_by_the_model_asked_for(db: sqlite3.Connection) -> None:
    """Recompute the sums: failed calls count for the requested model, and calls that need no price are not unpriced."""
    db.execute("DROP TABLE rollup_hour")
    db.execute("DROP TABLE rollup_day")
    _create_rollups(db)


def _index_what_was_used(db: sqlite3.Connection) -> None:
    """Add an index for finding reports of the same call that do not contain the response's id."""
    db.execute("""
        CREATE INDEX log_usage ON log (usage_input_tokens, usage_output_tokens, created_at, dialect)
        WHERE kind = 'llm'""")


def _find_by_scores(db: sqlite3.Connection) -> None:
    """Add the names of scores to the facets by which records are found."""
    db.execute("""
        INSERT OR IGNORE INTO facet SELECT 'score', scored.key, created_at, n
        FROM log, json_each(log.rest, '$.scores') AS scored WHERE rest LIKE '%"scores"%'""")
    db.execute("INSERT OR IGNORE INTO facet SELECT 'score', 'default', created_at, n FROM log WHERE score IS NOT NULL")


#: All migrations; a file's `user_version` says how many it has had.
MIGRATIONS = (
    _create_tables,
    _create_media,
    _add_response_id,
    _create_facets,
    _create_rollups,
    _index_what_is_looked_up,
    _create_dictionary,
    _sum_by_the_model_asked_for,
    _index_what_was_used,
    _find_by_scores,
)
