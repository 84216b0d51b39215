"""A server's logs, read through its API as if they were a store, for `--server`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from autolog._record.record import Record
from autolog.errors import AutologError, shown
from autolog.stores.filters import FIELDS, scored_words
from autolog.stores.query import Aggregate, Query, ScoreSum

if TYPE_CHECKING:
    from autolog.stores.sql import Answer

#: The seconds without any part of a response, and those until it is complete.
TIMEOUT, REPLY_TIMEOUT = 60.0, 600.0
#: The maximum size of a response in bytes: a page of records with their bodies may be large.
MAX_BYTES = 2 * 1024 * 1024 * 1024
#: How many records are requested at once.
PAGE = 500
_WORDS = {field: word for word, (field, _) in FIELDS.items()}
_SORTS = {"created_at": "time", "duration": "latency", "cost": "cost", "tokens": "tokens"}
_decode = msgspec.msgpack.Decoder(list[Record]).decode


class RemoteStore:
    """The reading methods of a store, answered by a server.

    With a key for all projects, the project read is `default` unless --project names another.

    Raises:
        AutologError: from every method, if the server cannot be reached or refuses.
    """

    def __init__(self, address: str, key: str | None) -> None:
        try:
            import httpx2

            from autolog._record.http_client import HTTPClient
        except ImportError as error:
            raise AutologError("reading from a server needs httpx2: pip install 'autolog-llm[ship]'") from error
        self.url = shown(address.rstrip("/"))
        headers = {"accept": "application/msgpack, application/json"} | (
            {"authorization": f"Bearer {key}"} if key else {}
        )
        try:
            self._client = HTTPClient(TIMEOUT, REPLY_TIMEOUT, MAX_BYTES, base_url=address.rstrip("/"), headers=headers)
        except (httpx2.InvalidURL, ValueError) as error:
            raise AutologError(f"{self.url} is not the address of a server such as http://logs:8790") from error
        self._failed = httpx2.HTTPError, httpx2.InvalidURL

    # Reading

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:  # noqa: ARG002 - as Store
        response = self._get(f"/api/v1/records/{quote(record_id, safe='')}", {"project": project}, missing=True)
        return None if response is None else _decode(response.content)[0]

    def find_by_part(self, part: str, project: str | None = None, limit: int = 10) -> list[Record]:
        """Return the records whose id begins or ends with `part`, at most `limit`."""
        return self._page({"id": part, "project": project, "limit": limit})[0]

    def find(
        self,
        query: Query,
        limit: int = 50,
        offset: int = 0,
        newest_first: bool = True,
        order_by: str = "created_at",
        bodies: bool = False,
    ) -> list[Record]:
        parameters = _parameters(query) | {
            "sort": ("-" if newest_first else "") + _SORTS[order_by],
            "bodies": int(bodies),
        }
        found: list[Record] = []
        more = True
        while more and len(found) < limit:
            page = {"limit": min(PAGE, limit - len(found)), "offset": offset + len(found)}
            records, more = self._page(parameters | page)
            found += records
        return found

    def count(self, query: Query) -> int:
        response = self._get(
            "/api/v1/records", _parameters(query) | {"limit": 0, "total": 1}, accept="application/json"
        )
        return int(response.json().get("total", 0))

    def last(self) -> int:
        found, _ = self._page({"sort": "-arrival", "limit": 1})
        return found[0].seq or 0 if found else 0

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        return self._page(_parameters(query) | {"sort": "arrival", "after": after, "limit": limit})[0]

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        parameters = _parameters(query) | {"sort": "arrival", "bodies": 1, "limit": PAGE}
        while found := self._page(parameters | {"after": after})[0]:
            after = found[-1].seq or after
            yield from found

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            yield self.get(record.id, record.project) or record

    def aggregate(self, query: Query, group: str | None = None, zone: tzinfo | None = None) -> list[Aggregate]:
        parameters = _parameters(query) | {"by": group, "zone": f"{datetime.now(zone).astimezone(zone):%z}"}
        response = self._get("/api/v1/aggregate", parameters, accept="application/json")
        return [msgspec.convert(row, Aggregate) for row in response.json()["groups"]]

    def scores(self, query: Query, group: str | None = None) -> list[ScoreSum]:
        response = self._get("/api/v1/scores", _parameters(query) | {"by": group}, accept="application/json")
        return [msgspec.convert(row, ScoreSum) for row in response.json()["scores"]]

    def select(self, sql: str, query: Query, seconds: float, rows: int) -> Answer:
        from autolog.stores.sql import Answer  # here: it takes 10 ms, and few commands ask in SQL

        parameters = {"sql": sql, "seconds": seconds, "rows": rows}
        table = self._get("/api/v1/sql", _parameters(query) | parameters, accept="application/json").json()
        return Answer(tuple(table["columns"]), [tuple(row) for row in table["rows"]], table["more"], table["only"])

    # Administration, for a key with the scope `admin`

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call a route of the server's administration API and return the JSON of its response."""
        content = None if body is None else msgspec.json.encode(body)
        response = self._request(method, path, content=content, headers={"accept": "application/json"})
        self._check(response, "application/json", may="administer")
        return response.json()

    # Over HTTP

    def _page(self, parameters: dict[str, Any]) -> tuple[list[Record], bool]:
        """Return a page of records, and whether more follow."""
        response = self._get("/api/v1/records", parameters)
        return _decode(response.content), response.headers.get("x-autolog-more") == "1"

    def _get(
        self, path: str, parameters: dict[str, Any], accept: str = "application/msgpack", missing: bool = False
    ) -> Any:
        pairs: list[tuple[str, str | int | float | bool | None]] = [
            (name, str(item))
            for name, value in parameters.items()
            for item in (value if isinstance(value, (list, tuple)) else (value,))
            if item is not None
        ]
        response = self._request("GET", path, params=pairs, headers={"accept": accept})
        if missing and response.status_code == 404:
            return None
        self._check(response, accept, may="read")
        return response

    def _request(self, method: str, path: str, **options: Any) -> Any:
        try:
            return self._client.request(method, path, **options)
        except self._failed as error:
            raise AutologError(f"{self.url} cannot be reached: {error}") from error

    def _check(self, response: Any, accept: str, may: str) -> None:
        """Raise an AutologError if a response is a refusal, or does not come from an autolog server."""
        if response.status_code in {401, 403}:
            raise AutologError(f"{self.url}: {_reason(response)}; set AUTOLOG_API_KEY to a key that may {may}")
        if (target := redirect_of(response)) is not None:
            raise AutologError(f"{self.url} redirects to {target}, which is not followed; give that address")
        if not response.is_success:
            raise AutologError(f"{self.url}: HTTP {response.status_code}: {_reason(response)}")
        if response.headers.get("content-type", "").partition(";")[0] != accept:
            raise AutologError(f"{self.url} is not an autolog server of this version: its reply has other content")


def _parameters(query: Query) -> dict[str, Any]:
    """Return a query as URL parameters of the API."""
    return {
        **{_WORDS[field]: value for field, value in query.equal.items() if value is not None},
        "tag": list(query.tags),
        "score": [scored_words(score) for score in query.scores],
        "metadata": [f"{key}={value}" for key, value in query.metadata.items()],
        "text": query.text,
        "roots": 1 if query.roots else None,
        "since": None if query.since is None else query.since.isoformat(),
        "until": None if query.until is None else query.until.isoformat(),
    }


def redirect_of(response: Any) -> str | None:
    """Return the address to which a response redirects; None if it does not. No key is ever sent there."""
    return shown(str(response.next_request.url.copy_with(query=None))) if response.next_request is not None else None


def _reason(response: Any) -> str:
    """Return a server's error message on one line."""
    try:
        given = response.json()
        words = given.get("error") or given.get("message") or given.get("detail") or given
        words = words.get("message", words) if isinstance(words, dict) else words
    except ValueError:
        is_page = "html" in response.headers.get("content-type", "")
        words = "the answer is a web page, as of another server than autolog's" if is_page else response.text
    return "\n".join(" ".join(line.split()) for line in str(words).strip().splitlines())[:1_000]
