"""Write and read recorded calls for replay in tests: vcrpy cassettes, stores and JSON lines.

A cassette is YAML, of which JSON is a subset; the cassettes written here are JSON except for binary bodies. Format:
vcrpy 1 to 9, https://vcrpy.readthedocs.io/en/latest/usage.html.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from autolog._display.files import read_lines
from autolog._record.bodies import decode_content, decode_object
from autolog._record.record import Record
from autolog.errors import AutologError, shown
from autolog.stores import open_store
from autolog.stores.filters import read_query
from autolog.stores.query import FilterError

# Writing


def write_cassette(records: Iterable[Record], file: IO[str]) -> int:
    """Write the provider calls among the records as a vcrpy cassette; return the number of calls.

    Bodies are written decoded, and therefore without a Content-Encoding. A call that failed after retries is written
    once for every attempt.
    """
    count = 0
    file.write('{"version": 1, "interactions": [\n')
    for record in records:
        if is_replayable(record) and record.status_code is not None:
            lines = [_interaction(record)] * attempts(record)
            file.write(("," if count else "") + ",".join(f"{line}\n" for line in lines))
            count += 1
    file.write("]}\n")
    return count


def is_replayable(record: Record) -> bool:
    """Return whether a record is a call to a provider with a known URL."""
    return record.kind == "llm" and bool(record.request_url)


def attempts(record: Record) -> int:
    """Return how many responses a call's record stands for: one, or one for each attempt if the call failed."""
    failed = record.status_code is None or record.status_code >= 400
    return 1 + (record.retries or 0) if failed else 1


def _interaction(record: Record) -> str:
    headers = {**(record.response_headers or {}), "content-type": record.response_content_type or "application/json"}
    response_headers = {name: [value] for name, value in headers.items() if name != "content-encoding"}
    request_headers = {"content-type": [record.request_content_type or "application/json"]}
    return (
        f'{{"request": {{"method": {_yaml(record.request_method or "POST")}, "uri": {_yaml(record.request_url)}, '
        f'"headers": {_yaml(request_headers)}, "body": {_yaml_body(record.request_body)}}}, '
        f'"response": {{"status": {{"code": {record.status_code}, "message": ""}}, '
        f'"headers": {_yaml(response_headers)}, "body": {{"string": {_yaml_body(record.response_body or b"")}}}}}}}'
    )


def _yaml(value: Any) -> str:
    return json.dumps(value)


def _yaml_body(body: bytes | None) -> str:
    if body is None:
        return "null"
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        return f'!!binary "{base64.b64encode(body).decode()}"'
    return json.dumps(text)


# Reading


def read_calls(source: str | Path, filters: Mapping[str, Any]) -> list[Record]:
    """Return the calls to providers in a store (by its URL), a cassette, or JSON lines (`.jsonl`), the oldest first.

    The filters are those of the commands, such as `session="s-1"`, and only apply to stores.

    Raises:
        AutologError: if the source does not exist or is none of these, if a filter is invalid, or if a store has no
            matching call.
    """
    if isinstance(source, str) and "://" in source:
        found = list(filter(is_replayable, _scan(source, filters)))
        if not found:
            wanted = ", ".join(f"{word}={value!r}" for word, value in filters.items())
            raise AutologError(f"{shown(source)} has no call to a provider" + (f" with {wanted}" if wanted else ""))
        return found
    if filters:
        raise AutologError(f"{source} is a file, and {', '.join(filters)} are for stores")
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AutologError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
    lines = path.suffix == ".jsonl"
    return list(filter(is_replayable, read_lines(text.splitlines()) if lines else read_cassette(text, str(path))))


def _scan(url: str, filters: Mapping[str, Any]) -> Iterator[Record]:
    store = open_store(url, create=False)
    if store is None:
        raise AutologError(f"there is no store at {shown(url)}")
    several = ((word, value if isinstance(value, (list, tuple)) else [value]) for word, value in filters.items())
    try:
        query = read_query([(word, str(value)) for word, values in several for value in values], zone=None)
    except FilterError as error:
        raise AutologError(str(error)) from error
    return store.scan(query)


def read_cassette(text: str, name: str) -> list[Record]:
    """Return the interactions in a cassette's `text` as records; `name` is the cassette's, for error messages.

    Raises:
        AutologError: if it is not a cassette, or if it is YAML and PyYAML is not installed.
    """
    data = decode_object(text) or _load_yaml(text, name)
    try:
        return [_read_interaction(number, each) for number, each in enumerate(data["interactions"], 1)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AutologError(f"{name} is not a vcrpy cassette: {type(error).__name__}: {error}") from error


def _load_yaml(text: str, name: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise AutologError(f"{name} is YAML, which needs PyYAML: pip install pyyaml") from error
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except (yaml.YAMLError, ValueError) as error:
        raise AutologError(f"{name} is not valid YAML: {error}") from error


def _read_interaction(number: int, interaction: Mapping[str, Any]) -> Record:
    request, response = interaction["request"], interaction["response"]
    request_headers, response_headers = _headers(request.get("headers")), _headers(response.get("headers"))
    content = _bytes(response["body"]["string"]) or b""
    return Record(
        id=f"interaction {number}",
        request_method=request["method"],
        request_url=request["uri"],
        request_content_type=request_headers.get("content-type"),
        request_body=_bytes(request.get("body")),
        status_code=int(response["status"]["code"]),
        response_headers={name: value for name, value in response_headers.items() if name != "content-encoding"},
        response_content_type=response_headers.get("content-type"),
        response_body=decode_content([content], response_headers.get("content-encoding", "")),
    )


def _headers(given: Mapping[str, str | Sequence[str]] | None) -> dict[str, str]:
    pairs = (given or {}).items()
    return {name.lower(): value if isinstance(value, str) else ", ".join(value) for name, value in pairs}


def _bytes(body: str | bytes | None) -> bytes | None:
    return body.encode() if isinstance(body, str) else body
