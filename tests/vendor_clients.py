"""A table of the SDKs that are patched directly or through their HTTP library: how to make a client and a call.

Every call asks a model for a few words, at the vendor's own host if calls are recognised by their host.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROMPT = "Rivers?"
MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]


@dataclass(frozen=True)
class Wanted:
    """The settings of a client to make.

    Attributes:
        origin: the scheme, host and port.
        asynchronous: whether to make an asynchronous client.
        timeout: the timeout in seconds.
        retries: how often the SDK retries.
        http_client: the program's own httpx or httpx2 client.
    """

    origin: str
    asynchronous: bool = False
    timeout: float = 10
    retries: int = 0
    http_client: Any = None


@dataclass(frozen=True)
class Row:
    """One SDK.

    Attributes:
        package: the import name.
        host: the vendor's host.
        model: one of the vendor's models.
        make: returns a client.
        ask: calls a method of the client and returns its result: a value, a stream, or an awaitable.
        http: the HTTP libraries that the SDK uses, sync and async.
        layer: the layer at which calls are recorded, `sdk` or `http`.
        streams, asynchronous, retries: whether the SDK supports them.
        http_client: whether the SDK accepts the program's own HTTP client.
    """

    package: str
    host: str
    model: str
    make: Callable[[Wanted], Any]
    ask: Callable[[Any, str, bool, bool], Any]
    http: tuple[str, str]
    layer: str = "http"
    streams: bool = True
    asynchronous: bool = True
    retries: bool = True
    http_client: bool = True


def _module(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def _given(wanted: Wanted, name: str = "http_client") -> dict[str, Any]:
    return {} if wanted.http_client is None else {name: wanted.http_client}


# The SDKs made by the generator of openai's


def _generated(package: str, kind: str, prefix: str = "/v1", **options: Any) -> Callable[[Wanted], Any]:
    def make(wanted: Wanted) -> Any:
        client_class = getattr(_module(package), ("Async" if wanted.asynchronous else "") + kind)
        return client_class(
            api_key="k", base_url=wanted.origin + prefix, timeout=wanted.timeout, max_retries=wanted.retries,
            **options, **_given(wanted),
        )  # fmt: skip

    return make


def _portkey(wanted: Wanted) -> Any:
    module = _module("portkey_ai")
    client_class = module.AsyncPortkey if wanted.asynchronous else module.Portkey
    client = client_class(api_key="k", provider="openai", base_url=wanted.origin + "/v1", **_given(wanted))
    return client, wanted.timeout


def _ask_portkey(client_and_timeout: Any, model: str, stream: bool, _: bool) -> Any:
    client, timeout = client_and_timeout
    return client.chat.completions.create(model=model, messages=MESSAGES, stream=stream, timeout=timeout)


def _complete(client: Any, model: str, stream: bool, _: bool) -> Any:
    return client.chat.completions.create(model=model, messages=MESSAGES, stream=stream)


def _chat(client: Any, model: str, stream: bool, _: bool) -> Any:
    return client.chat.chat(model=model, messages=MESSAGES, stream=stream)


def _message(client: Any, model: str, stream: bool, _: bool) -> Any:
    return client.messages.create(model=model, messages=MESSAGES, max_tokens=20, stream=stream)


def _sdk(package: str, kind: str, host: str, model: str, ask: Any = _complete, **more: Any) -> Row:
    http = ("httpx2", "httpx2") if package in {"openai", "anthropic"} else ("httpx", "httpx")
    return Row(package, host, model, _generated(package, kind, **more), ask, http, layer="sdk")


# The others


def _genai(wanted: Wanted) -> Any:
    options: dict[str, Any] = {"base_url": wanted.origin, "timeout": int(wanted.timeout * 1000)}
    options["retry_options"] = {"attempts": wanted.retries + 1, "initial_delay": 0.01, "jitter": 0.0}
    options |= _given(wanted, "httpx_async_client" if wanted.asynchronous else "httpx_client")
    return _module("google.genai").Client(api_key="k", http_options=options)


def _ask_genai(client: Any, model: str, stream: bool, asynchronous: bool) -> Any:
    models = client.aio.models if asynchronous else client.models
    method = models.generate_content_stream if stream else models.generate_content
    return method(model=model, contents=PROMPT)


def _boto3(wanted: Wanted) -> Any:
    config = _module("botocore.config").Config(
        retries={"max_attempts": wanted.retries}, read_timeout=wanted.timeout, connect_timeout=wanted.timeout
    )
    return _module("boto3").client("bedrock-runtime", "us-east-1", endpoint_url=wanted.origin, config=config,
                                   aws_access_key_id="AKIATEST", aws_secret_access_key="test")  # fmt: skip


def _converse(client: Any, model: str, stream: bool, _: bool) -> Any:
    method = client.converse_stream if stream else client.converse
    answer = method(modelId=model, messages=[{"role": "user", "content": [{"text": PROMPT}]}])
    return answer["stream"] if stream else answer


def _invoke(client: Any, model: str, stream: bool, _: bool) -> Any:
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "messages": MESSAGES})
    if stream:
        return client.invoke_model_with_response_stream(modelId=model, body=body)["body"]
    return json.loads(client.invoke_model(modelId=model, body=body)["body"].read())


def _speakeasy(package: str, kind: str, prefix: str) -> Callable[[Wanted], Any]:
    """Return a function that makes a client of an SDK by Speakeasy's generator: Mistral's or OpenRouter's."""

    def make(wanted: Wanted) -> Any:
        module = _module(package)
        retry = _module(f"{package}.utils.retries")
        backoff = retry.BackoffStrategy(1, 10, 1.0, 1000)
        options = {"retry_config": retry.RetryConfig("backoff", backoff, True) if wanted.retries else None}
        options |= _given(wanted, "async_client" if wanted.asynchronous else "client")
        timeout = int(wanted.timeout * 1000)
        return getattr(module, kind)(api_key="k", server_url=wanted.origin + prefix, timeout_ms=timeout, **options)

    return make


