"""Read the location and layout of a ClickHouse store from its URL."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from autolog.errors import StoreError

_FORM = "write clickhouse://user:password@host:8123/database"
_OPTIONS = {
    "secure": "TLS: 1 or 0",
    "verify": "check the server's certificate: 1 or 0",
    "cluster": "the cluster on which tables are created",
    "on_cluster": "create tables on all of it: 1, or 0 if the database does that itself",
    "replicated": "replicate tables between a shard's replicas: 1 or 0",
    "quorum": "the number of replicas that have a write before it is acknowledged; all reads then see it",
    "distributed": "distribute tables over the cluster's shards: 1 or 0",
    "ttl_days": "the number of days after which records are deleted",
    "async_insert": "let the database batch small inserts: 1 or 0",
    "connect_timeout": "seconds",
    "timeout": "seconds that a statement may take",
    "memory": "MiB that a statement which reads may take",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A database, and how its tables are created. For cluster, on_cluster, replicated and distributed, see `_schema`.

    Attributes:
        shown: the URL without its password, for errors and logs.
        quorum: the number of replicas that must have a write before it is acknowledged.
        ttl_days: the age, in days, at which the database deletes records.
        async_insert: whether the database gathers small inserts, and acknowledges them when they are stored.
        connect_timeout: the timeout of a connection attempt, in seconds.
        timeout: the timeout of a statement, in seconds.
        memory: the most memory for a statement that reads, in MiB.
    """

    shown: str
    host: str
    port: int
    user: str
    password: str
    database: str
    secure: bool = False
    verify: bool = True
    cluster: str | None = None
    on_cluster: bool = True
    replicated: bool = False
    distributed: bool = False
    quorum: int | None = None
    ttl_days: int | None = None
    async_insert: bool = True
    connect_timeout: int = 5
    timeout: int = 30
    memory: int = 4096

    @property
    def on(self) -> str:
        """The clause that makes a statement run on all nodes."""
        return f" ON CLUSTER `{self.cluster}`" if self.cluster and self.on_cluster else ""

    def local(self, name: str) -> str:
        """Return the name of the table that holds a table's rows on each node."""
        return f"{name}_local" if self.distributed else name


def read_url(url: str) -> Target:
    """Parse a URL such as `clickhouse://user:password@host:8123/database?option=value`.

    Raises:
        StoreError: if it is not such a URL, or has an unknown or invalid option.
    """
    parts, host, port = _split(url)
    named = f"[{host}]" if host and ":" in host else host
    shown = f"clickhouse://{named}:{port or 8123}{parts.path}" if named else "clickhouse://"
    database = unquote(parts.path.strip("/"))
    if not host or not database or "/" in database or "`" in database:
        raise StoreError(shown, f"it lacks a host, a port or a database; {_FORM}")
    options = _Options(shown, dict(parse_qsl(parts.query, keep_blank_values=True)))
    secure = options.flag("secure", otherwise=False)
    target = Target(
        shown=shown,
        host=host,
        port=port or (8443 if secure else 8123),
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database,
        secure=secure,
        verify=options.flag("verify", otherwise=True),
        cluster=options.given.get("cluster") or None,
        on_cluster=options.flag("on_cluster", otherwise=True),
        replicated=options.flag("replicated", otherwise=False),
        distributed=options.flag("distributed", otherwise=False),
        quorum=options.number("quorum", None),
        ttl_days=options.number("ttl_days", None),
        async_insert=options.flag("async_insert", otherwise=True),
        connect_timeout=options.number("connect_timeout", 5) or 5,
        timeout=options.number("timeout", 30) or 30,
        memory=options.number("memory", 4096) or 4096,
    )
    if target.distributed and target.cluster is None:
        raise StoreError(shown, "distributed=1 needs cluster=..., the name of a cluster in the server's configuration")
    return target


def _split(url: str) -> tuple[SplitResult, str | None, int | None]:
    """Return a URL's parts, host and port; the host is None if the URL cannot be parsed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return urlsplit("clickhouse://"), None, None
    return parts, host, port


class _Options:
    """The options of a URL.

    Raises:
        StoreError: if an option does not exist, or has an invalid value.
    """

    def __init__(self, shown: str, given: dict[str, str]) -> None:
        self.given = given
        self._shown = shown
        for name in given.keys() - _OPTIONS.keys():
            known = "; ".join(f"{option} ({meaning})" for option, meaning in _OPTIONS.items())
            raise StoreError(shown, f"there is no option {name!r}; choose from {known}")

    def flag(self, name: str, otherwise: bool) -> bool:
        value = self.given.get(name)
        if value not in {None, "0", "1"}:
            raise StoreError(self._shown, f"{name}={value}: write 1 or 0")
        return otherwise if value is None else value == "1"

    def number(self, name: str, otherwise: int | None) -> int | None:
        value = self.given.get(name)
        if value is not None and not (value.isascii() and value.isdigit() and (int(value) or name == "ttl_days")):
            raise StoreError(self._shown, f"{name}={value}: write a whole number above 0")
        return otherwise if value is None else int(value)
