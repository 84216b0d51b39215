"""The table of all pages. Every page is a GET whose URL says all; what changes something is a POST."""

from __future__ import annotations

from autolog.server._call import Route
from autolog.server.dashboard import (
    cache,
    compare,
    export,
    files,
    groups,
    known,
    log,
    login,
    logs,
    overview,
    settings,
    trace,
    views,
)
from autolog.server.dashboard._page import page, refuse_here

PAGES: list[Route] = [
    page("GET", "/", files.home, "To the logs", open=True, quick=True),
    page("GET", "/ui", files.home, "To the logs", open=True, quick=True),
    page("GET", "/ui/static/{name}", files.static, "The pages' own files", open=True, quick=True),
    page("GET", "/ui/login", login.show_login, "The form to sign in", open=True, quick=True),
    page("POST", "/ui/login", login.login, "Sign in", open=True),
    page("POST", "/ui/logout", login.logout, "Sign out", open=True),
    page("GET", "/ui/enter", login.enter, "Sign in by the link of `autolog ui`", open=True),
    page("GET", "/ui/", logs.logs, "The list of logs"),
    page("GET", "/ui/traces", logs.traces, "The list of traces"),
    page("GET", "/ui/sessions", groups.sessions, "The list of sessions"),
    page("GET", "/ui/session", groups.session, "The turns of a session"),
    page("GET", "/ui/users", groups.users, "The list of users"),
    page("GET", "/ui/sums", logs.sums, "The sums of a list, and its histogram", refuse=refuse_here),
    page("GET", "/ui/known", known.known, "Values to suggest in filters", refuse=refuse_here),
    page("GET", "/ui/events", logs.events, "New rows for the list, as server-sent events", refuse=refuse_here),
    page("GET", "/ui/log/{id}", log.log, "One log"),
    page("GET", "/ui/log", log.log, "One log, whatever its id"),
    page("GET", "/ui/raw", log.raw, "A body of a log, exactly"),
    page("POST", "/ui/score", log.score, "Score a log"),
    page("GET", "/ui/trace/{id}", trace.trace, "One trace"),
    page("GET", "/ui/trace", trace.trace, "One trace, whatever its id"),
    page("GET", "/ui/overview", overview.overview, "Charts and sums"),
    page("GET", "/ui/calls", overview.calls, "The dearest and the slowest calls", refuse=refuse_here),
    page("GET", "/ui/cache", cache.cache, "What the providers' caches gave, and why they missed"),
    page("GET", "/ui/cache/report", cache.judged, "The sums and misses of that page", refuse=refuse_here),
    page("GET", "/ui/cache/rate", cache.rate, "The share of the input that came from a cache", refuse=refuse_here),
    page("GET", "/ui/cache/line", cache.line_of, "What the cache did for one call", refuse=refuse_here),
    page("POST", "/ui/views", views.save, "Save a view of a list"),
    page("POST", "/ui/views/remove", views.remove, "Remove a saved view"),
    page("GET", "/ui/export", export.export, "What a list shows, as a file"),
    page("GET", "/ui/settings", settings.settings, "Projects, keys, the store"),
    page("POST", "/ui/settings/keys", settings.add_key, "Create a key"),
    page("POST", "/ui/settings/revoke", settings.remove_key, "Revoke a key"),
    page("POST", "/ui/settings/project", settings.change_project, "Set a project's retention and budgets"),
    page("GET", "/ui/compare", compare.compare, "Two logs side by side"),
]
