"""Ship records to a server in its dialect."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from autolog import dialects
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.dialects import BinaryForm, ShippingDialect
from autolog.errors import AutologError, Undelivered, shown

if TYPE_CHECKING:
    from autolog._record.http_client import Reply

#: The seconds to connect, and those from the end of a request to the end of its reply.
TIMEOUT = 10.0


class HTTPSink:
    """Ships records to a backend: many per request if the backend's format allows it, else one.

    Raises:
        AutologError: if httpx2 is not installed.
    """

    def __init__(
        self, endpoint: str, api_key: str | None, dialect: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        try:
            from autolog._record.http_client import HTTPClient
        except ImportError as error:
            raise AutologError("shipping needs httpx2: pip install 'autolog-llm[ship]'") from error
        self._endpoint = endpoint.rstrip("/")
        self._dialect = dialects.get_shipping(dialect)
        self._binary: BinaryForm | None = None
        """The encoding to use instead of JSON, once the backend has refused JSON and accepted this."""
        #: The maximum number of records per `write`.
        self.batch = 500 if self._dialect.batches else 20
        self._headers = {
            "user-agent": "autolog",
            **(_key_headers(self._dialect, api_key) if api_key else {}),
            **{name.lower(): value for name, value in headers.items()},
        }
        # Loading the machine's certificates delays the first record by 30 ms: do so only for https.
        encrypted = self._endpoint.lower().startswith("https:")
        self._client = HTTPClient(TIMEOUT, verify=encrypted)

    @property
    def encoding(self) -> str:
        """The encoding of requests, as far as is known which one the backend accepts."""
        return "protobuf" if self._binary is not None else "JSON"

    def write(self, records: Sequence[Record]) -> int:
        if self._dialect.batches:
            return self._send_many(records)
        refused = 0
        for number, record in enumerate(records):
            try:
                refused += self._send_many([record])
            except Undelivered as error:
                error.done, error.refused = number, refused
                raise
        return refused

    def close(self) -> None:
        self._client.close()

    def _send_many(self, records: Sequence[Record]) -> int:
        """Send records in one request, or in halves if it is refused; return how many were refused permanently.

        Halving isolates a bad record, so that the others are delivered. A record that is too large is sent without its
        bodies.
        """
        try:
            return self._send(records)
        except _TooLargeError:
            if len(records) == 1:
                return self._send_without_bodies(records[0])
        except _RefusedError:
            if len(records) == 1:
                return 1
        half = len(records) // 2
        refused = self._send_many(records[:half])
        try:
            return refused + self._send_many(records[half:])
        except Undelivered as error:
            error.done += half
            error.refused += refused
            raise

    def _send_without_bodies(self, record: Record) -> int:
        small = msgspec.structs.replace(record, request_body=None, response_body=None, media=None, truncated=True)
        try:
            return self._send([small])
        except _RefusedError:
            return 1
        except _TooLargeError as error:
            if error.credible:
                return 1
            raise Undelivered(self._endpoint, error.problem) from error

    def _send(self, records: Sequence[Record]) -> int:
        """Send one request; return how many of its records were refused permanently."""
        sent, response, reply = self._exchange(records, self._binary)
        if response.status in _OTHER_FORM and self._binary is None and not self._dialect.is_fault(reply):
            binary = self._other_form(response)
            if binary is not None:
                sent, response, reply = self._exchange(records, binary)
                self._binary = binary if _is_success(response) else None
        if _is_success(response):
            refused = None if reply is None and response.content.strip() else self._dialect.refused(reply, len(records))
            if refused is not None:
                return refused
            doubt = "which does not confirm that the records were stored; is this the backend's address?"
            problem = f"{_problem(response)}, {doubt}"
        elif response.status == 413:
            raise _TooLargeError(_problem(response), self._dialect.is_fault(reply) or sent > _NEVER_TOO_LARGE)
        elif response.status in _REFUSALS and self._dialect.is_fault(reply):
            raise _RefusedError
        else:
            problem = _problem(response)
        raise Undelivered(self._endpoint, problem, retry_after=_retry_after(response))

    def _exchange(self, records: Sequence[Record], binary: BinaryForm | None) -> tuple[int, Reply, Any]:
        """Send records as JSON or in the binary form; return the bytes sent, the response and its decoded body."""
        import httpx2

        method, path, content, headers = (binary or self._dialect).encode_request(records)
        try:
            response = self._client.exchange(method, self._endpoint + path, {**self._headers, **headers}, content)
        except (httpx2.LocalProtocolError, UnicodeError):  # whose message has the key
            raise Undelivered(self._endpoint, "the API key has characters that HTTP forbids in a header") from None
        except httpx2.HTTPError as error:
            raise Undelivered(self._endpoint, f"{type(error).__name__}: {error}") from error
        if binary is None:
            return len(content), response, decode_json(response.content)
        media_type = response.headers.get("content-type", "")
        return len(content), response, binary.decode_reply(response.status, media_type, response.content)

    def _other_form(self, response: Reply) -> BinaryForm | None:
        """Return the dialect's binary form, for a backend that refuses JSON; None if the dialect has none."""
        try:
            return dialects.get_binary(self._dialect.name)
        except ImportError as error:
            advice = f"it may accept only protobuf, which needs {error.name}: pip install 'autolog-llm[otlp]'"
            raise Undelivered(self._endpoint, f"{_problem(response)}; {advice}") from error


def _problem(response: Reply) -> str:
    target = response.headers.get("location")
    if target is not None and 300 <= response.status < 400:
        return f"HTTP {response.status}: it redirects to {shown(target.partition('?')[0])[:200]}"
    return f"HTTP {response.status}: {response.content[:800].decode(errors='replace')[:200]}"


def _is_success(response: Reply) -> bool:
    return 200 <= response.status < 300


#: Statuses of requests that will fail again, if they come from the backend itself and not from a gateway in front of
#: it. 404 is not among them: the path may exist later.
_REFUSALS = frozenset({400, 409, 415, 422})
#: Statuses of a backend that may not understand the encoding, and might accept another.
_OTHER_FORM = frozenset({400, 406, 415})
#: The size in bytes of requests that every working backend accepts.
_NEVER_TOO_LARGE = 65_536


class _TooLargeError(Exception):
    """The backend, or a gateway in front of it, refused a request because of its size.

    Attributes:
        problem: the response, for a message.
        credible: False if a gateway refused a request of at most `_NEVER_TOO_LARGE` bytes.
    """

    def __init__(self, problem: str, credible: bool) -> None:
        super().__init__(problem)
        self.problem = problem
        self.credible = credible


class _RefusedError(Exception):
    """The backend refused a request because of its content."""


def _retry_after(response: Reply) -> float | None:
    """Return the pause that a backend's Retry-After asks for, in seconds (RFC 9110, 10.2.3); None if there is none."""
    value = response.headers.get("retry-after", "").strip()
    try:
        if value[:1].isdigit() and value.isascii() and value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _key_headers(dialect: ShippingDialect, key: str) -> dict[str, str]:
    own = dict.fromkeys(dialect.key_headers[:1], key)
    return own if own and not getattr(dialect, "bearer", False) else {**own, "authorization": f"Bearer {key}"}
