"""Sign-in to the dashboard through a proxy that authenticates its users, such as oauth2-proxy or Authelia.

The proxy names the user in one header, and optionally the user's groups in another; roles say what each user may do.
The headers are read only from trusted proxies (see `BehindProxy`), and the API accepts only keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from autolog.server._keys import ANY_PROJECT, SCOPES, Principal

#: The key in a request's ASGI scope that holds the principal whom a trusted proxy named.
NAMED = "autolog.principal"
GROUP = "group:"
#: The most characters of a user's name.
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Role:
    """Rights of users.

    Attributes:
        who: a user, `*` for everyone, a pattern such as `*@example.com`, or `group:` and the name of a group.
        scope: read, ingest or admin.
        project: the project that the scope is for; `*` for all.
    """

    who: str
    scope: str
    project: str = ANY_PROJECT

    def is_for(self, user: str, groups: Sequence[str]) -> bool:
        """Return whether a user has this role. Case matters in groups alone: `Ann@Example.com` is `ann@example.com`."""
        if self.who.startswith(GROUP):
            return self.who.removeprefix(GROUP) in groups
        return fnmatchcase(_lower(user), _lower(self.who))


def _lower(text: str) -> str:
    """Return a text with its ASCII letters in lower case; those that look like them in other scripts stay different."""
    return text.encode().lower().decode()


def read_role(text: str) -> Role:
    """Parse a role such as `ann@example.com=admin`, `*@example.com=read,project=shop` or `group:ops=admin`.

    Raises:
        ValueError: if the text is not a role; the message says what one looks like.
    """
    first, *rest = text.split(",")
    group, _, scope = first.rpartition("=")
    given = dict(part.partition("=")[::2] for part in rest)
    if not group or scope not in SCOPES or set(given) - {"project"} or not all(given.values()):
        raise ValueError(
            f"{text[:100]!r} is not a role such as ann@example.com=admin, *=read,project=shop or group:ops=admin; "
            f"scopes are {', '.join(SCOPES)}"
        )
    return Role(group, scope, given.get("project", ANY_PROJECT))


@dataclass(frozen=True, slots=True)
class HeaderLogin:
    """Turns the headers of a trusted proxy into a principal.

    Attributes:
        header: the name of the header with the user's name, in lower case.
        groups_header: the name of the header with the user's groups, separated by commas, in lower case.
        roles: the first role that a user has decides; a user without one has no rights.
    """

    header: str
    groups_header: str
    roles: tuple[Role, ...]

    def principal(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal | None:
        """Return the principal that a request's headers name; None if they name none, or several."""
        users, groups = [], list[str]()
        for raw_name, raw in headers:
            name = raw_name.decode("latin-1").lower()
            if name == self.header:
                users.append(raw.decode(errors="replace").strip())
            elif name == self.groups_header:
                groups += [group.strip() for group in raw.decode(errors="replace").split(",")]
        if len(users) != 1 or not 0 < len(users[0]) <= LONGEST_NAME:
            return None
        (user,) = users
        role = next((role for role in self.roles if role.is_for(user, groups)), None)
        if role is None:
            return Principal(f"user:{user}", ANY_PROJECT, frozenset())
        return Principal(f"user:{user}", role.project, frozenset({role.scope}))
