"""Settings, for keys with all rights: projects, API keys, the store, versions."""

from __future__ import annotations

import platform
import re
import shutil
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from autolog._pricing.budgets import PERIODS
from autolog.dialects._fault import Fault
from autolog.errors import AutologError
from autolog.server._call import Reply
from autolog.server._keys import ANY_PROJECT, SCOPES, add_key as make_key, list_keys, revoke_key
from autolog.server._logs import note_change
from autolog.server._projects import list_projects, set_project
from autolog.server.dashboard._page import PageRequest
from autolog.stores.query import Query

#: The lifetimes that a new key can have, in days; 0 for unlimited.
LIFETIMES = (0, 7, 30, 90, 365)
#: The most budgets of a project that the form has fields for.
MOST_BUDGETS = 5


def settings(request: PageRequest) -> Reply:
    _check(request)
    return _show(request)


def add_key(request: PageRequest) -> Reply:
    """Create a key, and show it this once."""
    _check(request)
    form = request.form
    scopes = [scope for scope in SCOPES if form.get(f"scope_{scope}")]
    days = form.get("days", "0")
    if days not in map(str, LIFETIMES):
        return _show(
            request, 400, wrong=f"A key is valid for {', '.join(map(str, LIFETIMES[1:]))} days, or without expiry."
        )
    expires_at = datetime.now(UTC) + timedelta(days=int(days)) if days != "0" else None
    name, project = form.get("name", "").strip()[:100], form.get("project", "").strip()
    try:
        key_id, key = request.call.write(lambda store: make_key(store, name, project, scopes, expires_at))
    except AutologError as error:
        return _show(request, 400, wrong=str(error))
    _changed(request, f"created the key {key_id} for {project}: {', '.join(scopes)}", made=key_id)
    return _show(request, made=key, form={})  # the form is empty again for the next key


def remove_key(request: PageRequest) -> Reply:
    """Revoke a key, which also ends its sessions."""
    _check(request)
    try:
        request.call.write(lambda store: revoke_key(store, request.id))
    except AutologError as error:
        raise Fault(404, str(error)) from error
    _changed(request, f"revoked the key {request.id}", revoked=request.id)
    return request.redirect("/ui/settings")


def change_project(request: PageRequest) -> Reply:
    """Set how long a project's records are kept, and what it may spend."""
    _check(request)
    form = request.form
    name, retain = form.get("project", "").strip(), form.get("retain", "").strip() or None
    try:
        budgets = _budgets(form)
        request.call.write(lambda store: set_project(store, name, retain, budgets))
    except (AutologError, ValueError) as error:
        return _show(request, 400, wrong=str(error), changing=name)
    _changed(request, f"set the project {name!r}: retain {retain}, budgets {budgets}", project=name)
    return request.redirect("/ui/settings#projects")


def _budgets(form: dict[str, str]) -> list[dict[str, Any]]:
    """Return the budgets in a form with fields `limit_0`, `per_0`, `limit_1`, ...; those without a limit are skipped.

    Raises:
        ValueError: if a limit is not a number.
    """
    budgets = []
    for number in range(MOST_BUDGETS):
        text = form.get(f"limit_{number}", "").strip().removeprefix("$")
        if text:
            try:
                limit = float(text)
            except ValueError:
                raise ValueError(f"budget: {text[:50]!r} is not an amount in dollars") from None
            budgets.append({"limit": limit, "per": form.get(f"per_{number}", "day")})
    return budgets


def _changed(request: PageRequest, words: str, **fields: str) -> None:
    """Write a change to the audit log, and apply it at once."""
    note_change(request.call.principal.key_id, words, **fields)
    request.call.services.refresh_keys(at_once=True)


def _check(request: PageRequest) -> None:
    if not request.frame.may_admin:
        raise Fault(403, "Settings need a key for all projects with the scope admin.")


def _show(request: PageRequest, code: int = 200, **values: Any) -> Reply:
    store = request.store
    projects = list_projects(store, request.call.services.keyring.projects)
    return request.render(
        "settings.html", code, place="settings", projects=projects, scopes=SCOPES,
        lifetimes=LIFETIMES, periods=PERIODS, any_project=ANY_PROJECT, keys=list_keys(store),
        now=datetime.now(UTC).isoformat(), health=_health(request), retain=request.call.services.retain,
        limits=asdict(request.call.services.limits), python=platform.python_version(), most_budgets=MOST_BUDGETS,
        **{"form": request.form, **values},
    )  # fmt: skip


def _health(request: PageRequest) -> dict[str, Any]:
    """Return the state of the store: whether it can be written now, and how much it holds."""
    store, begun, problem = request.store, perf_counter(), ""
    try:
        request.call.write(lambda opened: opened.put_document("health", "page", {"at": datetime.now(UTC).isoformat()}))
    except AutologError as error:
        problem = str(error)
    folder = Path(store.url.partition("///")[2].partition("?")[0]).parent
    local = store.url.startswith("sqlite:") and folder.is_dir()
    newest = store.find(Query(), 1)
    return {
        "url": re.sub("//[^/@]*@", "//", store.url), "problem": problem, "seconds": perf_counter() - begun,
        "size": store.size(), "schema": store.schema, "written": store.last(),
        "free": shutil.disk_usage(folder).free if local else None,
        "oldest": _first(store.extremes(Query(), ["created_at"])["created_at"][0]),
        "newest": newest[0].created_at if newest else None,
    }  # fmt: skip


def _first(micros: int | None) -> datetime | None:
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)
