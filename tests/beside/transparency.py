"""Run the transparency tests where all SDKs are installed: `python tests/beside/transparency.py [folder] [name ...]`.

Each environment is created in the folder (`.transparency`), with the newest versions of its SDKs.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOCKS = ("pytest", "vcrpy", "respx", "pytest-httpx", "responses", "aioresponses", "moto")

#: The environments; the SDKs do not all fit into one.
ENVIRONMENTS = {
    "generated": ("groq", "together", "cerebras-cloud-sdk", "fireworks-ai", "perplexityai", "portkey-ai", "writer-sdk",
                  "llama-api-client", "httpx-aiohttp"),
    "http": ("google-genai", "boto3", "mistralai", "cohere", "ollama", "huggingface_hub", "voyageai", "replicate",
             "dashscope", "zai-sdk", "azure-ai-inference", "openrouter", "aiohttp"),
    "frameworks": ("litellm", "dspy", "smolagents"),
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Return the number of environments in which tests failed or could not be run."""
    sys.path.insert(0, str(ROOT / "tests"))
    from environments import make, run_tests

    folder = Path(arguments[0] if arguments else ".transparency").absolute()
    failed = 0
    for name in arguments[1:] or ENVIRONMENTS:
        python = make(folder / name, "openai", "anthropic", *MOCKS, *ENVIRONMENTS[name])
        failed += python is None or run_tests(python, "tests/beside/test_transparency.py")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
