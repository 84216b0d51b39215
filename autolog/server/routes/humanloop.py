"""Humanloop: logs of prompts, flows, tools and evaluators."""

from __future__ import annotations

import functools
import random
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import compress
from typing import Any

from autolog._record.ids import within
from autolog._record.record import Record
from autolog.dialects import humanloop as dialect, otlp
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Parameter, Reply, Route
from autolog.server._ingest import Written
from autolog.server._reading import json_object, read_whole
from autolog.server._services import Services
from autolog.server._writer import Change, RecordWrite
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: The file under which logs of other dialects are shown, which belong to no prompt.
OTHER = "logs"


#: The kind of the documents that preserve files: a file is known by its logs, and by this when they have been deleted.
_FILE = "humanloop-file"


def _latest(store: Store, project: str) -> Callable[[str], Record | None]:
    def latest(file_id: str) -> Record | None:
        records = store.find(Query({"project": project, "prompt_id": file_id}), 1, order_by="seq")
        if records:
            return records[0]
        key = within(project, file_id)
        kept = store.documents(_FILE, key).get(key)
        if kept is None:
            return None
        return Record(id="", prompt_id=file_id, prompt_name=kept["path"], prompt_template=kept["settings"])

    return latest


#: The files that are known to be preserved, by application; looking each up would take longer than everything else.
_kept_files: weakref.WeakKeyDictionary[Services, set[tuple[str, str]]] = weakref.WeakKeyDictionary()
#: The most files to remember for one application.
MOST_FILES = 10_000


def _keep_file(call: Call, record: Record) -> None:
    """Preserve the file of a log, if it is a new one."""
    name, known = record.prompt_id or "", _kept_files.setdefault(call.services, set())
    if (call.project, name) in known:
        return
    key = within(call.project, name)
    if key not in call.store.documents(_FILE, key):
        kept = {"path": record.prompt_name, "settings": record.prompt_template}
        call.write(lambda store: store.put_document(_FILE, key, kept))
    if len(known) >= MOST_FILES:
        known.clear()
    known.add((call.project, name))


def create(kind: str, call: Call) -> Change:
    body = call.object()
    given_environment = call.parameter("environment")
    if given_environment:
        body.setdefault("environment", given_environment)
    record = dialect.decode_log(kind, body, call.project, _latest(call.store, call.project))
    if kind == "evaluator" and call.store.get(record.extra["parent_id"], call.project, bodies=False) is None:
        raise Fault(404, f"there is no log with the id {record.extra['parent_id'][:100]!r}")
    wanted = call.parameter("version_id")
    if wanted:
        query = Query({"project": call.project, "prompt_id": record.prompt_id, "prompt_version": wanted})
        known = call.store.find(query, 1)
        if not known:
            raise Fault(404, f"there is no version with the id {wanted[:100]!r}")
        record.prompt_version, record.prompt_template = wanted, known[0].prompt_template
    parent = call.store.get(record.parent_span_id, call.project, bodies=False) if record.parent_span_id else None
    if parent is not None:
        record.trace_id = parent.trace_id or parent.id
    elif kind == "flow":
        record.trace_id = record.trace_id or record.id
    reply = Reply(200, dialect.encode_created(record))
    if body.get("log_id"):
        return _put(call, record, reply)
    _keep_file(call, record)
    return call.keep([record], lambda _: reply)


class _Replacing:
    """Writes logs whose ids were given, and which replace the stored logs of the same ids."""

    def __init__(self, services: Services) -> None:
        self._ingest = services.ingest

    def write(self, store: Store, records: Sequence[Record]) -> list[Written | Fault | None]:
        """Write logs; return None for one that replaces another, and a fault if the other belongs to another file."""
        known: dict[tuple[str, str], Record] = {}
        for project in {record.project for record in records}:
            ids = {record.id for record in records if record.project == project}
            known |= {(project, stored.id): stored for stored in store.by_ids(project, ids)}
        results: list[Written | Fault | None] = [None] * len(records)
        new, replacing = list[int](), list[Record]()
        for position, record in enumerate(records):
            before = known.setdefault((record.project, record.id), record)
            if before is record:
                new.append(position)
            elif before.prompt_id == record.prompt_id:
                replacing.append(record)
            else:
                results[position] = _taken()
        written = self._ingest.write(store, [records[position] for position in new])
        for position, result in zip(new, written, strict=True):
            results[position] = result
        for record in replacing:
            store.delete(Query({"project": record.project, "id": record.id}))
            store.write([record])
        return results


