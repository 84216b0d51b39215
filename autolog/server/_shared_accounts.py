"""Reservations of budgets in a database that several servers share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from autolog._pricing.ledger import Claim, Refused

if TYPE_CHECKING:
    from autolog.stores.clickhouse.reservations import Limit, Reservations

#: The period, in seconds, for budgets without one: their amounts never expire.
_ALWAYS = 10 * 366 * 86_400.0


class SharedAccounts:
    """Implements the ledger of budgets on a shared database, so that each server sees what the others reserve.

    Raises:
        StoreError: from every method, if the database cannot be reached or used.
    """

    def __init__(self, reservations: Reservations) -> None:
        self._shared = reservations

    def reserve(
        self, number: str, claims: Sequence[Claim], bound: float, seconds: float, record: str = ""
    ) -> Refused | None:
        """Reserve `bound` dollars of every claim for `seconds`; if one refuses, reserve none and return why."""
        refused = self._shared.reserve(number, [_limit(claim) for claim in claims], bound, seconds, record)
        return None if refused is None else Refused(*refused)

    def settle(self, number: str, cost: float) -> None:
        """Replace a reservation by what the call actually cost, in dollars."""
        self._shared.settle(number, cost)

    def add(self, claims: Iterable[Claim], cost: float, record: str = "") -> None:
        """Add spending that had no reservation, or settle the reservation that was made for the record."""
        self._shared.add([_limit(claim) for claim in claims], cost, record)

    def seed(self, name: str, amounts: Iterable[tuple[Claim, float, float]]) -> None:
        """Add earlier spending; only the first call for each name has an effect."""
        self._shared.seed(name, [(_limit(claim), at, amount) for claim, at, amount in amounts])

    def figures(self, claim: Claim) -> tuple[float, float]:
        """Return the spent and the reserved dollars of a claim."""
        return self._shared.figures(_limit(claim))

    def keys(self, beginning: str) -> list[str]:
        """Return the keys with this prefix that have spending or reservations."""
        return self._shared.keys(beginning)


def _limit(claim: Claim) -> Limit:
    from autolog.stores.clickhouse.reservations import Limit

    return Limit(claim.key, claim.limit, claim.period or _ALWAYS)
