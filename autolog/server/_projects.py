"""Settings of projects: how long their records are kept, and what they may spend. They are documents in the store.

A project exists as soon as a key or a record names it, and needs no settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from autolog._pricing.budgets import PERIODS, read_budget
from autolog.errors import AutologError, ConfigError
from autolog.stores._contract import Store
from autolog.stores.filters import parse_age
from autolog.stores.query import Hour

#: The most characters of a project's name.
LONGEST_NAME = 64
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_KIND = "project"
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The settings of a project.

    Attributes:
        retain: how long its records are kept, such as `30d`; None for as long as the server keeps those of all
            projects.
        budgets: the most that it may spend, each with `limit` in dollars and `per` (hour, day, week or month).
    """

    retain: str | None = None
    budgets: tuple[dict[str, Any], ...] = ()

    @property
    def age(self) -> timedelta | None:
        """How long records are kept; None if the project does not say."""
        return None if self.retain is None else parse_age(self.retain)

    def as_dict(self) -> dict[str, Any]:
        return {"retain": self.retain, "budgets": list(self.budgets)}


def check_name(name: str) -> None:
    """Check the name of a project.

    Raises:
        AutologError: if no project can have this name.
    """
    if not 1 <= len(name) <= LONGEST_NAME or name == "*" or _CONTROL.search(name):
        raise AutologError(
            f"{name[:100]!r}: a project's name has 1 to {LONGEST_NAME} characters, none of them control characters,"
            " and is not *"
        )


def set_project(store: Store, name: str, retain: str | None, budgets: list[Any]) -> ProjectSettings:
    """Replace the settings of a project; None and no budgets clear them.

    Raises:
        AutologError: if the name, the time or a budget is invalid.
    """
    check_name(name)
    settings = ProjectSettings(retain, tuple(_checked(budget) for budget in budgets))
    try:
        age = settings.age
    except ValueError as error:
        raise AutologError(f"retain: {error}") from error
    if age == timedelta():
        raise AutologError("retain: must be more than zero; leave it out to keep records")
    store.put_document(_KIND, name, settings.as_dict())
    return settings


def _checked(budget: Any) -> dict[str, Any]:
    """Return a budget with limit and period; the further options of a server's budgets are left to its operator."""
    if not isinstance(budget, dict) or set(budget) - {"limit", "per"} or budget.get("per", "day") not in PERIODS:
        raise AutologError(f"budgets: {str(budget)[:100]} is not of the form {{limit: 5, per: {'|'.join(PERIODS)}}}")
    try:
        read_budget(budget)
    except ConfigError as error:
        raise AutologError(f"budgets: {error.problem}") from error
    return {"limit": float(budget["limit"]), "per": budget.get("per", "day")}


def read_projects(store: Store) -> dict[str, ProjectSettings]:
    """Return the settings of all projects that have any, by project name."""
    return {
        name: ProjectSettings(data.get("retain"), tuple(data.get("budgets") or ()))
        for name, data in store.documents(_KIND).items()
    }


def list_projects(store: Store, names: Iterable[str] = (), only: str | None = None) -> list[dict[str, Any]]:
    """Return the projects that have records or settings or are among `names`, or `only` one, sorted by name.

    Each has `name`, `retain`, `budgets` (with the dollars `spent` so far), `records`, `calls`, `cost` in dollars, and
    the time of its `last` record in ISO format.
    """
    settings = read_projects(store)
    volumes = store.volumes()
    costs: dict[str, list[Hour]] = {}
    for day in store.hours(only, "project", _FIRST, _LAST):
        costs.setdefault(day.value, []).append(day)
    rows = []
    for name in sorted(filter(None, {*volumes, *settings, *names} if only is None else {only})):
        records, last = volumes.get(name, (0, None))
        days, known = costs.get(name, []), settings.get(name, ProjectSettings())
        rows.append(
            {
                "name": name,
                "retain": known.retain,
                "budgets": [{**budget, "spent": _spent(store, name, budget)} for budget in known.budgets],
                "records": records,
                "calls": sum(day.calls for day in days),
                "cost": sum(day.cost for day in days) if any(day.priced for day in days) else None,
                "last": last.isoformat() if last else None,
            }
        )
    return rows


def _spent(store: Store, project: str, budget: dict[str, Any]) -> float:
    now = datetime.now(UTC)
    return sum(hour.cost for hour in store.hours(project, "all", now - PERIODS[budget["per"]], now))
