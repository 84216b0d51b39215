"""Signing in to the pages by the word of a proxy that knows its users: oauth2-proxy, Authelia, a company's gateway.

The proxy names the user in a header, and perhaps the user's groups in another; roles say what each may do. Headers of
anybody but the trusted proxies are never looked at (`BehindProxy`), and the API takes keys only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from autolog.server._keys import ANY_PROJECT, SCOPES, Principal

#: Where in a request's scope the principal is whom a trusted proxy named.
NAMED = "autolog.principal"
GROUP = "group:"
#: The longest name of a user, in characters.
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Role:
    """What users may do.

    Attributes:
        who: a user, `*` for every one, a pattern such as `*@example.com`, or `group:` and a group.
        scope: read, ingest or admin. project: which one; `*` for all.
    """

    who: str
    scope: str
    project: str = ANY_PROJECT

    def is_for(self, user: str, groups: Sequence[str]) -> bool:
        """Return whether a user has this role."""
        if self.who.startswith(GROUP):
            return self.who.removeprefix(GROUP) in groups
        return fnmatchcase(user, self.who)


def read_role(text: str) -> Role:
    """Read a role: `ann@example.com=admin`, `*@example.com=read,project=shop`, `group:ops=admin`.

    Raises:
        ValueError: it is none.
    """
    first, *rest = text.split(",")
    who, _, scope = first.rpartition("=")
    given = dict(part.partition("=")[::2] for part in rest)
    if not who or scope not in SCOPES or set(given) - {"project"} or not all(given.values()):
        raise ValueError(
            f"{text[:100]!r} is not a role such as ann@example.com=admin, *=read,project=shop or group:ops=admin; "
            f"scopes are {', '.join(SCOPES)}"
        )
    return Role(who, scope, given.get("project", ANY_PROJECT))


@dataclass(frozen=True, slots=True)
class HeaderLogin:
    """Turns a trusted proxy's headers into a principal.

    Attributes:
        header, groups_header: names in lower case; groups are separated by commas. roles: the first that a user has
            decides; without one nothing is allowed.
    """

    header: str
    groups_header: str
    roles: tuple[Role, ...]

    def principal(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal | None:
        """Return who the headers of a request name; None for nobody, also where two headers name users."""
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
