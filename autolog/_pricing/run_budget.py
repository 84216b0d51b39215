"""The budget of one block, `with autolog.budget(2.00):`, enforced across its threads, tasks and streams."""

from __future__ import annotations

import time
from contextvars import Token
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from autolog._capture.context import Context, current_context, restore
from autolog._capture.threads import follow_threads
from autolog._lifecycle import lock_for
from autolog._native import allocate_lock
from autolog.errors import BudgetExceeded, ConfigError

if TYPE_CHECKING:
    from typing import Self

    from autolog._capture.exchange import Exchange


class RunBudget:
    """A limit in dollars for the calls made inside a block, in whichever thread or task they run.

    It is a `reservations.Holder`.

    Attributes:
        limit: the limit, in dollars.
        raises: the exception raised by a call that might exceed the limit.
        unpriced: `allow` or `refuse` calls of unknown cost.
        unreserved: always `allow`, because reserving in memory does not fail.

    Raises:
        ConfigError: if one of these is invalid.
    """

    unreserved = "allow"

    def __init__(self, limit: float, raises: type[BaseException], unpriced: str) -> None:
        self.limit = check_limit("budget", limit)
        self.raises = check_exception(raises)
        self.unpriced = check_policy("budget", "unpriced", unpriced)
        self._spent = 0.0
        self._reserved: dict[str, tuple[float, float]] = {}
        self._lock = lock_for(self, allocate_lock)
        self._tokens: list[Token[Context]] = []

    @property
    def spent(self) -> float:
        """The cost of the calls that have ended, in dollars."""
        return self._spent

    @property
    def reserved(self) -> float:
        """The maximum cost of the calls in progress, in dollars."""
        with self._lock:
            return self._held()

    @property
    def left(self) -> float:
        """The amount that further calls may cost, in dollars."""
        with self._lock:
            return max(0.0, self.limit - self._spent - self._held())

    def _held(self) -> float:
        now = time.monotonic()
        for number, (_, expires) in list(self._reserved.items()):
            if expires <= now:
                del self._reserved[number]
        return sum(bound for bound, _ in self._reserved.values())

    def reserve(self, number: str, bound: float, seconds: float, exchange: Exchange) -> str | None:  # noqa: ARG002 - as all budgets
        with self._lock:
            spent, held = self._spent, self._held()
            if spent + held + bound <= self.limit and spent < self.limit:
                self._reserved[number] = (bound, time.monotonic() + seconds)
                return None
        return f"{amount(spent)} spent of this run's budget of {amount(self.limit)}{reserved_words(held, bound)}"

    def settle(self, number: str, cost: float) -> None:
        with self._lock:
            self._reserved.pop(number, None)
            self._spent += cost

    def figures(self) -> dict[str, Any]:
        """Return limit, spent and reserved, in dollars, as `status()` shows them."""
        return {"limit": self.limit, "by": "run", "spent": self.spent, "reserved": self.reserved}

    def __enter__(self) -> Self:
        follow_threads()
        self._tokens.append(current_context.set(self.within(current_context.get())))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        restore(current_context, self._tokens.pop())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def within(self, context: Context) -> Context:
        """Return a context with this budget added."""
        return msgspec.structs.replace(context, budgets=(*context.budgets, self))


def amount(dollars: float) -> str:
    """Format dollars for a message: two decimals, or as many as three significant digits need."""
    if dollars >= 1 or not dollars:
        return f"${dollars:.2f}"
    whole, _, part = f"{Decimal(f'{dollars:.3g}'):f}".partition(".")
    return f"${whole}.{part:0<2}"


def reserved_words(reserved: float, bound: float) -> str:
    """Return the end of a refusal's message: the amount reserved, and what the call may cost."""
    held = f", {amount(reserved)} reserved" if reserved else ""
    return f"{held}; this call may cost up to {amount(bound)}"


def check_limit(option: str, limit: Any) -> float:
    """Return a limit as a number of dollars.

    Raises:
        ConfigError: if the limit is not a positive amount.
    """
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit < float("inf"):
        raise ConfigError(option, f"limit: {limit!r} is not an amount of dollars")
    return float(limit)


def check_exception(raises: Any) -> type[BaseException]:
    """Return `raises`, checked to be an exception class.

    Raises:
        ConfigError: if it is not an exception class.
    """
    if isinstance(raises, type) and issubclass(raises, BaseException):
        return raises
    raise ConfigError(
        "budget", f"raises: {raises!r} is not an exception class; leave it out for {BudgetExceeded.__name__}"
    )


def check_policy(option: str, name: str, policy: Any) -> str:
    """Return a policy for calls for which nothing can be reserved, `allow` or `refuse`.

    Raises:
        ConfigError: if the policy is neither.
    """
    if policy in {"allow", "refuse"}:
        return str(policy)
    raise ConfigError(option, f"{name}: {policy!r} is neither 'allow' nor 'refuse'")
