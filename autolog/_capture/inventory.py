"""List the installed SDKs and HTTP libraries that call models, and how their calls are recorded, if at all."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

import msgspec

from autolog.providers import SDKS

#: SDKs that are recorded through the HTTP libraries that they use, by distribution.
THROUGH: Mapping[str, tuple[str, ...]] = {
    "google-genai": ("httpx2", "aiohttp"), "boto3": ("botocore",), "mistralai": ("httpx2",), "cohere": ("httpx",),
    "ollama": ("httpx",), "huggingface-hub": ("httpx2",), "voyageai": ("requests", "aiohttp"),
    "litellm": ("httpx", "aiohttp"), "openrouter": ("httpx",), "replicate": ("httpx",), "zai-sdk": ("httpx",),
    "dashscope": ("requests", "aiohttp"), "azure-ai-inference": ("requests", "aiohttp"),
    "dspy": ("httpx", "lm15"), "smolagents": ("httpx", "httpx2"), "aws-sdk-bedrock-runtime": ("aiohttp",),
    "aiobotocore": ("aiohttp", "httpx"), "zhipuai": ("httpx",),
}  # fmt: skip
_SOCKETS = "use WebSockets"
_TWO_WAY = "two-way streams"
#: What is not recorded of SDKs that are recorded otherwise, by distribution.
EXCEPT: Mapping[str, str] = {
    "google-genai": f"aio.live and live interactions, which {_SOCKETS}",
    "boto3": _TWO_WAY,
    "aiobotocore": _TWO_WAY,
    "aws-sdk-bedrock-runtime": _TWO_WAY,
    "mistralai": f"realtime speech and transcription, which {_SOCKETS}",
    "dashscope": f"realtime speech and dialogues, which {_SOCKETS}",
    "litellm": f"its realtime API, whose calls {_SOCKETS}",
    "together": f"beta.realtime, whose calls {_SOCKETS}",
    "portkey-ai": f"realtime, whose calls {_SOCKETS}",
}
_SERVED = "it runs models in the program itself"
#: SDKs whose calls cannot be recorded, because they use gRPC, a format of their own or no network, and what to do
#: instead.
OUT_OF_REACH: Mapping[str, str] = {
    "xai-sdk": "it uses gRPC: autolog.opentelemetry() records its spans; or call https://api.x.ai/v1 with openai's SDK",
    "google-cloud-aiplatform": "it uses gRPC: use google-genai, genai.Client(vertexai=True); "
                               "or vertexai.init(api_transport='rest')",
    "google-generativeai": "it uses gRPC: use google-genai; or genai.configure(transport='rest')",
    "ibm-watsonx-ai": "its format is not read: call the model gateway, https://REGION.ml.cloud.ibm.com/ml/gateway/v1, "
                      "with openai's SDK",
    "oci": "its format is not read: call https://inference.generativeai.REGION.oci.oraclecloud.com/openai/v1 with "
           "openai's SDK",
    "snowflake-ml-python": "its format is not read: call https://ACCOUNT.snowflakecomputing.com/api/v2/cortex/v1 with "
                           "openai's SDK",
    "databricks-sdk": "its format is not read: use serving_endpoints.get_open_ai_client()",
    "llama-cpp-python": f"{_SERVED}: decorate your function, or run llama_cpp.server and call it with openai's SDK",
    "vllm": f"{_SERVED}: decorate your function, or run vllm serve and call it with openai's SDK",
    "mlx-lm": f"{_SERVED}: decorate your function, or run mlx_lm.server and call it with openai's SDK",
    "transformers": f"{_SERVED}: decorate your function, or run transformers serve and call it with openai's SDK",
    "elevenlabs": "it converts speech and calls no language model: decorate your function",
    "deepgram-sdk": "it converts speech and calls no language model: decorate your function",
    "assemblyai": "it converts speech in a format that is not read: decorate your function",
}  # fmt: skip


class Installed(msgspec.Struct, frozen=True):
    """An installed SDK or HTTP library.

    Attributes:
        name: the name of its distribution.
        version: the installed version.
        layer: `sdk` if its own methods are patched, `http` if it is recorded through the HTTP library below it,
            `library` for such a library, `none` if it cannot be recorded.
        patched: whether its calls are recorded.
        calls: the number of calls recorded in this process; None if the layer cannot tell.
        note: the libraries it goes through, what is not recorded, why it is not patched, or how to have its calls
            recorded otherwise.
    """

    name: str
    version: str
    layer: str
    patched: bool
    calls: int | None = None
    note: str = ""


@functools.cache
def version_of(distribution: str) -> str | None:
    """Return the installed version of a distribution; None if it is not installed."""
    from importlib import metadata  # would otherwise be a quarter of autolog's import time

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def inventory(
    patched: Mapping[str, int], problems: Mapping[str, str], libraries: Mapping[str, int] | None
) -> list[Installed]:
    """Return the installed SDKs and libraries, layer by layer.

    Args:
        patched: the patched SDKs, with the number of calls recorded for each.
        problems: the reasons why SDKs could not be patched, by SDK.
        libraries: the HTTP libraries, with the number of calls recorded through each; None if they are not patched.
    """
    return [*_sdks(patched, problems), *_below(libraries), *_out_of_reach()]


def _sdks(patched: Mapping[str, int], problems: Mapping[str, str]) -> Iterator[Installed]:
    for name, sdk in SDKS.items():
        if version := version_of(sdk.distribution):
            note = problems.get(name) or excepted(sdk.distribution)
            yield Installed(sdk.distribution, version, "sdk", name in patched, patched.get(name, 0), note)


def excepted(distribution: str) -> str:
    """Return what is not recorded of an SDK that is recorded otherwise; empty if there is nothing."""
    return f"except for {EXCEPT[distribution]}" if distribution in EXCEPT else ""


def _below(libraries: Mapping[str, int] | None) -> Iterator[Installed]:
    for name, through in THROUGH.items():
        if version := version_of(name):
            # DSPy brings its own lm15.
            installed = [library for library in through if version_of(library) or library == "lm15"]
            note = ", ".join(filter(None, (f"through {' and '.join(installed or through)}", excepted(name))))
            yield Installed(name, version, "http", libraries is not None, None, note)
    for name in ("httpx", "httpx2", "requests", "aiohttp", "botocore", "lm15"):
        if version := version_of(name):
            yield Installed(name, version, "library", libraries is not None, (libraries or {}).get(name, 0))


def _out_of_reach() -> Iterator[Installed]:
    for name, way in OUT_OF_REACH.items():
        if version := version_of(name):
            yield Installed(name, version, "none", False, None, way)
