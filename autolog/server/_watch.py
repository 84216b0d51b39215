"""Checks alert rules every half minute, on the one server of a store that holds a lease.

A server that finds the lease expired writes its own name, waits until any server that did the same at that moment has
written its name, and leads only if its own name is the one that remains. A rule's state is stored before notifications
are sent, so that a server which takes over does not send them again.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from autolog._guard import guard
from autolog.errors import StoreError
from autolog.server._alerts import EVENTS, Rule, State, put_states, read_rules, read_states
from autolog.server._background import Background
from autolog.server._logs import alerts
from autolog.server._notify import Notifier
from autolog.server._writer import Writer
from autolog.stores._contract import Store

#: How often rules are checked, in seconds; a lease lasts three times as long.
EVERY = 30.0
#: How long after claiming the lease the claims of other servers at that moment are certain to be visible, in seconds.
SETTLED = 2.0
_KIND, _LEASE = "alert_watch", "lease"


class Watch:
    """Checks the alert rules on a background thread, while `background` is started."""

    def __init__(
        self, store: Store, writer: Writer, notifier: Notifier, every: float = EVERY, settled: float = SETTLED
    ) -> None:
        self._store = store
        self._writer = writer
        self._notifier = notifier
        self._every = every
        self._settled = settled
        self._name = uuid.uuid4().hex
        self._keeping = threading.Lock()
        self.background = Background("alerts", every, self._check_if_leading)

    def _check_if_leading(self) -> None:
        try:
            if read_rules(self._store) and self._leads():
                self.check()
        except StoreError as error:
            alerts.warning("alerts could not be evaluated: %s", error)

    def _leads(self) -> bool:
        """Renew or claim the lease; return whether this server holds it."""
        lease = self._store.documents(_KIND).get(_LEASE)
        now = datetime.now(UTC)
        is_current = lease is not None and now - datetime.fromisoformat(lease["at"]) < timedelta(
            seconds=3 * self._every
        )
        is_ours = lease is not None and lease["by"] == self._name
        if is_current and not is_ours:
            return False
        renewed = {"by": self._name, "at": now.isoformat()}
        self._writer.run(lambda store: store.put_document(_KIND, _LEASE, renewed))
        if is_current:
            return True
        self.background.pause(self._settled)
        return self._store.documents(_KIND).get(_LEASE, {}).get("by") == self._name

    def check(self, now: datetime | None = None) -> None:
        """Check every rule once: store the new states, and send notifications of changes."""
        now = now or datetime.now(UTC)
        changes: list[tuple[Rule, dict[str, Any]]] = []
        with self._keeping:
            known = read_states(self._store)
            changed: dict[str, State] = {}
            for rule in read_rules(self._store):
                before = known.get(rule.name, State())
                after = changed[rule.name] = self._next_state(rule, before, now)
                if after.firing != before.firing:
                    changes.append((rule, after.events[0]))
            self._keep(changed)
        for rule, event in changes:
            threading.Thread(target=self._notify, args=(rule, event), name="autolog-alert", daemon=True).start()

    def _next_state(self, rule: Rule, before: State, now: datetime) -> State:
        """Return the new state of a rule, with an event if it started or stopped firing."""
        at = now.isoformat(timespec="seconds")
        try:
            value, calls = rule.figure(self._store, now)
        except StoreError as error:
            return replace(before, checked_at=at, problem=str(error))
        firing = rule.condition.holds(value)
        after = replace(before, value=value, checked_at=at, problem=None)
        if firing == before.firing:
            return after
        event = {"at": at, "firing": firing, "value": value, "calls": calls, "text": rule.words(firing, value, calls)}
        return replace(after, firing=firing, since=at, events=(event, *before.events)[:EVENTS])

    def _keep(self, states: Mapping[str, State]) -> None:
        self._writer.run(lambda store: put_states(store, states))

    def _notify(self, rule: Rule, event: dict[str, Any]) -> None:
        """Send notifications of an event, and store any failed delivery with it."""
        with guard("telling of an alert"):
            problems = self._notifier.notify(rule, event)
            if problems:
                with self._keeping:
                    state = read_states(self._store).get(rule.name, State())
                    events = tuple(
                        {**other, "problem": "; ".join(problems)} if other == event else other for other in state.events
                    )
                    self._keep({rule.name: replace(state, events=events)})
