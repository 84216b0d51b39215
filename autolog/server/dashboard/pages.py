"""The dashboard's requests and pages. Every page is a GET whose URL says all; what changes something is a POST."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter, methodcaller
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, quote

import jinja2
from markupsafe import escape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from autolog._display import diff, figures
from autolog._display.trace import span_tree
from autolog._guard import logger
from autolog._record.record import Record, to_json
from autolog._record.scores import DEFAULT, set_score
from autolog._version import __version__
from autolog.dialects._fault import Fault
from autolog.errors import StoreError
from autolog.server._auth import authorise, key_of
from autolog.server._keys import ANY_PROJECT, Principal
from autolog.server._services import Services
from autolog.server.dashboard import charts, conversation, markup, snippets
from autolog.server.dashboard.filters import PAGE, SORTS, Filters, place, read_filters
from autolog.stores._contract import Store
from autolog.stores.query import DIMENSIONS, Condition, Query

HERE = Path(__file__).parent
COOKIE = "autolog_key"
#: Nothing but our own files, and media that came inside a body.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
STATIC = {
    "app.css": "text/css",
    "app.js": "text/javascript",
    "theme.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
#: How long a search through texts may go on before it shows what it has, in seconds.
SEARCH_SECONDS = 2.5
MAX_SPANS = 2_000
#: What can be copied as JSON or as a command, in characters.
MAX_SNIPPET = 1_000_000
#: How often a live list looks for new records, in seconds.
LIVE_INTERVAL = 0.5
#: How often its key is looked at again, in seconds.
REASK = 2.0

#: The overview's ranges, and the step of their charts.
RANGES = {
    "24h": (timedelta(hours=24), timedelta(hours=1)),
    "7d": (timedelta(days=7), timedelta(hours=6)),
    "30d": (timedelta(days=30), timedelta(days=1)),
    "90d": (timedelta(days=90), timedelta(days=3)),
}


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "safe_text": markup.text, "seconds": figures.seconds, "dollars": figures.dollars, "number": figures.number,
        "json_tree": markup.json_tree, "log_url": _log_url, "whole": _whole,
         "moment": _moment, "exact": _exact, "short": figures.short_id,
    }  # fmt: skip
    made.globals |= {"version": __version__, "tokens": figures.tokens}
    return made


def _whole(value: object) -> str:
    """Text as a parameter of a URL, slashes included."""
    return quote(str(value).encode(errors="replace"), safe="")


def _log_url(record: Record) -> str:
    """Where a record's page is: its id in the path where it can be, its project named unless it is the default."""
    project = "" if record.project == "default" else "project=" + _whole(record.project)
    if re.fullmatch(r"[\w:~-][\w.:~-]*", record.id, re.ASCII):
        return f"/ui/log/{record.id}" + (f"?{project}" if project else "")
    return "/ui/log?id=" + _whole(record.id) + (f"&{project}" if project else "")


def _moment(at: datetime | None) -> str:
    """UTC; the script shows the reader's own time in its place."""
    return "–" if at is None else at.strftime("%Y-%m-%d %H:%M:%S")