#: One for each application, so that the logs of its requests are written together.
_replacing: weakref.WeakKeyDictionary[Services, _Replacing] = weakref.WeakKeyDictionary()


def _put(call: Call, record: Record, reply: Reply) -> RecordWrite:
    """Return the change that writes a log, in place of the stored one of the same id."""
    call.stamp(record)

    def acknowledge(results: list[Written | Fault | None]) -> Reply:
        (result,) = results
        if isinstance(result, Fault):
            raise result
        if result is not None:
            call.services.ingest.acknowledged([record], [result])
        _keep_file(call, record)
        return reply

    if (replacing := _replacing.get(call.services)) is None:
        replacing = _replacing.setdefault(call.services, _Replacing(call.services))
    return RecordWrite([record], replacing.write, acknowledge)


def _taken() -> Fault:
    problem = "is taken by a log of another file"
    return Fault(422, f"log_id: {problem}", [{"loc": ["body", "log_id"], "msg": problem, "type": "value_error"}])


def _belongs(record: Record, file_id: str | None) -> bool:
    """Return whether a log belongs to a file; `file_id` is None in requests for flows, which do not name the file."""
    if file_id is None:
        return record.kind == "flow"
    return record.prompt_id == file_id or (file_id == OTHER and record.prompt_id is None)


def update(call: Call) -> Reply:
    data = call.object() if call.body.strip() else None
    change = dialect.decode_update(data)
    file_id = call.path.get("id")

    missing = Fault(404, "there is no log with this id under this file")

    def change_if_it_belongs(record: Record) -> None:
        if not _belongs(record, file_id):
            raise missing
        change(record)

    if data:
        record = call.write(lambda store: store.update(call.path["log_id"], call.project, change_if_it_belongs))
    else:
        record = call.store.get(call.path["log_id"], call.project)
    if record is None or not _belongs(record, file_id):
        raise missing
    if not call.principal.may("read"):
        named = Record(id=record.id, prompt_id=file_id, extra={"file_type": record.extra.get("file_type", "prompt")})
        return Reply(200, dialect.encode_created(named))  # what is stored requires the scope `read`
    return Reply(200, Encoder(call).log(record))


class Encoder:
    """Encodes logs with the facts that the store has about their files, which are looked up once for each file."""

    def __init__(self, call: Call) -> None:
        self._store, self._project = call.store, call.project
        self._facts: dict[tuple[str | None, str | None], dialect.FileFacts] = {}

    def log(self, record: Record, children: bool = False) -> Json:
        linked = self._store.find(
            Query({"project": self._project, "parent_span_id": record.id}), 100, newest_first=False
        )
        judged = [dialect.encode_evaluator_log(item) for item in linked if item.kind == "evaluator"]
        below = [self.log(item) for item in linked if item.kind != "evaluator"] if children else []
        return dialect.encode_log(record, self._facts_of(record), judged, below)

    def _facts_of(self, record: Record) -> dialect.FileFacts:
        key = (record.prompt_id, record.prompt_version)
        if key not in self._facts:
            file = Query({"project": self._project, "prompt_id": record.prompt_id})
            times = self._store.extremes(file, ["created_at"])["created_at"] if record.prompt_id else (None, None)
            first, last = (None if at is None else datetime.fromtimestamp(at / 1e6, UTC) for at in times)
            of_version = file.where(prompt_version=record.prompt_version)
            self._facts[key] = dialect.FileFacts(self._store.count(file), self._store.count(of_version), first, last)
        return self._facts[key]


def get_log(call: Call) -> Reply:
    record = call.store.get(call.path["id"], call.project)
    if record is None:
        raise Fault(404, "there is no log with this id")
    return Reply(200, Encoder(call).log(record, children=True))


