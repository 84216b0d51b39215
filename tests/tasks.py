"""A store with two weeks of a small company's logs, in which ten questions have known answers.

Times are relative to now, in this machine's time zone; a prompt failed yesterday at 14:05.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from autolog._record.record import Record
from autolog.stores._contract import Store

#: The answers.
DEAREST_USER = "mona@shop.example"
FAILED_AT_14_05 = "The refund for order 8841 is overdue, write an apology"
SLOW_SPAN = "search_warehouse"
SESSION, TURNS = "support-7", ["Where is my parcel?", "It says delivered.", "Then send a new one.", "Thank you!"]
RISING_MODEL = "gpt-4o-mini"
SPENT_BY_TAG = {"checkout": 12.5, "search": 4.25, "mail": 1.75}
PHRASE = "glow-in-the-dark"
FAILED = {"status": "error", "error_type": "overloaded", "cost": None, "input": None, "output": None}
COST_PER_DAY = [3.0, 1.5, 4.0, 2.25, 0.75]


def midnight(days_ago: int = 0) -> datetime:
    """Return the local midnight at which a day began."""
    day = datetime.now().astimezone().date() - timedelta(days=days_ago)
    return datetime.combine(day, time()).astimezone()


class _Ids:
    """Makes identifiers like a program's: a time followed by a distinct end."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, at: datetime) -> str:
        self._last += 1
        digits = f"{int(at.timestamp() * 1000):012x}7{self._last * 7919 % 4096:03x}8{self._last * 104_729:015x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def fill(store: Store) -> None:
    """Write the records for all ten questions."""
    ids = _Ids()
    records = [*_users(ids), *_failure(ids), *_agent_run(ids), *_session(ids), *_errors(ids), *_shop(ids)]
    store.write([*records, *_prompts(ids), *_phrase(ids), *_days(ids)])


def _call(ids: _Ids, at: datetime, question: str, answer: str | None = "Done.", **fields: Any) -> Record:
    """Return a chat call."""
    model = fields.pop("request_model", "gpt-4o")
    duration = fields.pop("duration", 1.25)
    reply = {"id": f"chatcmpl-{ids._last}", "model": model, "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
    ]}  # fmt: skip
    return Record(
        id=ids.next(at), kind="llm", name=fields.pop("name", f"chat {model}"), created_at=at.astimezone(UTC),
        start_time=at.astimezone(UTC), end_time=(at + timedelta(seconds=duration)).astimezone(UTC), duration=duration,
        operation_name="chat", provider_name="openai", request_model=model,
        response_model=None if answer is None else model, usage_input_tokens=fields.pop("input", 420),
        usage_output_tokens=fields.pop("output", 96), cost=fields.pop("cost", 0.002),
        request_body=json.dumps({"model": model, "messages": [{"role": "user", "content": question}]}).encode(),
        response_body=None if answer is None else json.dumps(reply).encode(),
        input_preview=question, output_preview=answer, **fields,
    )  # fmt: skip


def _users(ids: _Ids) -> Iterator[Record]:
    at = min(datetime.now().astimezone() - timedelta(minutes=1), midnight() + timedelta(minutes=30))
    for user, calls, cost in ((DEAREST_USER, 3, 9.0), ("noah@shop.example", 12, 0.5), ("olga@shop.example", 6, 1.0)):
        for _ in range(calls):
            yield _call(ids, at, "Plan the week", user=user, cost=cost, project="people")
    long_ago = midnight(12) + timedelta(hours=9)
    yield _call(ids, long_ago, "Plan the year", user="noah@shop.example", cost=400.0, project="people")


def _failure(ids: _Ids) -> Iterator[Record]:
    for minute, question in ((4, "Summarise the returns"), (5, FAILED_AT_14_05), (6, "Translate the label")):
        at = midnight(1) + timedelta(hours=14, minutes=minute, seconds=20)
        if minute == 5:
            yield _call(ids, at, question, None, status="error", status_code=429, error_type="rate_limit_exceeded",
                        error_message="Rate limit reached", cost=None, input=None, output=None)  # fmt: skip
        else:
            yield _call(ids, at, question)


