"""API keys: each is for one project and a set of scopes, is shown once, and is stored as a hash.

A key is 32 random bytes, which cannot be guessed, so that a plain SHA-256 is safe to store. A key whose project is `*`
is for all projects. The time of a key's last use is a separate document, so that writing it never undoes a revocation.
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

#: The id of the fixed key that a server is started with.
FIXED = "fixed"
_KIND = "key"
_USE = "key_use"


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a request's rights: a key, by its id, or `user:` and the user name that a trusted proxy gives."""

    key_id: str
    project: str
    scopes: frozenset[str]

    @property
    def words(self) -> str:
        """The principal as it is called in a refusal."""
        return self.key_id.removeprefix("user:") if self.key_id.startswith("user:") else "this key"

    def may(self, scope: str) -> bool:
        """Return whether the principal has a scope; `admin` includes all scopes."""
        return scope in self.scopes or "admin" in self.scopes


def create_key(
    store: Store,
    name: str,
    project: str = "default",
    scopes: Iterable[str] = ("ingest", "read"),
    expires_at: datetime | None = None,
) -> str:
    """Create a key, store its hash, and return the key, which cannot be shown again. It is valid until `expires_at`.

    Raises:
        AutologError: if a scope is unknown, the project's name is invalid, or `expires_at` is in the past.
    """
    return add_key(store, name, project, scopes, expires_at)[1]


def add_key(
    store: Store, name: str, project: str, scopes: Iterable[str], expires_at: datetime | None
) -> tuple[str, str]:
    """Create a key as `create_key` does, and return its id and the key."""
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
    """Return all keys by id, without their hashes; `last_used_at` is accurate to about a minute."""
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
        AutologError: if there is no such key.
    """
    data = store.documents(_KIND).get(key_id)
    if data is None:
        raise AutologError(f"there is no key {key_id!r}; see `autolog keys list`")
    store.put_document(_KIND, key_id, {**data, "revoked_at": datetime.now(UTC).isoformat(timespec="seconds")})


def hash_key(key: str) -> str:
    """Return the hash under which a key is stored, in hexadecimal."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


class Keyring:
    """The valid keys, read from the store every few seconds."""

    #: The longest that a revoked key still works, in seconds.
    REFRESH = 2.0
    #: The least time between two notes of a key's use, in seconds.
    NOTED = 60.0

    def __init__(self, store: Store, fixed: str | None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._next_end = math.inf  # the Unix time at which the next key expires
        self._fixed = {} if fixed is None else {hash_key(fixed): Principal(FIXED, ANY_PROJECT, frozenset(SCOPES))}
        self._known: dict[str, Principal] = dict(self._fixed)
        self._invalid: dict[str, str] = {}
        self._noted: dict[str, float] = {}
        self.projects: frozenset[str] = frozenset({"default"})
        #: The settings of projects that have any, by project name.
        self.settings: dict[str, ProjectSettings] = {}

    @property
    def fresh(self) -> bool:
        """Whether a key can be looked up without reading the store."""
        return monotonic() - self._read_at < self.REFRESH and time() < self._next_end

    def find(self, key: str) -> Principal | None:
        """Return the holder of a key, or None. Every known hash is compared, each in constant time."""
        given = hash_key(key)
        found = None
        for known, principal in self._known.items():
            if hmac.compare_digest(given, known):
                found = principal
        return found

    def problem(self, key: str | None) -> str:
        """Return why a key is no longer valid, or an empty string; safe to tell anyone who holds the key."""
        return self._invalid.get(hash_key(key), "") if key else ""

    def note_use(self, key_id: str, write: Callable[[Callable[[Store], None]], object]) -> None:
        """Have `write` note that a key was used now, at most once a minute."""
        now = monotonic()
        if key_id == FIXED or now - self._noted.get(key_id, -math.inf) < self.NOTED:
            return
        self._noted[key_id] = now
        at = datetime.now(UTC).isoformat(timespec="seconds")
        write(lambda store: store.put_document(_USE, key_id, {"at": at}))

    def is_fixed(self, key: str) -> bool:
        """Return whether this is the fixed key that the server was started with."""
        return any(hmac.compare_digest(hash_key(key), known) for known in self._fixed)

    def by_id(self, key_id: str) -> tuple[str, Principal] | None:
        """Return the hash and the principal of a valid key, by the key's id; None if there is none."""
        return next(((known, holder) for known, holder in self._known.items() if holder.key_id == key_id), None)

    def refresh(self, at_once: bool = False) -> None:
        """Read the keys again if they are out of date, or in any case with `at_once`."""
        with self._lock:
            if not at_once and self.fresh:
                return
            documents = self._store.documents(_KIND)
            self.settings = read_projects(self._store)
            known_before, first = {known.key_id for known in self._known.values()}, self._read_at == -math.inf
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
                _log_changes(known_before, {known.key_id for known in self._known.values()})
            named = {principal.project for principal in self._known.values()} - {ANY_PROJECT}
            self.projects = frozenset({"default", *named, *self.settings})


def _ended(key: dict[str, Any], now: str) -> str:
    """Return how a key has ceased to be valid; an empty string if it is valid."""
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
