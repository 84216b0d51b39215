"""Settings, for keys that may do everything: projects, API keys, the store, versions."""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from autolog.dialects._fault import Fault
from autolog.errors import AutologError
from autolog.server._call import Reply
from autolog.server._keys import ANY_PROJECT, SCOPES, create_key, list_keys, revoke_key
from autolog.server.dashboard._page import PageRequest
from autolog.stores.query import Query

#: How long a new key may be valid: the choices, in days; 0 for ever.
LIFETIMES = (0, 7, 30, 90, 365)


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
        return _show(request, 400, wrong=f"A key is valid for {', '.join(map(str, LIFETIMES[1:]))} days, or for ever.")
    expires_at = datetime.now(UTC) + timedelta(days=int(days)) if days != "0" else None
    name, project = form.get("name", "").strip()[:100], form.get("project", "").strip()
    try:
        key = request.call.write(lambda store: create_key(store, name, project, scopes, expires_at))
    except AutologError as error:
        return _show(request, 400, wrong=str(error))
    request.call.services.keyring.refresh(at_once=True)
    return _show(request, made=key)


def remove_key(request: PageRequest) -> Reply:
    """Revoke a key; its sessions end with it."""
    _check(request)
    try:
        request.call.write(lambda store: revoke_key(store, request.id))
    except AutologError as error:
        raise Fault(404, str(error)) from error
    request.call.services.keyring.refresh(at_once=True)
    return request.redirect("/ui/settings")


def _check(request: PageRequest) -> None:
    if not request.frame.may_admin:
        raise Fault(403, "Settings are for keys of all projects with the scope admin.")


def _show(request: PageRequest, code: int = 200, **values: Any) -> Reply:
    store = request.store
    sums = {one.value: one for one in store.summarise(Query(), "project")}
    return request.render(
        "settings.html", code, place="settings", form=request.form, sums=sums, scopes=SCOPES, lifetimes=LIFETIMES,
        any_project=ANY_PROJECT, keys=list_keys(store), now=datetime.now(UTC).isoformat(), size=store.size(),
        store_url=re.sub("//[^/@]*@", "//", store.url), newest=store.last(), python=platform.python_version(),
        **values,
    )  # fmt: skip
