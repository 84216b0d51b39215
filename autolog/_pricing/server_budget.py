"""The budgets of a server, held by all programs that ask it before they call."""

from __future__ import annotations

import httpx2

from autolog._capture.context import current_context, current_span
from autolog._capture.exchange import Exchange
from autolog._record.keys import key_hint

#: How long a call waits for the server's word, in seconds, before it is made without.
TIMEOUT = 5.0


class ServerBudget:
    """Reserves of the server's budgets, with a request before each call and one after it.

    Where the server cannot be reached the call goes out: autolog never stops a program by an error of its own.

    Attributes:
        raises: what a refused call raises. unpriced: `allow` or `refuse` calls of which nobody knows the cost.
    """

    def __init__(self, endpoint: str, api_key: str | None, raises: type[BaseException], unpriced: str) -> None:
        self.raises = raises
        self.unpriced = unpriced
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx2.Client(base_url=endpoint.rstrip("/"), headers=headers, timeout=TIMEOUT)

    def reserve(self, number: str, bound: float, seconds: float, exchange: Exchange) -> str | None:
        """Reserve `bound` dollars for so many seconds; return why not, or None if that is done.

        Raises:
            httpx2.HTTPError: the server cannot be reached, or does not answer as it should.
        """
        context = current_context.get()
        about = {"user": context.user, "session": context.session, "tags": list(context.tags),
                 "function": getattr(current_span.get(), "name", None), "record": exchange.record_id or ""}  # fmt: skip
        if (key := key_hint(exchange.request.headers)) is not None:
            about["key"] = key
        answer = self._client.post(
            "/api/v1/reservations", json={"id": number, "bound": bound, "seconds": seconds, **about}
        )
        told = answer.raise_for_status().json()
        return None if told["reserved"] else str(told["reason"])

    def settle(self, number: str, cost: float) -> None:
        """Put the cost of a call in the place of what was reserved for it.

        Raises:
            httpx2.HTTPError: the server cannot be reached; the reservation expires.
        """
        self._client.post(f"/api/v1/reservations/{number}/settlement", json={"cost": cost}).raise_for_status()
