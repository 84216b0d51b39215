"""Reserve the maximum cost of a call under every budget that holds before it is sent, and settle its real cost later.

The gate runs on the calling thread, and only if there is a budget that holds. A call that has ended is settled a moment
later on the worker thread; a call that does not fit therefore waits briefly for ended calls to be settled before it is
refused. The reservation of a failed call is released. If the cost of a successful call remains unknown, as for a stream
without usage, the reserved amount counts as spent.
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

#: Seconds for which an unsettled reservation counts: the SDKs' timeout, as calls do not take longer.
EXPIRY = 600.0
#: Seconds that a call which does not fit waits for ended calls to be settled.
PATIENCE = 2.0


class Holder(Protocol):
    """One or more budgets under which amounts can be reserved."""

    @property
    def raises(self) -> type[BaseException]: ...

    @property
    def unpriced(self) -> str: ...

    @property
    def unreserved(self) -> str: ...

    def reserve(self, number: str, bound: float, seconds: float, exchange: Exchange) -> str | None:
        """Reserve `bound` dollars for `seconds`; return the reason for a refusal, or None on success.

        Any exception means that the ledger or the server failed; `unreserved` then decides about the call.
        """
        ...

    def settle(self, number: str, cost: float) -> None:
        """Replace a call's reservation by its cost, in dollars."""
        ...


class Reserved:
    """The reservation for one call, under one or more budgets."""

    def __init__(self, number: str, bound: float, holders: Sequence[Holder]) -> None:
        self.number = number
        self.bound = bound
        self.settled = False
        self._holders = holders

    def settle(self, cost: float | None, failed: bool) -> None:
        """Replace the reservation by the call's cost, in dollars; only the first call has an effect. Never raises.

        If the cost is unknown, a failed call counts nothing, and any other the reserved amount.
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
    """Admits calls as far as the budgets allow: the recorder's, and those of enclosing `autolog.budget()` blocks."""

    def __init__(self, holders: Sequence[Holder], prices: Any) -> None:
        self._holders = tuple(holders)
        self._prices = prices
        self._open: weakref.WeakKeyDictionary[Reserved, weakref.ref[Exchange]] = weakref.WeakKeyDictionary()
        self._lock = lock_for(self, allocate_lock)
        #: The number of calls sent although their maximum cost was unknown.
        self.unpriced = 0
        #: The number of calls sent although nothing could be reserved for them under some budget.
        self.unreserved = 0

    def __call__(self, exchange: Exchange, request: Any) -> Reserved | None:
        """Reserve the maximum cost of a call; return None if no budget holds, or if the call only reads (GET).

        Raises:
            BaseException: the exception of the budget that refuses the call.
        """
        holders: tuple[Holder, ...] = (*exchange.context.budgets, *self._holders)
        if not holders or str(request.method).upper() == "GET":
            return None
        bound = self._bound(exchange, request)
        number = uuid.uuid4().hex
        taken: list[Holder] = []
        failed = False
        try:
            for holder in holders:
                if bound is None and holder.unpriced == "refuse":
                    raise holder.raises("it is not known what this call may cost: its model has no known price")
                try:
                    refused = self._reserve(holder, number, bound or 0.0, exchange)
                except Exception as error:  # noqa: BLE001 - ours, never the program's: the ledger or the server failed
                    report("reserving of a budget", error)
                    failed = True
                    refused = None if holder.unreserved == "allow" else _unavailable(error)
                if refused is not None:
                    raise holder.raises(refused)
                taken.append(holder)
        except BaseException:
            Reserved(number, 0.0, taken).settle(0.0, True)
            raise
        self.unpriced += bound is None
        self.unreserved += failed
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
        """Reserve, waiting for ended calls to be settled if necessary; return the reason for a refusal, or None."""
        deadline = monotonic() + PATIENCE
        while (refused := holder.reserve(number, bound, EXPIRY, exchange)) is not None:
            if not self._unsettled() or monotonic() > deadline:
                return refused
            sleep(0.002)
        return None

    def _unsettled(self) -> bool:
        """Return whether there are calls that have ended but have not been settled yet."""
        with self._lock:
            for reserved, of in list(self._open.items()):
                exchange = of()
                if reserved.settled or exchange is None:
                    del self._open[reserved]
                elif exchange.end_ns:
                    return True
        return False


def _unavailable(error: Exception) -> str:
    """Return the reason for refusing a call because nothing could be reserved for it."""
    return f"nothing could be reserved for this call ({type(error).__name__}), and the budget refuses calls unreserved"
