"""The dashboard's static files, which are read once."""

from __future__ import annotations

from functools import cache

from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard._page import HEADERS, HERE, PageRequest

TYPES = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "icons.svg": "image/svg+xml",
}


def static(request: PageRequest) -> Reply:
    name = request.call.path["name"]
    if name not in TYPES:
        raise Fault(404, "There is nothing at this path.")
    return _file(name)


@cache
def _file(name: str) -> Reply:
    content = (HERE / "static" / name).read_bytes()
    return Reply(200, content, TYPES[name], {**HEADERS, "cache-control": "max-age=3600"})


def home(request: PageRequest) -> Reply:
    return request.redirect("/ui/")
