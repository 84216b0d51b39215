"""The frame around every page: navigation, project, time range, and the reader's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import unquote, urlencode

from autolog.server._call import Call
from autolog.server._keys import ANY_PROJECT
from autolog.stores.filters import parse_zone

Pairs = list[tuple[str, str]]

#: The pages in the navigation: name, path and heading. Settings is only for keys with the scope `admin`.
PLACES = (
    ("overview", "/ui/overview", "Overview"),
    ("logs", "/ui/", "Logs"),
    ("traces", "/ui/traces", "Traces"),
    ("sessions", "/ui/sessions", "Sessions"),
    ("users", "/ui/users", "Users"),
    ("cache", "/ui/cache", "Cache"),
    ("alerts", "/ui/alerts", "Alerts"),
    ("compare", "/ui/compare", "Compare"),
    ("settings", "/ui/settings", "Settings"),
)
#: The time ranges that are offered: the value of `since`, and the label.
PRESETS = {
    "1h": "Last hour",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
}
#: The default range of pages with totals.
RECENT = "7d"
#: The cookie in which the script stores the browser's time zone.
ZONE_COOKIE = "autolog_zone"
#: Parameters that links to other pages keep.
_CARRIED = ("project", "since", "until", "zone")
#: Parameters of the position in a list, which a change of range or project resets.
_PLACE = frozenset({"past", "offset", "page"})


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame around a page for a reader who has signed in."""

    path: str
    given: Pairs
    projects: list[str]
    own_project: str | None
    zone: tzinfo
    zone_name: str
    may_admin: bool

    @property
    def parameters(self) -> dict[str, str]:
        return dict(self.given)

    @property
    def project(self) -> str:
        """The chosen project; empty for all."""
        return self.own_project or self.parameters.get("project", "")

    @property
    def places(self) -> list[tuple[str, str, str]]:
        """The name, URL and heading of every page in the navigation that the reader may see."""
        carried = [(name, value) for name, value in self.given if name in _CARRIED]
        return [
            (place, with_query(path, carried), words)
            for place, path, words in PLACES
            if place != "settings" or self.may_admin
        ]

    def range_words(self, recent: str = "") -> str:
        """Return the label of the chosen time range; `recent` is the default range of the page."""
        since, until = self.parameters.get("since", recent), self.parameters.get("until", "")
        since, until = self._in_zone(since, "%d %b %H:%M"), self._in_zone(until, "%d %b %H:%M")
        if not until:
            return PRESETS.get(since, f"Since {since}") if since else "All time"
        return f"{since or 'Beginning'} – {until}"

    def end(self, name: str) -> str:
        """Return one end of the time range for a form field, in the reader's zone."""
        return self._in_zone(self.parameters.get(name, ""), "%Y-%m-%dT%H:%M:%S")

    def _in_zone(self, text: str, form: str) -> str:
        """Return an exact time, as in links from charts, in the reader's zone; return typed text unchanged."""
        try:
            at = datetime.fromisoformat(text)
            return text if at.tzinfo is None else at.astimezone(self.zone).strftime(form)
        except (ValueError, OverflowError):
            return text

    def url(self, **changes: str | None) -> str:
        """Return this page's URL with parameters changed, or removed if None."""
        return self.at(self.path, **changes)

    def at(self, path: str, **changes: str | None) -> str:
        """Return another page's URL with this page's parameters, changed as given."""
        kept = [pair for pair in self.given if pair[0] not in changes and pair[0] not in _PLACE]
        return with_query(path, kept + [(name, value) for name, value in changes.items() if value])

    def to(self, path: str, **parameters: Any) -> str:
        """Return another page's URL with the same project and time range."""
        kept = [pair for pair in self.given if pair[0] in _CARRIED and pair[0] not in parameters]
        return with_query(path, kept + [(name, str(value)) for name, value in parameters.items() if value is not None])


def with_query(path: str, pairs: Pairs) -> str:
    """Return a path with a query string, unless that is empty."""
    return path + ("?" + urlencode([(name, value.encode(errors="replace")) for name, value in pairs]) if pairs else "")


def frame_of(call: Call, root: str) -> Frame:
    """Return the frame of a page. A key for all projects can choose among those with records or keys."""
    own = None if call.principal.project == ANY_PROJECT else call.principal.project
    projects = [own] if own else sorted({*call.services.keyring.projects, *call.store.projects()})
    zone, name = reader_zone(call)
    path = call.request.url.path.removeprefix(root)
    given = [(name, value.strip()) for name, value in call.query if value.strip()]
    return Frame(path, given, projects, own, zone, name, own is None and call.principal.may("admin"))


def reader_zone(call: Call) -> tuple[tzinfo, str]:
    """Return the time zone for the page's times, and its name: the URL's, else the browser's, else UTC."""
    for name in (call.parameter("zone"), unquote(call.request.cookies.get(ZONE_COOKIE, ""))):
        if name:
            try:
                return parse_zone(name), name
            except ValueError:
                continue
    return UTC, "UTC"
