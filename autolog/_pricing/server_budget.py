"""Budgets kept by a server, enforced across all programs that ask it before each call."""

from __future__ import annotations

from autolog._capture.context import current_context, current_span
from autolog._capture.exchange import Exchange
from autolog._record.http_client import HTTPClient
from autolog._record.keys import key_hint

#: Seconds that a call waits to connect to the server, and for its complete reply.
TIMEOUT = 5.0


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
        response = self._client.post(
            "/api/v1/reservations", json={"id": number, "bound": bound, "seconds": seconds, **about}
        )
        decision = response.raise_for_status().json()
        return None if decision["reserved"] else str(decision["reason"])

    def settle(self, number: str, cost: float) -> None:
        """Replace a call's reservation by its cost, in dollars.

        Raises:
            httpx2.HTTPError: if the server cannot be reached, or answers with an error; the reservation then expires.
        """
        self._client.post(f"/api/v1/reservations/{number}/settlement", json={"cost": cost}).raise_for_status()