def _agent_run(ids: _Ids) -> Iterator[Record]:
    """Yield an agent's run of 40 s, in which one search took 31 s."""
    at, trace = midnight(1) + timedelta(hours=16), "a9" * 16
    spans = [("restock_agent", "agent", 0.0, 40.0, None), ("plan", "llm", 0.2, 3.5, 1), ("search_warehouse", "tool", 4.0, 31.0, 1),
             ("check_prices", "tool", 35.2, 1.1, 1), ("write_order", "llm", 36.4, 3.4, 1)]  # fmt: skip
    for number, (name, kind, start, duration, parent) in enumerate(spans, 1):
        started = at + timedelta(seconds=start)
        place = {
            "trace_id": trace, "span_id": f"{number:016x}", "parent_span_id": None if parent is None else f"{parent:016x}",
        }  # fmt: skip
        if kind == "llm":
            yield _call(ids, started, name, name=name, duration=duration, cost=0.01, **place)
        else:
            yield Record(id=ids.next(started), kind=kind, name=name, created_at=started.astimezone(UTC),
                         start_time=started.astimezone(UTC), duration=duration, **place)  # fmt: skip


def _session(ids: _Ids) -> Iterator[Record]:
    for number, question in enumerate(TURNS):
        at, trace = midnight(2) + timedelta(hours=10, minutes=number), f"{number + 1:032x}"
        place = {"trace_id": trace, "session": SESSION, "user": "kim@shop.example"}
        yield Record(id=ids.next(at), kind="function", name="answer", created_at=at.astimezone(UTC), duration=2.0,
                     span_id=f"{number + 1:016x}", input_preview=question, **place)  # fmt: skip
        yield _call(ids, at + timedelta(seconds=1), question, parent_span_id=f"{number + 1:016x}", span_id=f"{number + 90:016x}",
                    project="default", **place)  # fmt: skip


def _errors(ids: _Ids) -> Iterator[Record]:
    """Yield two days of calls to two models; the errors of one rise from 2 to 12 in 40."""
    for model, before, after in ((RISING_MODEL, 2, 12), ("claude-sonnet-5", 4, 4)):
        for days_ago, failed in ((2, before), (1, after)):
            for number in range(40):
                at = midnight(days_ago) + timedelta(hours=8, minutes=number)
                wrong = FAILED if number < failed else {}
                yield _call(
                    ids, at, "Classify", None if wrong else "A", request_model=model, project="classify", **wrong
                )


def _shop(ids: _Ids) -> Iterator[Record]:
    at = midnight(3) + timedelta(hours=11)
    for tag, cost in SPENT_BY_TAG.items():
        for part in range(4):
            yield _call(ids, at, f"Work on {tag}", tags=[tag, "live"], cost=cost / 4, project="shop", input=100 + part)


def _prompts(ids: _Ids) -> Iterator[Record]:
    at = midnight(4) + timedelta(hours=15)
    for version, answered, cost, duration in (("v1", "Maybe.", 0.04, 4.0), ("v2", "Yes, by Tuesday.", 0.01, 1.5)):
        yield _call(ids, at, f"[{version}] Can it be delivered?", answered, prompt_name="delivery", prompt_version=version,
                    cost=cost, duration=duration, scores={"helpful": {"value": 0.2 if version == "v1" else 0.9}})  # fmt: skip


def _phrase(ids: _Ids) -> Iterator[Record]:
    yield _call(ids, midnight(5) + timedelta(hours=12), "Name a toy", f"A {PHRASE} dinosaur, of course.")


def _days(ids: _Ids) -> Iterator[Record]:
    for days_ago, cost in enumerate(COST_PER_DAY, 1):
        yield _call(ids, midnight(days_ago) + timedelta(hours=13), "Report", cost=cost, project="reports")
