"""A single log: its page, its bodies as files, and its score."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from autolog._display.figures import dollars, number
from autolog._pricing.tariff import price_at
from autolog._record.record import Record, to_json
from autolog._record.scores import DEFAULT, set_score
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard import conversation, markup, snippets
from autolog.server.dashboard._page import HEADERS, PageRequest, log_url
from autolog.server.dashboard.filters import LOGS, TRACES, read_filters
from autolog.server.dashboard.frame import Pairs, with_query
from autolog.server.dashboard.tree import Tree, tree_of
from autolog.stores.query import Condition, Query

#: The longest JSON or command that is offered for copying, in characters.
MAX_SNIPPET = 1_000_000


def log(request: PageRequest) -> Reply:
    """Show a log beside its trace, or only the log if the script asks, as it has the trace already."""
    record = request.record(request.id)
    if request.parameter("part") == "detail":
        return request.fragment("detail.html", **_shown(request, record))
    tree = tree_of(request.store, record)
    if request.parameter("part") == "turn":
        return request.fragment("turn.html", record=record, tree=tree)
    return show(request, record, tree)


def show(request: PageRequest, record: Record, tree: Tree | None) -> Reply:
    """Return the page of a log; with `tree`, its trace is on the left."""
    origin = _origin(request)
    path = TRACES if ("step", "traces") in origin or request.frame.path.startswith("/ui/trace") else LOGS
    newer, older = _neighbours(request, record, origin, path)
    listed = [pair for pair in origin if pair[0] != "step"]
    return request.render(
        "log.html", tree=tree, newer=newer, older=older,
        origin=with_query(path, listed), found=dict(origin).get("text"),
        place="traces" if path == TRACES else "logs", **_shown(request, record),
    )  # fmt: skip


def _shown(request: PageRequest, record: Record) -> dict[str, Any]:
    return {
        "record": record,
        **conversation.contents(record),
        "curl": snippets.as_curl(record),
        "python": snippets.as_python(record),
        "as_json": _ascii_json(record),
        "raw": {"request": _beginning(record.request_body), "response": _beginning(record.response_body)},
        "timing": _timing(record),
        "bill": _bill(record),
        "may_write": request.may_write,
        "origin_text": request.parameter("from"),
    }


def _origin(request: PageRequest) -> Pairs:
    """Return the filters of the list from which the reader came."""
    return [pair for pair in parse_qsl(request.parameter("from")) if pair[0] != "past"][:50]


#: The parts of a cost: the name in `cost_details`, the field with the tokens, the name of the price, and the label.
_BILL = (
    ("input", "usage_input_tokens", "input_mtok", "input"),
    ("cache_read", "usage_cache_read_input_tokens", "cache_read_mtok", "cache read"),
    ("cache_write", "usage_cache_creation_input_tokens", "cache_write_mtok", "cache write"),
    ("output", "usage_output_tokens", "output_mtok", "output"),
)


def _bill(record: Record) -> str:
    """Return how the cost was computed, with a line for each part: its price and its amount."""
    details = record.cost_details or {}
    prices = details.get("unit_prices")
    prices = prices if isinstance(prices, dict) else {}
    lines = []
    for name, value in details.items():
        if not isinstance(value, float):
            continue
        _, field, unit, words = next((row for row in _BILL if row[0] == name), (name, "", "", name.replace("_", " ")))
        price, tokens = price_at(prices.get(unit), record.usage_input_tokens or 0), getattr(record, field, None)
        if price and tokens:
            billed = value / price * 1_000_000
            lines.append(f"{words}: {number(billed)} tokens at {dollars(price)} per million = {dollars(value)}")
        else:
            lines.append(f"{words}: {dollars(value)}")
    if record.cost is not None and len(lines) > 1:
        lines.append(f"together {dollars(record.cost)}")
    lines += [
        f"{name}: {details[name]}" for name in ("tier", "certainty", "why", "unknown", "prices") if details.get(name)
    ]
    return "\n".join(lines)


def raw(request: PageRequest) -> Reply:
    """Return a body unchanged, as a download that the browser does not run."""
    side = request.parameter("side")
    record = request.record(request.id)
    body = {"request": record.request_body, "response": record.response_body}.get(side)
    if body is None:
        raise Fault(404, "This log has no such body.")
    name = re.sub(r"[^\w.-]", "_", f"{record.id}-{side}", flags=re.ASCII)
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Reply(200, body, "application/octet-stream", headers)


def score(request: PageRequest) -> Reply:
    if not request.may_write:
        raise Fault(403, "This key may read, but not score.")
    record = request.record(request.id, bodies=False)
    name = request.form.get("name", "").strip()[:200] or DEFAULT
    text, comment = request.form.get("value", ""), request.form.get("comment", "").strip()
    try:
        value = float(text)
    except ValueError:
        raise Fault(400, f"{text[:50]!r} is not a number.") from None
    if not -1e9 <= value <= 1e9:
        raise Fault(400, f"{text[:50]!r} is not a score.")

    def change(kept: Record) -> None:
        set_score(kept, name, value, comment or None)

    request.call.write(lambda store: store.update(record.id, record.project, change))
    return request.redirect(log_url(record, request.form.get("from", "")))


def _neighbours(request: PageRequest, record: Record, origin: Pairs, path: str) -> tuple[Record | None, Record | None]:
    """Return the next newer and the next older record in the list from which the reader came."""
    if record.created_at is None or record.seq is None:
        return None, None
    try:
        base = read_filters(origin, request.project, path=path, store=request.store).query
    except Fault:
        base = Query({"project": request.project} if request.project else {})
    if base.text is not None:  # finding neighbours by a text search may read the whole store
        base = replace(base, text=None)
    older = request.store.find(replace(base, past=(record.created_at, record.seq)), 1)
    from_here = base.where(Condition("created_at", "ge", (record.created_at,)))
    after = [
        other
        for other in request.store.find(from_here, 20, newest_first=False)
        if other.created_at and other.seq and (other.created_at, other.seq) > (record.created_at, record.seq)
    ]
    return after[0] if after else None, older[0] if older else None


def _beginning(body: bytes | None) -> str | None:
    """Return the beginning of a body as text."""
    return None if body is None else body[: markup.MAX_TEXT].decode(errors="replace")


def _ascii_json(record: Record) -> str | None:
    """Return the whole record as JSON in ASCII, without invisible characters; None if it is too long for a page."""
    text = json.dumps(json.loads(to_json(record, bodies=True)))
    return text if len(text) <= MAX_SNIPPET else None


def _timing(record: Record) -> dict[str, float] | None:
    """Return the share of a call's duration before its first chunk, in per cent."""
    if not record.duration or record.time_to_first_chunk is None:
        return None
    return {"first": min(100.0, 100 * record.time_to_first_chunk / record.duration)}