def _ask_mistral(client: Any, model: str, stream: bool, asynchronous: bool) -> Any:
    method = getattr(client.chat, ("stream" if stream else "complete") + ("_async" if asynchronous else ""))
    return method(model=model, messages=MESSAGES)


def _ask_openrouter(client: Any, model: str, stream: bool, asynchronous: bool) -> Any:
    method = client.chat.send_async if asynchronous else client.chat.send
    return method(model=model, messages=MESSAGES, stream=stream)


def _cohere(wanted: Wanted) -> Any:
    module = _module("cohere")
    client_class = module.AsyncClientV2 if wanted.asynchronous else module.ClientV2
    given = _given(wanted, "httpx_client")
    return client_class("k", base_url=wanted.origin, timeout=wanted.timeout, max_retries=wanted.retries, **given)


def _ask_cohere(client: Any, model: str, stream: bool, _: bool) -> Any:
    return (client.chat_stream if stream else client.chat)(model=model, messages=MESSAGES)


def _ollama(wanted: Wanted) -> Any:
    module = _module("ollama")
    client_class = module.AsyncClient if wanted.asynchronous else module.Client
    return client_class(host=wanted.origin, timeout=wanted.timeout)


def _ask_ollama(client: Any, model: str, stream: bool, _: bool) -> Any:
    return client.chat(model=model, messages=MESSAGES, stream=stream)


def _huggingface(wanted: Wanted) -> Any:
    module = _module("huggingface_hub")
    client_class = module.AsyncInferenceClient if wanted.asynchronous else module.InferenceClient
    return client_class(base_url=wanted.origin + "/v1", api_key="k", timeout=wanted.timeout)


def _ask_huggingface(client: Any, model: str, stream: bool, _: bool) -> Any:
    return client.chat_completion(MESSAGES, model=model, stream=stream)


def _voyage(wanted: Wanted) -> Any:
    module = _module("voyageai")
    client_class = module.AsyncClient if wanted.asynchronous else module.Client
    return client_class("k", base_url=wanted.origin + "/v1", timeout=wanted.timeout, max_retries=wanted.retries)


def _ask_voyage(client: Any, model: str, _: bool, __: bool) -> Any:
    return client.embed([PROMPT], model=model)


def _replicate(wanted: Wanted) -> Any:
    httpx = _module("httpx")
    return _module("replicate").Client("k", base_url=wanted.origin, timeout=httpx.Timeout(wanted.timeout))