def _exact(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(timespec="milliseconds")


Page = Callable[["Visit"], Response]


class Visit:
    """One request of somebody who may read, and what pages need to answer it."""

    def __init__(self, services: Services, request: Request, principal: Principal, form: dict[str, str]) -> None:
        self.services = services
        self.request = request
        self.root: str = _root(request)
        self.form = form
        self.project = None if principal.project == ANY_PROJECT else principal.project
        self.may_write = principal.may("ingest")

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return self.request.query_params.multi_items()

    def parameter(self, name: str) -> str:
        return self.request.query_params.get(name, "").strip()

    @property
    def id(self) -> str:
        """The id that a path or a parameter names."""
        return str(self.request.path_params.get("id") or self.parameter("id") or self.form.get("id", ""))

    def record(self, record_id: str, bodies: bool = True) -> Record:
        """A record by its id.

        Raises:
            Fault: 404.
        """
        project = self.project or self.parameter("project") or self.form.get("project") or None
        record = self.store.get(record_id, project, bodies=bodies)
        if record is None and project is None:
            record = self.store.get(record_id, "default", bodies=bodies)  # it is in several projects
        if record is None:
            raise Fault(404, f"There is no log with the id {record_id[:100]!r}; it may have been deleted.")
        return record


class Dashboard:
    """The pages over one server's services."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._templates = _environment()

    def routes(self) -> list[Route]:
        pages: list[tuple[str, Page, str]] = [
            ("/ui/", self.logs, "GET"),
            ("/ui/log/{id}", self.log, "GET"),
            ("/ui/log", self.log, "GET"),
            ("/ui/score", self.score, "POST"),
            ("/ui/raw", self.raw, "GET"),
            ("/ui/trace/{id}", self.trace, "GET"),
            ("/ui/trace", self.trace, "GET"),
            ("/ui/overview", self.overview, "GET"),
            ("/ui/compare", self.compare, "GET"),
        ]
        made = [Route(path, self._guarded(page), methods=[method]) for path, page, method in pages]
        return [
            Route("/", _to_logs, methods=["GET"]),
            Route("/ui", _to_logs, methods=["GET"]),
            Route("/ui/login", self._login, methods=["GET", "POST"]),
            Route("/ui/logout", self._logout, methods=["POST"]),
            Route("/ui/enter", self._enter, methods=["GET"]),
            Route("/ui/static/{name}", _static, methods=["GET"]),
            Route("/ui/events", self._events, methods=["GET"]),
            *made,
        ]

    # Who may look

    def _who(self, request: Request) -> Principal:
        """Raises: Fault."""
        return authorise(self._services, key_of(request.headers) or request.cookies.get(_cookie(request)), "read")

    def _guarded(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                principal = await run_in_threadpool(self._who, request)
                form = await _form(request) if request.method == "POST" else {}
                return await run_in_threadpool(page, Visit(self._services, request, principal, form))
            except Fault as fault:
                if fault.status == 401:
                    root = _root(request)
                    return RedirectResponse(f"{root}/ui/login?next=" + _here(request), 303, HEADERS)
                return self._error(_root(request), fault.status, fault.message)
            except StoreError as error:
                return self._error(_root(request), 503, f"The store cannot be read now: {error.problem}")
            except ValueError as error:
                return self._error(_root(request), 400, str(error))
            except Exception:  # noqa: BLE001 - a page, and not a stack trace
                logger.exception("%s", request.url.path)
                return self._error(_root(request), 500, "The server failed; its log says why.")

        return answer

    async def _login(self, request: Request) -> Response:
        wrong = ""
        if request.method == "POST":
            try:
                form = await _form(request)
                await run_in_threadpool(authorise, self._services, form.get("key", "").strip(), "read")
                return _with_key(form["key"].strip(), _inside(form.get("next", "")), request)
            except Fault as fault:
                wrong = fault.message
        next_page = _inside(request.query_params.get("next", ""))
        return self._page(_root(request), "login.html", 200 if not wrong else 401, wrong=wrong, next=next_page)

    async def _enter(self, request: Request) -> Response:
        """The link that `autolog ui` opens: its key becomes the cookie, and leaves the address bar."""
        key = request.query_params.get("key", "")
        return _with_key(key if key.isascii() and key.isprintable() else "", "/ui/", request)

    async def _logout(self, request: Request) -> Response:
        root = _root(request)
        response = RedirectResponse(f"{root}/ui/login", 303, HEADERS)
        response.delete_cookie(_cookie(request), path=f"{root}/ui")
        return response

    # Making pages

    def _page(self, at: Visit | str, name: str, code: int = 200, **values: Any) -> Response:
        """A page; `at`: under which path the application is mounted. All links of ours begin with a quote and /ui."""
        root = at if isinstance(at, str) else at.root
        content = self._templates.get_template(name).render(**values)
        if root:
            content = content.replace('"/ui', f'"{escape(root)}/ui')
        return Response(content, code, HEADERS, "text/html")

    def _error(self, root: str, status: int, message: str) -> Response:
        return self._page(root, "error.html", status, status=status, message=message)

    # Pages

    def logs(self, visit: Visit) -> Response:
        filters = read_filters(visit.pairs, visit.project)
        records, reached = _listed(visit.store, filters)
        older = None
        if len(records) > PAGE:
            records = records[:PAGE]
            last = records[-1]
            if filters.sort == "time" and filters.descending and last.created_at and last.seq:
                older = filters.url(past=place(last.created_at, last.seq))
            else:
                older = filters.url(offset=str(filters.offset + PAGE))
        further = None if reached is None else filters.url(until=reached.isoformat())
        return self._page(
            visit, "logs.html", filters=filters, records=records, older=older, further=further, reached=reached,
            sorts=SORTS, given=dict(filters.given), place="logs", last=visit.store.last(),
        )  # fmt: skip

    def log(self, visit: Visit) -> Response:
        record = visit.record(visit.id)
        newer, older = _neighbours(visit, record)
        return self._page(visit,
            "log.html", record=record, newer=newer, older=older, **conversation.contents(record),
            curl=snippets.as_curl(record), python=snippets.as_python(record),
            as_json=_ascii_json(record), raw={
                "request": _raw(record.request_body), "response": _raw(record.response_body)},
            timing=_timing(record), may_write=visit.may_write, place="logs",
        )  # fmt: skip

    def raw(self, visit: Visit) -> Response:
        """A body as it is, to be saved, never to be run by the browser."""
        side = visit.parameter("side")
        record = visit.record(visit.id)
        body = {"request": record.request_body, "response": record.response_body}.get(side)
        if body is None:
            raise Fault(404, "This log has no such body.")
        name = re.sub(r"[^\w.-]", "_", f"{record.id}-{side}")
        disposition = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(body, 200, {**HEADERS, **disposition}, "application/octet-stream")

    def score(self, visit: Visit) -> Response:
        if not visit.may_write:
            raise Fault(403, "This key may read and not score.")
        record = visit.record(visit.id, bodies=False)
        text, comment = visit.form.get("value", ""), visit.form.get("comment", "").strip()
        try:
            value = float(text)
        except ValueError:
            raise Fault(400, f"{text[:50]!r} is not a number.") from None
        if not -1e9 <= value <= 1e9:
            raise Fault(400, f"{text[:50]!r} is not a score.")

        def change(kept: Record) -> None:
            set_score(kept, DEFAULT, value, comment or None)

        self._services.writer.run(lambda store: store.update(record.id, record.project, change))
        return RedirectResponse(visit.root + _log_url(record), 303, HEADERS)

    def trace(self, visit: Visit) -> Response:
        trace_id = visit.id
        query = Query({"trace_id": trace_id, **({"project": visit.project} if visit.project else {})})
        records = visit.store.find(query, MAX_SPANS, newest_first=False)
        if not records:
            raise Fault(404, f"There is no trace with the id {trace_id[:100]!r}.")
        nodes = span_tree(records)
        return self._page(visit, "trace.html", nodes=nodes, trace_id=trace_id, most=MAX_SPANS, place="logs",
                          calls=sum(node.calls for node in nodes if not node.depth),
                          used=sum(node.tokens for node in nodes if not node.depth),
                          cost=_sum(node.cost for node in nodes if not node.depth))  # fmt: skip

    def overview(self, visit: Visit) -> Response:
        chosen, by = visit.parameter("range") or "7d", visit.parameter("by") or "model"
        dimension, _, value = visit.parameter("only").partition(":")
        if chosen not in RANGES:
            raise Fault(400, f"range: {chosen[:50]!r} is not one of {', '.join(RANGES)}")
        if by not in DIMENSIONS[1:] or (dimension and dimension not in DIMENSIONS[1:]):
            raise Fault(400, f"by: there are sums by {', '.join(DIMENSIONS[1:])}")
        length, step = RANGES[chosen]
        until = datetime.now(UTC)
        since = until - length
        only = (dimension, value) if dimension else ("all", None)
        steps = charts.points(visit.store.hours(visit.project, only[0], since, until, only[1]), since, until, step)
        groups = charts.totals(visit.store.hours(visit.project, by, since, until))
        whole = charts.Total()
        for point in steps:
            whole.add(point.total)
        drawn = [charts.chart(title, steps, series, show, bars) for title, series, show, bars in _CHARTS]
        return self._page(visit,
            "overview.html", charts=drawn, groups=groups[:100], whole=whole, by=by, range=chosen, ranges=list(RANGES),
            dimensions=DIMENSIONS[1:], only=visit.parameter("only"), since=since, more=max(0, len(groups) - 100),
            costly=sorted((group for group in groups if group.cost), key=lambda group: -group.cost)[:5],
            failing=sorted((group for group in groups if group.errors), key=lambda group: -group.errors)[:5],
            place="overview",
        )  # fmt: skip

    def compare(self, visit: Visit) -> Response:
        ids = [visit.parameter("a"), visit.parameter("b")]
        if not all(ids):
            return self._page(visit, "compare.html", left=None, ids=ids, place="compare")
        left, right = (visit.record(record_id) for record_id in ids)
        return self._page(visit,
            "compare.html", left=left, right=right, ids=ids, place="compare",
            figures=diff.compare_figures(left, right),
            asked=diff.compare_lines(diff.request_lines(left), diff.request_lines(right)),
            answered=diff.compare_lines(diff.answer_lines(left), diff.answer_lines(right)),
        )  # fmt: skip

    # Live

    async def _events(self, request: Request) -> Response:
        try:
            principal = await run_in_threadpool(self._who, request)
            visit = Visit(self._services, request, principal, {})
            filters = read_filters(visit.pairs, visit.project)
            given = request.headers.get("last-event-id") or request.query_params.get("after", "")
            after = int(given) if re.fullmatch("[0-9]{1,18}", given) else await run_in_threadpool(visit.store.last)
        except Fault as fault:
            return self._error(_root(request), fault.status, fault.message)
        return StreamingResponse(self._rows(visit, filters.query, after), 200, HEADERS, "text/event-stream")

    async def _rows(self, visit: Visit, query: Query, at: int) -> AsyncIterator[bytes]:
        """New records as rows of the table, from a place on, for as long as the key opens the door."""
        store, template = visit.store, self._templates.get_template("rows.html")
        quiet, asked = 0.0, monotonic()
        yield b": live\n\n"
        while not await visit.request.is_disconnected():
            records = await run_in_threadpool(store.tail, query, at)
            for record in records:
                at = record.seq or at
                row = template.render(records=[record])
                if visit.root:
                    row = row.replace('"/ui', f'"{escape(visit.root)}/ui')
                yield f"id: {at}\ndata: {json.dumps(row)}\n\n".encode()
            quiet = 0.0 if records else quiet + LIVE_INTERVAL
            if quiet >= 15:
                quiet = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(LIVE_INTERVAL)
            if monotonic() - asked > REASK:
                asked = monotonic()
                try:
                    await run_in_threadpool(self._who, visit.request)
                except Fault:
                    return


def routes(services: Services) -> list[Route]:
    """The dashboard's routes."""
    return Dashboard(services).routes()


# Helpers


def _root(request: Request) -> str:
    """Under which path the application is mounted; empty if it is not."""
    return str(request.scope.get("root_path", ""))


async def _to_logs(request: Request) -> Response:
    return RedirectResponse(f"{_root(request)}/ui/", 303)


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return Response("there is nothing at this path", 404)
    content = await run_in_threadpool((HERE / "static" / name).read_bytes)
    return Response(content, 200, {**HEADERS, "cache-control": "max-age=3600"}, STATIC[name])


def _here(request: Request) -> str:
    path = request.url.path.removeprefix(_root(request))
    return quote(path + ("?" + request.url.query if request.url.query else ""))


def _inside(path: str) -> str:
    """A page of ours to go on to; anything else is the first one."""
    return path if re.fullmatch(r"/ui/[^\\]*", path) and not path.startswith("/ui//") else "/ui/"


def _cookie(request: Request) -> str:
    """The cookie's name: browsers share cookies among the ports of a host, and there may be several servers."""
    return f"{COOKIE}_{request.url.port or 0}"


def _with_key(key: str, path: str, request: Request) -> Response:
    root = _root(request)
    response = RedirectResponse(root + path, 303, HEADERS)
    response.set_cookie(
        _cookie(request), key, path=f"{root}/ui", httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    return response


async def _form(request: Request) -> dict[str, str]:
    """A form's fields. A page of another site cannot post here with our cookie: SameSite=Lax, and browsers say so.

    Raises:
        Fault: 403, from another site; 413, too large.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Fault(403, "This form was sent from another site.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > 100_000:
            raise Fault(413, "This form is too large.")
    return {
        name: values[-1] for name, values in parse_qs(body.decode(errors="replace"), keep_blank_values=True).items()
    }


def _listed(store: Store, filters: Filters) -> tuple[list[Record], datetime | None]:
    """A page of records and one more; and how far back the search went, if it stopped before the end."""
    if filters.query.text is None or filters.sort != "time" or not filters.descending or filters.offset:
        return store.find(filters.query, PAGE + 1, filters.offset, filters.descending, SORTS[filters.sort]), None
    oldest = store.extremes(Query(), ["created_at"])["created_at"][0]
    if oldest is None:
        return [], None
    begin = datetime.fromtimestamp(oldest / 1e6, UTC)
    if filters.query.since is not None:
        begin = max(begin, filters.query.since)
    until = filters.query.until or datetime.now(UTC) + timedelta(days=1)
    found: list[Record] = []
    deadline, width = monotonic() + SEARCH_SECONDS, timedelta(minutes=5)
    while until > begin and len(found) <= PAGE:
        if monotonic() > deadline:
            return found, until
        since = max(begin, until - width)
        found += store.find(replace(filters.query, since=since, until=until), PAGE + 1 - len(found))
        until, width = since, width * 2
    return found, None


def _neighbours(visit: Visit, record: Record) -> tuple[Record | None, Record | None]:
    """The next newer and the next older record."""
    if record.created_at is None or record.seq is None:
        return None, None
    base = Query({"project": visit.project} if visit.project else {})
    older = visit.store.find(replace(base, past=(record.created_at, record.seq)), 1)
    from_here = base.where(Condition("created_at", "ge", (record.created_at,)))
    after = [
        other
        for other in visit.store.find(from_here, 20, newest_first=False)
        if other.created_at and other.seq and (other.created_at, other.seq) > (record.created_at, record.seq)
    ]
    return after[0] if after else None, older[0] if older else None


def _raw(body: bytes | None) -> str | None:
    """The beginning of a body as text."""
    return None if body is None else body[: markup.MAX_TEXT].decode(errors="replace")


def _ascii_json(record: Record) -> str | None:
    """All of a record as JSON that shows nothing but itself; None if that is too much for a page."""
    text = json.dumps(json.loads(to_json(record, bodies=True)))
    return text if len(text) <= MAX_SNIPPET else None


def _timing(record: Record) -> dict[str, float] | None:
    """The share of a call's time before its first chunk."""
    if not record.duration or record.time_to_first_chunk is None:
        return None
    return {"first": min(100.0, 100 * record.time_to_first_chunk / record.duration)}


def _sum(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


_CHARTS: list[tuple[str, list[charts.Series], charts.Show, bool]] = [
    ("Calls", [("calls", "calls", attrgetter("calls")), ("errors", "errors", attrgetter("errors"))],
     figures.number, True),
    ("Cost", [("cost", "cost", attrgetter("cost"))], figures.dollars, True),
    ("Tokens", [("input", "input", attrgetter("input_tokens")), ("output", "output", attrgetter("output_tokens"))],
     figures.number, False),
    ("Latency", [(f"p{share}", f"p{share}", methodcaller("percentile", share / 100)) for share in (50, 95, 99)],
     figures.seconds, False),
]  # fmt: skip
