"""Sessions of the dashboard: known to every server, used in place of a key, and ended by expiry or with their key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from autolog.server import _sessions
from autolog.server._keys import Keyring, create_key, list_keys, revoke_key
from autolog.server._sessions import EACH, Sessions
from autolog.server._writer import Writer
from autolog.stores import open_store
from autolog.stores._contract import Store

FIXED = "a fixed key"


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


def sessions_of(store: Store, fixed: str | None = FIXED) -> Sessions:
    """Return the sessions as known to one server on the store."""
    keyring = Keyring(store, fixed)
    keyring.refresh()
    sessions = Sessions(store, Writer(store, 100), keyring)
    sessions.refresh()
    return sessions


def test_a_session_is_known_to_every_server_until_it_is_ended(store: Store) -> None:
    first = sessions_of(store)
    token = first.open(FIXED)
    assert first.find(token) is not None
    second = sessions_of(store)
    found = second.find(token)
    assert found is not None
    assert found.key_id == "fixed"
    second.end(token)
    assert second.find(token) is None
    first.refresh(at_once=True)
    assert first.find(token) is None


def test_the_store_has_neither_the_token_nor_the_key(store: Store, tmp_path: Path) -> None:
    token = sessions_of(store).open(FIXED)
    kept = repr(store.documents("session"))
    assert token not in kept
    assert FIXED not in kept


def test_a_session_ends_with_its_key(store: Store) -> None:
    key = create_key(store, "mine")
    sessions = sessions_of(store)
    token = sessions.open(key)
    assert sessions.find(token) is not None
    (key_id,) = list_keys(store)
    revoke_key(store, key_id)
    sessions._keyring.refresh(at_once=True)
    assert sessions.find(token) is None
    assert sessions_of(store, fixed="another fixed key").find(sessions_of(store).open(FIXED)) is None


def test_a_session_expires(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sessions, "LIFETIME", timedelta(0))
    sessions = sessions_of(store)
    assert sessions.find(sessions.open(FIXED)) is None


def test_signing_in_again_and_again_fills_nothing(store: Store) -> None:
    sessions = sessions_of(store)
    tokens = [sessions.open(FIXED) for _ in range(3 * EACH)]
    assert len(store.documents("session")) == EACH
    assert [sessions.find(token) is not None for token in tokens] == [False] * 2 * EACH + [True] * EACH


def test_an_unknown_token_or_key_opens_nothing(store: Store) -> None:
    sessions = sessions_of(store)
    ended = sessions.open(FIXED)
    sessions.end(ended)
    for token in ("", "x", ended, "é\ud800"):
        assert sessions.find(token) is None
        sessions.end(token)
    with pytest.raises(LookupError):
        sessions.open("no key")
