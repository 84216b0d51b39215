"""Support for reverse proxies: the path prefix of the application, and the address of the client.

Headers of a proxy are used only if the proxy is trusted, because any client can send them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from autolog.server._login import NAMED, HeaderLogin

_PREFIX = re.compile(r"(?:/[\w.~-]+)+", re.ASCII)


def clean_prefix(path: str) -> str:
    """Return a path prefix without a trailing slash; an empty string for none.

    Raises:
        ValueError: if it is not a path of plain segments.
    """
    path = path.rstrip("/")
    if path and (not _PREFIX.fullmatch(path) or ".." in path.split("/")):
        raise ValueError(f"{path[:100]!r} is not a path such as /logs")
    return path


def trusted_networks(given: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the addresses and networks of trusted proxies: `given`, else FORWARDED_ALLOW_IPS, else this machine.

    Raises:
        ValueError: if one is neither an address nor a network.
    """
    found = tuple(given or os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1").split(","))
    found = tuple(network.strip() for network in found if network.strip())
    for network in found:
        if network != "*":
            ip_network(network, strict=False)
    return found


class BehindProxy:
    """Serves an application under a path prefix, and takes path, scheme and client address from trusted proxies.

    The prefix is `root_path`, or a trusted proxy's `X-Forwarded-Prefix`. Requests may include it, or not, if the proxy
    strips it. With `login`, a trusted proxy also says who the user is.
    """

    def __init__(
        self, app: ASGIApp, root_path: str = "", trusted: Sequence[str] = (), login: HeaderLogin | None = None
    ) -> None:
        self._app = ProxyHeadersMiddleware(app, list(trusted)) if trusted else app  # type: ignore[arg-type]
        self._root_path = clean_prefix(root_path)
        self._login = login
        self._trusted = bool(trusted)
        self._everybody = "*" in trusted
        self._networks = [ip_network(network, strict=False) for network in trusted if network != "*"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix = (self._trusted and self._forwarded_prefix(scope)) or self._root_path
            if prefix:
                scope = _under(prefix, scope)
            if self._login is not None and self._trusts(scope.get("client")):
                scope = {**scope, NAMED: self._login.principal(scope["headers"])}
        await self._app(scope, receive, send)  # type: ignore[arg-type]

    def _forwarded_prefix(self, scope: Scope) -> str:
        given = next((value for name, value in scope["headers"] if name == b"x-forwarded-prefix"), b"")
        if not given or not self._trusts(scope.get("client")):
            return ""
        try:
            return clean_prefix(given.decode("latin-1"))
        except ValueError:
            return ""

    def _trusts(self, client: tuple[str, int] | None) -> bool:
        if self._everybody:
            return True
        try:
            address = ip_address(client[0] if client else "")
        except ValueError:  # a Unix socket, or a test client
            return False
        return any(address in network for network in self._networks)


def _under(prefix: str, scope: Scope) -> Scope:
    """Return a scope whose root path begins with the prefix, and whose path begins with that root path."""
    root = prefix + scope.get("root_path", "")
    path = scope["path"] if scope["path"].startswith(root + "/") else prefix + scope["path"]
    return {**scope, "root_path": root, "path": path}
