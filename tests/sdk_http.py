"""The HTTP libraries that the installed SDKs use: httpx2, or httpx for openai 2.x."""

from __future__ import annotations

from typing import Any

import anthropic._base_client
import openai._base_client


def library(base_client: Any) -> Any:
    return getattr(base_client, "httpx2", None) or base_client.httpx


openai_http = library(openai._base_client)
anthropic_http = library(anthropic._base_client)

#: The base classes of a body stream that both libraries accept.
SYNC_STREAMS = tuple({openai_http.SyncByteStream, anthropic_http.SyncByteStream})
ASYNC_STREAMS = tuple({openai_http.AsyncByteStream, anthropic_http.AsyncByteStream})
