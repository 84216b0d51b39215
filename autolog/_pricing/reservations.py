"""Before a call is sent, its greatest cost is reserved of every budget that holds; after it, the real one is settled.

The gate runs on the calling thread, and only where there is a budget that holds. A call that has ended is settled on
the worker's thread a moment later, so a call that does not fit waits for those that have ended, for a moment, before it
is refused. What fails without an answer, or with an error, is released. Where the cost of a call that succeeded is not
known in the end, as of a stream without usage, what was reserved counts as spent.
"""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Sequence
from time import monotonic
from typing import Any, Protocol

from autolog._capture.exchange import Exchange
from autolog._guard import guard, report
from autolog._lifecycle import lock_for
from autolog._native import allocate_lock, sleep
from autolog._pricing.bound import upper_bound
from autolog.providers import format_named

#: For how long a reservation counts, in seconds, if it is never settled: calls take no longer (the SDKs' timeout).
EXPIRY = 600.0
#: How long a call that does not fit waits for the costs of those that have ended, in seconds.
PATIENCE = 2.0


class Holder(Protocol):
    """A budget, or several, of which amounts can be reserved."""

    @property
    def raises(self) -> type[BaseException]: ...

    @property
    def unpriced(self) -> str: ...

    def reserve(self, number: str, bound: float, seconds: float, exchange: Exchange) -> str | None:
        """Reserve `bound` dollars for so many seconds; return why not, or None if that is done."""
        ...

    def settle(self, number: str, cost: float) -> None:
        """Put the cost of a call in the place of what was reserved for it."""
        ...


class Reserved:
    """What is reserved for one call, of one or several budgets."""

    def __init__(self, number: str, bound: float, holders: Sequence[Holder]) -> None:
        self.number = number
        self.bound = bound
        self.settled = False
        self._holders = holders

    def settle(self, cost: float | None, failed: bool) -> None:
        """Put the call's cost in the place of what is reserved; once. Never raises.

        Without a known cost, nothing counts of a call that failed, and of others what was reserved.
        """
        if self.settled:
            return
        if cost is None:
            cost = 0.0 if failed else self.bound
        for holder in self._holders:
            with guard("settling a budget"):
                holder.settle(self.number, cost)
        self.settled = True


class Gate:
    """Lets calls through as far as the budgets allow: those of the recorder, and those of the run that they are of."""

    def __init__(self, holders: Sequence[Holder], prices: Any) -> None:
        self._holders = tuple(holders)
        self._prices = prices
        self._open: weakref.WeakKeyDictionary[Reserved, weakref.ref[Exchange]] = weakref.WeakKeyDictionary()
        self._lock = lock_for(self, allocate_lock)
        #: How many calls went out though nobody knew what they might cost.
        self.unpriced = 0

    def __call__(self, exchange: Exchange, request: Any) -> Reserved | None:
        """Return what is reserved for a call; None if no budget holds, or it only reads what another call began.

        Raises:
            BaseException: that of the budget which does not allow the call.
        """
        holders: tuple[Holder, ...] = (*exchange.context.budgets, *self._holders)
        if not holders or str(request.method).upper() == "GET":
            return None
        bound = self._bound(exchange, request)
        number = uuid.uuid4().hex
        taken: list[Holder] = []
        try:
            for holder in holders:
                if bound is None and holder.unpriced == "refuse":
                    raise holder.raises("nobody knows what this call may cost: its model has no price that is known")
                if (refused := self._reserve(holder, number, bound or 0.0, exchange)) is not None:
                    raise holder.raises(refused)
                taken.append(holder)
        except BaseException:
            Reserved(number, 0.0, taken).settle(0.0, True)
            raise
        self.unpriced += bound is None
        reserved = Reserved(number, bound or 0.0, holders)
        with self._lock:
            self._open[reserved] = weakref.ref(exchange)
        return reserved

    def _bound(self, exchange: Exchange, request: Any) -> float | None:
        try:
            body = getattr(request, "_content", None)
            return upper_bound(format_named(exchange.sdk), str(request.url), body, self._prices)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("looking for what a call may cost", error)
            return None

    def _reserve(self, holder: Holder, number: str, bound: float, exchange: Exchange) -> str | None:
        """Reserve, once what has ended is settled; return why not."""
        deadline = monotonic() + PATIENCE
        try:
            while (refused := holder.reserve(number, bound, EXPIRY, exchange)) is not None:
                if not self._unsettled() or monotonic() > deadline:
                    return refused
                sleep(0.002)
        except Exception as error:  # noqa: BLE001 - ours, never the program's: a ledger that cannot be written
            report("reserving of a budget", error)
        return None

    def _unsettled(self) -> bool:
        """Return whether there are calls that have ended, and whose costs are about to be known."""
        with self._lock:
            for reserved, of in list(self._open.items()):
                exchange = of()
                if reserved.settled or exchange is None:
                    del self._open[reserved]
                elif exchange.end_ns:
                    return True
        return False
