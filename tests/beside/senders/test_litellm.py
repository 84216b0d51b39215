"""LiteLLM's generic logger, configured by environment variables alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from live import KEY, Live

pytestmark = pytest.mark.filterwarnings("ignore")


def test_litellms_generic_logger_by_its_environment_alone(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    generic = pytest.importorskip("litellm.integrations.generic_api.generic_api_callback")
    from autolog.cli._standin import standin

    monkeypatch.setenv("GENERIC_LOGGER_ENDPOINT", f"{server.url}/litellm")
    monkeypatch.setenv("GENERIC_LOGGER_HEADERS", f"x-api-key={KEY}")

    async def main(address: str) -> None:
        logger: Any = generic.GenericAPILogger()
        monkeypatch.setattr(litellm, "callbacks", [logger])
        request: dict[str, Any] = {
            "model": "gpt-4o",
            "api_key": "k",
            "messages": [{"role": "user", "content": "Where?"}],
        }
        await litellm.acompletion(**request, api_base=f"{address}/v1", user="u-1", metadata={"tags": ["shop"]})
        with pytest.raises(Exception, match="onnect"):
            await litellm.acompletion(**request, api_base="http://127.0.0.1:1/v1", num_retries=0)
        await asyncio.sleep(1)
        await logger.flush_queue()

    with standin() as address:
        asyncio.run(main(address))
    good, bad = sorted(server.records(), key=lambda record: record.status == "error")
    assert (good.dialect, good.request_model, good.user, good.tags) == ("litellm", "gpt-4o", "u-1", ["shop"])
    assert good.cost
    assert (good.input_preview, bool(good.output_preview)) == ("Where?", True)
    assert bad.status == "error"
    assert "onnect" in (bad.error_message or "")


def test_a_wrong_key_keeps_nothing_and_harms_nothing(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    generic = pytest.importorskip("litellm.integrations.generic_api.generic_api_callback")
    from autolog.cli._standin import standin

    monkeypatch.setenv("GENERIC_LOGGER_ENDPOINT", f"{server.url}/litellm")
    monkeypatch.setenv("GENERIC_LOGGER_HEADERS", "x-api-key=wrong")

    async def main(address: str) -> Any:
        logger: Any = generic.GenericAPILogger()
        monkeypatch.setattr(litellm, "callbacks", [logger])
        request = {"model": "gpt-4o", "api_key": "k", "messages": [{"role": "user", "content": "Where?"}]}
        answer = await litellm.acompletion(**request, api_base=f"{address}/v1")
        await asyncio.sleep(1)
        await logger.flush_queue()
        return answer

    with standin() as address:
        answer = asyncio.run(main(address))
    assert answer.choices[0].message.content
    assert server.records() == []
