"""Run the tests of other released logging libraries: `python tests/beside/sender_sdks.py [folder] [name ...]`.

Each gets a virtual environment in the folder (`.senders`), because their requirements conflict.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: The requirements of each environment, and the tests in `tests/beside/senders` that run in it.
SENDERS = {
    "langsmith": ("langsmith", "langchain", "langgraph", "zstandard"),
    "langfuse": ("langfuse",),
    "langfuse-2": ("langfuse<3",),
    "litellm": ("litellm",),
    "openai_agents": ("openai-agents",),
    # its 2.4b0 does not work with the newest releases of what it depends on
    "openai_v2": ("openai<3", "httpx", "opentelemetry-instrumentation-openai-v2==2.4b0",
                  "opentelemetry-util-genai==1.1b0", "opentelemetry-exporter-otlp-proto-http"),
    "mlflow": ("mlflow", "openai", "opentelemetry-exporter-otlp-proto-http"),
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Return the number of environments in which tests failed or could not be run."""
    sys.path.insert(0, str(ROOT / "tests"))
    from environments import make, run_tests

    folder = Path(arguments[0] if arguments else ".senders").absolute()
    failed = 0
    for name in arguments[1:] or SENDERS:
        python = make(folder / name, "pytest", *SENDERS[name])
        print(f"{name}: {', '.join(SENDERS[name])}", flush=True)
        failed += python is None or run_tests(python, f"tests/beside/senders/test_{name.replace('-', '_')}.py")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
