"""MLflow's tracing of openai, exported as OTLP, by its environment alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_server import ANSWER, chat_server
from live import KEY, Live
from programs import run_program

pytestmark = pytest.mark.filterwarnings("ignore")

RUN = """
import os
import mlflow, openai

mlflow.openai.autolog()
client = openai.OpenAI(api_key="x", base_url=os.environ["MODEL"])
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Rivers?"}])
mlflow.flush_trace_async_logging()
"""


@pytest.mark.parametrize("names", ["its own", "the conventions'"])
def test_each_call_is_one_row_with_its_messages_and_tokens(server: Live, tmp_path: Path, names: str) -> None:
    pytest.importorskip("mlflow")
    with chat_server() as chat:
        run_program(
            RUN,
            MODEL=chat.url,
            MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
            MLFLOW_ENABLE_OTEL_GENAI_SEMCONV="true" if names != "its own" else "false",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{server.url}/v1/traces",
            OTEL_EXPORTER_OTLP_TRACES_HEADERS=f"authorization=Bearer {KEY}",
            OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
        )
    (call,) = (record for record in server.records() if record.kind == "llm")
    assert (call.provider_name, call.response_id) == ("openai", ANSWER["id"])
    assert (call.usage_input_tokens, call.usage_output_tokens) == (9, 3)
    assert (call.input_preview, call.output_preview) == ("Rivers?", "Tagus, Douro.")
    assert call.cost
