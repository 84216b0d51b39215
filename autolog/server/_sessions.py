"""Sessions of the dashboard, which a browser holds instead of an API key.

A session is a random token in a cookie. The store has the token's hash, the id of the key that opened the session, and
a proof that can be made only from the token and the key's hash. Therefore a key's sessions end when it is revoked, and
a copy of the store does not open any. Each key has a few places for sessions, and a new session replaces the one that
expires first, so that nobody can fill the store by signing in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from autolog._guard import logger
from autolog.errors import StoreError
from autolog.server._keys import Keyring, Principal, hash_key
from autolog.server._writer import Writer
from autolog.stores._contract import Store

#: How long a session lasts.
LIFETIME = timedelta(days=7)
#: The most sessions of one key at the same time.
EACH = 10
#: The least time between two lookups in the store for a session that another server may have opened, in seconds.
_ASK_AGAIN = 0.25
_KIND = "session"


@dataclass(frozen=True, slots=True)
class _Session:
    token_hash: str
    key_id: str
    proof: str
    expires_at: datetime


class Sessions:
    """The open sessions of all keys, shared by the servers on one store."""

    def __init__(self, store: Store, writer: Writer, keyring: Keyring) -> None:
        self._store = store
        self._writer = writer
        self._keyring = keyring
        self._lock = threading.Lock()
        self._read_at = -keyring.REFRESH
        self._places: dict[str, _Session] = {}
        self._unsaved: dict[str, _Session] = {}

    def open(self, key: str) -> str:
        """Open a session for a valid key and return its token. It is valid only here if the store cannot be written.

        Raises:
            LookupError: if the key is not valid.
        """
        key_hash = hash_key(key)
        holder = self._keyring.find(key)
        if holder is None:
            raise LookupError("the key is not valid")
        token = secrets.token_urlsafe(32)
        expires_at = datetime.now(UTC) + LIFETIME
        session = _Session(hash_key(token), holder.key_id, _proof(token, key_hash), expires_at)
        self.refresh(at_once=True)
        place = self._free_place(holder.key_id)
        with self._lock:
            self._places[place] = self._unsaved[place] = session
        self._save(place, session)
        return token

    def find(self, token: str) -> Principal | None:
        """Return the principal of a session; None if it is not open, has expired, or its key is no longer valid."""
        place = self._place_of(token)
        session = self._places.get(place) if place is not None else None
        if session is None or session.expires_at <= datetime.now(UTC):
            return None
        known = self._keyring.by_id(session.key_id)
        if known is None or not hmac.compare_digest(session.proof, _proof(token, known[0])):
            return None
        return known[1]

    def end(self, token: str) -> None:
        """End a session, on all servers."""
        place = self._place_of(token)
        if place is not None:
            with self._lock:
                session = self._places.pop(place, None)
                if session is None:  # ended by another request meanwhile
                    return
                self._unsaved[place] = ended = _Session("", session.key_id, "", datetime.now(UTC))
            self._save(place, ended)

    @property
    def fresh(self) -> bool:
        """Whether a session can be looked up without reading the store."""
        return monotonic() - self._read_at < self._keyring.REFRESH

    @property
    def recent(self) -> bool:
        """Whether the store was read so recently that an unknown session is not another server's either."""
        return monotonic() - self._read_at < _ASK_AGAIN

    def refresh(self, at_once: bool = False) -> None:
        """Read the sessions again if they are out of date, or in any case with `at_once`."""
        with self._lock:
            if not at_once and self.fresh:
                return
            documents = self._store.documents(_KIND)
            self._read_at = monotonic()
            stored = {
                place: _Session(
                    data["token_hash"], data["key_id"], data["proof"], datetime.fromisoformat(data["expires_at"])
                )
                for place, data in documents.items()
            }
            self._places = stored | self._unsaved

    def _place_of(self, token: str) -> str | None:
        given = hash_key(token)
        return next(
            (place for place, session in self._places.items() if hmac.compare_digest(session.token_hash, given)), None
        )

    def _free_place(self, key_id: str) -> str:
        """Return a key's place without a session, or else the place of the session that expires first."""
        places = [f"{key_id}/{number}" for number in range(EACH)]
        never = datetime.min.replace(tzinfo=UTC)
        return min(places, key=lambda place: self._places[place].expires_at if place in self._places else never)

    def _save(self, place: str, session: _Session) -> None:
        data = {
            "token_hash": session.token_hash,
            "key_id": session.key_id,
            "proof": session.proof,
            "expires_at": session.expires_at.isoformat(),
        }
        try:
            self._writer.run(lambda store: store.put_document(_KIND, place, data))
        except StoreError as error:
            logger.warning("a session of the dashboard is known to this process only: %s", error)
            return
        with self._lock:
            if self._unsaved.get(place) is session:
                del self._unsaved[place]


def _proof(token: str, key_hash: str) -> str:
    return hmac.new(token.encode(), key_hash.encode(), hashlib.sha256).hexdigest()
