"""The `autolog doctor` command."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
from rich.text import Text

from autolog._config import Config, config_from
from autolog._delivery import journal_file
from autolog._delivery.journal import Journal, journal_for
from autolog._display.figures import safe, size
from autolog._record.ids import new_record_id
from autolog._record.record import Record
from autolog._version import __version__
from autolog.cli._options import store_option
from autolog.cli._remote import redirect_of
from autolog.cli._render import console, echo_json, print_prose
from autolog.dialects import native
from autolog.errors import AutologError, shown
from autolog.providers import SDKS
from autolog.stores import open_store
from autolog.stores.query import Query

#: The name of a check, whether it passed (None if there was nothing to check), and a message.
Check = tuple[str, bool | None, str]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--server", metavar="URL", help="The server to check. [default: AUTOLOG_ENDPOINT]")
@store_option
def doctor(as_json: bool, server: str | None, store: str | None) -> None:
    """Check the configuration, the store or server, the SDKs and versions. Exit code 1 if something is wrong.

    \b
    autolog doctor
    autolog doctor --server http://logs:8790 --json
    """
    if server and store:
        raise click.UsageError("--server and --store are two places: name one of them.")
    named = {"endpoint": server} if server else {"store": store, "endpoint": None} if store else {}
    screen = console()
    rows: list[dict[str, Any]] = []
    for name, ok, words in _checks(named):
        rows.append({"check": name, "ok": ok, "message": words})
        if not as_json:  # print immediately, because importing an SDK may take seconds
            mark = Text("– ", "dim") if ok is None else Text("✓ ", "green") if ok else Text("✗ ", "bold red")
            print_prose(screen, mark + Text(f"{name}: ", "bold") + Text(safe(words)), indent="  ")
    well = all(row["ok"] is not False for row in rows)
    if as_json:
        echo_json({"ok": well, "checks": rows})
    if not well:
        sys.exit(1)


def _checks(named: dict[str, Any]) -> Iterator[Check]:
    """Run the checks with the environment's configuration, and the store or server that is named instead."""
    yield "autolog", True, f"{__version__} on Python {platform.python_version()}, {platform.system()}"
    try:
        config = config_from(named)
    except AutologError as error:
        yield "configuration", False, str(error)
        config = Config()
    else:
        yield "configuration", True, "recording" if config.enabled else "switched off (AUTOLOG_ENABLED)"
    yield _server(config) if config.endpoint else _store(config.store)
    yield from _journal(config)
    yield from _sdks(_newest_calls(config))
    for package in ("genai-prices", "wrapt", "msgspec"):
        yield package, True, importlib.metadata.version(package)


def _store(url: str) -> Check:
    try:
        store = open_store(url, create=False)
        if store is None:
            return "store", None, f"{shown(url)}: nothing yet; it is created with the first record"
        newest = store.find(Query(), 1)
        at = newest[0].created_at if newest else None
        when = "" if at is None else f", the newest {at:%Y-%m-%d %H:%M} UTC"
        with store.transaction():  # check that the store can be written
            pass
        contents = f"{store.count(Query()):,} records in {size(store.size())}{when}"
        return "store", True, f"{shown(url)}: {contents}; schema version {store.schema}"
    except AutologError as error:
        return "store", False, str(error)


def _journal(config: Config) -> Iterator[Check]:
    """Report records that wait on disk for an unreachable sink, and records that other processes have dropped."""
    if not config.journal:
        yield "journal", None, "switched off: records that cannot be delivered when a program ends are lost"
        return
    journal = journal_for(config, config.store)
    try:
        waiting = journal.all_waiting()
    except AutologError as error:
        yield "journal", False, str(error)
    else:
        contents = [
            f"{item.records:,} records ({size(item.bytes)}) wait for {item.target}"
            + (f" since {item.oldest:%Y-%m-%d %H:%M} UTC" if item.oldest else "")
            for item in waiting
        ]
        resent = "; the next program that ships there sends them" if contents else ""
        words = "; ".join(contents) + resent or "nothing waiting"
        yield "journal", not contents, f"{words}; schema version {journal_file.VERSION}"
    yield _losses(journal)


def _losses(journal: Journal) -> Check:
    try:
        losses = journal.losses()
    except AutologError as error:
        return "losses", False, str(error)
    if not losses:
        return "losses", True, "none reported by processes that ended; for a running one, see autolog.status()"
    reports = [f"{loss['count']} ({loss['reason']}), process {loss['pid']}, {loss['at']}" for loss in losses[-5:]]
    return "losses", False, "; ".join(reports)


