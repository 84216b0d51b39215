"""Whose API answers at a host: the provider names of the OpenTelemetry GenAI conventions where they have one.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/ lists `openai`, `anthropic`, `aws.bedrock`,
`azure.ai.openai`, `gcp.vertex_ai`, `gcp.gemini`, `deepseek`, `groq`, `mistral_ai`, `perplexity`, `x_ai`, `cohere`;
the others are named after themselves.
"""

from __future__ import annotations

_EXACT = {
    "api.openai.com": "openai",
    "eu.api.openai.com": "openai",
    "us.api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "openrouter.ai": "openrouter",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "router.huggingface.co": "huggingface",
    "api-inference.huggingface.co": "huggingface",
    "ollama.com": "ollama",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.minimax.io": "minimax",
    "api.novita.ai": "novita",
    "api.sambanova.ai": "sambanova",
    "models.github.ai": "github",
    "dashscope.aliyuncs.com": "alibaba_cloud",
    "dashscope-intl.aliyuncs.com": "alibaba_cloud",
}

_SUFFIXES = (
    (".openai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.openai"),
    (".azure-api.net", "azure.ai.openai"),
    (".models.ai.azure.com", "azure.ai.inference"),
    (".api.openai.com", "openai"),
    (".amazonaws.com", "aws.bedrock"),
    (".api.aws", "aws.bedrock"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    (".huggingface.cloud", "huggingface"),
)


def provider_at(host: str) -> str | None:
    """The provider at a host name, or None if the host is not a known one."""
    host = host.lower().rstrip(".")
    if host in _EXACT:
        return _EXACT[host]
    if host.partition(":")[2] == "11434" or host == "localhost:11434":
        return "ollama"
    return next((name for suffix, name in _SUFFIXES if host.endswith(suffix)), None)
