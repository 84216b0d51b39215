"""Budgets kept by a server, enforced across all programs that ask it before each call."""

from __future__ import annotations

from typing import Any

import httpx2

from autolog._capture.context import current_context, current_span
from autolog._capture.exchange import Exchange
from autolog._record.http_client import HTTPClient
from autolog._record.keys import key_hint

#: Seconds that a call waits to connect to the server, and for its complete reply.
TIMEOUT = 5.0
#: Seconds that a settlement waits for the server: less than the exit of a program leaves for the records behind it.
SETTLEMENT_TIMEOUT = 1.0


class ServerBudget:
    """Reserves amounts under the server's budgets, with one request before each call and one after it.

    Attributes:
        raises: the exception that a refused call raises.
        unpriced: `allow` or `refuse` calls of unknown cost.
        unreserved: `allow` or `refuse` calls while the server cannot be reached.
    """

    def __init__(
        self, endpoint: str, api_key: str | None, raises: type[BaseException], unpriced: str, unreserved: str
    ) -> None:
        self.raises = raises
        self.unpriced = unpriced
        self.unreserved = unreserved
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = HTTPClient(TIMEOUT, base_url=endpoint.rstrip("/"), headers=headers)
        self._reachable = True

    def reserve(self, number: str, bound: float, seconds: float, exchange: Exchange) -> str | None:
        """Reserve `bound` dollars for `seconds`; return the reason for a refusal, or None on success.

        Raises:
            httpx2.HTTPError: if the server cannot be reached, or answers with an error.
        """
        context = current_context.get()
        about = {"user": context.user, "session": context.session, "tags": list(context.tags),
                 "function": getattr(current_span.get(), "name", None), "record": exchange.record_id or ""}  # fmt: skip
        if (key := key_hint(exchange.request.headers)) is not None:
            about["key"] = key
        body = {"id": number, "bound": bound, "seconds": seconds, **about}
        decision = self._post("/api/v1/reservations", body, TIMEOUT).json()
        return None if decision["reserved"] else str(decision["reason"])

    def settle(self, number: str, cost: float) -> None:
        """Replace a call's reservation by its cost, in dollars, unless the last request failed to reach the server.

        Calls that have ended are settled one by one on the thread that reads them, and must not each wait for a server
        that does not reply. Without this, the reservation is settled when the call's record arrives, or it expires.

        Raises:
            httpx2.HTTPError: if the server cannot be reached, or answers with an error.
        """
        if self._reachable:
            self._post(f"/api/v1/reservations/{number}/settlement", {"cost": cost}, SETTLEMENT_TIMEOUT)

    def _post(self, path: str, body: dict[str, Any], timeout: float) -> httpx2.Response:
        try:
            response = self._client.post(path, json=body, timeout=timeout)
        except httpx2.TransportError:
            self._reachable = False
            raise
        self._reachable = True
        return response.raise_for_status()