def _server(config: Config) -> Check:
    try:
        import httpx2

        from autolog._record.http_client import HTTPClient
    except ImportError:
        return "server", False, "shipping needs httpx2: pip install 'autolog-llm[ship]'"
    address = str(config.endpoint).rstrip("/")
    name = shown(address)
    if config.dialect == "otlp":
        return _probe(config, address)
    key = {"authorization": f"Bearer {config.api_key}"} if config.api_key else {}
    headers = key | config.headers
    try:
        with HTTPClient(timeout=5) as client:
            if config.dialect != "native":
                client.get(address, headers=config.headers)
                return "server", True, f"{name} answers ({config.dialect})"
            response = client.post(f"{address}/api/v1/records", json=[], headers=headers)  # as if it had records
    except httpx2.HTTPError as error:
        return "server", False, f"{name} cannot be reached: {error}"
    problems = {
        401: "the server does not know the API key",
        403: "the API key lacks the ingest scope, and may not send",
    }
    if response.is_success:
        return _protocol(name, response.headers.get(native.PROTOCOL_HEADER))
    if (target := redirect_of(response)) is not None:
        return "server", False, f"{name} redirects to {target}, which is not followed"
    return "server", False, f"{name}: {problems.get(response.status_code, f'HTTP {response.status_code}')}"


def _probe(config: Config, address: str) -> Check:
    """Send a test span, because OpenTelemetry backends have no endpoint for a check."""
    from autolog._delivery.http_sink import HTTPSink

    now = datetime.now(UTC)
    span = Record(id=new_record_id(int(now.timestamp() * 1000)), kind="span", name="autolog doctor", start_time=now,
                  end_time=now, created_at=now)  # fmt: skip
    sink, name = HTTPSink(address, config.api_key, "otlp", config.headers), shown(address)
    try:
        refused = sink.write([span])
    except AutologError as error:
        return "server", False, f"{name} did not accept a span: {error}"
    finally:
        sink.close()
    if refused:
        return "server", False, f"{name} accepts OTLP, but refused a span"
    return "server", True, f"{name} accepted a span named {span.name!r} as {sink.encoding}"


def _protocol(name: str, version: str | None) -> Check:
    """Check the protocol version of a server; the first releases did not report one."""
    if version is None:
        return "server", True, f"{name} accepts records"
    is_compatible = native.PROTOCOL.partition(".")[0] == version.partition(".")[0]
    versions = f"protocol {version} there, {native.PROTOCOL} here"
    return (
        "server",
        is_compatible,
        f"{name} {'accepts records' if is_compatible else 'or this installation must be upgraded'}: {versions}",
    )


def _sdks(calls: Counter[str]) -> Iterator[Check]:
    from autolog._capture.inventory import excepted, inventory
    from autolog._capture.patch import make_patches
    from autolog.errors import PatchError

    missing = []
    for name, patch in make_patches(lambda _: None, lambda: None).items():
        try:
            patch.apply()
            __import__(SDKS[name].base)
            if patch.problem is not None:  # it arose on import, or the SDK was imported twice
                yield name, False, patch.problem
                continue
            distribution = SDKS[name].distribution
            can = " ".join((importlib.metadata.version(distribution), "can be patched", excepted(distribution))).strip()
            yield name, True, f"{can}{_seen(calls, name)}"
        except PatchError as error:
            if error.missing:
                missing.append(name)
            else:
                yield name, False, error.problem
        except Exception as error:  # noqa: BLE001 - an SDK may raise anything on import
            yield name, False, f"importing it raises {type(error).__name__}: {error}"
        finally:
            patch.remove()
    for sdk in inventory({}, {}, {}):
        if sdk.layer == "http":
            yield sdk.name, True, f"{sdk.version} is recorded {sdk.note}"
        elif sdk.layer == "library":
            yield sdk.name, True, f"{sdk.version} can be patched, for model calls by any SDK"
        elif sdk.layer == "none":
            yield sdk.name, None, f"{sdk.version} cannot be recorded: {sdk.note}"
    if missing:
        yield "not installed", None, f"{', '.join(missing)}; they could be patched, too"


def _seen(calls: Counter[str], name: str) -> str:
    return f", used by {calls[name]:,} of the newest calls in the store" if calls[name] else ""


def _newest_calls(config: Config) -> Counter[str]:
    """Count the newest calls in the local store by SDK or, for calls captured below an SDK, by wire format."""
    try:
        store = None if config.endpoint else open_store(config.store, create=False)
        newest = store.find(Query({"kind": "llm"}), 1000) if store is not None else []
    except AutologError:  # reported by the check of the store
        newest = []
    return Counter(record.sdk for record in newest if record.sdk)