def _ask_replicate(client: Any, model: str, _: bool, asynchronous: bool) -> Any:
    create = client.models.predictions.async_create if asynchronous else client.models.predictions.create
    return create(model=f"meta/{model}", input={"prompt": PROMPT})


def _dashscope(wanted: Wanted) -> Any:
    module = _module("dashscope")
    module.base_http_api_url = wanted.origin + "/api/v1"
    return module.AioGeneration if wanted.asynchronous else module.Generation, wanted.timeout


def _ask_dashscope(client: Any, model: str, stream: bool, _: bool) -> Any:
    generation, timeout = client
    return generation.call(model, PROMPT, api_key="k", stream=stream, request_timeout=timeout)


def _azure(wanted: Wanted) -> Any:
    module = _module("azure.ai.inference.aio" if wanted.asynchronous else "azure.ai.inference")
    key = _module("azure.core.credentials").AzureKeyCredential("k")
    return module.ChatCompletionsClient(
        wanted.origin + "/models", key, connection_timeout=wanted.timeout, read_timeout=wanted.timeout,
        retry_total=wanted.retries, retry_backoff_factor=0.01,
    )  # fmt: skip


def _ask_azure(client: Any, model: str, stream: bool, _: bool) -> Any:
    return client.complete(messages=MESSAGES, model=model, stream=stream)


def _litellm(prefix: str) -> tuple[Callable[[Wanted], Any], Callable[[Any, str, bool, bool], Any]]:
    def make(wanted: Wanted) -> Wanted:
        module = _module("litellm")
        module.suppress_debug_info = True
        module.in_memory_llm_clients_cache.flush_cache()
        return wanted

    def ask(wanted: Wanted, model: str, stream: bool, asynchronous: bool) -> Any:
        module = _module("litellm")
        method = module.acompletion if asynchronous else module.completion
        base = wanted.origin + ("" if prefix == "anthropic/" else "/v1")
        return method(prefix + model, MESSAGES, stream=stream, api_key="k", api_base=base, timeout=wanted.timeout,
                      max_retries=0, num_retries=wanted.retries)  # fmt: skip

    return make, ask


def _dspy(wanted: Wanted) -> Any:
    return lambda model: _module("dspy").LM(
        f"anthropic/{model}", api_key="k", api_base=wanted.origin + "/v1", cache=False, num_retries=wanted.retries,
        timeout=wanted.timeout,
    )  # fmt: skip


def _ask_dspy(make: Any, model: str, _: bool, asynchronous: bool) -> Any:
    lm = make(model)
    return lm.acall(PROMPT) if asynchronous else lm(PROMPT)


def _smolagents(wanted: Wanted) -> Any:
    return lambda model: _module("smolagents").LiteLLMModel(
        f"anthropic/{model}", api_key="k", api_base=wanted.origin, timeout=wanted.timeout, num_retries=wanted.retries,
        retry=False,
    )  # fmt: skip


def _ask_smolagents(make: Any, model: str, stream: bool, _: bool) -> Any:
    lm = make(model)
    messages = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
    return lm.generate_stream(messages) if stream else lm.generate(messages)


_CLAUDE = "claude-sonnet-4-5"
_NOVA = "amazon.nova-lite-v1:0"
_GPT = "gpt-4o-mini"
_HTTPX, _HTTPX2 = ("httpx", "httpx"), ("httpx2", "httpx2")

