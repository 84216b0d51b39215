"""The options of `configure(...)` and of AUTOLOG_* environment variables, and their validation."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from autolog.errors import ConfigError, shown
from autolog.providers._table import ROWS

DEFAULT_STORE = "sqlite:///.autolog/logs.db"
DEFAULT_JOURNAL = ".autolog/journal.db"


class Config(msgspec.Struct, frozen=True):
    """All options. Each can be passed to `configure()`, and most can be set as AUTOLOG_<NAME> in the environment.

    Attributes:
        store: URL of the local store, `sqlite:///relative.db` or `sqlite:////absolute.db`.
        endpoint: base URL of a server to ship to instead, autolog's own or a vendor's.
        api_key: the API key for that server.
        dialect: the wire format of that server (`dialects.shipping()`).
        headers: further headers of requests that ship records there, such as `{"x-mlflow-experiment-id": "1"}`;
            in the environment `name=value,other=value`.
        hosts: further hosts that serve models, each with its wire format, such as `{"llm.internal:8000": "openai"}`;
            in the environment `llm.internal:8000=openai,other=gemini`.
        prices: prices by your own contract: either a mapping of model names to dollars per million tokens,
            `{"input": 2.5, "output": 10, "cache_read": 1.25, "cache_write": 2.5}`, or a function that takes a record
            and returns its cost in dollars, or None to keep the computed cost. Not read from the environment.
        stream_usage: what to do about chat streams that do not report their usage: None for nothing, `request` to
            ask the provider for it and hide it from the caller, `estimate` to count with tiktoken.
        update_prices: fetch newer prices from time to time from genai-prices' repository; needs the network.
        budgets: limits in dollars, each a mapping: `limit`; `per` (hour, day, week, month or a timedelta); at most one
            of `user`, `tag`, `session`, `function` and `key` (the last four characters of the provider's API key), with
            a value, or `*` for a budget for each value; and `then`: `log`, a URL to POST to, a function, or an
            exception class. With an exception class the budget is enforced: what a call may cost is reserved before it
            is sent, and a call that does not fit raises; `unpriced` says whether to `allow` or `refuse` calls without a
            known price, `unreserved` those while the budget's ledger or server fails. `{"server": True, "then":
            MyError}` enforces the budgets of the server at `endpoint`, with one request per call. Not read from the
            environment.
        sinks: further destinations for every record: store URLs, or mappings with endpoint, api_key, dialect and
            headers. Not read from the environment.
        enabled: record at all; with False everything passes through untouched.
        capture_bodies: keep request and response bodies, arguments and results.
        max_media_bytes: the largest image, audio or file in a body that is kept, in bytes; of larger ones only the
            type, size and hash are kept.
        max_field_chars: the length, in characters, at which texts in bodies are cut (the record says so); None for no
            limit.
        redact: what to replace in every text before it is kept: a regular expression; the word `pii` for personal data
            (e-mail addresses, telephone numbers, IBANs, cards, IP addresses, names); a function that takes a record
            and returns it, changed or not, or None to drop it; a list of those; or a mapping with `patterns`, `fields`
            (keys, or ends of paths such as `messages.name`) and `function`.
        redact_secrets: replace API keys, tokens and passwords, recognised by their shape and by the name of the field.
        sample: the share of traces that is kept, from 0 to 1; every process keeps the same traces.
        sample_keep_errors: also keep failed calls of traces that are not sampled.
        sample_keep_slow: also keep calls of those traces that took at least this many seconds; None for none.
        durable: write every record to disk before its call returns; adds about a millisecond to the call.
        journal: the file for records that could not be delivered yet; empty for none.
        journal_max_bytes: the most bytes of records that the journal keeps; the oldest are dropped.
        journal_max_age: the most seconds for which the journal keeps a record.
        handle_sigterm: flush before SIGTERM, or SIGHUP as a terminal is closed, ends the process. A handler of the
            program's own stays; if it ends the process by sending it the signal again, that flushes, too.
        max_queue_records: the most calls waiting to be processed, and the most records waiting to be written; beyond
            that, they go to the journal.
        max_queue_bytes: the most bytes that those may take together.
    """

    store: str = DEFAULT_STORE
    endpoint: str | None = None
    api_key: str | None = None
    dialect: str = "native"
    headers: dict[str, str] = {}
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
            raise ConfigError("store", f"{shown(self.store)!r} is not a store URL; write for example {DEFAULT_STORE!r}")
        check_target(self.endpoint, self.dialect)
        check_headers(self.headers)
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
            raise ConfigError("sample", f"{self.sample!r} is not a fraction from 0 to 1")
        for name in ("journal_max_age", "sample_keep_slow"):
            if (value := getattr(self, name)) is not None and not 0 <= value < float("inf"):
                raise ConfigError(name, f"{value!r} is not a number of seconds")
        if self.durable and not self.journal:
            raise ConfigError("durable", "needs a journal")
        if self.redact is not None:
            from autolog._redaction.rules import read_rules

            read_rules(self.redact)


def check_target(endpoint: Any, dialect: Any) -> None:
    """Check that an endpoint and its dialect are valid.

    Raises:
        ConfigError: if they are not; the message says why.
    """
    if endpoint is not None and not str(endpoint).startswith(("http://", "https://")):
        raise ConfigError("endpoint", f"{shown(str(endpoint))!r} is not an http:// or https:// URL")
    if dialect == "native":
        return  # without loading the dialects
    from autolog import dialects

    try:
        dialects.get_shipping(dialect)
    except LookupError as error:
        raise ConfigError("dialect", str(error)) from None
    except ImportError as error:
        raise ConfigError("dialect", f"{dialect!r} needs {error.name}: pip install 'autolog-llm[ship]'") from error


#: The characters of a header's name (RFC 9110, section 5.6.2) and of its value.
_HEADER_NAME, _HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t\x20-\x7e]*")


def check_headers(headers: Any) -> None:
    """Check that `headers` maps names of HTTP headers to their values. Values are not shown, as they may be secret.

    Raises:
        ConfigError: if it does not; the message says why.
    """
    if not isinstance(headers, Mapping):
        raise ConfigError("headers", "is not a mapping of names to values")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigError("headers", f"{name!r} is not the name of a header")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError("headers", f"the value of {name!r} is not a string of printable ASCII characters")


def check_hosts(hosts: Mapping[str, str]) -> None:
    """Check that `hosts` are host names with known wire formats.

    Raises:
        ConfigError: if they are not; the message says why.
    """
    for host, format_name in hosts.items():
        if not host or "/" in host:
            raise ConfigError("hosts", f"{host!r} is not a host; write for example 'llm.internal' or 'localhost:8000'")
        formats = [row.module for row in ROWS]
        if format_name not in formats:
            raise ConfigError(
                "hosts", f"{format_name!r} at {host!r} is not a format; choose one of {', '.join(formats)}"
            )


PRICE_NAMES = ("input", "output", "cache_read", "cache_write")


def check_prices(prices: Any) -> None:
    """Check that `prices` is a function, or a mapping of models to dollars per million tokens.

    Raises:
        ConfigError: if it is not; the message says why.
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
                raise ConfigError(
                    "prices", f"{model!r}: {name} {value!r} is not an amount in dollars per million tokens"
                )


_SINK_KEYS = frozenset({"endpoint", "api_key", "dialect", "headers"})


def check_sink(sink: Any) -> None:
    """Check that one entry of `sinks` is valid.

    Raises:
        ConfigError: if it is not; the message says why.
    """
    if isinstance(sink, str) and "://" in sink and not sink.startswith("http"):
        return
    if not isinstance(sink, Mapping) or not sink.get("endpoint") or set(sink) - _SINK_KEYS:
        given = f"a mapping with {', '.join(map(str, sink))}" if isinstance(sink, Mapping) else repr(shown(str(sink)))
        problem = (
            f"{given} is neither a store URL nor a mapping with endpoint, and possibly api_key, dialect and headers"
        )
        raise ConfigError("sinks", problem)
    check_target(sink["endpoint"], sink.get("dialect", "native"))
    check_headers(sink.get("headers") or {})


NAMES: tuple[str, ...] = Config.__struct_fields__


def config_from(
    options: Mapping[str, Any], base: Config | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """Return `base` (or the environment's configuration) with `options` laid over it.

    Raises:
        ConfigError: if an option does not exist, or a value has the wrong type.
    """
    if base is None:
        base = config_from(_environment(os.environ if environ is None else environ), Config())
    checked = {}
    for name, value in options.items():
        if name not in NAMES:
            import difflib

            close = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(NAMES)}"
            raise ConfigError(name, f"no such option; {hint}")
        checked[name] = _typed(name, value, _KINDS.get(name, str))
    return Config(**{**msgspec.structs.asdict(base), **checked})  # `replace` of msgspec 0.20 does not check them


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    options = {name: environ[key] for name in NAMES if environ.get(key := f"AUTOLOG_{name.upper()}")}
    for name in _ONLY_IN_CODE & options.keys():
        del options[name]
        logging.getLogger("autolog").warning(
            "AUTOLOG_%s is ignored: pass %s=... to autolog.configure()", name.upper(), name
        )
    return options


_DEFAULTS = dict(zip(NAMES, Config.__struct_defaults__, strict=True))
_KINDS = {
    **{name: type(default) for name, default in _DEFAULTS.items() if default is not None},
    "headers": dict,
    "hosts": dict,
    "max_field_chars": int,
    "sample_keep_slow": float,
}
#: Options that are not read from the environment.
_ONLY_IN_CODE = frozenset({"budgets", "prices", "sinks"})
#: Options that may be reset to None.
_OPTIONAL = frozenset(name for name, default in _DEFAULTS.items() if default is None)
#: Options of any type, which `check_prices` and `read_rules` validate.
_ANY = frozenset({"prices", "redact"})
#: Options whose values are not shown.
_SECRET = frozenset({"api_key", "headers"})
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
        return {key.strip(): entry.strip() for key, _, entry in (pair.partition("=") for pair in value.split(","))}
    elif kind is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    elif isinstance(value, kind):
        return value
    elif kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    given = "the value" if name in _SECRET else repr(value)
    wanted = {bool: "true or false", dict: "a mapping, or text such as 'name=value,other=value'"}
    raise ConfigError(name, f"{given} is not {wanted.get(kind, f'of type {kind.__name__}')}")
