"""The backends of `autolog keys`, `projects` and `alerts`: a store, or a server through its API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from autolog.cli._options import open_for_reading
from autolog.cli._remote import RemoteStore
from autolog.server import _keys as keys, _projects as projects
from autolog.server._alerts import Rule, described, put_rule, remove_rule
from autolog.stores._contract import Store


class Administration(Protocol):
    """The operations of a backend. Every method raises AutologError if its arguments are invalid or it is refused."""

    def keys(self) -> list[dict[str, Any]]: ...

    def create_key(self, name: str, project: str, scopes: Sequence[str], expires_at: datetime | None) -> str: ...

    def revoke_key(self, key_id: str) -> None: ...

    def projects(self) -> list[dict[str, Any]]: ...

    def set_project(self, name: str, retain: str | None, budgets: Sequence[dict[str, Any]]) -> dict[str, Any]: ...

    def alerts(self) -> list[dict[str, Any]]: ...

    def set_alert(self, rule: Rule, project: str | None) -> Rule:
        """Set an alert that watches a project, or without one everything that may be administered; return it."""

    def remove_alert(self, name: str) -> None: ...


def administration(url: str | None, server: str | None, create: bool = False) -> Administration:
    """Return the backend: the store at `url`, or a server.

    Args:
        create: create the store if it does not exist.

    Raises:
        AutologError: if there is no store yet.
    """
    opened = open_for_reading(url, server, create)
    return OfServer(opened) if isinstance(opened, RemoteStore) else OfStore(opened)


class OfStore:
    """Administers a store directly, without an access check beyond those of its file or database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self) -> list[dict[str, Any]]:
        return [{"id": key_id, **data} for key_id, data in keys.list_keys(self._store).items()]

    def create_key(self, name: str, project: str, scopes: Sequence[str], expires_at: datetime | None) -> str:
        return keys.create_key(self._store, name, project, scopes, expires_at)

    def revoke_key(self, key_id: str) -> None:
        keys.revoke_key(self._store, key_id)

    def projects(self) -> list[dict[str, Any]]:
        named = {data["project"] for data in self.keys() if not data["revoked_at"]} - {keys.ANY_PROJECT}
        return projects.list_projects(self._store, {"default", *named})

    def set_project(self, name: str, retain: str | None, budgets: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {"name": name, **asdict(projects.set_project(self._store, name, retain, list(budgets)))}

    def alerts(self) -> list[dict[str, Any]]:
        return described(self._store)

    def set_alert(self, rule: Rule, project: str | None) -> Rule:
        rule = replace(rule, project=project or keys.ANY_PROJECT)
        put_rule(self._store, rule)
        return rule

    def remove_alert(self, name: str) -> None:
        remove_rule(self._store, name)


class OfServer:
    """Administers a server over HTTP, as far as the key in AUTOLOG_API_KEY permits."""

    def __init__(self, server: RemoteStore) -> None:
        self._server = server

    def keys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._server.call("GET", "/api/v1/keys")["keys"]
        return found

    def create_key(self, name: str, project: str, scopes: Sequence[str], expires_at: datetime | None) -> str:
        body = {
            "name": name,
            "project": project,
            "scopes": list(scopes),
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        }
        return str(self._server.call("POST", "/api/v1/keys", body)["key"])

    def revoke_key(self, key_id: str) -> None:
        self._server.call("DELETE", f"/api/v1/keys/{quote(key_id, safe='')}")

    def projects(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._server.call("GET", "/api/v1/projects")["projects"]
        return found

    def set_project(self, name: str, retain: str | None, budgets: Sequence[dict[str, Any]]) -> dict[str, Any]:
        body = {"retain": retain, "budgets": list(budgets)}
        changed: dict[str, Any] = self._server.call("PUT", f"/api/v1/projects/{quote(name, safe='')}", body)
        return changed

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._server.call("GET", "/api/v1/alerts")["alerts"]
        return found

    def set_alert(self, rule: Rule, project: str | None) -> Rule:
        wanted = {**rule.as_document(), "project": project}
        watching = self._server.call("PUT", f"/api/v1/alerts/{quote(rule.name, safe='')}", wanted)
        return replace(rule, project=watching["project"])

    def remove_alert(self, name: str) -> None:
        self._server.call("DELETE", f"/api/v1/alerts/{quote(name, safe='')}")

    def try_alert(self, name: str) -> list[str]:
        """Have the server send an alert's notifications as if it fired, and return the failures."""
        problems: list[str] = self._server.call("POST", f"/api/v1/alerts/{quote(name, safe='')}/test")["problems"]
        return problems
