"""All exceptions that autolog raises.

    AutologError
    ├── BudgetExceeded  a call that a budget does not allow, before it is sent
    ├── ConfigError     an option that does not exist or has an invalid value
    ├── PatchError      an SDK that is missing, too old, or lacks something that we wrap
    └── StoreError      a store that cannot be opened, read or written
        └── StoreUnavailable    the same, but trying again later may help
            ├── StoreFull       there is no space left
            └── Undelivered     a backend that did not accept a whole batch

They are raised by `configure()`, `patch_*()`, other explicit calls of autolog's functions, and on the command line.
Recorded calls raise `BudgetExceeded` at most; all other errors of autolog are caught there: see `_guard`.
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


#: The user and the password in a URL. A password may contain any character, so everything up to the last @ is part of
#: it.
_PASSWORD = re.compile(r"^([a-z][\w+.-]*:/*|)([^/@:]*):(?!//).*@", re.IGNORECASE | re.DOTALL)
#: A user without a password in a web address, which may be an API key.
_LONE_USER = re.compile(r"^(https?:/*)[^/@]*@", re.IGNORECASE)
#: A URL parameter whose name suggests a secret.
_SECRET = re.compile(
    r"((?:^|[?&;#])[^=&;#]*(?:pass|pwd|key|token|secret|sig|auth)[^=&;#]*=)[^&;#]*", re.IGNORECASE | re.DOTALL
)


def shown(url: str) -> str:
    """Return a URL without the passwords and keys in it, fit to be shown and logged."""
    if url.startswith("sqlite:"):
        return url
    url = _LONE_USER.sub(r"\1…@", _PASSWORD.sub(r"\1\2@", url))
    return _SECRET.sub(r"\1…", url)


class AutologError(Exception):
    """The base class of all of autolog's exceptions."""


class BudgetExceeded(AutologError):  # noqa: N818 - it says what happened
    """A call was not sent because it might have exceeded a budget."""


class ConfigError(AutologError, ValueError):
    """An option does not exist or has an invalid value.

    Attributes:
        option: the option's name.
        problem: what is wrong with it.
    """

    def __init__(self, option: str, problem: str) -> None:
        self.option = option
        self.problem = problem
        super().__init__(f"{option}: {problem}")


class PatchError(AutologError, RuntimeError):
    """An SDK cannot be patched: it is missing, too old, or its internals have changed incompatibly.

    Attributes:
        sdk: the SDK's name.
        problem: what is wrong, and what to do about it.
        missing: whether the SDK is not installed at all.
    """

    def __init__(self, sdk: str, problem: str, *, missing: bool = False) -> None:
        self.sdk = sdk
        self.problem = problem
        self.missing = missing
        super().__init__(f"cannot patch {sdk}: {problem}")


class StoreError(AutologError):
    """A store cannot be opened, read or written.

    Attributes:
        url: the store's URL, without passwords and keys.
        problem: what is wrong.
    """

    def __init__(self, url: str, problem: str) -> None:
        self.url = shown(url)
        self.problem = problem
        super().__init__(f"{self.url}: {problem}")


class StoreUnavailable(StoreError):  # noqa: N818 - it says what the store is
    """A store cannot be used at the moment (locked, full, unreachable); a later try may succeed."""


class StoreFull(StoreUnavailable):
    """A store is out of space; a retry may succeed once space has been freed."""


class Undelivered(StoreUnavailable):
    """A backend did not accept a whole batch.

    Attributes:
        done: the number of records, from the start of the batch, that need not be sent again; the rest may be.
        refused: how many of those the backend refused permanently.
        retry_after: the pause, in seconds, that the backend asked for, if any.
    """

    def __init__(self, url: str, problem: str, done: int = 0, retry_after: float | None = None) -> None:
        self.done = done
        self.refused = 0
        self.retry_after = retry_after
        super().__init__(url, problem)
