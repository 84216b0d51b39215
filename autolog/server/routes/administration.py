"""Keys and projects over HTTP: what `autolog keys` and `autolog projects` do to a store.

A key with the scope `admin` administers its own project, and one for all projects everything. No key makes another that
may do more than itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pydantic

from autolog.dialects import native as dialect
from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Fault
from autolog.dialects._schema import validate
from autolog.errors import AutologError
from autolog.server._auth import project_of
from autolog.server._call import Call, Reply, Route
from autolog.server._keys import ANY_PROJECT, Scope, add_key, list_keys, revoke_key
from autolog.server._logs import note_change
from autolog.server._projects import list_projects, set_project
from autolog.stores._contract import Store

# Keys


class NewKey(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    name: str = pydantic.Field(min_length=1, max_length=100)
    project: str | None = pydantic.Field(default=None, max_length=64, description="`*` for all; else the key's own.")
    scopes: list[Scope] = pydantic.Field(default=["ingest", "read"], min_length=1)
    expires_at: str | None = pydantic.Field(default=None, description="ISO 8601; null for never.")


def get_keys(call: Call) -> Reply:
    keys = [{"id": key_id, **data} for key_id, data in list_keys(call.store).items() if _administers(call, data)]
    return Reply(200, {"keys": keys})


def create_key(call: Call) -> Reply:
    """Make a key, and tell it this once."""
    given = validate(NewKey, call.object())
    project = project_of(call.principal, given.project) if given.project != ANY_PROJECT else ANY_PROJECT
    if project == ANY_PROJECT and call.principal.project != ANY_PROJECT:
        raise Fault(403, "a key for one project cannot make one for all")
    expires_at = _expiry(given.expires_at)

    def change(store: Store) -> tuple[str, str]:
        return add_key(store, given.name, project, given.scopes, expires_at)

    try:
        key_id, key = call.write(change)
    except AutologError as error:
        raise Fault(400, str(error)) from error
    note_change(call.principal.key_id, f"made the key {key_id} for {project}: {', '.join(given.scopes)}", made=key_id)
    call.services.refresh_keys(at_once=True)
    return Reply(201, {"id": key_id, "key": key, **list_keys(call.store)[key_id]})


def _expiry(text: str | None) -> datetime | None:
    return parse_time(text, "expires_at", 400)


def remove_key(call: Call) -> Reply:
    """Revoke a key; its sessions end with it."""
    key_id = call.path["id"]
    known = list_keys(call.store).get(key_id)
    if known is None or not _administers(call, known):
        raise Fault(404, "there is no key with this id")
    if known["revoked_at"] is None:
        call.write(lambda store: revoke_key(store, key_id))
        note_change(call.principal.key_id, f"revoked the key {key_id}", revoked=key_id)
        call.services.refresh_keys(at_once=True)
    return Reply(200, {"id": key_id, **list_keys(call.store)[key_id]})


def _administers(call: Call, key: dict[str, Any]) -> bool:
    return call.principal.project in {ANY_PROJECT, key["project"]}


# Projects


class Budget(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    limit: float = pydantic.Field(gt=0, allow_inf_nan=False, description="In dollars.")
    per: str = pydantic.Field(default="day", description="hour, day, week or month.")


class Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    retain: str | None = pydantic.Field(default=None, description="How long records are kept: 30d; null: as others.")
    budgets: list[Budget] = pydantic.Field(default=[], max_length=20)


def get_projects(call: Call) -> Reply:
    """Return the projects that the key may see, with their settings, sums, and what is spent of their budgets."""
    if call.principal.project == ANY_PROJECT:
        return Reply(200, {"projects": list_projects(call.store, call.services.keyring.projects)})
    return Reply(200, {"projects": list_projects(call.store, only=call.principal.project)})


def put_project(call: Call) -> Reply:
    """Set what holds for a project; what is left out is no longer set."""
    if call.principal.project != ANY_PROJECT:
        raise Fault(403, "a project's settings are changed with a key for all projects")
    given, name = validate(Settings, call.object()), call.path["name"]
    budgets = [budget.model_dump() for budget in given.budgets]
    try:
        settings = call.write(lambda store: set_project(store, name, given.retain, budgets))
    except AutologError as error:
        raise Fault(400, str(error)) from error
    note_change(call.principal.key_id, f"set the project {name!r}: {settings.as_dict()}", project=name)
    call.services.refresh_keys(at_once=True)
    return Reply(200, {"name": name, **settings.as_dict()})


ROUTES = [
    Route("GET", "/api/v1/keys", get_keys, dialect, "List the API keys: project, scopes, expiry, last use", "admin"),
    Route("POST", "/api/v1/keys", create_key, dialect, "Make an API key; it is told this once", "admin", ok=(201,),
          model=NewKey),
    Route("DELETE", "/api/v1/keys/{id}", remove_key, dialect, "Revoke an API key", "admin"),
    Route("GET", "/api/v1/projects", get_projects, dialect, "List projects: retention, budgets, sums", "read"),
    Route("PUT", "/api/v1/projects/{name}", put_project, dialect, "Set a project's retention and budgets", "admin",
          model=Settings),
]  # fmt: skip
