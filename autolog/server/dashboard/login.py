"""Signing in and out. The browser gets a session, never the key."""

from __future__ import annotations

import re

from autolog.dialects._fault import Fault
from autolog.server._auth import authorise
from autolog.server._call import Reply
from autolog.server._endpoint import OF_HOST, session_cookie
from autolog.server._sessions import LIFETIME
from autolog.server.dashboard._page import PageRequest, check_same_site, render


def show_login(request: PageRequest) -> Reply:
    return render(request.root, "login.html", wrong="", next=_own_page(request.parameter("next")))


def login(request: PageRequest) -> Reply:
    next_page = _own_page(request.form.get("next", ""))
    try:
        return _sign_in(request, request.form.get("key", "").strip(), next_page)
    except Fault as fault:
        status = 401 if fault.status == 403 else fault.status
        return render(request.root, "login.html", status, wrong=fault.message, next=next_page)


def enter(request: PageRequest) -> Reply:
    """Sign in by the link that `autolog ui` opens, with the fixed key of this server and no other.

    Another site could send the browser to such a link with a key of its own, to sign in the reader as somebody else.
    """
    check_same_site(request.call)
    key = request.parameter("key")
    if not request.call.services.keyring.is_fixed(key):
        return request.redirect("/ui/login")
    return _sign_in(request, key, "/ui/")


def logout(request: PageRequest) -> Reply:
    call = request.call
    token = call.request.cookies.get(session_cookie(call.request))
    if token:
        call.services.sessions.refresh()
        call.services.sessions.end(token)
    return request.redirect("/ui/login", _cookie(request, "", 0))


def _sign_in(request: PageRequest, key: str, next_page: str) -> Reply:
    """Sign in with a key, and redirect to a page.

    Raises:
        Fault: if the key is not valid or may not read.
    """
    services = request.call.services
    services.keyring.refresh()
    authorise(services.keyring.find(key), "read", services.rates, services.keyring.problem(key))
    token = services.sessions.open(key)
    return request.redirect(next_page, _cookie(request, token, int(LIFETIME.total_seconds())))


def _cookie(request: PageRequest, token: str, seconds: int) -> str:
    """Return the header value that sets the session cookie, or removes it if `seconds` is 0."""
    http = request.call.request
    secure = "; Secure" if http.url.scheme == "https" else ""
    name = session_cookie(http)
    path = "/" if name.startswith(OF_HOST) else f"{request.root}/ui"
    return f"{name}={token}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def _own_page(path: str) -> str:
    """Return the path to go to after signing in; the first page unless `path` is a page of the dashboard."""
    return path if re.fullmatch(r"/ui/[\x21-\x5b\x5d-\x7e]*", path) and not path.startswith("/ui//") else "/ui/"