ROWS: dict[str, Row] = {
    "openai": _sdk("openai", "OpenAI", "api.openai.com", _GPT),
    "anthropic": _sdk("anthropic", "Anthropic", "api.anthropic.com", _CLAUDE, _message, prefix=""),
    "xai, by openai": _sdk("openai", "OpenAI", "api.x.ai", "grok-4"),
    "groq": _sdk("groq", "Groq", "api.groq.com", "llama-3.3-70b-versatile", prefix=""),
    "together": _sdk("together", "Together", "api.together.xyz", "meta-llama/Llama-3.3-70B-Instruct-Turbo", prefix=""),
    "cerebras": _sdk("cerebras.cloud.sdk", "Cerebras", "api.cerebras.ai", "llama3.1-8b", prefix="", warm_tcp_connection=False),
    "fireworks": _sdk("fireworks", "Fireworks", "api.fireworks.ai", "accounts/fireworks/models/llama-v3p3-70b-instruct", prefix=""),
    "perplexity": _sdk("perplexity", "Perplexity", "api.perplexity.ai", "sonar", prefix=""),
    "portkey": Row("portkey_ai", "api.portkey.ai", _GPT, _portkey, _ask_portkey, _HTTPX, "sdk"),
    "writer": _sdk("writerai", "Writer", "api.writer.com", "palmyra-x5", _chat, prefix=""),
    "llama-api": _sdk("llama_api_client", "LlamaAPIClient", "api.llama.com", "Llama-3.3-70B-Instruct", prefix="/v1"),
    "google-genai": Row("google.genai", "generativelanguage.googleapis.com", "gemini-2.5-flash", _genai, _ask_genai,
                        ("httpx2", "aiohttp")),
    "bedrock converse": Row("boto3", "bedrock-runtime.us-east-1.amazonaws.com", _NOVA, _boto3, _converse,
                            ("botocore", ""), asynchronous=False, http_client=False),
    "bedrock invoke": Row("boto3", "bedrock-runtime.us-east-1.amazonaws.com", "anthropic.claude-sonnet-4-5-20250929-v1:0",
                          _boto3, _invoke, ("botocore", ""), asynchronous=False, http_client=False),
    "mistralai": Row("mistralai.client", "api.mistral.ai", "mistral-small-latest",
                     _speakeasy("mistralai.client", "Mistral", ""), _ask_mistral, _HTTPX2),
    "cohere": Row("cohere", "api.cohere.com", "command-r7b-12-2024", _cohere, _ask_cohere, _HTTPX),
    "ollama": Row("ollama", "ollama.com", "llama3.2", _ollama, _ask_ollama, _HTTPX, retries=False, http_client=False),
    "huggingface_hub": Row("huggingface_hub", "router.huggingface.co", "meta-llama/Llama-3.3-70B-Instruct", _huggingface,
                           _ask_huggingface, _HTTPX2, retries=False, http_client=False),
    "voyageai": Row("voyageai", "api.voyageai.com", "voyage-3.5", _voyage, _ask_voyage, ("requests", "aiohttp"),
                    streams=False, http_client=False),
    "replicate": Row("replicate", "api.replicate.com", "meta-llama-3-70b-instruct", _replicate, _ask_replicate, _HTTPX,
                     streams=False, retries=False, http_client=False),
    "dashscope": Row("dashscope", "dashscope.aliyuncs.com", "qwen-plus", _dashscope, _ask_dashscope,
                     ("requests", "aiohttp"), retries=False, http_client=False),
    "zai": Row("zai", "api.z.ai", "glm-4.6", _generated("zai", "ZaiClient", "/api/paas/v4"), _complete, _HTTPX,
               asynchronous=False),
    "azure-ai-inference": Row("azure.ai.inference", "x.services.ai.azure.com", _GPT, _azure, _ask_azure,
                              ("requests", "aiohttp"), http_client=False),
    "openrouter": Row("openrouter", "openrouter.ai", "openai/gpt-4o-mini",
                      _speakeasy("openrouter", "OpenRouter", "/api/v1"), _ask_openrouter, _HTTPX),
    "litellm, anthropic": Row("litellm", "api.anthropic.com", _CLAUDE, *_litellm("anthropic/"), _HTTPX, http_client=False),
    "litellm, mistral": Row("litellm", "api.mistral.ai", "mistral-small-latest", *_litellm("mistral/"), _HTTPX,
                            http_client=False),
    "litellm, groq": Row("litellm", "api.groq.com", "llama-3.3-70b-versatile", *_litellm("groq/"), _HTTPX,
                         http_client=False),
    "dspy": Row("dspy", "api.anthropic.com", _CLAUDE, _dspy, _ask_dspy, ("lm15", "lm15"), streams=False, http_client=False),
    "smolagents": Row("smolagents", "api.anthropic.com", _CLAUDE, _smolagents, _ask_smolagents, _HTTPX,
                      asynchronous=False, http_client=False),
}  # fmt: skip


@functools.cache
def is_installed(row: Row) -> bool:
    """Return whether a row's SDK is installed, without importing it."""
    try:
        return importlib.util.find_spec(row.package) is not None
    except ImportError:  # its parent package is not installed
        return False
