"""Budgets of a server. Servers on the same store take each other's spending into account, and only one of them acts."""

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
from autolog._pricing.run_budget import reserved_words
from autolog._record.ids import within
from autolog._record.record import Record
from autolog.server._keys import Keyring
from autolog.server._projects import ProjectSettings
from autolog.server._shared_accounts import SharedAccounts
from autolog.server._writer import Writer
from autolog.stores import ledger_path, shared_reservations
from autolog.stores._contract import Store

#: How often the spending of the other servers is looked up, in seconds.
EVERY = 15.0
_KIND = "budget"


class Spending:
    """Charges the cost of records to budgets; the spending of other servers on the store is looked up periodically.

    The budgets are those that the server was started with, and those in the settings of projects.
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
        """Adopt the budgets in the current settings of projects. Never raises."""
        wanted = [{**budget, "project": name} for name, project in settings.items() for budget in project.budgets]
        if wanted == self._of_projects:
            return
        with self._lock, guard("reading the budgets of projects"):
            every = [*self._given, *wanted]
            self._budgets = self._begun(every) if every else None
            self._of_projects = wanted

    def _begun(self, given: Sequence[Any]) -> Budgets:
        """Return budgets that start from what has been spent already."""
        if self._ledger is None:
            self._ledger = _accounts(self._store)
        budgets = Budgets(given, ledger=self._ledger, hold_all=True)
        if self._shared:
            budgets.claim = self._claim
        budgets.begin(self._store, self._keyring.projects)
        return budgets

    def spend(self, records: Sequence[Record]) -> None:
        """Charge records that were just written, whose `cost` is only the cost added by the write. Never raises."""
        budgets = self._budgets
        if budgets is None:
            return
        for record in records:
            budgets.account(record, record.cost or 0.0, within(record.project, record.id))
        if self._shared and monotonic() - self._looked > EVERY:
            self._looked = monotonic()
            with guard("looking up what was spent"):
                budgets.begin(self._store, self._keyring.projects)  # the store includes these records already
                budgets.review()
                return
        for record in records:
            budgets.spend(record, reserved=True)

    def reserve(self, number: str, call: Record, bound: float, seconds: float) -> str | None:
        """Reserve dollars for a call that is about to be made; return why it is refused, or None if it is not.

        Args:
            number: the name of the reservation within its project, to be passed to `settle`.
            call: a record with the id that the call's record will have, and the fields that select its budgets.
            bound: the most that the call may cost, in dollars.
            seconds: how long the reservation lasts if it is not settled.
        """
        if self._budgets is None or self._ledger is None:
            return None
        held = self._budgets.claims(call)
        claims = [budget.claim(value) for budget, value in held]
        name = within(call.project, call.id) if call.id else ""
        refused = self._ledger.reserve(within(call.project, number), claims, bound, seconds, name)
        if refused is None:
            return None
        budget, value = held[refused.claim]
        return budget.words(value, refused.spent) + reserved_words(refused.reserved, bound)

    def settle(self, number: str, project: str, cost: float) -> None:
        """Replace a reservation by the call's actual cost in dollars; 0 releases it."""
        if self._ledger is not None:
            self._ledger.settle(within(project, number), cost)

    def _claim(self, budget: Budget, value: str) -> bool:
        """Return whether this server is the one to act on a budget in this period: the last one to write a claim is."""
        name, claim_id, now = (
            f"{budget.kind}:{value}:{budget.limit}:{budget.period}",
            uuid.uuid4().hex,
            datetime.now(UTC),
        )
        known = self._store.documents(_KIND).get(name)
        if known is not None and now - datetime.fromisoformat(known["at"]) < budget.period:
            return False
        self._writer.run(lambda store: store.put_document(_KIND, name, {"at": now.isoformat(), "by": claim_id}))
        return self._store.documents(_KIND).get(name, {}).get("by") == claim_id


def _accounts(store: Store) -> Accounts:
    """Return the ledger of reservations: in the servers' shared database, in a file beside SQLite's, or in memory."""
    shared = shared_reservations(store)
    if shared is not None:
        return SharedAccounts(shared)
    path = ledger_path(store.url)
    return Ledger(path) if path else Ledger()
