"""Reservations in the database of several servers, as budgets keep them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from autolog._pricing.ledger import Claim, Refused

if TYPE_CHECKING:
    from autolog.stores.clickhouse.reservations import Limit, Reservations

#: The period, in seconds, of what is never forgotten.
_ALWAYS = 10 * 366 * 86_400.0


class SharedAccounts:
    """Accounts in a database: what one server reserves, the others see.

    Raises:
        StoreError: from every method: the database cannot be reached or used.
    """

    def __init__(self, reservations: Reservations) -> None:
        self._shared = reservations

    def reserve(
        self, number: str, claims: Sequence[Claim], bound: float, seconds: float, record: str = ""
    ) -> Refused | None:
        """Reserve `bound` dollars of every claim for so many seconds, or of none; return why not."""
        refused = self._shared.reserve(number, [_limit(claim) for claim in claims], bound, seconds, record)
        return None if refused is None else Refused(*refused)

    def settle(self, number: str, cost: float) -> None:
        """Put what a call really cost in the place of its reservation."""
        self._shared.settle(number, cost)

    def add(self, claims: Iterable[Claim], cost: float, record: str = "") -> None:
        """Count what was spent without a reservation, or settle the one that was made for the record."""
        self._shared.add([_limit(claim) for claim in claims], cost, record)

    def seed(self, name: str, amounts: Iterable[tuple[Claim, float, float]]) -> None:
        """Add what was spent before, once for each name."""
        self._shared.seed(name, [(_limit(claim), at, amount) for claim, at, amount in amounts])

    def figures(self, claim: Claim) -> tuple[float, float]:
        """Return what is spent and what is reserved, in dollars."""
        return self._shared.figures(_limit(claim))

    def keys(self, beginning: str) -> list[str]:
        """Return the keys that begin so, of which anything is spent or reserved."""
        return self._shared.keys(beginning)


def _limit(claim: Claim) -> Limit:
    from autolog.stores.clickhouse.reservations import Limit

    return Limit(claim.key, claim.limit, claim.period or _ALWAYS)
