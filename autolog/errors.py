"""Everything that autolog raises, and only at `configure()`, `patch_*()` and on the command line; budgets at calls.

    AutologError
    ├── BudgetExceeded  a call that a budget does not allow, before it is sent
    ├── ConfigError     an option that does not exist or has an impossible value
    ├── PatchError      an SDK that is missing, too old, or no longer has what we wrap
    └── StoreError      a store that cannot be opened, read or written
        └── StoreUnavailable    the same, but trying again later may help
            ├── StoreFull       there is no space left
            └── Undelivered     a backend that did not take all of a batch

After set-up nothing else of ours is raised into the user's program: see `_guard`.
"""

from __future__ import annotations

import re

__all__ = [
    "AutologError",
    "BudgetExceeded",
    "ConfigError",
    "PatchError",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "Undelivered",
]


#: The user and the password in a URL; a password may hold any character, so all up to the last @ belongs to it.
_PASSWORD = re.compile(r"^([a-z][\w+.-]*:/*|)([^/@:]*):(?!//).*@", re.IGNORECASE | re.DOTALL)
#: A user without a password in a web address: it may be a key.
_LONE_USER = re.compile(r"^(https?:/*)[^/@]*@", re.IGNORECASE)
#: A parameter with a secret.
_SECRET = re.compile(
    r"((?:^|[?&;#])[^=&;#]*(?:pass|pwd|key|token|secret|sig|auth)[^=&;#]*=)[^&;#]*", re.IGNORECASE | re.DOTALL
)


def shown(url: str) -> str:
    """Return a URL as it may be shown and kept: without passwords and keys, wherever in it they stand."""
    if url.startswith("sqlite:"):
        return url
    url = _LONE_USER.sub(r"\1…@", _PASSWORD.sub(r"\1\2@", url))
    return _SECRET.sub(r"\1…", url)


class AutologError(Exception):
    """The root of all errors of this package."""


class BudgetExceeded(AutologError):  # noqa: N818 - it says what happened
    """A call that might exceed a budget, and was not sent."""


class ConfigError(AutologError, ValueError):
    """An option that does not exist or has an impossible value."""

    def __init__(self, option: str, problem: str) -> None:
        self.option = option
        self.problem = problem
        super().__init__(f"{option}: {problem}")


class PatchError(AutologError, RuntimeError):
    """An SDK that cannot be patched: missing, too old, or its internals changed incompatibly.

    Attributes:
        sdk: its name. problem: what is wrong, and what to do. missing: whether it is not installed at all.
    """

    def __init__(self, sdk: str, problem: str, *, missing: bool = False) -> None:
        self.sdk = sdk
        self.problem = problem
        self.missing = missing
        super().__init__(f"cannot patch {sdk}: {problem}")


class StoreError(AutologError):
    """A store that cannot be opened, read or written."""

    def __init__(self, url: str, problem: str) -> None:
        self.url = shown(url)
        self.problem = problem
        super().__init__(f"{self.url}: {problem}")


class StoreUnavailable(StoreError):  # noqa: N818 - it says what the store is
    """A store that cannot be used now, though a later try may succeed (locked, full, away)."""


class StoreFull(StoreUnavailable):
    """A store that is out of space; a retry may succeed once space has been freed."""


class Undelivered(StoreUnavailable):
    """A backend that did not take all: the first `done` records are there; the rest may be tried again.

    `retry_after` is the pause, in seconds, that the backend asked for.
    """

    def __init__(self, url: str, problem: str, done: int = 0, retry_after: float | None = None) -> None:
        self.done = done
        self.retry_after = retry_after
        super().__init__(url, problem)
