"""The libraries that instrument the same SDKs, how to start and stop each, and an environment for each.

    python tests/beside/libraries.py [folder] [name ...]

creates a virtual environment in the folder (`.libraries`) for every library and every group of libraries, or for those
that are named (a group's names are joined with `+`), with the newest openai and anthropic and this checkout, runs
`test_libraries.py` in each, and reports what cannot be installed.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Library:
    """One library.

    Attributes:
        requires: the distributions to install.
        modules: the modules that have to be importable.
        start, stop: code that instruments the SDKs, and code that undoes it (empty if it cannot be undone).
        wrap: code that defines `wrap_openai` and `wrap_anthropic`, if the library wraps clients.
        spans: code that defines `spans`, a function that returns the names of the spans that the library has made.
        variables: environment variables.
    """

    name: str
    requires: tuple[str, ...]
    modules: tuple[str, ...]
    start: str = ""
    stop: str = ""
    wrap: str = ""
    spans: str = ""
    variables: dict[str, str] = field(default_factory=dict)


_EXPORTER = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
"""
_OTEL = (
    _EXPORTER
    + """
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
"""
)
_EXPORTED = "def spans(): return [span.name for span in exporter.get_finished_spans()]"

LIBRARIES = {
    library.name: library
    for library in (
        Library(
            "openinference",
            ("openinference-instrumentation-openai", "openinference-instrumentation-anthropic", "opentelemetry-sdk"),
            ("openinference.instrumentation.openai", "opentelemetry.sdk"),
            start=_OTEL + """
from openinference.instrumentation.openai import OpenAIInstrumentor
instrumentors = [OpenAIInstrumentor()]
try:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    instrumentors.append(AnthropicInstrumentor())
except ImportError:
    pass
for instrumentor in instrumentors:
    instrumentor.instrument(tracer_provider=provider)
""",
            stop="for instrumentor in instrumentors: instrumentor.uninstrument()",
            spans=_EXPORTED,
        ),
        Library(
            "logfire",
            ("logfire",),
            ("logfire",),
            start=_EXPORTER + """
import logfire
processors = [SimpleSpanProcessor(exporter)]
logfire.configure(send_to_logfire=False, console=False, additional_span_processors=processors)
uninstruments = [logfire.instrument_openai(), logfire.instrument_anthropic()]
""",
            stop="""
for uninstrument in uninstruments:
    with uninstrument: pass
""",
            spans=_EXPORTED,
        ),
        Library(
            "openllmetry",
            ("opentelemetry-instrumentation-openai", "opentelemetry-instrumentation-anthropic", "opentelemetry-sdk"),
            ("opentelemetry.instrumentation.openai", "opentelemetry.instrumentation.anthropic", "opentelemetry.sdk"),
            start=_OTEL + """
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
instrumentors = [OpenAIInstrumentor(), AnthropicInstrumentor()]
for instrumentor in instrumentors:
    instrumentor.instrument(tracer_provider=provider)
""",
            stop="for instrumentor in instrumentors: instrumentor.uninstrument()",
            spans=_EXPORTED,
        ),
        Library(
            "genai-openai",
            ("opentelemetry-instrumentation-genai-openai", "opentelemetry-sdk"),
            ("opentelemetry.instrumentation.genai.openai", "opentelemetry.sdk"),
            start=_OTEL + """
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
instrumentor = OpenAIInstrumentor()
instrumentor.instrument(tracer_provider=provider)
""",
            stop="instrumentor.uninstrument()",
            spans=_EXPORTED,
        ),
        Library(
            "langfuse",
            ("langfuse",),
            ("langfuse",),
            start=_OTEL + """
import langfuse, langfuse.openai
langfuse.Langfuse(tracer_provider=provider)
""",
            spans=_EXPORTED,
            variables={"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk", "LANGFUSE_HOST": NOWHERE},
        ),
        Library(
            "langsmith",
            ("langsmith", "anthropic<1"),  # langsmith 0.15 itself fails with the streams of later versions
            ("langsmith",),
            wrap="""
import langsmith
from langsmith.wrappers import wrap_anthropic, wrap_openai
names = []
langsmith.Client.create_run = lambda self, name, *_, **__: names.append(name)
langsmith.Client.update_run = lambda *_, **__: None
""",
            spans="def spans(): return list(names)",
            variables={"LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "k", "LANGSMITH_ENDPOINT": NOWHERE},
        ),
        Library(
            "sentry",
            ("sentry-sdk",),
            ("sentry_sdk",),
            start="""
import sentry_sdk
from sentry_sdk.integrations.anthropic import AnthropicIntegration
from sentry_sdk.integrations.openai import OpenAIIntegration
integrations = [OpenAIIntegration(), AnthropicIntegration()]
sentry_sdk.init("http://a@127.0.0.1:9/1", traces_sample_rate=1.0, integrations=integrations, transport=lambda _: None)
transaction = sentry_sdk.start_transaction(name="calls").__enter__()
""",
            spans="def spans(): return [f'{span.op} {span.description}' for span in transaction._span_recorder.spans]",
        ),
        Library(
            "ddtrace",
            ("ddtrace",),
            ("ddtrace",),
            start="""
import ddtrace
from ddtrace.trace import TraceFilter, tracer

class Keep(TraceFilter):
    names = []

    def process_trace(self, trace):
        self.names += [span.name for span in trace]

tracer.configure(trace_processors=[Keep()])
ddtrace.patch(openai=True, anthropic=True)
""",
            spans="def spans(): return list(Keep.names)",
            variables={"DD_TRACE_STARTUP_LOGS": "0", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0"},
        ),
        Library(
            "braintrust",
            ("braintrust",),
            ("braintrust",),
            start="""
import braintrust
from braintrust import logger, test_helpers
test_helpers.simulate_login()
test_helpers.init_test_logger("tests")
memory = logger._internal_with_memory_background_logger()
kept, names = memory.__enter__(), []
braintrust.auto_instrument()
""",
            spans="""
def spans():
    names.extend(row["span_attributes"]["name"] for row in kept.pop())
    return list(names)
""",
            wrap="from braintrust import wrap_anthropic, wrap_openai",
            variables={"BRAINTRUST_API_KEY": "k", "BRAINTRUST_API_URL": NOWHERE, "BRAINTRUST_APP_URL": NOWHERE},
        ),
        Library(
            "mlflow",
            ("mlflow-tracing",),
            ("mlflow.tracing", "mlflow.openai"),
            start="""
import mlflow, mlflow.openai, mlflow.anthropic
mlflow.openai.autolog()
mlflow.anthropic.autolog()
""",
            stop="mlflow.openai.autolog(disable=True); mlflow.anthropic.autolog(disable=True)",
            variables={
                "MLFLOW_TRACKING_URI": NOWHERE, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
                "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "true",
            },
        ),
        Library(
            "weave",
            ("weave",),
            ("weave",),
            start="""
from weave.integrations import patch_anthropic, patch_openai
patch_openai()
patch_anthropic()
""",
            variables={"WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": NOWHERE, "WEAVE_DISABLED": "false"},
        ),
        Library(
            "openlit",
            ("openlit",),
            ("openlit",),
            start=_OTEL + """
from opentelemetry import trace
trace.set_tracer_provider(provider)
import openlit
openlit.init(otlp_endpoint="http://127.0.0.1:9", disable_metrics=True, disable_events=True)
""",
            spans=_EXPORTED,
        ),
        Library(
            "newrelic",
            ("newrelic",),
            ("newrelic",),
            start="""
import newrelic.agent
newrelic.agent.initialize()
application = newrelic.agent.register_application(timeout=10)
task = newrelic.agent.BackgroundTask(application, name="calls").__enter__()
""",
            spans="""
def spans():
    return [name for name, group in newrelic.agent.current_transaction()._transaction_metrics.items()]
""",
            variables={
                "NEW_RELIC_LICENSE_KEY": "k" * 40, "NEW_RELIC_APP_NAME": "tests", "NEW_RELIC_DEVELOPER_MODE": "true",
                "NEW_RELIC_AI_MONITORING_ENABLED": "true",
            },
        ),
        Library(
            "posthog",
            ("posthog",),
            ("posthog",),
            wrap="""
import anthropic, openai, posthog, posthog.ai.anthropic, posthog.ai.openai

class Keep(posthog.Posthog):
    names = []

    def capture(self, event, *_, **__):
        self.names.append(event)

keep = Keep("k", host="http://127.0.0.1:9")

def made(module, client):
    kind = next(kind for kind in type(client).__mro__ if kind.__module__.split(".")[0] in ("openai", "anthropic"))
    arguments = {"api_key": "k", "base_url": str(client.base_url), "max_retries": 0}
    return getattr(module, kind.__name__)(posthog_client=keep, **arguments)

def wrap_openai(client): return made(posthog.ai.openai, client)
def wrap_anthropic(client): return made(posthog.ai.anthropic, client)
""",
            spans="def spans(): return list(Keep.names)",
        ),
        Library(
            "opik",
            ("opik",),
            ("opik",),
            wrap="""
from opik.integrations.anthropic import track_anthropic as wrap_anthropic
from opik.integrations.openai import track_openai as wrap_openai
""",
            variables={"OPIK_URL_OVERRIDE": NOWHERE, "OPIK_API_KEY": "k", "OPIK_WORKSPACE": "tests"},
        ),
        Library(
            "agentops",
            ("agentops",),
            ("agentops",),
            start="""
import agentops
agentops.init(
    api_key="00000000-0000-0000-0000-000000000000", endpoint="http://127.0.0.1:9", auto_start_session=False,
    exporter_endpoint="http://127.0.0.1:9/v1/traces", fail_safe=True,
)
""",
        ),
    )
}  # fmt: skip


#: Libraries that are used together, in the order in which they come.
GROUPS = (
    ("openinference", "logfire"),
    ("langfuse", "openinference", "sentry"),
    ("braintrust", "langfuse"),
)


def main(arguments: list[str]) -> int:
    """Run the tests of each library, or of each group, in its own environment, and return how many failed."""
    sys.path.insert(0, str(ROOT / "tests"))
    from environments import make, run_tests

    folder = Path(arguments[0] if arguments else ".libraries").absolute()
    os.environ["AUTOLOG_TEST_TOGETHER"] = "1"  # releases that make no spans beside each other are of no use here
    failed = 0
    for name in arguments[1:] or (*LIBRARIES, *map("+".join, GROUPS)):
        requirements = [requirement for part in name.split("+") for requirement in LIBRARIES[part].requires]
        python = make(folder / name, "openai", "anthropic", "pytest", *requirements)
        if python is None:
            failed += 1
            continue
        failed += run_tests(python, ROOT / "tests/beside/test_libraries.py", "-k", f"[{name}-")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
