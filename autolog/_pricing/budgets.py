"""Budgets: limits in dollars per period, for all calls or for those of a user, tag, session, function, key or project.

Costs are summed up on the worker thread, starting from the earlier spending in the local store. When a limit is
reached, its action is taken once per period: a warning in the log, a POST to a URL, or a call of a function. If the
action is an exception class, every further call raises it before being sent, until the spending is below the limit.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from autolog._capture.context import Context, current_context, current_span
from autolog._guard import guard, logger
from autolog._lifecycle import in_c_library, lock_for
from autolog._native import Thread, allocate_lock
from autolog._pricing import tariff
from autolog._pricing.ledger import STEPS, Accounts, Claim, Ledger
from autolog._pricing.run_budget import amount, check_exception, check_limit, check_policy, reserved_words
from autolog._record.keys import key_hint
from autolog.errors import BudgetExceeded, ConfigError

if TYPE_CHECKING:
    from autolog._capture.exchange import Exchange
    from autolog._record.record import Record


class SpendingHistory(Protocol):
    """A source of earlier spending, such as a store."""

    def hours(
        self, project: str | None, dimension: str, since: datetime, until: datetime, value: str | None = None
    ) -> Iterable[Any]:
        """Return sums by hour; with `value`, only those with this value in the dimension."""
        ...


PERIODS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}
#: What a budget can apply to. A key is given by its last four characters; the value `*` means a separate budget for
#: each value.
KINDS = ("user", "tag", "session", "function", "key", "project")
#: With more sums than this, empty ones are dropped.
MAX_SUMS = 10_000


class Budget(msgspec.Struct, frozen=True):
    """A limit in dollars per period, for calls with one `value` of a `kind`, or for all calls.

    Attributes:
        then: the action: `log`, a URL, an exception class or a function.
        unpriced: `allow` or `refuse` calls of unknown cost, for a budget that raises.
        unreserved: `allow` or `refuse` calls for which nothing can be reserved, because the ledger or the server fails.
        server: whether this stands for the budgets of the server that records go to.
    """

    limit: float
    period: timedelta
    kind: str | None = None
    value: str | None = None
    then: Any = "log"
    unpriced: str = "allow"
    unreserved: str = "allow"
    server: bool = False

    @property
    def raises(self) -> bool:
        return isinstance(self.then, type) and issubclass(self.then, BaseException)

    def values(self, call: Context | Record, exchange: Exchange | None = None) -> Iterator[str]:
        """Yield the values whose sums a call counts towards.

        The call is a finished one's record, or the context of one that is about to be made in `exchange`.
        """
        if self.kind == "tag":
            given: list[str | None] = [*dict.fromkeys(call.tags)]
        elif self.kind == "function":
            given = [getattr(call, "caller", None) or getattr(current_span.get(), "name", None)]
        elif self.kind == "key":
            meta = getattr(call, "request_meta", None) or {}
            given = [meta.get("key_hint") if exchange is None else key_hint(exchange.request.headers)]
        else:
            given = [""] if self.kind is None else [getattr(call, self.kind, None)]
        for value in given:
            if value is not None and (self.value in (None, "*", value)):
                yield value

    def claim(self, value: str) -> Claim:
        """Return the ledger's claim for one of the budget's sums."""
        return Claim(f"{self.name}\n{value}", self.limit, self.period.total_seconds())

    @property
    def name(self) -> str:
        """A name that distinguishes the budget from others in the same ledger."""
        return f"{self.limit}/{self.period.total_seconds():.0f} {self.kind or ''}={self.value or ''}"

    def words(self, value: str, spent: float) -> str:
        """Return the message that says that the budget is used up."""
        spender = f" by {self.kind} {value!r}" if self.kind else ""
        period = next((f"one {name}" for name, period in PERIODS.items() if period == self.period), self.period)
        return f"{amount(spent)} spent{spender} within {period}: the budget is {amount(self.limit)}"


def read_budget(given: Any) -> Budget:
    """Validate and return a budget given as a mapping: `{"limit": 5, "per": "day", "user": "*", "then": "log"}`.

    Raises:
        ConfigError: if the budget is invalid; the message says why.
    """
    if not isinstance(given, Mapping):
        raise ConfigError("budgets", f"{given!r} is not a mapping with limit and per")
    unknown = set(given) - {"limit", "per", "then", "unpriced", "unreserved", "server", *KINDS}
    if unknown:
        raise ConfigError(
            "budgets",
            f"{', '.join(sorted(map(str, unknown)))}: choose from limit, per, then, unpriced, unreserved, server, "
            f"{', '.join(KINDS)}",
        )
    per, then = given.get("per", "day"), given.get("then", "log")
    unpriced, unreserved = (
        check_policy("budgets", name, given.get(name, "allow")) for name in ("unpriced", "unreserved")
    )
    if given.get("server"):
        if set(given) - {"server", "then", "unpriced", "unreserved"}:
            raise ConfigError(
                "budgets",
                "server: the server sets the limits; only then, unpriced and unreserved can be combined with it",
            )
        then = check_exception(given.get("then", BudgetExceeded))
        return Budget(float("inf"), PERIODS["day"], None, None, then, unpriced, unreserved, server=True)
    limit = check_limit("budgets", given.get("limit"))
    period = per if isinstance(per, timedelta) else PERIODS.get(str(per))
    if period is None or period <= timedelta():
        raise ConfigError("budgets", f"per: {per!r} is not one of {', '.join(PERIODS)}, nor a timedelta")
    kinds = [kind for kind in KINDS if given.get(kind) is not None]
    if len(kinds) > 1:
        raise ConfigError("budgets", f"{' and '.join(kinds)}: a budget is for one of them")
    if then != "log" and not callable(then) and not str(then).startswith(("http://", "https://")):
        raise ConfigError("budgets", f"then: {then!r} is neither 'log' nor a URL, an exception class or a function")
    kind = kinds[0] if kinds else None
    if kind == "project" and isinstance(then, type):
        raise ConfigError(
            "budgets", "project: a program's calls belong to one project; leave it out, or set it on the server"
        )
    return Budget(limit, period, kind, None if kind is None else str(given[kind]), then, unpriced, unreserved)


class _Sum(msgspec.Struct):
    """The spending of the last period, divided into steps."""

    steps: deque[tuple[datetime, float]] = msgspec.field(default_factory=deque)
    total: float = 0.0
    reached_at: datetime | None = None

    def add(self, at: datetime, cost: float, period: timedelta) -> None:
        if self.steps and at - self.steps[-1][0] < period / STEPS:
            self.steps[-1] = (self.steps[-1][0], self.steps[-1][1] + cost)
        else:
            self.steps.append((at, cost))
        self.total += cost

    def forget(self, before: datetime) -> None:
        while self.steps and self.steps[0][0] <= before:
            self.total -= self.steps.popleft()[1]


class Budgets:
    """The budgets of a recorder or a server, and the spending under each.

    A budget holds if calls that might exceed it are refused.

    Args:
        given: the budgets, as mappings.
        now: returns the current time.
        ledger: stores reservations and spending of the budgets that hold; in memory if None.
        hold_all: whether all budgets hold, and not only those that raise an exception.
    """

    def __init__(
        self,
        given: Sequence[Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        ledger: Accounts | None = None,
        hold_all: bool = False,
    ) -> None:
        budgets = [read_budget(item) for item in given]
        self._budgets = [budget for budget in budgets if not budget.server]
        self.of_server = next((budget for budget in budgets if budget.server), None)
        self._holding = [budget for budget in self._budgets if hold_all or budget.raises]
        self._ledger: Accounts = ledger or Ledger(now=lambda: now().timestamp())
        self._sums: dict[tuple[int, str], _Sum] = {}
        self._lock = lock_for(self, allocate_lock)
        self._now = now
        if any(isinstance(budget.then, str) and budget.then != "log" for budget in self._budgets):
            tariff.import_http_client()  # now, instead of later on the worker thread
        #: Decides whether this process acts on a used-up budget; other processes may share the store.
        self.claim: Callable[[Budget, str], bool] = lambda budget, value: True  # noqa: ARG005 - who asks must say which

    def holders(self) -> list[HeldBudget]:
        """Return the budgets that may refuse calls."""
        return [HeldBudget(budget, self._ledger) for budget in self._holding]

    def claims(self, call: Context | Record) -> list[tuple[Budget, str]]:
        """Return the budgets that hold for a call, each with a value whose sum the call counts towards."""
        return [(budget, value) for budget in self._holding for value in budget.values(call)]

    def figures(self) -> list[dict[str, Any]]:
        """Return the limit, period, spent and reserved amount of every sum, in dollars and seconds."""
        rows = []
        for number, budget in enumerate(self._budgets):
            holds = budget in self._holding
            with self._lock:
                values = {value: total.total for (of, value), total in self._sums.items() if of == number}
            if holds:
                beginning = budget.claim("").key
                values = {key.removeprefix(beginning): 0.0 for key in self._ledger.keys(beginning)}
            for value, total in sorted(values.items()) or [("", 0.0)]:
                spent, reserved = self._ledger.figures(budget.claim(value)) if holds else (total, 0.0)
                rows.append({"limit": budget.limit, "period_seconds": budget.period.total_seconds(), "by": budget.kind,
                             "value": value or None, "spent": spent, "reserved": reserved})  # fmt: skip
        return rows

    def begin(self, store: SpendingHistory, projects: Iterable[str] = ()) -> None:
        """Add earlier spending, and that of other processes, from the store's hourly sums.

        There are no such sums by session or key. A budget for each project counts the given `projects`.
        """
        now = self._now()
        sums: dict[tuple[int, str], _Sum] = {}
        for number, budget in enumerate(self._budgets):
            only = None if budget.value in (None, "*") else budget.value
            if budget.kind in {"session", "key"}:
                continue
            step = timedelta(days=1) if budget.period > timedelta(days=10) else timedelta(hours=1)
            per_project = budget.kind == "project"
            for project in ([only] if only else list(projects)) if per_project else [None]:
                dimension, value = ("all", None) if per_project else (budget.kind or "all", only)
                for hour in store.hours(project, dimension, now - budget.period, now, value):
                    total = sums.setdefault((number, project or "" if per_project else hour.value), _Sum())
                    # Assume the end of the step, so that a warning comes too early rather than too late
                    total.add(min(now, hour.start + step), hour.cost, budget.period)
        with self._lock:
            for key, total in sums.items():
                known = self._sums.get(key)
                total.reached_at = known.reached_at if known is not None else None
            self._sums |= sums
        for number, budget in enumerate(self._budgets):
            if budget in self._holding:
                amounts = [
                    (budget.claim(value), at.timestamp(), amount)
                    for (of, value), total in sums.items()
                    if of == number
                    for at, amount in total.steps
                ]
                self._ledger.seed(budget.name, amounts)

    def spend(self, record: Record, cost: float | None = None, reserved: bool = False) -> None:
        """Count a record's cost, or `cost` dollars of it, and take the actions of used-up budgets. Never raises.

        With `reserved`, the cost has already replaced its reservation in the ledger.
        """
        cost = record.cost if cost is None else cost
        if record.kind != "llm" or not cost:
            return
        if self._holding and not reserved:
            self.account(record, cost)
        at = self._now()
        if len(self._sums) > MAX_SUMS:
            self._sweep(at)
        for number, budget in enumerate(self._budgets):
            for value in budget.values(record):
                with self._lock:
                    total = self._sums.setdefault((number, value), _Sum())
                    total.forget(at - budget.period)
                    total.add(at, cost, budget.period)
                self._look(number, value, at)

    def account(self, record: Record, cost: float, name: str = "") -> None:
        """Count a cost against the budgets that hold; a reservation made for the record `name` is settled with it."""
        with guard("counting what was spent"):
            self._ledger.add([budget.claim(value) for budget, value in self.claims(record)], cost, name)

    def review(self) -> None:
        """Take the action of every used-up budget, whichever process used it up. Never raises."""
        for number, value in list(self._sums):
            self._look(number, value, self._now())

    def _look(self, number: int, value: str, at: datetime) -> None:
        budget = self._budgets[number]
        with self._lock:
            total = self._sums.get((number, value))
            if total is None or total.total < budget.limit:
                return
            if total.reached_at is not None and at - total.reached_at < budget.period:
                return
            total.reached_at = at
        with guard("acting on a budget"):
            if self.claim(budget, value):
                _act(budget, value, total.total)

    def _sweep(self, at: datetime) -> None:
        """Drop the sums without spending in the last period."""
        with self._lock:
            for (number, value), total in list(self._sums.items()):
                total.forget(at - self._budgets[number].period)
                if not total.steps:
                    del self._sums[number, value]


class HeldBudget:
    """A budget against which calls are checked before they are sent: a `reservations.Holder`."""

    def __init__(self, budget: Budget, ledger: Accounts) -> None:
        self._budget = budget
        self._ledger = ledger
        self.raises: type[BaseException] = budget.then if budget.raises else BudgetExceeded
        self.unpriced = budget.unpriced
        self.unreserved = budget.unreserved
        self._claims: dict[str, list[Claim]] = {}  # of calls that were made although nothing could be reserved

    def reserve(self, number: str, bound: float, seconds: float, exchange: Exchange) -> str | None:
        values = list(self._budget.values(current_context.get(), exchange))
        if not values:
            return None
        claims = [self._budget.claim(value) for value in values]
        try:
            refused = self._ledger.reserve(f"{number}/{self._budget.name}", claims, bound, seconds)
        except Exception:
            if self.unreserved == "allow":
                self._claims[number] = claims
            raise
        if refused is None:
            return None
        return self._budget.words(values[refused.claim], refused.spent) + reserved_words(refused.reserved, bound)

    def settle(self, number: str, cost: float) -> None:
        if (claims := self._claims.pop(number, None)) is not None:
            self._ledger.add(claims, cost)
        else:
            self._ledger.settle(f"{number}/{self._budget.name}", cost)


def _act(budget: Budget, value: str, spent: float) -> None:
    words = budget.words(value, spent)
    logger.warning("%s", words)
    if isinstance(budget.then, str) and budget.then != "log":
        from autolog._record.http_client import HTTPClient

        url = str(budget.then)
        body = {"text": words, "limit": budget.limit, "spent": spent, "by": budget.kind, "value": value or None,
                "period_seconds": budget.period.total_seconds()}  # fmt: skip

        def post(_: Thread) -> None:
            try:
                headers = {"content-type": "application/json"}
                with in_c_library:  # the client creates a TLS context
                    client = HTTPClient(timeout=5)
                with client, client.stream("POST", url, content=json.dumps(body), headers=headers) as response:
                    response.raise_for_status()  # its body, which may have no end, is not read
            except Exception as error:  # noqa: BLE001 - the user's address and proxies may be wrong in many ways
                logger.warning("the budget's webhook failed: %s", error)

        Thread(post).start()
    elif callable(budget.then) and not budget.raises:
        try:
            budget.then(words)
        except Exception:  # noqa: BLE001 - the user's code may raise anything
            logger.warning("the budget's function failed", exc_info=True)
