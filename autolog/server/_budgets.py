"""Budgets of a server, or of several on one store: each knows what the others spend, and only one acts."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from autolog._guard import guard
from autolog._pricing.budgets import Budget, Budgets
from autolog._pricing.ledger import Accounts, Ledger
from autolog._pricing.run_budget import also
from autolog._record.record import Record
from autolog.server._keys import Keyring
from autolog.server._projects import ProjectSettings
from autolog.server._shared_accounts import SharedAccounts
from autolog.server._writer import Writer
from autolog.stores import ledger_path, shared_reservations
from autolog.stores._contract import Store

#: How often the others' spending is looked up, in seconds.
EVERY = 15.0
_KIND = "budget"


class Spending:
    """Counts what records cost; what other servers on the store spent is looked up from time to time.

    The budgets are those that the server was started with, and those that projects have in their settings.
    """

    def __init__(self, given: Sequence[Any], store: Store, keyring: Keyring, writer: Writer) -> None:
        self._given = list(given)
        self._store = store
        self._keyring = keyring
        self._writer = writer
        self._shared = store.writers > 1
        self._ledger: Accounts | None = None
        self._budgets: Budgets | None = None
        self._of_projects: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._looked = monotonic()
        if given:
            self._budgets = self._begun(self._given)

    @property
    def active(self) -> bool:
        """Return whether there are any budgets."""
        return self._budgets is not None

    def follow(self, settings: Mapping[str, ProjectSettings]) -> None:
        """Take over the budgets that projects have now. Never raises."""
        wanted = [{**budget, "project": name} for name, one in settings.items() for budget in one.budgets]
        if wanted == self._of_projects:
            return
        with self._lock, guard("reading the budgets of projects"):
            every = [*self._given, *wanted]
            self._budgets = self._begun(every) if every else None
            self._of_projects = wanted

    def _begun(self, given: Sequence[Any]) -> Budgets:
        """Return budgets that know what was spent before."""
        if self._ledger is None:
            self._ledger = _accounts(self._store)
        budgets = Budgets(given, ledger=self._ledger, hold_all=True)
        if self._shared:
            budgets.claim = self._claim
        budgets.begin(self._store, self._keyring.projects)
        return budgets

    def spend(self, records: Sequence[Record]) -> None:
        """Count records that were just written, by the cost that is new. Never raises."""
        budgets = self._budgets
        if budgets is None:
            return
        for record in records:
            budgets.account(record, record.cost or 0.0, f"{record.project}/{record.id}")
        if self._shared and monotonic() - self._looked > EVERY:
            self._looked = monotonic()
            with guard("looking up what was spent"):
                budgets.begin(self._store, self._keyring.projects)  # these are among it
                budgets.review()
                return
        for record in records:
            budgets.spend(record, reserved=True)

    def reserve(self, number: str, call: Record, bound: float, seconds: float) -> str | None:
        """Reserve dollars for a call that is about to be made; return why not, or None if that is done.

        Args:
            number: what `settle` names it by, within its project. call: the id that its record will have, and what
                decides which budgets it counts towards.
        """
        if self._budgets is None or self._ledger is None:
            return None
        held = self._budgets.claims(call)
        claims = [budget.claim(value) for budget, value in held]
        name = f"{call.project}/{call.id}" if call.id else ""
        refused = self._ledger.reserve(f"{call.project}/{number}", claims, bound, seconds, name)
        if refused is None:
            return None
        budget, value = held[refused.claim]
        return budget.words(value, refused.spent) + also(refused.reserved, bound)

    def settle(self, number: str, project: str, cost: float) -> None:
        """Put the cost of a call in the place of what was reserved for it; 0 releases it."""
        if self._ledger is not None:
            self._ledger.settle(f"{project}/{number}", cost)

    def _claim(self, budget: Budget, value: str) -> bool:
        """Return whether this server is the one to act in this period: of several, the last writer acts."""
        name, mine, now = f"{budget.kind}:{value}:{budget.limit}:{budget.period}", uuid.uuid4().hex, datetime.now(UTC)
        known = self._store.documents(_KIND).get(name)
        if known is not None and now - datetime.fromisoformat(known["at"]) < budget.period:
            return False
        self._writer.run(lambda store: store.put_document(_KIND, name, {"at": now.isoformat(), "by": mine}))
        return self._store.documents(_KIND).get(name, {}).get("by") == mine


def _accounts(store: Store) -> Accounts:
    """Return where reservations are kept: in a file beside SQLite's, in the database that several servers share."""
    shared = shared_reservations(store)
    if shared is not None:
        return SharedAccounts(shared)
    path = ledger_path(store.url)
    return Ledger(path) if path else Ledger()
