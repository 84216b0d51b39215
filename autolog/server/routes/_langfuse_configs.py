"""Langfuse's score configurations: names, types and ranges of scores, for people who give scores."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from autolog.dialects import langfuse as dialect
from autolog.dialects._convert import format_time
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.server.routes._langfuse_query import page_of_list
from autolog.stores._contract import Store

_KIND = "langfuse-score-config"
_TYPES = ("NUMERIC", "CATEGORICAL", "BOOLEAN", "TEXT")
_PATH = "/api/public/score-configs"
#: The most configurations of a project, which are read together.
MOST = 1_000


def _configs_of(call: Call) -> list[Json]:
    return [config for config in call.store.documents(_KIND).values() if config["projectId"] == call.project]


def create(call: Call) -> Reply:
    """Create a configuration.

    Raises:
        Fault: 400, if a field is invalid, or there are too many configurations.
    """
    given, now = call.object(), format_time(datetime.now(UTC))
    if not isinstance(given.get("name"), str) or not 0 < len(given["name"]) <= 200:
        raise Fault(400, "name: must have 1 to 200 characters")
    if given.get("dataType") not in _TYPES:
        raise Fault(400, f"dataType: must be one of {', '.join(_TYPES)}")
    if len(_configs_of(call)) >= MOST:
        raise Fault(400, f"there are {MOST} score configurations already")
    config = {"id": uuid.uuid4().hex, "projectId": call.project, "createdAt": now, "updatedAt": now,
              "name": given["name"], "dataType": given["dataType"], "isArchived": False, **_checked(given)}  # fmt: skip
    return Reply(200, _put(call, config))


def _checked(given: Json) -> Json:
    """Return the fields that a request sets.

    Raises:
        Fault: 400, if one is invalid.
    """
    kinds: dict[str, Any] = {"minValue": (int, float), "maxValue": (int, float), "description": str,
                             "categories": list, "isArchived": bool}  # fmt: skip
    for name, kind in kinds.items():
        if given.get(name) is not None and not isinstance(given[name], kind):
            raise Fault(400, f"{name}: is of the wrong type")
    return {name: given[name] for name in kinds if given.get(name) is not None}


def _put(call: Call, config: Json) -> Json:
    def put(store: Store) -> Json:
        store.put_document(_KIND, config["id"], config)
        return config

    return call.write(put)


def _find(call: Call) -> Json:
    found = next((config for config in _configs_of(call) if config["id"] == call.path["id"]), None)
    if found is None:
        raise Fault(404, "there is no score configuration with this id")
    return found


def get(call: Call) -> Reply:
    return Reply(200, _find(call))


def update(call: Call) -> Reply:
    """Change a configuration; reply with all of it, or only with what was sent if the key may not read."""
    given = call.object()
    named = {"name": given["name"]} if isinstance(given.get("name"), str) and given["name"] else {}
    changes = {**_checked(given), **named, "updatedAt": format_time(datetime.now(UTC))}
    config = _put(call, {**_find(call), **changes})
    return Reply(200, config if call.principal.may("read") else {"id": config["id"], **changes})


def list_all(call: Call) -> Reply:
    return page_of_list(call, _configs_of(call))


ROUTES = [
    Route("POST", _PATH, create, dialect, "Langfuse: create a score configuration"),
    Route("GET", _PATH, list_all, dialect, "Langfuse: score configurations", "read"),
    Route("GET", f"{_PATH}/{{id}}", get, dialect, "Langfuse: a score configuration", "read"),
    Route("PATCH", f"{_PATH}/{{id}}", update, dialect, "Langfuse: change a score configuration"),
]