def list_logs(call: Call) -> Reply:
    listing = dialect.Listing(call.query)
    equal: dict[str, Any] = {"project": call.project}
    if listing.file_id != OTHER:
        equal["prompt_id"] = listing.file_id
    if listing.version_id:
        equal["prompt_version"] = listing.version_id
    conditions = [] if listing.until is None else [Condition("created_at", "le", (listing.until,))]
    if len(listing.in_trace) == 1:
        conditions.append(Condition("trace_id", "neq" if True in listing.in_trace else "eq", (None,)))
    query = Query(
        equal,
        ids=listing.ids,
        text=listing.search,
        metadata_text=listing.metadata_search,
        since=listing.since,
        conditions=tuple(conditions),
    )
    total = call.store.count(query)
    offset = (listing.page - 1) * listing.size
    found = min(listing.size, max(0, total - offset))
    chosen = range(found) if not listing.sample else set(random.sample(range(found), min(listing.sample, found)))
    records = compress(read_whole(call.store, query, found, offset), (position in chosen for position in range(found)))
    logs = map(functools.partial(Encoder(call).log, children=listing.include_children), records)
    return Reply(200, json_object("records", logs, {"page": listing.page, "size": listing.size, "total": total}))


def delete_logs(call: Call) -> Reply:
    ids = [value for key, value in call.query if key == "id" and value]
    if not ids:
        raise dialect.missing("query", "id")
    condition = Condition("id", "eq", tuple(ids))
    call.write(lambda store: store.delete(Query({"project": call.project}, conditions=(condition,))))
    return Reply(204)


def import_traces(call: Call) -> RecordWrite:
    """Import traces in OTLP's JSON encoding with ids in Base64, as the protobuf JSON mapping defines."""
    batch = otlp.decode_traces(call.object(), base64_ids=True, most=call.batch_items)
    if batch.rejected and not batch.items:
        raise Fault(400, batch.problem)
    return call.keep(batch.items, lambda _: Reply(200, {"records": [record.id for record in batch.items]}))


_LIST_SCHEMAS: dict[str, Json] = {
    "page": {"type": "integer", "minimum": 1},
    "size": {"type": "integer", "minimum": 0},
    "version_id": {"type": "string"},
    "id": {"type": "array", "items": {"type": "string"}},
    "search": {"type": "string"},
    "metadata_search": {"type": "string"},
    "start_date": {"type": "string"},
    "end_date": {"type": "string"},
    "in_trace_filter": {"type": "array", "items": {"type": "boolean"}},
    "include_parent": {"type": "boolean"},
    "include_trace_children": {"type": "boolean"},
    "sample": {"type": "integer", "minimum": 0},
}
_LIST = tuple(Parameter(name, schema) for name, schema in _LIST_SCHEMAS.items())

ROUTES = [
    *(
        Route("POST", f"/v5/{kind}s/log", functools.partial(create, kind), dialect, f"Humanloop: log to a {kind}",
              model=dialect.LOGS[kind], keeps=True,
              parameters=(Parameter("version_id", {"type": "string"}), Parameter("environment", {"type": "string"})))
        for kind in dialect.LOGS
    ),
    Route("PATCH", "/v5/prompts/{id:path}/log/{log_id:path}", update, dialect, "Humanloop: change a prompt's log",
          model=dialect.Fields),
    Route("PATCH", "/v5/flows/logs/{log_id:path}", update, dialect, "Humanloop: change a flow's log",
          model=dialect.Fields),
    Route("GET", "/v5/logs", list_logs, dialect, "Humanloop: list logs of a file", "read",
          parameters=(Parameter("file_id", {"type": "string"}, required=True), *_LIST)),
    Route("GET", "/v5/logs/{id:path}", get_log, dialect, "Humanloop: one log", "read"),
    Route("DELETE", "/v5/logs", delete_logs, dialect, "Humanloop: delete logs", "admin", ok=(204,),
          parameters=(Parameter("id", {"type": "array", "items": {"type": "string"}}, required=True),)),
    Route("POST", "/v5/import/otel/v1/traces", import_traces, dialect, "Humanloop: import OpenTelemetry spans",
          keeps=True),
]  # fmt: skip
