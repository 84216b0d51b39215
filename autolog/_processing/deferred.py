"""The pipeline, made late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autolog._capture.span import FinishedRecord, Span
from autolog._config import Config

if TYPE_CHECKING:
    from autolog._pricing.budgets import Budgets
    from autolog._processing.pipeline import Pipeline
    from autolog._record.record import Record


class DeferredPipeline:
    """The pipeline, made with the first span: on the worker thread, for importing all that it needs takes 0.1 s."""

    def __init__(self, config: Config, budgets: Budgets | None) -> None:
        self._config = config
        self._budgets = budgets
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

            self._pipeline = Pipeline(self._config, self._budgets)
        return self._pipeline
