"""Bills under bad circumstances: nothing is lost, nothing doubled, and nothing called exact that is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner
from sdk_http import openai_http as http
from test_invoices import CHAT, INVOICES, NOW, OPENAI, Invoice, answer, bill, chat, message

import autolog
from autolog._record.record import Record, merge
from autolog.cli import cli
from autolog.stores import open_store
from autolog.testing import Records

ANTHROPIC = "https://api.anthropic.com/v1/messages"


def client(handler: Any) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(handler)))


@pytest.mark.parametrize(
    ("url", "response", "request_body"),
    [
        (CHAT, {**chat("gpt-4o", 100, 10), "usage": {"prompt_tokens": 100, "completion_tokens": 10, "cost": float("inf")}}, {}),
        (CHAT, {**chat("gpt-4o", 100, 10), "usage": {"prompt_tokens": 100, "completion_tokens": 10, "cost": 10**400}}, {}),
        (CHAT, {**chat("gpt-4o", 100, 10), "usage": {"prompt_tokens": 100, "completion_tokens": 10, "cost_in_usd_ticks": -5}}, {}),
        (f"{OPENAI}/responses", {**answer("gpt-4o", 100, 10), "output": [{"type": ["x"]}, {"type": {}}, 5], "status": ["x"],
                                 "background": True, "id": "r"}, {}),
        (ANTHROPIC, message("claude-sonnet-4-5", 100, 10, iterations=[{"type": ["x"]}, 5]), {}),
    ],
)  # fmt: skip
def test_nonsense_beside_the_usage_costs_nothing_of_the_bill(url: str, response: Any, request_body: Any) -> None:
    record = bill(Invoice("", url, response, "", None, request=request_body))
    assert record.usage_input_tokens == 100
    assert record.cost == pytest.approx((100 * 2.5 + 10 * 10) / 1e6 if "openai" in url else (100 * 3 + 10 * 15) / 1e6)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (message("claude-sonnet-4-5", 1, 1, iterations=[{"type": "compaction", "input_tokens": "9", "output_tokens": -5}]), "says"),
        ({**chat("gpt-4o", 10, 5), "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": "text"}}, "details"),
        (answer("gpt-6-sol", 1000, 1, cache_write=10, cache_write_tokens_details={"ttl_12h_tokens": 900}), "12 hours"),
    ],
)  # fmt: skip
def test_usage_that_cannot_be_is_unknown(response: Any, why: str) -> None:
    url = ANTHROPIC if response.get("type") == "message" else CHAT if "choices" in response else f"{OPENAI}/responses"
    record = bill(Invoice("", url, response, "", None))
    assert record.cost is None
    assert why in (record.cost_details or {})["unknown"]


@pytest.mark.parametrize(
    ("response", "request_body", "why"),
    [
        (chat("gpt-4o", 10, 5), {"service_tier": "flex"}, "flex was asked for"),
        ({**chat("gpt-4o", 10, 5), "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 500}}, {}, "485 tokens more"),
        ({**answer("gpt-5", 10, 5), "output": [{"type": "code_interpreter_call", "container_id": "c"}]}, {}, "billed once"),
    ],
)  # fmt: skip
def test_doubts_make_an_estimate(response: Any, request_body: Any, why: str) -> None:
    record = bill(
        Invoice("", CHAT if "choices" in response else f"{OPENAI}/responses", response, "", None, request=request_body)
    )
    assert record.cost is not None
    assert (record.cost_details or {})["certainty"] == "estimated"
    assert why in (record.cost_details or {})["why"]


def test_a_container_made_before_is_not_billed_by_the_response() -> None:
    response = {**answer("gpt-5", 10, 5), "output": [{"type": "code_interpreter_call", "container_id": "c"}]}
    used = {"tools": [{"type": "code_interpreter", "container": "c"}]}
    assert bill(Invoice("", f"{OPENAI}/responses", response, "", None, request=used)).cost == pytest.approx(62.5e-6)


def test_own_prices_do_not_hide_what_is_not_theirs() -> None:
    prices = {"gpt-4o": {"input": 1, "output": 1}}
    dated = bill(Invoice("", CHAT, chat("gpt-4o-2024-08-06", 10, 5), "", None), prices)
    assert dated.cost == pytest.approx(15e-6)
    batch = bill(Invoice("", CHAT, chat("gpt-4o", 10, 5, "batch"), "", None), prices)
    assert (batch.cost_details or {})["certainty"] == "estimated"
    assert bill(Invoice("", CHAT, chat("gpt-4o", 10, 5, cached=50), "", None), prices).cost is None


# Videos


def video(status: str, seconds: str = "4") -> dict[str, Any]:
    return {"id": "video_1", "object": "video", "status": status, "model": "sora-2", "seconds": seconds, "size": "720x1280",
            "progress": 0, "created_at": int(NOW.timestamp())}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(not hasattr(openai.OpenAI, "videos"), reason="this openai makes no videos")
@pytest.mark.parametrize(("end", "cost"), [("completed", 0.4), ("failed", None)])
def test_a_video_is_billed_when_it_is_done(patched: Records, end: str, cost: float | None) -> None:
    made = client(lambda request: http.Response(200, json=video("queued" if request.method == "POST" else end)))
    made.videos.create(model="sora-2", prompt="A dot")
    assert patched[0].cost is None
    made.videos.retrieve("video_1")
    (record,) = patched
    assert record.cost == (None if cost is None else pytest.approx(cost))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(
    not hasattr(getattr(openai.resources, "videos", None), "Videos")
    or not hasattr(openai.resources.videos.Videos, "extend"),
    reason="this openai does not extend videos",
)
def test_an_extension_is_billed_for_what_it_adds(patched: Records) -> None:
    answers = {"POST": video("queued", "12"), "GET": video("completed", "12")}
    made = client(lambda request: http.Response(200, json=answers[request.method]))
    made.videos.extend(prompt="More", seconds="4", video=("v.mp4", b"x"))
    made.videos.retrieve("video_1")
    assert patched[0].cost == pytest.approx(0.4)


# Order of arrival


def test_a_beginning_that_arrives_late_takes_nothing_back(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    ended = Record(
        id="r", response_finish_reasons=["completed"], cost=1.0, response_body=b"{}", extra={"completed": True}
    )
    begun = Record(id="r", response_finish_reasons=["queued"], response_body=b'{"status": "queued"}', request_body=b"{}", user="u",
                   created_at=datetime(2026, 11, 1, tzinfo=UTC))  # fmt: skip
    for records in ([ended, begun], [begun, ended]):
        store.write(records)
        kept = store.get("r")
        assert kept is not None
        assert (kept.cost, kept.response_finish_reasons, kept.response_body, kept.user) == (
            1.0,
            ["completed"],
            b"{}",
            "u",
        )
    merge(kept, Record(id="r", score=1.0))
    assert (kept.score, kept.cost) == (1.0, 1.0)


# Files that are no results


def test_a_download_that_is_no_batch_is_neither_kept_nor_counted(patched: Records) -> None:
    autolog.configure(max_queue_bytes=1000)
    made = client(lambda request: http.Response(200, content=b"\x89PNG" * 10_000))
    assert len(made.files.content("file-1").content) == 40_000
    with made.files.with_streaming_response.content("file-1") as streamed:
        assert len(streamed.read()) == 40_000
    assert len(patched) == 0
    assert autolog.status()["dropped"] == {}
    lines = [
        {"custom_id": ["l"], "response": "x"},
        {"custom_id": "a", "response": "x"},
        {"custom_id": "b", "error": None},
    ]
    body = "\n".join(map(json.dumps, lines)).encode()
    client(lambda request: http.Response(200, content=body)).files.content("file-1")
    assert len(patched) == 0


# Reprice


def test_reprice_never_knows_less_than_before(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    searches = bill(next(invoice for invoice in INVOICES if invoice.name == "two web searches"))
    searches.id, searches.request_body, searches.response_body, searches.response_headers = "bodiless", None, None, {}
    mine = bill(INVOICES[0])
    mine.id, mine.cost, mine.cost_details = "mine", 9.0, {"prices": "yours", "certainty": "exact"}
    store.write([searches, mine])
    done = CliRunner().invoke(cli, ["reprice"])
    assert "changed 0 of 1" in done.output
    assert "bodies were not kept" in done.output
    assert (store.get("bodiless").cost, store.get("mine").cost) == (searches.cost, 9.0)  # type: ignore[union-attr]
