"""What all pages share: access to the request, the templates, the headers, and the replies to faults."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import jinja2
from starlette.requests import Request

from autolog._display import figures
from autolog._record.record import Record
from autolog._version import __version__
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.server._keys import ANY_PROJECT
from autolog.server.dashboard import markup
from autolog.server.dashboard.filters import KINDS
from autolog.server.dashboard.frame import PRESETS, Frame, frame_of, reader_zone, with_query
from autolog.stores._contract import Store

HERE = Path(__file__).parent
#: The content security policy: only the dashboard's own files, and media that are embedded in a body.
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
HTML = "text/html; charset=utf-8"
#: The largest form, in bytes, and the most fields in it.
FORM_BYTES = 100_000
FORM_FIELDS = 50


class Pages:
    """The pages as an interface of routes, beside the dialects."""

    name = "dashboard"

    def encode_fault(self, fault: Fault) -> Json:
        return {"error": fault.message}


@dataclass
class PageRequest:
    """A request for a page, with everything that a page needs to answer it."""

    call: Call
    form: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The path that the application is mounted under; empty if it is not mounted."""
        return root_of(self.call.request)

    @cached_property
    def frame(self) -> Frame:
        """The frame around the page."""
        return frame_of(self.call, self.root)

    @property
    def project(self) -> str | None:
        """The project that the reader's key is for; None for all."""
        principal = self.call.principal
        return None if principal.project == ANY_PROJECT else principal.project

    @property
    def may_write(self) -> bool:
        """Whether the reader may score logs."""
        return self.call.principal.may("ingest")

    @property
    def store(self) -> Store:
        return self.call.store

    def parameter(self, name: str) -> str:
        return (self.call.parameter(name) or "").strip()

    @property
    def id(self) -> str:
        """The id in the path, in a parameter or in the form."""
        return self.call.path.get("id") or self.parameter("id") or self.form.get("id", "")

    def record(self, record_id: str, bodies: bool = True, project: str | None = None) -> Record:
        """Return a record by its id.

        Raises:
            Fault: 404, if there is none that the reader may see.
        """
        project = self.project or project or self.parameter("project") or self.form.get("project") or None
        record = self.store.get(record_id, project, bodies=bodies)
        if record is None and project is None:
            record = self.store.get(record_id, "default", bodies=bodies)  # several projects have the id
        if record is None:
            raise Fault(404, f"There is no log with the id {record_id[:100]!r}; it may have been deleted.")
        return record

    def render(self, template: str, code: int = 200, **values: Any) -> Reply:
        """Return a whole page in its frame."""
        return render(self.root, template, code, frame=self.frame, zone=self.frame.zone, **values)

    def fragment(self, template: str, **values: Any) -> Reply:
        """Return a part of a page, which the script inserts into the page."""
        zone, name = reader_zone(self.call)
        return render(self.root, template, zone=zone, zone_name=name, **values)

    def redirect(self, path: str, cookie: str | None = None) -> Reply:
        """Return a redirect to another page of the dashboard, which may set a cookie."""
        return redirect(self.root + path, cookie)


Page = Callable[[PageRequest], Reply]


def page(method: str, path: str, answer: Page, summary: str, **options: Any) -> Route:
    """Return the route of a page. A page with method POST accepts only forms of the dashboard's own pages."""

    def handler(call: Call) -> Reply:
        if method != "POST":
            return answer(PageRequest(call))
        check_same_site(call)
        return answer(PageRequest(call, _parse_form(call.body)))

    return Route(method, path, handler, Pages(), summary, "read", **{"session": True, "refuse": refuse, **options})


def check_same_site(call: Call) -> None:
    """Refuse requests from pages of other sites, by `Sec-Fetch-Site`, or in older browsers by `Origin`.

    Raises:
        Fault: 403, if the request comes from another site.
    """
    site, origin = call.headers.get("sec-fetch-site"), call.headers.get("origin")
    host = call.headers.get("host")
    if site is not None:
        is_same_site = site in {"same-origin", "none"}
    else:
        own = {host, call.headers.get("x-forwarded-host")}
        is_same_site = origin is None or origin.partition("://")[2] in own - {"", None}
    if not is_same_site:
        names = f": {origin[:100]}, not {(host or '')[:100]}" if origin else ""
        raise Fault(403, f"This was sent from another site{names}. A proxy must pass on the Host header and its port.")


def _parse_form(body: bytes) -> dict[str, str]:
    """Parse a form; of several fields with the same name the last one counts.

    Raises:
        Fault: 400, if the form has too many fields; 413, if it is too large.
    """
    if len(body) > FORM_BYTES:
        raise Fault(413, "This form is too large.")
    try:
        fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=FORM_FIELDS)
    except ValueError as error:
        raise Fault(400, f"This form has more than {FORM_FIELDS} fields.") from error
    return {name: values[-1] for name, values in fields.items()}


