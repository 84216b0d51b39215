"""Create the pipeline late, on the worker thread, and import the libraries it needs early, on the program's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autolog._capture.span import FinishedRecord, Span
from autolog._config import Config
from autolog._guard import guard

if TYPE_CHECKING:
    from autolog._pricing.budgets import Budgets
    from autolog._processing.pipeline import Pipeline
    from autolog._record.record import Record


# A module is in `sys.modules` from the moment its import begins, and some SDKs look there on every call (openai for
# httpx2). A library that one of our threads is in the middle of importing would therefore make the program's call fail.
# Our threads import only our own modules; the libraries that these need are imported on the program's thread: prices
# together with the SDK, everything else at the first `configure()`, `patch()` or span.


def import_prices() -> None:
    """Import genai-prices. Never raises."""
    with guard("importing genai-prices"):
        from autolog._pricing import tariff

        tariff.import_ahead()


def import_ahead(config: Config) -> None:
    """Import the libraries that the options need."""
    if config.update_prices:
        from autolog._pricing import tariff

        tariff.import_http_client()
    if config.stream_usage == "estimate":
        from autolog._processing import estimate

        estimate.import_ahead()


def describes_here(config: Config) -> bool:
    """Return whether calls are described and priced in this process, and not by autolog's server when they arrive.

    Leaving that to the server halves this process's work. It is not possible if an option depends on the contents or
    the cost of calls.
    """
    to_server = config.endpoint is not None and config.dialect == "native" and not config.sinks
    needed = config.budgets or config.prices or config.redact or config.hosts or config.max_field_chars
    return bool(
        not to_server
        or needed
        or config.stream_usage == "estimate"
        or config.update_prices
        or not config.capture_bodies
    )


class DeferredPipeline:
    """A pipeline that is created with the first span, on the worker thread, because its imports take 0.1 s."""

    def __init__(self, config: Config, budgets: Budgets | None, describes: bool) -> None:
        self._config = config
        self._budgets = budgets
        self._describes = describes
        self._pipeline: Pipeline | None = None

    @property
    def sampled_out(self) -> int:
        return 0 if self._pipeline is None else self._pipeline.sampled_out

    def prepare(self) -> None:
        """Import and create the pipeline, and make it ready for the first call."""
        self._loaded().warm_up()

    def look_ahead(self, spans: Sequence[Any]) -> None:
        """Prepare to read these spans next."""
        self._loaded().look_ahead(spans)

    def __call__(self, span: Span | FinishedRecord) -> list[Record]:
        return self._loaded()(span)

    def _loaded(self) -> Pipeline:
        if self._pipeline is None:
            from autolog._processing.pipeline import Pipeline

            self._pipeline = Pipeline(self._config, self._budgets, self._describes)
        return self._pipeline
