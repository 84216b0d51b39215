"""The inventory of installed SDKs and their layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, chat_server, request
from commands import run

import autolog
from autolog._capture import inventory
from autolog.providers import SDKS
from autolog.testing import Records


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder on the path for the metadata of distributions that are not installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    inventory.version_of.cache_clear()
    yield tmp_path
    inventory.version_of.cache_clear()


def install(folder: Path, name: str, version: str) -> None:
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def listed() -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in autolog.status()["sdks"]}


def test_sdks_and_libraries_are_listed_with_their_calls(records: Records) -> None:
    import httpx
    import openai

    assert not listed()["openai"]["patched"]
    assert not listed()["httpx"]["patched"]
    autolog.patch()
    with chat_server() as server:
        client = openai.OpenAI(api_key="k", base_url=server.url)
        client.chat.completions.create(model="gpt-4o-mini", messages=[])
        ask(server, httpx)
    found = listed()
    assert (found["openai"]["layer"], found["openai"]["patched"], found["openai"]["calls"]) == ("sdk", True, 1)
    assert (found["httpx"]["layer"], found["httpx"]["patched"], found["httpx"]["calls"]) == ("library", True, 1)
    assert found["openai"]["version"] == openai.__version__
    assert "xai-sdk" not in found


def ask(server: ChatServer, httpx: Any) -> None:
    httpx.post(f"{server.url}/chat/completions", content=request())


def test_an_sdk_above_a_library_names_it_and_one_by_grpc_says_what_to_do(gone: Path, records: Records) -> None:
    install(gone, "cohere", "7.3.1")
    install(gone, "xai-sdk", "1.21")
    install(gone, "google-cloud-aiplatform", "2.7")
    autolog.patch_http()
    found = listed()
    assert (found["cohere"]["layer"], found["cohere"]["patched"], found["cohere"]["note"]) == (
        "http", True, "through httpx")  # fmt: skip
    assert (found["xai-sdk"]["layer"], found["xai-sdk"]["patched"]) == ("none", False)
    assert "gRPC" in found["xai-sdk"]["note"]
    assert "google-genai" in found["google-cloud-aiplatform"]["note"]


def test_doctor_lists_them_too(gone: Path) -> None:
    install(gone, "cohere", "7.3.1")
    install(gone, "xai-sdk", "1.21")
    report = " ".join(run("doctor").output.split())
    assert "cohere: 7.3.1 is recorded through httpx" in report
    assert "xai-sdk: 1.21 cannot be recorded: it uses gRPC" in report


def test_models_in_the_program_itself_can_be_served_instead(gone: Path, records: Records) -> None:
    install(gone, "vllm", "0.33")
    install(gone, "oci", "2.189")
    install(gone, "aws-sdk-bedrock-runtime", "0.12")
    found = listed()
    assert "vllm serve" in found["vllm"]["note"]
    assert "/openai/v1" in found["oci"]["note"]
    assert (found["aws-sdk-bedrock-runtime"]["layer"], found["aws-sdk-bedrock-runtime"]["note"]) == (
        "http", "through aiohttp, except for two-way streams")  # fmt: skip


def test_what_is_out_of_reach_of_a_recorded_sdk_is_named(gone: Path, records: Records) -> None:
    for name in ("google-genai", "together"):
        install(gone, name, "9.0")
    found = listed()
    assert "aio.live" in found["google-genai"]["note"]
    assert "WebSockets" in found["together"]["note"]
    assert "aio.live" in " ".join(run("doctor").output.split())
    named = {sdk.distribution for sdk in SDKS.values()} | set(inventory.THROUGH)
    assert set(inventory.EXCEPT) <= named


def test_every_library_that_is_named_is_one_that_is_patched() -> None:
    from autolog._capture.libraries.patch import LIBRARIES

    assert {library for through in inventory.THROUGH.values() for library in through} <= set(LIBRARIES)
