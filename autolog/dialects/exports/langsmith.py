"""LangSmith's runs, as returned by its SDK's `list_runs` (`run.model_dump_json()`), or in its bulk export in Parquet.

Sources: https://docs.smith.langchain.com/observability/how_to_guides/data_export (columns; inputs, outputs and extra
are JSON in texts) and `langsmith.schemas.Run` (langsmith 0.15), whose `child_runs` are decoded, too.
"""

from __future__ import annotations

from typing import Any

from autolog._record.record import Record
from autolog.dialects._chat import parsed
from autolog.dialects._fault import Json
from autolog.dialects.exports._rows import dollars, figure, keep_cost, object_of, require_id, texts, whole
from autolog.dialects.langsmith import decode_run
from autolog.providers._fields import mapping, objects

#: Fields that LangSmith computed from the runs; they are computed again here.
_COMPUTED = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost", "completion_cost", "total_cost",
             "child_runs", "feedback_stats", "app_path", "status", "dotted_order", "tenant_id", "is_root")  # fmt: skip


def matches(row: Json) -> bool:
    return "run_type" in row and "id" in row


def decode(row: Json) -> list[Record]:
    run_id = require_id(row, "id")
    run = {key: value for key, value in row.items() if key not in _COMPUTED and value is not None}
    run |= {key: _id(row.get(key)) for key in ("trace_id", "parent_run_id", "session_id") if row.get(key)}
    run |= {key: object_of(row[key]) for key in ("inputs", "outputs", "extra") if row.get(key) is not None}
    run |= {"id": run_id, "tags": texts(row.get("tags"))}
    _add_usage(run, row)
    record = decode_run(run)
    record.extra = {**record.extra, "export": "langsmith"}
    for name, stats in object_of(row.get("feedback_stats")).items():
        if (average := figure(mapping(stats).get("avg"))) is not None:
            record.scores = {**record.scores, name: average}
    keep_cost(record, dollars(row.get("total_cost")))
    return [record, *(descendant for child in objects(parsed(row.get("child_runs"))) for descendant in decode(child))]


def _id(value: Any) -> str | None:
    return None if value is None else str(value)


def _add_usage(run: Json, row: Json) -> None:
    """Add the token counts of a row to a call whose run has none."""
    prompt, completion = whole(row.get("prompt_tokens")), whole(row.get("completion_tokens"))
    extra, outputs = mapping(run.get("extra")), mapping(run.get("outputs"))
    metadata = mapping(extra.get("metadata"))
    if (prompt or completion) and not (metadata.get("usage_metadata") or outputs.get("usage_metadata")):
        usage: Json = {"input_tokens": prompt, "output_tokens": completion}
        for side, column in (("input", "prompt"), ("output", "completion")):
            if details := object_of(row.get(f"{column}_token_details")):
                usage[f"{side}_token_details"] = details
        run["extra"] = {**extra, "metadata": {**metadata, "usage_metadata": usage}}
