"""Administration of keys, projects and alerts over HTTP, as `autolog keys`, `projects` and `alerts` do on a store.

A key with the scope `admin` administers its own project; one for all projects administers everything. A key cannot make
another key with more rights than its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pydantic

from autolog.dialects import native as dialect
from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Fault
from autolog.dialects._schema import validate
from autolog.errors import AutologError
from autolog.server._alerts import Rule, described, put_rule, read_rules, remove_rule
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
    project: str | None = pydantic.Field(
        default=None, max_length=64, description="`*` for all; by default the key's own."
    )
    scopes: list[Scope] = pydantic.Field(default=["ingest", "read"], min_length=1)
    expires_at: str | None = pydantic.Field(default=None, description="ISO 8601; null for never.")


def get_keys(call: Call) -> Reply:
    keys = [
        {"id": key_id, **data} for key_id, data in list_keys(call.store).items() if _administers(call, data["project"])
    ]
    return Reply(200, {"keys": keys})


def create_key(call: Call) -> Reply:
    """Create a key, and return it this once.

    Raises:
        Fault: 400, if it is invalid; 403, if it is for more than the call's own key.
    """
    given = validate(NewKey, call.object())
    project = _project_for(call, given.project)
    expires_at = _expiry(given.expires_at)

    def change(store: Store) -> tuple[str, str]:
        return add_key(store, given.name, project, given.scopes, expires_at)

    try:
        key_id, key = call.write(change)
    except AutologError as error:
        raise Fault(400, str(error)) from error
    note_change(
        call.principal.key_id, f"created the key {key_id} for {project}: {', '.join(given.scopes)}", made=key_id
    )
    call.services.refresh_keys(at_once=True)
    return Reply(201, {"id": key_id, "key": key, **list_keys(call.store)[key_id]})


def _expiry(text: str | None) -> datetime | None:
    return parse_time(text, "expires_at", 400)


def remove_key(call: Call) -> Reply:
    """Revoke a key, which also ends its sessions.

    Raises:
        Fault: 404, if there is no such key that the call's own key administers.
    """
    key_id = call.path["id"]
    known = list_keys(call.store).get(key_id)
    if known is None or not _administers(call, known["project"]):
        raise Fault(404, "there is no key with this id")
    if known["revoked_at"] is None:
        call.write(lambda store: revoke_key(store, key_id))
        note_change(call.principal.key_id, f"revoked the key {key_id}", revoked=key_id)
        call.services.refresh_keys(at_once=True)
    return Reply(200, {"id": key_id, **list_keys(call.store)[key_id]})


def _administers(call: Call, project: str) -> bool:
    return call.principal.project in {ANY_PROJECT, project}


def _project_for(call: Call, wanted: str | None) -> str:
    """Return the project for a new key or alert; `*` for all projects.

    Raises:
        Fault: 403, if the call's own key is not for it.
    """
    if wanted != ANY_PROJECT:
        return project_of(call.principal, wanted)
    if call.principal.project != ANY_PROJECT:
        raise Fault(403, "a key for one project cannot create anything for all")
    return wanted


# Projects


class Budget(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    limit: float = pydantic.Field(gt=0, allow_inf_nan=False, description="In dollars.")
    per: str = pydantic.Field(default="day", description="hour, day, week or month.")


class Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    retain: str | None = pydantic.Field(
        default=None, description="How long records are kept: 30d; null: the server's default."
    )
    budgets: list[Budget] = pydantic.Field(default=[], max_length=20)


def get_projects(call: Call) -> Reply:
    """Return the projects that the key may see, with their settings, totals, and what their budgets have spent."""
    if call.principal.project == ANY_PROJECT:
        return Reply(200, {"projects": list_projects(call.store, call.services.keyring.projects)})
    return Reply(200, {"projects": list_projects(call.store, only=call.principal.project)})


def put_project(call: Call) -> Reply:
    """Replace the settings of a project; fields that are left out are reset.

    Raises:
        Fault: 400, if a setting is invalid; 403, if the key is not for all projects.
    """
    if call.principal.project != ANY_PROJECT:
        raise Fault(403, "changing a project's settings needs a key for all projects")
    given, name = validate(Settings, call.object()), call.path["name"]
    budgets = [budget.model_dump() for budget in given.budgets]
    try:
        settings = call.write(lambda store: set_project(store, name, given.retain, budgets))
    except AutologError as error:
        raise Fault(400, str(error)) from error
    note_change(call.principal.key_id, f"set the project {name!r}: {settings.as_dict()}", project=name)
    call.services.refresh_keys(at_once=True)
    return Reply(200, {"name": name, **settings.as_dict()})


# Alerts


class Alert(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    when: str = pydantic.Field(
        max_length=200, description="error_rate > 5% over 15m; p95 > 20s over 1h; cost > 50 over 1d."
    )
    project: str | None = pydantic.Field(
        default=None, max_length=64, description="By default the key's own, or `*` for all if the key is for all."
    )
    filters: dict[str, str | list[str]] = pydantic.Field(
        default={}, description="The usual filters: model, user, tag, ..."
    )
    min_calls: int = pydantic.Field(default=1, ge=1, description="With fewer, a rate or latency is not evaluated.")
    webhook: str | None = pydantic.Field(default=None, max_length=2_000)
    mail: list[str] = pydantic.Field(default=[], max_length=20)


def get_alerts(call: Call) -> Reply:
    projects = None if call.principal.project == ANY_PROJECT else {call.principal.project}
    return Reply(200, {"alerts": described(call.store, projects)})


def put_alert(call: Call) -> Reply:
    """Create an alert, or replace the one of the same name.

    Raises:
        Fault: 400, if it is invalid; 403, if the key is not for its project; 409, if another project has the name.
    """
    given, name = validate(Alert, call.object()), call.path["name"]
    known = next((rule for rule in read_rules(call.store) if rule.name == name), None)
    if known is not None and not _administers(call, known.project):
        raise Fault(409, "there is an alert of this name in another project")
    project = _project_for(call, given.project or call.principal.project)
    rule = Rule(name, project, given.when, given.filters, given.min_calls, given.webhook, tuple(given.mail))
    try:
        call.write(lambda store: put_rule(store, rule))
    except AutologError as error:
        raise Fault(400, str(error)) from error
    note_change(call.principal.key_id, f"set the alert {name!r}: {rule.when}", alert=name)
    return Reply(200, _alert(call, name))


def delete_alert(call: Call) -> Reply:
    name = _known(call).name
    call.write(lambda store: remove_rule(store, name))
    note_change(call.principal.key_id, f"removed the alert {name!r}", alert=name)
    return Reply(200, {"name": name})


async def try_alert(call: Call) -> Reply:
    """Send an alert's notifications as if it fired, to test their delivery, without changing its state."""
    reply: Reply = await call.services.in_thread(_tried, call)
    return reply


