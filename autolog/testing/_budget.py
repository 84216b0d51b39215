"""Check what the calls of a test cost."""

from __future__ import annotations

from autolog._display.figures import dollars
from autolog.testing._capture import Records


def budget_problem(records: Records, limit: float) -> str | None:
    """Return a sentence if the calls cost more than `limit` dollars, else None."""
    calls = [record for record in records if record.kind == "llm"]
    spent = sum(record.cost or 0.0 for record in calls)
    if spent <= limit:
        return None
    unknown = sum(record.cost is None and record.status == "ok" for record in calls)
    more = f", and {unknown} more of unknown cost" if unknown else ""
    number = f"{len(calls)} LLM call{'' if len(calls) == 1 else 's'}"
    return f"{number} cost {dollars(spent)}{more}; the budget is {dollars(limit)}"
