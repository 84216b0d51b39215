"""API keys: made once and shown once, stored as hashes, each for one project and a set of scopes.

A key is 32 random bytes, so a plain SHA-256 of it is safe to store: there is nothing to guess. A key whose project is
`*` is for all projects.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from autolog.errors import AutologError
from autolog.server._logs import audit
from autolog.stores._contract import Store

SCOPES = ("ingest", "read", "admin")
ANY_PROJECT = "*"
PREFIX = "alk_"

_KIND = "key"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from."""

    key_id: str
    project: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Return whether the key has a scope; `admin` has all."""
        return scope in self.scopes or "admin" in self.scopes


def create_key(
    store: Store,
    name: str,
    project: str = "default",
    scopes: Iterable[str] = ("ingest", "read"),
    expires_at: datetime | None = None,
) -> str:
    """Make a key, store its hash, and return it: it cannot be shown again. After `expires_at` it is not valid.

    Raises:
        AutologError: an unknown scope, or a project name that cannot be one.
    """
    scopes = sorted(set(scopes))
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise AutologError(f"{', '.join(unknown) or 'no scope'}: scopes are {', '.join(SCOPES)}")
    if not 1 <= len(project) <= 64:
        raise AutologError(f"{project!r}: a project's name has 1 to 64 characters")
    key = PREFIX + secrets.token_urlsafe(32)
    store.put_document(
        _KIND,
        secrets.token_hex(4),
        {
            "hash": hash_key(key),
            "name": name,
            "project": project,
            "scopes": scopes,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "expires_at": None if expires_at is None else expires_at.astimezone(UTC).isoformat(timespec="seconds"),
            "revoked_at": None,
        },
    )
    return key


def list_keys(store: Store) -> dict[str, dict[str, Any]]:
    """Return all keys by their id, without their hashes."""
    return {
        key_id: {name: value for name, value in data.items() if name != "hash"}
        for key_id, data in store.documents(_KIND).items()
    }


def revoke_key(store: Store, key_id: str) -> None:
    """Revoke a key.

    Raises:
        AutologError: there is no such key.
    """
    data = store.documents(_KIND).get(key_id)
    if data is None:
        raise AutologError(f"there is no key {key_id!r}; see `autolog keys list`")
    store.put_document(_KIND, key_id, {**data, "revoked_at": datetime.now(UTC).isoformat(timespec="seconds")})


def hash_key(key: str) -> str:
    """Return the hash that a key is kept as."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


class Keyring:
    """The keys that open the server, read from the store again every few seconds."""

    #: How long a revoked key may still work, in seconds.
    REFRESH = 2.0

    def __init__(self, store: Store, fixed: str | None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._fixed = {} if fixed is None else {hash_key(fixed): Principal("fixed", ANY_PROJECT, frozenset(SCOPES))}
        self._known: dict[str, Principal] = dict(self._fixed)
        self.projects: frozenset[str] = frozenset({"default"})

    @property
    def fresh(self) -> bool:
        """Return whether a key can be looked up without reading the store."""
        return monotonic() - self._read_at < self.REFRESH

    def find(self, key: str) -> Principal | None:
        """Return who has this key, or None. Every known hash is compared, in constant time."""
        given = hash_key(key)
        found = None
        for known, principal in self._known.items():
            if hmac.compare_digest(given, known):
                found = principal
        return found

    def is_fixed(self, key: str) -> bool:
        """Return whether this is the key that the server was started with."""
        return any(hmac.compare_digest(hash_key(key), known) for known in self._fixed)

    def by_id(self, key_id: str) -> tuple[str, Principal] | None:
        """Return the hash and the holder of a key that is still valid, by the key's id."""
        return next(((known, holder) for known, holder in self._known.items() if holder.key_id == key_id), None)

    def refresh(self, at_once: bool = False) -> None:
        """Read the keys again if that was long ago."""
        with self._lock:
            if not at_once and self.fresh:
                return
            documents = self._store.documents(_KIND)
            known_before, first = {one.key_id for one in self._known.values()}, self._read_at == -math.inf
            self._read_at = monotonic()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._known = self._fixed | {
                data["hash"]: Principal(key_id, data["project"], frozenset(data["scopes"]))
                for key_id, data in documents.items()
                if not data.get("revoked_at") and not (data.get("expires_at") or now) < now
            }
            if not first:
                _log_changes(known_before, {one.key_id for one in self._known.values()})
            named = {principal.project for principal in self._known.values()} - {ANY_PROJECT}
            self.projects = frozenset({"default", *named})


def _log_changes(before: set[str], after: set[str]) -> None:
    for key_id in sorted(after - before):
        audit.info("key %s was added", key_id, extra={"fields": {"key": key_id}})
    for key_id in sorted(before - after):
        audit.info("key %s was revoked", key_id, extra={"fields": {"key": key_id}})
