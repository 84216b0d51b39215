"""Options, from `configure(...)` or from AUTOLOG_* environment variables, checked where they are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from autolog.errors import ConfigError
from autolog.providers._table import ROWS

DEFAULT_STORE = "sqlite:///.autolog/logs.db"
DEFAULT_JOURNAL = ".autolog/journal.db"


class Config(msgspec.Struct, frozen=True):
    """All options. Each can be given to `configure()` or as AUTOLOG_<NAME> in the environment.

    Attributes:
        store: URL of the local store, `sqlite:///relative.db` or `sqlite:////absolute.db`.
        endpoint: base URL of a server to ship to instead, ours or a vendor's.
        api_key: the key of that server.
        dialect: the wire format of that server (`dialects.shipping()`).
        hosts: further hosts at which models are called, each with its wire format, such as
            `{"llm.internal:8000": "openai"}`; in the environment `llm.internal:8000=openai,other=gemini`.
        prices: what models cost by your own contract: a mapping of model names to dollars for a million tokens,
            `{"input": 2.5, "output": 10, "cache_read": 1.25, "cache_write": 2.5}`, or a function that takes a record
            and returns its cost in dollars, or None to leave it.
        stream_usage: what to do about chat streams that do not report their usage: None for nothing, `request` to
            ask the provider for it and hide it from the caller, `estimate` to count with tiktoken.
        update_prices: fetch newer prices now and then, from genai-prices' repository; needs the network.
        budgets: limits in dollars, each a mapping: `limit`, `per` (hour, day, week, month or a timedelta), one of
            `user`, `tag`, `session`, `function`, `key` (the last four characters of the provider's, as it shows them)
            with a value or `*` for each, and `then`: `log`, a URL that gets a POST, a
            function, or an exception class. One with an exception holds: what a call may cost is reserved before it is
            sent, and one that does not fit raises; `unpriced`: `allow` or `refuse` those without a price.
            `{"server": True, "then": MyError}` holds to the budgets of the server at `endpoint`, at a request for each.
        sinks: further places that get every record: store URLs, or mappings with endpoint, api_key and dialect.
        enabled: record at all; with False everything passes through untouched.
        capture_bodies: keep request and response bodies, arguments and results.
        max_media_bytes: the largest image, audio or file in a body that is kept, in bytes; of larger ones only type,
            size and hash.
        max_field_chars: longer texts in bodies are cut there, which the record then says; None to keep all.
        redact: what is replaced in every text before anything is kept: a regular expression, the word `pii` for
            personal data (e-mail addresses, telephone numbers, IBANs, cards, IP addresses, names), a function that gets
            each record and returns it, changed or not, or None to drop it, a list of those, or a mapping with
            `patterns`, `fields` (keys, or ends of paths such as `messages.name`) and `function`.
        redact_secrets: replace API keys, tokens and passwords, by their shape and by the name of what holds them.
        sample: the share of traces that is kept, from 0 to 1; the same traces in every process.
        sample_keep_errors: keep failed calls of the other traces, too. sample_keep_slow: and those that took so many
            seconds or more.
        durable: have every record on disk before the call that it is of returns; takes about a millisecond of it.
        journal: the file that keeps what cannot be delivered; empty for none.
        journal_max_bytes: how large its records may be together; the oldest go. journal_max_age: how old, in seconds.
        handle_sigterm: flush before SIGTERM ends the process, where nobody else handles it.
        max_queue_records: how many calls may wait to be read, and records to be written; see the README for what
            becomes of more.
        max_queue_bytes: how large they may be together, in bytes.
    """

    store: str = DEFAULT_STORE
    endpoint: str | None = None
    api_key: str | None = None
    dialect: str = "native"
    hosts: dict[str, str] = {}
    sinks: tuple[Any, ...] = ()
    prices: Any = None
    budgets: tuple[Any, ...] = ()
    stream_usage: str | None = None
    update_prices: bool = False
    enabled: bool = True
    capture_bodies: bool = True
    max_media_bytes: int = 32 * 1024 * 1024
    max_field_chars: int | None = None
    redact: Any = None
    redact_secrets: bool = True
    sample: float = 1.0
    sample_keep_errors: bool = True
    sample_keep_slow: float | None = None
    durable: bool = False
    journal: str = DEFAULT_JOURNAL
    journal_max_bytes: int = 512 * 1024 * 1024
    journal_max_age: float = 7 * 24 * 3600.0
    handle_sigterm: bool = True
    max_queue_records: int = 100_000
    max_queue_bytes: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        if "://" not in self.store:
            raise ConfigError("store", f"{self.store!r} is not a store URL; write for example {DEFAULT_STORE!r}")
        check_target(self.endpoint, self.dialect)
        for sink in self.sinks:
            check_sink(sink)
        check_hosts(self.hosts)
        check_prices(self.prices)
        if self.budgets:
            from autolog._pricing.budgets import read_budget

            for budget in self.budgets:
                read_budget(budget)
        if self.stream_usage not in {None, "request", "estimate"}:
            raise ConfigError("stream_usage", f"{self.stream_usage!r} is neither 'request' nor 'estimate'")
        if self.max_media_bytes < 0:
            raise ConfigError("max_media_bytes", f"{self.max_media_bytes!r} is less than 0")
        for name in ("max_queue_records", "max_queue_bytes", "journal_max_bytes", "max_field_chars"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(name, f"{value!r} is less than 1")
        if not 0 <= self.sample <= 1:
            raise ConfigError("sample", f"{self.sample!r} is not a share from 0 to 1")
        for name in ("journal_max_age", "sample_keep_slow"):
            if (value := getattr(self, name)) is not None and not 0 <= value < float("inf"):
                raise ConfigError(name, f"{value!r} is not a time in seconds")
        if self.durable and not self.journal:
            raise ConfigError("durable", "needs a journal")
        if self.redact is not None:
            from autolog._redaction.rules import read_rules

            read_rules(self.redact)


def check_target(endpoint: Any, dialect: Any) -> None:
    """Check that an endpoint and its dialect are valid.

    Raises:
        ConfigError: what is wrong with it.
    """
    if endpoint is not None and not str(endpoint).startswith(("http://", "https://")):
        raise ConfigError("endpoint", f"{endpoint!r} is not an http:// or https:// URL")
    if dialect == "native":
        return  # without loading any
    from autolog import dialects

    try:
        dialects.get_shipping(dialect)
    except LookupError as error:
        raise ConfigError("dialect", str(error)) from None
    except ImportError as error:
        raise ConfigError("dialect", f"{dialect!r} needs {error.name}: pip install 'autolog-llm[ship]'") from error


def check_hosts(hosts: Mapping[str, str]) -> None:
    """Refuse hosts that are none, and formats that nobody reads.

    Raises:
        ConfigError: what is wrong with them.
    """
    for host, spoken in hosts.items():
        if not host or "/" in host:
            raise ConfigError("hosts", f"{host!r} is not a host; write for example 'llm.internal' or 'localhost:8000'")
        formats = [row.module for row in ROWS]
        if spoken not in formats:
            raise ConfigError("hosts", f"{spoken!r} at {host!r} is not a format; there are {', '.join(formats)}")


PRICE_NAMES = ("input", "output", "cache_read", "cache_write")


def check_prices(prices: Any) -> None:
    """Check that `prices` is valid.

    Raises:
        ConfigError: what is wrong with them.
    """
    if prices is None or callable(prices):
        return
    if not isinstance(prices, Mapping):
        raise ConfigError("prices", f"{prices!r} is neither a mapping of models to prices nor a function")
    for model, entry in prices.items():
        if not isinstance(entry, Mapping) or not entry or set(entry) - set(PRICE_NAMES):
            raise ConfigError("prices", f"{model!r}: {entry!r} is not a mapping with some of {', '.join(PRICE_NAMES)}")
        for name, value in entry.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                raise ConfigError("prices", f"{model!r}: {name} {value!r} is not dollars for a million tokens")


def check_sink(sink: Any) -> None:
    """Check that one of `sinks` is valid.

    Raises:
        ConfigError: what is wrong with it.
    """
    if isinstance(sink, str) and "://" in sink and not sink.startswith("http"):
        return
    if not isinstance(sink, Mapping) or not sink.get("endpoint") or set(sink) - {"endpoint", "api_key", "dialect"}:
        problem = f"{sink!r} is neither a store URL nor a mapping with endpoint, api_key and dialect"
        raise ConfigError("sinks", problem)
    check_target(sink["endpoint"], sink.get("dialect", "native"))


NAMES: tuple[str, ...] = Config.__struct_fields__


def config_from(
    options: Mapping[str, Any], base: Config | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """Return `base` (or the environment's configuration) with `options` laid over it.

    Raises:
        ConfigError: an option that does not exist, or a value that is not of its type.
    """
    if base is None:
        base = config_from(_environment(os.environ if environ is None else environ), Config())
    checked = {}
    for name, value in options.items():
        if name not in NAMES:
            import difflib

            close = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(NAMES)}"
            raise ConfigError(name, f"no such option; {hint}")
        checked[name] = _typed(name, value, _KINDS.get(name, str))
    return msgspec.structs.replace(base, **checked)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    prefixed = {f"AUTOLOG_{name.upper()}": name for name in NAMES}
    return {
        name: environ[key]
        for key, name in prefixed.items()
        if environ.get(key) and name not in {"sinks", "prices", "budgets"}
    }


_DEFAULTS = dict(zip(NAMES, Config.__struct_defaults__, strict=True))
_KINDS = {
    **{name: type(default) for name, default in _DEFAULTS.items() if default is not None},
    "hosts": dict,
    "max_field_chars": int,
    "sample_keep_slow": float,
}
#: What may be None, to set it back.
_OPTIONAL = frozenset(name for name, default in _DEFAULTS.items() if default is None)
#: What `check_...` and `read_...` look into.
_ANY = frozenset({"prices", "redact"})
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def _typed(name: str, value: Any, kind: type) -> Any:
    if name in _ANY or (value is None and name in _OPTIONAL):
        return value
    if kind is bool:
        word = str(value).lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
    elif kind in {int, float} and not isinstance(value, bool):
        try:
            return kind(value)
        except (TypeError, ValueError):
            pass
    elif kind is dict and isinstance(value, str) and all("=" in pair for pair in value.split(",")):
        return {host.strip(): spoken.strip() for host, _, spoken in (pair.partition("=") for pair in value.split(","))}
    elif kind is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    elif isinstance(value, kind):
        return value
    elif kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    raise ConfigError(name, f"{value!r} is not {'true or false' if kind is bool else f'of type {kind.__name__}'}")
