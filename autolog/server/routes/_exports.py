"""Portkey's exports: a stored query, and a file of the logs that match it, generated while it is downloaded.

Only the query is stored, for some days. Each project has a fixed number of places for exports, and a new export
replaces the oldest, so that nobody can fill the store with them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from time import time

from autolog._record.ids import within
from autolog.dialects import portkey as dialect
from autolog.dialects._convert import new_uuid, parse_time, text_of
from autolog.dialects._fault import Fault, Json, parse_json
from autolog.dialects._schema import validate
from autolog.server._auth import authorise
from autolog.server._call import Call, Reply, Route
from autolog.server._keys import ANY_PROJECT
from autolog.server._reading import json_lines, read_whole
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: The most exports of a project, the largest description of one in bytes, and how long it is kept.
MOST = 50
MAX_BYTES = 16 * 1024
LIFETIME = timedelta(days=7)
#: How long the address of a file is valid, in seconds, provided that the key which asked for it is valid, too.
ADDRESS_SECONDS = 3600
#: The most rows of a file.
MAX_PAGE = 50_000

_KIND = "portkey-export"
_RANGES = {"cost": "cost", "total_units": "tokens", "prompt_token": "tokens_in", "completion_token": "tokens_out"}
_HIDDEN = {"id", "project", "secret", "token"}


def create_export(call: Call) -> Reply:
    given = validate(dialect.ExportRequest, call.object())
    query = _query(call.project, given.filters)
    _paging(given.filters)
    export = {"id": new_uuid(), **given.model_dump(), "status": "draft", "project": call.project,
              "secret": secrets.token_urlsafe(24), "created_at": datetime.now(UTC).isoformat()}  # fmt: skip
    _check_size(export)
    call.write(lambda store: store.put_document(_KIND, _free_place(store, call.project), export))
    return Reply(200, {"id": export["id"], "total": call.store.count(query), "object": "export"})


def _check_size(export: Json) -> None:
    if len(json.dumps(export, default=str)) > MAX_BYTES:
        raise Fault(413, f"an export's filters and fields have at most {MAX_BYTES} bytes")


def _free_place(store: Store, project: str) -> str:
    """Return a place without an export, or else the place of the oldest one."""
    taken = {place: str(export["created_at"]) for place, export in store.documents(_KIND).items()}
    return min((within(project, str(number)) for number in range(MOST)), key=lambda place: taken.get(place, ""))


def _exports(store: Store) -> dict[str, tuple[str, Json]]:
    """Return the exports that have not expired by id, each with its place."""
    oldest = (datetime.now(UTC) - LIFETIME).isoformat()
    return {
        export.get("id", place): (place, export)
        for place, export in store.documents(_KIND).items()
        if export["created_at"] >= oldest
    }


def _find(call: Call, store: Store) -> tuple[str, Json]:
    """Return the export that the path names, and its place.

    Raises:
        Fault: 404, if there is none in the call's project.
    """
    found = _exports(store).get(call.path["id"])
    if found is None or found[1]["project"] != call.project:
        raise Fault(404, "there is no export with this id; it may have expired")
    return found


def list_exports(call: Call) -> Reply:
    exports = [(key, export) for key, (_, export) in _exports(call.store).items()]
    found = [_shown(key, export) for key, export in exports if export["project"] == call.project]
    return Reply(200, {"object": "list", "total": len(found), "data": found})


def _shown(export_id: str, export: Json) -> Json:
    others = {key: value for key, value in export.items() if key not in _HIDDEN}
    return {"id": export_id, "object": "export", **others}


def get_export(call: Call) -> Reply:
    return Reply(200, _shown(call.path["id"], _find(call, call.store)[1]))


def update_export(call: Call) -> Reply:
    given = validate(dialect.ExportUpdate, call.object()).model_dump(exclude_unset=True)
    export = _change(call, given)
    query = _query(call.project, export["filters"] or {})
    return Reply(200, {"id": call.path["id"], "total": call.store.count(query), "object": "export"})


def _change(call: Call, given: Json) -> Json:
    def change(store: Store) -> Json:
        place, export = _find(call, store)
        changed: Json = {**export, **given}
        _query(call.project, changed["filters"] or {})
        _check_size(changed)
        store.put_document(_KIND, place, changed)
        return changed

    return call.write(change)


def start_export(call: Call) -> Reply:
    _change(call, {"status": "success"})
    return Reply(200, {"message": "Export started", "object": "export"})


def cancel_export(call: Call) -> Reply:
    _change(call, {"status": "stopped"})
    return Reply(200, {"message": "Export cancelled", "object": "export"})


# The file


def download_export(call: Call) -> Reply:
    """Return the signed address of the file, valid for an hour and while the key that asks for it is.

    Raises:
        Fault: 400, if the export has not been started; 404, if there is none.
    """
    _, export = _find(call, call.store)
    if export["status"] != "success":
        raise Fault(400, "this export has not been started")
    until = str(int(time()) + ADDRESS_SECONDS)
    token = f"{call.principal.key_id}.{until}.{_signature(export, call.principal.key_id, until)}"
    return Reply(200, {"signed_url": f"{call.base_url}/v1/logs/exports/{call.path['id']}/file?token={token}"})


def _signature(export: Json, key_id: str, until: str) -> str:
    secret = str(export.get("secret") or export["token"])
    return hmac.new(secret.encode(), f"{key_id}.{until}".encode(), hashlib.sha256).hexdigest()


def export_file(call: Call) -> Reply:
    """Send the file to a client that has its signed address, with the rights of the key that asked for the address.

    Raises:
        Fault: 401, if that key is no longer valid; 403, if the address has expired, or the key is for another project;
            404, if the address is wrong.
    """
    _, export = _exports(call.store).get(call.path["id"], ("", {}))
    key_id, until, given = [*(call.parameter("token") or "").split("."), "", "", ""][:3]
    if not export or not hmac.compare_digest(given.encode(), _signature(export, key_id, until).encode()):
        raise Fault(404, "there is no export at this address")
    if int(until) < time():
        raise Fault(403, "this address has expired; ask for a new one at .../download")
    services = call.services
    services.keyring.refresh()
    known = services.keyring.by_id(key_id)
    principal = authorise(known[1] if known else None, "read", services.rates)
    if principal.project not in {ANY_PROJECT, export["project"]}:
        raise Fault(403, "the key of this address is for another project")
    filters = export["filters"] or {}
    size, page = _paging(filters)
    records = read_whole(call.store, _query(export["project"], filters), size, page * size)
    rows = map(partial(dialect.encode_export_row, columns=export["requested_data"]), records)
    return Reply(200, json_lines(rows), "application/jsonl")


# Filters


def _query(project: str, filters: Json) -> Query:
    conditions = []
    for word, field in _RANGES.items():
        for end, operator in (("min", "ge"), ("max", "le")):
            value = filters.get(f"{word}_{end}")
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    raise Fault(400, f"filters.{word}_{end}: is not a number")
                conditions.append(Condition(field, operator, (value,)))
    until = parse_time(filters.get("time_of_generation_max"), "filters.time_of_generation_max")
    if until is not None:
        conditions.append(Condition("created_at", "le", (until,)))
    for word, field in (("ai_model", "model"), ("status_code", "status_code"), ("trace_id", "trace_id")):
        value = filters.get(word)
        if value is not None:
            values = value if isinstance(value, list) else str(value).split(",")
            if not all(isinstance(item, (str, int)) for item in values):
                raise Fault(400, f"filters.{word}: is neither text nor a list of it")
            conditions.append(Condition(field, "eq", tuple(str(item) for item in values)))
    metadata = filters.get("metadata") or {}
    if isinstance(metadata, str):
        metadata = parse_json(metadata.encode())
    if not isinstance(metadata, dict):
        raise Fault(400, "filters.metadata: is not an object")
    since = parse_time(filters.get("time_of_generation_min"), "filters.time_of_generation_min")
    wanted = {str(key): text_of(value) or "" for key, value in metadata.items()}
    return Query({"project": project}, metadata=wanted, since=since, conditions=tuple(conditions))


def _paging(filters: Json) -> tuple[int, int]:
    """Return the page size and the page number, which clients send as numbers or as text.

    Raises:
        Fault: 400, if they are not whole numbers.
    """
    size, page = (str(filters.get(key, value)) for key, value in (("page_size", MAX_PAGE), ("current_page", 0)))
    if not re.fullmatch("[0-9]{1,9}", size) or not re.fullmatch("[0-9]{1,9}", page):
        raise Fault(400, "filters.page_size and filters.current_page are whole numbers")
    return min(int(size), MAX_PAGE), min(int(page), 10**6)


EXPORTS = [
    Route("POST", "/v1/logs/exports", create_export, dialect, "Portkey: create an export", "read",
          model=dialect.ExportRequest),
    Route("GET", "/v1/logs/exports", list_exports, dialect, "Portkey: list exports", "read"),
    Route("GET", "/v1/logs/exports/{id}", get_export, dialect, "Portkey: an export", "read"),
    Route("PUT", "/v1/logs/exports/{id}", update_export, dialect, "Portkey: change an export", "read",
          model=dialect.ExportUpdate),
    Route("POST", "/v1/logs/exports/{id}/start", start_export, dialect, "Portkey: start an export", "read"),
    Route("POST", "/v1/logs/exports/{id}/cancel", cancel_export, dialect, "Portkey: cancel an export", "read"),
    Route("GET", "/v1/logs/exports/{id}/download", download_export, dialect, "Portkey: where an export's file is",
          "read"),
    Route("GET", "/v1/logs/exports/{id}/file", export_file, dialect, "Portkey: an export's file", "read",
          open=True),
]  # fmt: skip