def _tried(call: Call) -> Reply:
    rule, now = _known(call), datetime.now(UTC)
    value, calls = rule.figure(call.store, now)
    text = "TEST " + rule.words(True, value, calls).removeprefix("FIRING ")
    event = {
        "at": now.isoformat(timespec="seconds"),
        "firing": True,
        "test": True,
        "value": value,
        "calls": calls,
        "text": text,
    }
    return Reply(200, {"name": rule.name, "text": text, "problems": call.services.notifier.notify(rule, event)})


def _known(call: Call) -> Rule:
    """Return the alert that the path names.

    Raises:
        Fault: 404, if there is none that the key administers.
    """
    for rule in read_rules(call.store):
        if rule.name == call.path["name"] and _administers(call, rule.project):
            return rule
    raise Fault(404, "there is no alert of this name")


def _alert(call: Call, name: str) -> dict[str, Any]:
    return next(row for row in described(call.store) if row["name"] == name)


ROUTES = [
    Route("GET", "/api/v1/keys", get_keys, dialect, "List the API keys: project, scopes, expiry, last use", "admin"),
    Route("POST", "/api/v1/keys", create_key, dialect, "Create an API key; it is shown only once", "admin", ok=(201,),
          model=NewKey),
    Route("DELETE", "/api/v1/keys/{id}", remove_key, dialect, "Revoke an API key", "admin"),
    Route("GET", "/api/v1/projects", get_projects, dialect, "List projects: retention, budgets, sums", "read"),
    Route("PUT", "/api/v1/projects/{name}", put_project, dialect, "Set a project's retention and budgets", "admin",
          model=Settings),
    Route("GET", "/api/v1/alerts", get_alerts, dialect, "List alerts: rules, states and last events", "read"),
    Route("PUT", "/api/v1/alerts/{name}", put_alert, dialect, "Set an alert", "admin", model=Alert),
    Route("DELETE", "/api/v1/alerts/{name}", delete_alert, dialect, "Remove an alert", "admin"),
    Route("POST", "/api/v1/alerts/{name}/test", try_alert, dialect, "Send an alert as if it fired", "admin",
          quick=True),
]  # fmt: skip
