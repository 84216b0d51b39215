"""The table of providers: which provider is at which host, and which module reads its calls.

There is one row per module. Providers have their names in the OpenTelemetry GenAI conventions, if they have one there:
https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/ lists `openai`, `anthropic`, `aws.bedrock`,
`azure.ai.openai`, `azure.ai.inference`, `gcp.vertex_ai`, `gcp.gemini`, `deepseek`, `groq`, `mistral_ai`, `perplexity`,
`x_ai`, `cohere`; all others are named by us.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One format: the module in this package that reads it, and how its calls are recognised.

    Attributes:
        module: the module's name.
        hosts: provider names by host; one that begins with `.`, `-` or `:` stands for all hosts that end with it, and
            one that ends with `.` for all hosts that begin with it.
        paths: a regular expression for the URL paths of the format's calls, without their query.
        own_paths: the same for further paths, which identify the format only at its own hosts and at those that the
            user names for it; empty for none.
        anywhere: whether the paths identify the format at unknown hosts too, such as gateways and self-hosted servers.
        guessed: the same for paths that identify the format at unknown hosts if the request also has one of `keys`.
        keys: the names of parameters that a request to one of the guessed paths has at least one of.
        marks: keys that identify the format in requests, responses and their usage, if their origin is unknown;
            `type:X` stands for a response whose `type` is X.
    """

    module: str
    hosts: Mapping[str, str]
    paths: str
    anywhere: bool = False
    own_paths: str = ""
    guessed: str = ""
    keys: frozenset[str] = frozenset({"model"})
    marks: frozenset[str] = frozenset()

    def has(self, path: str) -> bool:
        """Return whether a path, without its query, is one of the format's at its own hosts."""
        return bool(re.search(self.paths, path) or (self.own_paths and re.search(self.own_paths, path)))


_SPEAK_OPENAI = {
    "api.openai.com": "openai", ".api.openai.com": "openai",
    ".openai.azure.com": "azure.ai.openai", ".cognitiveservices.azure.com": "azure.ai.openai",
    ".openai.azure.us": "azure.ai.openai", ".cognitiveservices.azure.us": "azure.ai.openai",
    ".services.ai.azure.com": "azure.ai.openai", ".azure-api.net": "azure.ai.openai",
    ".models.ai.azure.com": "azure.ai.inference", ".inference.ml.azure.com": "azure.ai.inference",
    "api.deepseek.com": "deepseek", "api.groq.com": "groq", "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai", ".api.x.ai": "x_ai", "openrouter.ai": "openrouter",
    "api.together.ai": "together", "api.together.xyz": "together", "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras", "api.z.ai": "zai", "open.bigmodel.cn": "zhipuai",
    "api.moonshot.ai": "moonshotai", "api.moonshot.cn": "moonshotai", "api.minimax.io": "minimax",
    "api.novita.ai": "novita", "api.sambanova.ai": "sambanova", "models.github.ai": "github",
    "models.inference.ai.azure.com": "github",
    "api.portkey.ai": "portkey", "api.jina.ai": "jina", "deepsearch.jina.ai": "jina",
}  # fmt: skip

_OPENAI_RESOURCES = (
    "completions|responses|embeddings|moderations|images|audio|videos|realtime|batches|fine_tuning|evals|graders|threads"
    "|assistants|files"
)
_OPENAI_PATHS = (
    rf"/chat/completions(/|$)|/v\d+(beta)?/({_OPENAI_RESOURCES})(/|$)|/openai/({_OPENAI_RESOURCES})(/|$)"
    r"|/deployments/[^/]+/(extensions/)?(chat|completions|responses|embeddings|images|audio|videos|realtime)(/|$)"
)

_OPENAI_OWN_PATHS = (
    r"/(completions|responses|embeddings|moderations|rerank|web_search|layout_parsing|ocr|images/(generations|edits"
    r"|variations)|audio/(speech|transcriptions|translations)|videos/generations)$|/async-result(/|$)|/api/(paas/v\d+/)?v1/agents$"
)
_GEMINI_RESOURCES = (
    "batches|decisions|files|fileSearchStores|interactions|triggers|tunedModels|tuningJobs|voices"  # besides models
)
_BEDROCK_SERVICES = (
    "guardrail-checks|async-invoke|agents|flows|runtimes|evaluations|web-search|retrieveAndGenerate(Stream)?|generateQuery"
    "|optimize-prompt|knowledgebases|agenticRetrieveStream|rerank|InvokeDataAutomation(Async)?|GetDataAutomationStatus"
    "|(invoke|get)BlueprintOptimization(Async|Status)|model-invocation-job|(model-customization|evaluation)-jobs"
    "|advanced-prompt-optimization-jobs"
)
_VERTEX = {"aiplatform.googleapis.com": "gcp.vertex_ai", "-aiplatform.googleapis.com": "gcp.vertex_ai",
           ".rep.googleapis.com": "gcp.vertex_ai"}  # fmt: skip

