"""Statistics of runs, and threads: what LangSmith sums up over several runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import ceil
from typing import Any

from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Json
from autolog.dialects.langsmith._encode import encode_run_v2


def encode_stats(runs: Sequence[Json]) -> Json:
    """Encode the statistics of runs, newest first: durations in seconds, cost in dollars, rates from 0 to 1.

    The sums are those of the uppermost runs, whose figures include the runs inside them.
    """
    ids = {run["id"] for run in runs}
    uppermost = [run for run in runs if ids.isdisjoint(_above(run))]
    latencies = sorted(seconds for run in runs if (seconds := encode_run_v2(run)["latency_seconds"]) is not None)
    tokens = sorted(_known(runs, "total_tokens"))
    sums = {key: sum(_known(uppermost, key)) for key in ("total_tokens", "prompt_tokens", "completion_tokens")}
    costs = {key: sum(known) if (known := _known(uppermost, key)) else None
             for key in ("total_cost", "prompt_cost", "completion_cost")}  # fmt: skip
    return {
        "run_count": len(runs),
        "latency_p50": _percentile(latencies, 50),
        "latency_p99": _percentile(latencies, 99),
        **sums,
        "median_tokens": _percentile(tokens, 50),
        **costs,
        "error_rate": sum(run["status"] == "error" for run in runs) / len(runs) if runs else None,
        "last_run_start_time": runs[0]["start_time"] if runs else None,
        "feedback_stats": _feedback(runs),
    }


def _above(run: Json) -> set[str]:
    """Return the ids of the runs above a run, which its dotted order names: each with its time before it."""
    named = {part[-36:] for part in str(run.get("dotted_order") or "").split(".")}
    return (named | {str(run["parent_run_id"])}) - {run["id"]}


def _known(runs: Sequence[Json], key: str) -> list[Any]:
    return [run[key] for run in runs if run.get(key) is not None]


def _percentile(values: Sequence[float], share: int) -> float | None:
    return values[ceil(len(values) * share / 100) - 1] if values else None


def _feedback(runs: Sequence[Json]) -> Json:
    """Return the number of scores and the average by key; there is no average of texts."""
    scores = defaultdict[str, list[Any]](list)
    for run in runs:
        for key, stats in run["feedback_stats"].items():
            scores[key].append(stats["avg"])
    numbers = {key: [value for value in values if isinstance(value, (int, float))] for key, values in scores.items()}
    return {
        key: {"n": len(values), "avg": sum(numbers[key]) / len(numbers[key]) if numbers[key] else None}
        for key, values in scores.items()
    }


def encode_thread(thread_id: str, runs: Sequence[Json], tokens: int, cost: float | None) -> Json:
    """Encode a thread: its root runs, newest first, and the tokens and cost of all its runs."""
    last, first = encode_run_v2(runs[0]), encode_run_v2(runs[-1])
    starts = [run["start_time"] for run in runs if parse_time(run["start_time"]) is not None]
    errors = [run["error"] for run in runs if run["status"] == "error"]
    return {
        "thread_id": thread_id,
        "count": len(runs),
        "trace_id": last["trace_id"],
        "first_trace_id": first["trace_id"],
        "last_trace_id": last["trace_id"],
        "first_inputs": first["inputs_preview"],
        "last_outputs": last["outputs_preview"],
        "last_error": errors[0] if errors else None,
        "num_errored_turns": len(errors),
        "start_time": last["start_time"],
        "min_start_time": min(starts, default=None),
        "max_start_time": max(starts, default=None),
        "total_tokens": tokens,
        "total_cost": cost,
    }
