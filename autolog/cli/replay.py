"""The `autolog replay` command."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from time import perf_counter
from urllib.parse import urlsplit

import click

from autolog._reading.derive import fill_in
from autolog._record.bodies import MAX_DECODED, decode_json, decode_object, encode_json
from autolog._record.ids import new_record_id
from autolog._record.record import Record
from autolog._redaction.headers import kept_headers, plain_headers
from autolog.cli._options import open_local, require_one, store_option
from autolog.cli._remote import redirect_of
from autolog.cli._render import echo_record
from autolog.cli.diff import show_difference
from autolog.errors import AutologError, shown

#: The vendors' hosts and the variables with their keys; without --key-env, a key is sent to its own vendor only.
_KEYS = (
    (re.compile(r"(\w+\.)?api\.openai\.com"), "OPENAI_API_KEY"),
    (re.compile(r"api\.anthropic\.com"), "ANTHROPIC_API_KEY"),
    (re.compile(r"[\w-]+\.openai\.azure\.com"), "AZURE_OPENAI_API_KEY"),
)
#: Addresses so plain that every URL parser finds the same host in them.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:(?P<port>\d{1,5}))?(?=[/?]|$)", re.IGNORECASE
)
#: The timeout for a complete response, in seconds.
TIMEOUT = 600.0
_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
_HEADERS = ("anthropic-version", "anthropic-beta", "openai-beta")


@click.command()
@click.argument("record_id", metavar="ID")
@click.option("--model", help="Use this model instead.")
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change a parameter; the value is JSON or text."
)
@click.option("--base-url", help="Send it to this server instead, for example http://localhost:8000/v1.")
@click.option(
    "--key-env",
    help="The environment variable with the API key. [default: the usual one of OpenAI, Anthropic or Azure]",
)
@click.option(
    "--timeout",
    default=TIMEOUT,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="How long to wait for the response, in seconds.",
)
@click.option("--keep/--no-keep", default=True, help="Write the new call to the store.")
@click.option("--json", "as_json", is_flag=True, help="The new record as JSON instead of the difference.")
@store_option
def replay(
    record_id: str,
    model: str | None,
    changes: tuple[str, ...],
    base_url: str | None,
    key_env: str | None,
    timeout: float,
    keep: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Resend a recorded request, and show what differs. The provider bills it like any call.

    \b
    autolog replay 0199d2c1-7e4a
    autolog replay 0199d2c1-7e4a --model gpt-5 --set temperature=0
    """
    opened = open_local(store)
    record = require_one(opened, record_id)
    replayed = send_again(record, model, changes, base_url, key_env, timeout)
    if keep:
        opened.write([replayed])
    if as_json:
        echo_record(replayed, bodies=True)
    else:
        show_difference(record, replayed, as_json=False)
    if replayed.status == "error":
        sys.exit(1)


def send_again(
    record: Record,
    model: str | None = None,
    changes: tuple[str, ...] = (),
    base_url: str | None = None,
    key_env: str | None = None,
    timeout: float = TIMEOUT,
) -> Record:
    """Send the request of a record again and return the new record; the arguments are the options of `autolog replay`.

    Raises:
        AutologError: if the record has no request, there is no key, or the provider cannot be reached.
    """
    if not record.request_url or record.request_body is None or record.request_method not in {None, "POST"}:
        raise AutologError(f"{record.id} has no request that can be sent again")
    body = _changed(record.request_body, model, changes)
    address = _address(record.request_url, base_url)
    replayed = _send(record, body, address, _key(address, key_env), timeout)
    replayed.metadata = {"replay_of": record.id}
    return replayed


def _key(address: str, key_env: str | None) -> str:
    """Return the API key for an address.

    A vendor's key is sent only to its own host and port unless `key_env` names it, and any key only by TLS or to this
    machine.

    Raises:
        AutologError: if it is unclear which key to send, the key is not set, or it would be sent unencrypted.
    """
    match = _ADDRESS.match(address)
    if not match:
        raise AutologError(f"{shown(address)} is not an address such as https://host:443/v1")
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    if scheme != "https" and host not in _LOOPBACK:
        raise AutologError(f"the key for {host} would be sent unencrypted: use https")
    own = next((name for pattern, name in _KEYS if pattern.fullmatch(host)), None)
    if scheme != "https" or port not in {None, "443"}:
        own = None
    name = key_env or own
    if name is None:
        raise AutologError(
            f"it is not known which API key {host} accepts: name the variable that holds it with --key-env"
        )
    key = os.environ.get(name, "").strip()
    if not key:
        raise AutologError(f"no API key: set {name}, or name another variable with --key-env")
    if not key.isascii() or not key.isprintable():
        raise AutologError(f"the key in {name} has characters that are not allowed in a header")
    return key


def _changed(body: bytes, model: str | None, changes: tuple[str, ...]) -> bytes:
    """Return the request's body with the changes made; the same bytes if there are none."""
    if model is None and not changes:
        return body
    fields = decode_object(body)
    if not fields:
        raise AutologError("the request is not JSON, so nothing in it can be changed")
    if model is not None:
        fields["model"] = model
    for change in changes:
        name, found, value = change.partition("=")
        if not found or not name:
            raise click.UsageError(f"--set {change!r} is not of the form NAME=VALUE")
        parsed = decode_json(value)
        fields[name] = value if parsed is None and value != "null" else parsed
    return encode_json(fields)


def _address(url: str, base_url: str | None) -> str:
    if base_url is None:
        return url
    path = urlsplit(url).path
    return base_url.rstrip("/") + (path.partition("/v1")[2] if base_url.rstrip("/").endswith("/v1") else path)


def _send(record: Record, body: bytes, url: str, key: str, timeout: float) -> Record:
    try:
        import httpx2

        from autolog._record.http_client import HTTPClient
    except ImportError as error:
        raise AutologError("replaying needs httpx2: pip install 'autolog-llm[ship]'") from error
    kept = record.request_headers or {}
    headers = {name: kept[name] for name in _HEADERS if name in kept}
    headers["content-type"] = record.request_content_type or "application/json"
    anthropic = record.sdk == "anthropic" or record.provider_name == "anthropic"
    headers |= {"x-api-key": key} if anthropic else {"authorization": f"Bearer {key}"}
    if record.provider_name == "azure.ai.openai":
        headers["api-key"] = key
    start, started = datetime.now(UTC), perf_counter()
    try:
        encrypted = url.lower().startswith("https")  # what is not stays on this machine, and so out of a proxy's hands
        with HTTPClient(timeout, max_bytes=MAX_DECODED, trust_env=encrypted) as client:
            response = client.post(url, content=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise AutologError(f"{shown(url)} did not answer: {str(error).replace(key, '…')}") from error
    if (target := redirect_of(response)) is not None:
        raise AutologError(f"{shown(url)} redirects to {target}, where neither the request nor the key is sent")
    taken = perf_counter() - started
    replayed = Record(
        id=new_record_id(int(start.timestamp() * 1000)), sdk=record.sdk, created_at=start, start_time=start,
        end_time=start + timedelta(seconds=taken), duration=taken, request_method="POST", request_url=url,
        request_headers=kept_headers(plain_headers(headers)),
        request_content_type=headers["content-type"], request_body=body,
        status_code=response.status_code, response_headers=kept_headers(plain_headers(response.headers)),
        response_content_type=response.headers.get("content-type"), response_body=response.content,
        provider_name=record.provider_name, user=record.user, session=record.session,
    )  # fmt: skip
    fill_in(replayed)
    return replayed