ROWS = (
    Row("openai", _SPEAK_OPENAI, _OPENAI_PATHS, anywhere=True, own_paths=_OPENAI_OWN_PATHS),
    Row("gemini", {"generativelanguage.googleapis.com": "gcp.gemini", **_VERTEX},
        r":(stream|batch)?[gG]enerateContent$|:(batchE|asyncBatchE|e)mbedContents?$|:(count|compute)Tokens$"
        r"|:generateAnswer$|/cachedContents$|/publishers/google/|/batchPredictionJobs(/|$)"
        r"|/endpoints/[^/]+:\w*[pP]redict$|/publishers/(?!anthropic/|mistralai/)[^/]+/models/[^/]+:\w*[pP]redict$"
        r"|:predictLongRunning$"
        r"|/models/[^/]+/operations/[^/]+$"
        rf"|/v1(alpha|beta)\d*/(projects/.+/)?({_GEMINI_RESOURCES})(/|$)", anywhere=True,
        own_paths=rf"^(/(up|down)load)?/v1/(projects/.+/)?({_GEMINI_RESOURCES})(/|$)",
        marks=frozenset({"contents", "systemInstruction", "candidates", "usageMetadata", "promptFeedback"})),
    Row("mistral", {"api.mistral.ai": "mistral_ai", "api.eu.mistral.ai": "mistral_ai",
                    "api.us.mistral.ai": "mistral_ai", "codestral.mistral.ai": "mistral_ai", **_VERTEX},
        r"^/v1/(?!projects/|publishers/)|/publishers/mistralai/",
        guessed=r"/v1/((fim|agents)/completions|ocr|conversations)$", keys=frozenset({"model", "agent_id"})),
    Row("anthropic", {"api.anthropic.com": "anthropic", "claude.googleapis.com": "gcp.vertex_ai"},
        r"/v1/messages(/|$)|/v1/complete$|/publishers/anthropic/|:(raw|streamRaw)Predict$",
        anywhere=True, own_paths=r"^/v1/(?!chat/|completions$|embeddings$|projects/)",
        marks=frozenset({"stop_reason", "anthropic_version", "type:message", "type:message_batch", "type:session",
                         "type:dream"})),
    Row("sagemaker", {"runtime.sagemaker.": "aws.sagemaker", "runtime-fips.sagemaker.": "aws.sagemaker",
                      "gateway-runtime.sagemaker.": "aws.sagemaker",
                      "inferencerouter-runtime.sagemaker.": "aws.sagemaker",
                      "job-runtime.sagemaker.": "aws.sagemaker",
                      "training-session-runtime.sagemaker.": "aws.sagemaker"},
        r"/(endpoints|inference-routers|global-inference-gateway)/[^/]+/(async-)?invocations(-response-stream)?$"
        r"|^(/training-sessions/[^/]+)?/sample(-with-response-stream)?$"),
    Row("bedrock", {".amazonaws.com": "aws.bedrock", ".api.aws": "aws.bedrock"},
        r"/model/.+/(converse(-stream)?|invoke(-with-response-stream)?|count-tokens)$|/guardrail/.+/apply$"
        r"|/harnesses/invoke$",
        anywhere=True, own_paths=rf"^/({_BEDROCK_SERVICES})(/|$)",
        marks=frozenset({"inferenceConfig", "toolConfig", "stopReason", "inputText", "inputTextTokenCount"})),
    Row("cohere", {"api.cohere.ai": "cohere", "api.cohere.com": "cohere"}, r"^/v[12]/",
        guessed=r"/v2/(chat|embed|rerank)$|/v1/(chat|embed|rerank|generate|summarize|classify)$",
        keys=frozenset({"model", "message", "texts"}),
        marks=frozenset({"chat_history", "generation_id", "billed_units"})),
    Row("ollama", {"ollama.com": "ollama", ":11434": "ollama"}, r"^/api/",
        guessed=r"/api/(chat|generate|embed|embeddings)$",
        marks=frozenset({"done_reason", "eval_count", "prompt_eval_count"})),
    Row("voyage", {"api.voyageai.com": "voyage", "ai.mongodb.com": "voyage"},
        r"^/v1/(?!batches|files)"),  # batches are OpenAI's format
    Row("huggingface", {"router.huggingface.co": "huggingface", "api-inference.huggingface.co": "huggingface",
                        ".huggingface.cloud": "huggingface"},
        r"/models/.+|/pipeline/|/generate(_stream)?$|/embed$|/rerank$", own_paths=r"^/?$|^/v1/",
        guessed=r"/generate(_stream)?$", keys=frozenset({"inputs"}),
        marks=frozenset({"generated_text"})),
    Row("replicate", {"api.replicate.com": "replicate", ".replicate.com": "replicate", ".replicate.net": "replicate"},
        r"^/v1/"),
    Row("writer", {"api.writer.com": "writer"}, r"^/v1/"),
    Row("llama_api", {"api.llama.com": "meta"}, r"^/v1/", marks=frozenset({"completion_message"})),
    Row("dashscope", {"dashscope.aliyuncs.com": "alibaba_cloud", "dashscope-intl.aliyuncs.com": "alibaba_cloud",
                      "dashscope-us.aliyuncs.com": "alibaba_cloud", "dashscope-finance.aliyuncs.com": "alibaba_cloud",
                      ".dashscope.aliyuncs.com": "alibaba_cloud", ".maas.aliyuncs.com": "alibaba_cloud"},
        r"/api/v1/|/compatible-api/", guessed=r"/api/v1/services/(aigc|embeddings|rerank|audio)/"),
)  # fmt: skip

_LIKELY = "chat|generate|completion|completions|embed|embeddings|rerank|score|pooling|infill|predict|invoke"
#: How the paths of calls to a model often end, also in formats that are not read.
LIKELY_PATHS = rf"/({_LIKELY})$"
#: Every path that may be that of a call at any host has one of these parts, or a colon in its last part.
PARTS = frozenset({
    *_OPENAI_RESOURCES.split("|"), *_GEMINI_RESOURCES.split("|"), "deployments", "cachedContents", "publishers",
    "batchPredictionJobs", "endpoints", "operations", "messages", "complete", "model", "guardrail", "harnesses",
    "generate_stream", "classify", "summarize", "ocr", "conversations", "aigc",
    *_LIKELY.split("|"),
})  # fmt: skip
