"""Ship records to a server, in its dialect."""

from __future__ import annotations

import email.utils
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from autolog import dialects
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.dialects import ShippingDialect
from autolog.errors import AutologError, Undelivered

if TYPE_CHECKING:
    import httpx2

#: How long one request may take, in seconds.
TIMEOUT = 10.0


class HTTPSink:
    """Ships to a backend: many records a request where its format allows that, else one."""

    def __init__(self, endpoint: str, api_key: str | None, dialect: str) -> None:
        try:
            import httpx2
        except ImportError as error:
            raise AutologError("shipping needs httpx2: pip install 'autolog-llm[ship]'") from error
        self._endpoint = endpoint.rstrip("/")
        self._dialect = dialects.get_shipping(dialect)
        self._native = dialect == "native"
        #: How many records to hand over at once.
        self.batch = 500 if self._dialect.batches else 20
        headers = {"user-agent": "autolog", **(_key_header(self._dialect, api_key) if api_key else {})}
        self._client = httpx2.Client(headers=headers, timeout=TIMEOUT)

    def write(self, records: Sequence[Record]) -> int:
        if self._dialect.batches:
            return self._send_many(records)
        refused = 0
        for number, record in enumerate(records):
            try:
                refused += self._send_many([record])
            except Undelivered as error:
                error.done = number
                raise
        return refused

    def close(self) -> None:
        self._client.close()

    def _send_many(self, records: Sequence[Record]) -> int:
        """One request; in halves if the backend finds it too large, and a record that is too large without bodies."""
        try:
            return self._send(records)
        except _TooLargeError:
            if len(records) == 1:
                return self._send_without_bodies(records[0])
        half = len(records) // 2
        refused = self._send_many(records[:half])
        try:
            return refused + self._send_many(records[half:])
        except Undelivered as error:
            error.done += half
            raise

    def _send_without_bodies(self, record: Record) -> int:
        small = msgspec.structs.replace(record, request_body=None, response_body=None, media=None, truncated=True)
        try:
            return self._send([small])
        except _TooLargeError:
            return 1

    def _send(self, records: Sequence[Record]) -> int:
        """Send records in one request; returns how many were refused for good."""
        import httpx2

        method, path, content, headers = self._dialect.encode_request(records)
        try:
            response = self._client.request(method, self._endpoint + path, content=content, headers=headers)
        except httpx2.HTTPError as error:
            raise Undelivered(self._endpoint, f"{type(error).__name__}: {error}") from error
        answer = decode_json(response.content)
        if answer is not None or not response.content.strip() or not self._strange(response):
            if response.is_success:
                return _refused(answer, len(records))
            if response.status_code in _REFUSALS:
                return len(records)
        if response.status_code == 413:
            raise _TooLargeError
        problem = f"HTTP {response.status_code}: {response.text[:200]}"
        raise Undelivered(self._endpoint, problem, retry_after=_retry_after(response))

    def _strange(self, response: httpx2.Response) -> bool:
        """Whether it is not the backend that speaks, but something in between: our server speaks JSON, nobody HTML."""
        return self._native or "html" in response.headers.get("content-type", "")


#: What is wrong with a request, and will be wrong again. A path that is not there (404) may be, another time.
_REFUSALS = frozenset({400, 409, 415, 422})


class _TooLargeError(Exception):
    """The backend refuses a request for its size."""


def _refused(answer: Any, count: int) -> int:
    """Return how many of a batch our own server refused; vendors take all or nothing."""
    refused = answer.get("rejected") if isinstance(answer, dict) else None
    return min(refused, count) if isinstance(refused, int) else 0


def _retry_after(response: httpx2.Response) -> float | None:
    """The pause that a backend asks for: seconds or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _key_header(dialect: ShippingDialect, key: str) -> dict[str, str]:
    if not dialect.key_headers:
        return {"authorization": f"Bearer {key}"}
    return {dialect.key_headers[0]: key}
