"""The examples for frameworks run against the stand-in, if their framework is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from example_runs import EXAMPLES, run_example

FRAMEWORKS = EXAMPLES / "frameworks"

#: The package that each example needs, and the number of calls that it makes.
NEEDS = {
    "fastapi_app": (("fastapi", "httpx"), 2),
    "flask_app": (("flask",), 1),
    "gunicorn_workers": (("gunicorn",), 1),
    "uvicorn_workers": (("uvicorn", "starlette"), 1),
    "django_app": (("django",), 1),
    "celery_tasks": (("celery",), 1),
    "aws_lambda": ((), 1),
    "google_cloud_function": ((), 1),
    "langgraph_agent": (("langgraph", "langchain_openai"), 1),
    "pydantic_ai_agent": (("pydantic_ai",), 1),
    "openai_agents": (("agents",), 1),
    "batch_job": ((), 3),
}


def test_all_examples_are_run_and_listed() -> None:
    assert {path.stem for path in FRAMEWORKS.glob("*.py")} == set(NEEDS)
    listed = (FRAMEWORKS / "README.md").read_text()
    assert all(f"`{name}.py`" in listed for name in NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_example(name: str, tmp_path: Path) -> None:
    needed, calls = NEEDS[name]
    if missing := [module for module in needed if importlib.util.find_spec(module) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    records = run_example(f"frameworks/{name}", tmp_path)
    llm_records = [record for record in records if record.kind == "llm"]
    assert len(llm_records) == calls
    assert {record.user for record in llm_records} == {"user:42"}
    assert all(record.status == "ok" and record.cost is not None for record in llm_records)
    assert len({record.trace_id for record in records}) == 1
    assert all(record.parent_span_id for record in llm_records)
