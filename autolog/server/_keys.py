"""API keys: made once and shown once, stored as hashes, each for one project and a set of scopes.

A key is 32 random bytes, so a plain SHA-256 of it is safe to store: there is nothing to guess. A key whose project is
`*` is for all projects. When a key was last used is a document of its own: to write it never undoes a revocation.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, time
from typing import Any, Literal, get_args

from autolog.errors import AutologError
from autolog.server._logs import audit
from autolog.server._projects import ProjectSettings, check_name, read_projects
from autolog.stores._contract import Store

Scope = Literal["ingest", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
ANY_PROJECT = "*"
PREFIX = "alk_"

#: The id of the key that a server was started with.
FIXED = "fixed"
_KIND = "key"
_USE = "key_use"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from: a key by its id, or `user:` and the name that a trusted proxy gives."""

    key_id: str
    project: str
    scopes: frozenset[str]

    @property
    def words(self) -> str:
        """Return how a refusal speaks of it."""
        return self.key_id.removeprefix("user:") if self.key_id.startswith("user:") else "this key"

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
    """Make a key, store its hash, and return it: it cannot be shown again. From `expires_at` on it is not valid.

    Raises:
        AutologError: an unknown scope, a project's name that cannot be one, or an expiry in the past.
    """
    return add_key(store, name, project, scopes, expires_at)[1]


def add_key(
    store: Store, name: str, project: str, scopes: Iterable[str], expires_at: datetime | None
) -> tuple[str, str]:
    """Make a key as `create_key` does, and return its id and itself."""
    scopes = sorted(set(scopes))
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise AutologError(f"{', '.join(unknown) or 'no scope'}: scopes are {', '.join(SCOPES)}")
    if project != ANY_PROJECT:
        check_name(project)
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise AutologError(f"{expires_at:%Y-%m-%d %H:%M} has passed already: a key expires in the future, or never")
    key_id, key = secrets.token_hex(4), PREFIX + secrets.token_urlsafe(32)
    store.put_document(
        _KIND,
        key_id,
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
    return key_id, key


def list_keys(store: Store) -> dict[str, dict[str, Any]]:
    """Return all keys by their id, without their hashes: with `last_used_at`, to about a minute."""
    used = store.documents(_USE)
    return {
        key_id: {
            "expires_at": None,
            **{name: value for name, value in data.items() if name != "hash"},
            "last_used_at": used.get(key_id, {}).get("at"),
        }
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
    #: How often the use of a key is noted at most, in seconds.
    NOTED = 60.0

    def __init__(self, store: Store, fixed: str | None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._next_end = math.inf  # when the next key expires, in seconds since 1970
        self._fixed = {} if fixed is None else {hash_key(fixed): Principal(FIXED, ANY_PROJECT, frozenset(SCOPES))}
        self._known: dict[str, Principal] = dict(self._fixed)
        self._invalid: dict[str, str] = {}
        self._noted: dict[str, float] = {}
        self.projects: frozenset[str] = frozenset({"default"})
        #: The settings of the projects that have some, by their names.
        self.settings: dict[str, ProjectSettings] = {}

    @property
    def fresh(self) -> bool:
        """Return whether a key can be looked up without reading the store."""
        return monotonic() - self._read_at < self.REFRESH and time() < self._next_end

    def find(self, key: str) -> Principal | None:
        """Return who has this key, or None. Every known hash is compared, in constant time."""
        given = hash_key(key)
        found = None
        for known, principal in self._known.items():
            if hmac.compare_digest(given, known):
                found = principal
        return found

    def problem(self, key: str | None) -> str:
        """Return why a key that was not found opens nothing; whoever holds one that was valid may know its end."""
        return self._invalid.get(hash_key(key), "") if key else ""

    def note_use(self, key_id: str, write: Callable[[Callable[[Store], None]], object]) -> None:
        """Have `write` note that a key was used now, once a minute at most."""
        now = monotonic()
        if key_id == FIXED or now - self._noted.get(key_id, -math.inf) < self.NOTED:
            return
        self._noted[key_id] = now
        at = datetime.now(UTC).isoformat(timespec="seconds")
        write(lambda store: store.put_document(_USE, key_id, {"at": at}))

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
            self.settings = read_projects(self._store)
            known_before, first = {one.key_id for one in self._known.values()}, self._read_at == -math.inf
            self._read_at = monotonic()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._known = self._fixed | {
                data["hash"]: Principal(key_id, data["project"], frozenset(data["scopes"]))
                for key_id, data in documents.items()
                if not _ended(data, now)
            }
            ends = [
                data["expires_at"] for data in documents.values() if data.get("expires_at") and not _ended(data, now)
            ]
            self._next_end = min((datetime.fromisoformat(end).timestamp() for end in ends), default=math.inf)
            self._invalid = {data["hash"]: why for data in documents.values() if (why := _ended(data, now))}
            if not first:
                _log_changes(known_before, {one.key_id for one in self._known.values()})
            named = {principal.project for principal in self._known.values()} - {ANY_PROJECT}
            self.projects = frozenset({"default", *named, *self.settings})


def _ended(key: dict[str, Any], now: str) -> str:
    """Return how the validity of a key has ended; empty for one that is valid."""
    if key.get("revoked_at"):
        return f"this API key was revoked at {key['revoked_at']}"
    if (end := key.get("expires_at")) and end <= now:
        return f"this API key expired at {end}"
    return ""


def _log_changes(before: set[str], after: set[str]) -> None:
    for key_id in sorted(after - before):
        audit.info("key %s was added", key_id, extra={"fields": {"key": key_id}})
    for key_id in sorted(before - after):
        audit.info("key %s was revoked", key_id, extra={"fields": {"key": key_id}})