# Replies


def render(root: str, template: str, code: int = 200, **values: Any) -> Reply:
    """Return a page; `root` is the path that the application is mounted under."""
    content = templates().get_template(template).render(root=root, **values)
    return Reply(code, content.encode(), HTML, HEADERS)


def redirect(location: str, cookie: str | None = None) -> Reply:
    """Return a redirect, which may set a cookie."""
    headers = {**HEADERS, "location": location}
    return Reply(303, b"", HTML, headers if cookie is None else {**headers, "set-cookie": cookie})


def refuse(request: Request, fault: Fault) -> Reply:
    """Return the error page for a fault, or a redirect to the sign-in page if the reader has not signed in."""
    root = root_of(request)
    if fault.status == 401:
        path = request.url.path.removeprefix(root) + (f"?{request.url.query}" if request.url.query else "")
        return redirect(f"{root}/ui/login?next={quote(path)}")
    return refuse_here(request, fault)


def refuse_here(request: Request, fault: Fault) -> Reply:
    """Return the error page for a fault, even if the reader has not signed in."""
    root = root_of(request)
    typed = request.query_params.multi_items()[:FORM_FIELDS] if fault.status == 400 and request.method == "GET" else []
    reply = render(
        root, "error.html", fault.status, status=fault.status, message=fault.message,
        path=request.url.path.removeprefix(root), typed=[(name, value[:2_000]) for name, value in typed],
    )  # fmt: skip
    if fault.retry_after is None:
        return reply
    return Reply(reply.status, reply.body, HTML, {**HEADERS, "retry-after": str(max(1, round(fault.retry_after)))})


def root_of(request: Request) -> str:
    """Return the path that the application is mounted under; empty if it is not mounted."""
    return str(request.scope.get("root_path", ""))


# Templates


@cache
def templates() -> jinja2.Environment:
    """Return the template environment with its functions and filters."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "safe_text": markup.text, "plain_text": figures.safe,
        "seconds": figures.seconds, "dollars": figures.dollars, "number": figures.number,
        "json_tree": markup.json_tree, "log_url": log_url, "whole": _quoted,
        "moment": _moment, "brief": _brief, "when": _when, "bytes": figures.size, "score": _score,
        "asked": _request_text, "exact": _exact, "short": figures.short_id, "marked": markup.marked,
    }  # fmt: skip
    environment.globals |= {"span_kinds": KINDS, "version": __version__, "tokens": figures.tokens, "presets": PRESETS}
    return environment


def _quoted(value: object) -> str:
    """Return text quoted for a URL parameter, slashes included."""
    return quote(str(value).encode(errors="replace"), safe="")


def log_url(record: Record, origin: str = "") -> str:
    """Return the URL of a record's page: its id in the path if possible, and its project unless it is the default.

    `origin` is the query of the list from which the page is opened.
    """
    pairs = [("project", record.project)] if record.project != "default" else []
    pairs += [("from", origin)] if origin else []
    if re.fullmatch(r"[\w:~-][\w.:~-]*", record.id, re.ASCII):
        return with_query(f"/ui/log/{record.id}", pairs)
    return with_query("/ui/log", [("id", record.id), *pairs])


@jinja2.pass_context
def _moment(context: jinja2.runtime.Context, at: datetime | None) -> str:
    """Format a time in the reader's zone."""
    return "–" if at is None else at.astimezone(context.get("zone") or UTC).strftime("%Y-%m-%d %H:%M:%S")


@jinja2.pass_context
def _brief(context: jinja2.runtime.Context, at: datetime | None) -> str:
    """Format a time in the reader's zone as briefly as possible: without the day if today, the year if this year."""
    if at is None:
        return "–"
    zone = context.get("zone") or UTC
    local, now = at.astimezone(zone), datetime.now(zone)
    if local.date() == now.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%d %b %H:%M:%S" if local.year == now.year else "%Y-%m-%d %H:%M")


@jinja2.pass_context
def _when(context: jinja2.runtime.Context, text: str | None) -> str:
    """Format a time given in ISO 8601 as `brief` does."""
    return _brief(context, datetime.fromisoformat(text) if text else None)


def _score(value: object) -> str:
    """Format a score without superfluous digits."""
    return f"{value:.6g}" if isinstance(value, (int, float)) else figures.safe(value)


def _request_text(preview: str | None) -> str:
    """Return the question in an input preview: for a function with a single text argument, that argument."""
    match = re.match(r'\{"[^"]*": ?"((?:[^"\\]|\\.)*)("\}?)?$', preview or "", re.DOTALL)
    return match[1] if match else preview or ""


def _exact(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(timespec="milliseconds")
