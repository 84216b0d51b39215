"""Voyage AI: embeddings and reranking."""

from __future__ import annotations

import pytest
from wire import certainty, read_call

HOST = "https://api.voyageai.com/v1"


@pytest.mark.parametrize(("path", "operation"), [("embeddings", "embeddings"), ("multimodalembeddings", "embeddings"),
                                                 ("contextualizedembeddings", "embeddings"), ("rerank", "rerank")])  # fmt: skip
def test_all_tokens_are_input(path: str, operation: str) -> None:
    record = read_call(
        f"{HOST}/{path}",
        {"model": "voyage-3.5", "input": ["x"]},
        {"object": "list", "data": [], "model": "voyage-3.5", "usage": {"total_tokens": 43}},
    )
    assert (record.provider_name, record.operation_name, record.usage_input_tokens, record.usage_output_tokens) == (
        "voyage",
        operation,
        43,
        None,
    )
    assert record.cost == pytest.approx(43 * 0.06 / 1e6)


def test_pixels_are_not_priced_exactly() -> None:
    usage = {"total_tokens": 43, "text_tokens": 3, "image_pixels": 2_000}
    record = read_call(f"{HOST}/multimodalembeddings", {"model": "voyage-3.5"}, {"model": "voyage-3.5", "usage": usage})
    assert certainty(record) == "estimated"


def test_an_error() -> None:
    record = read_call(f"{HOST}/embeddings", {"model": "voyage-3.5"}, {"detail": "Too many tokens."}, status=400)
    assert (record.status, record.error_message) == ("error", "Too many tokens.")
