"""The pipeline, made late, and what it uses of other libraries, imported early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autolog._capture.span import FinishedRecord, Span
from autolog._config import Config
from autolog._guard import guard

if TYPE_CHECKING:
    from autolog._pricing.budgets import Budgets
    from autolog._processing.pipeline import Pipeline
    from autolog._record.record import Record


# A module stands in `sys.modules` from the moment its import begins, and some SDKs look there on every call (openai for
# httpx2): a library that a thread of ours is halfway through importing would make the program's call fail. So those
# threads import nothing but our own modules, and what these use of others is imported on the program's thread: prices
# with the SDK, all else with the first `configure()`, `patch()` or span.


def import_prices() -> None:
    """Import the prices; never raises."""
    with guard("importing genai-prices"):
        from autolog._pricing import tariff

        tariff.import_ahead()


def import_ahead(config: Config) -> None:
    """Import what the options need."""
    if config.update_prices:
        from autolog._pricing import tariff

        tariff.import_http_client()
    if config.stream_usage == "estimate":
        from autolog._processing import estimate

        estimate.import_ahead()


def describes_here(config: Config) -> bool:
    """Return whether calls are read and priced in this process; else our server does it as they arrive there.

    That takes half of the work off this process. Not if an option needs to know before what a call says or costs.
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
    """The pipeline, made with the first span: on the worker thread, for importing all that it needs takes 0.1 s."""

    def __init__(self, config: Config, budgets: Budgets | None, describes: bool) -> None:
        self._config = config
        self._budgets = budgets
        self._describes = describes
        self._pipeline: Pipeline | None = None

    @property
    def sampled_out(self) -> int:
        return 0 if self._pipeline is None else self._pipeline.sampled_out

    def prepare(self) -> None:
        """Import and make the pipeline."""
        self._made()

    def __call__(self, span: Span | FinishedRecord) -> list[Record]:
        return self._made()(span)

    def _made(self) -> Pipeline:
        if self._pipeline is None:
            from autolog._processing.pipeline import Pipeline

            self._pipeline = Pipeline(self._config, self._budgets, self._describes)
        return self._pipeline
