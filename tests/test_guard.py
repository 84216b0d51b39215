"""The guard swallows autolog's own errors, and lets errors meant for the program pass."""

from __future__ import annotations

import functools
import io
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from autolog import _guard
from autolog._guard import guard, report


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)


class TimeLimitError(Exception):
    """Raised by a signal handler of the program."""


def fail(*_: Any) -> None:
    raise TimeLimitError


class Limits:
    def strike(self, number: int, frame: Any) -> None:
        fail()

    def __call__(self, *arguments: Any) -> None:
        raise TimeLimitError


HANDLERS: dict[str, Callable[..., None]] = {
    "a function": lambda number, frame: fail(),
    "any arguments": fail,
    "a method": Limits().strike,
    "an object": Limits(),
    "a partial": functools.partial(lambda text, number, frame: fail(), "x"),
}


@pytest.mark.parametrize("kind", HANDLERS)
def test_what_a_signal_handler_raises_reaches_the_program(kind: str) -> None:
    before = signal.signal(signal.SIGALRM, HANDLERS[kind])
    try:
        with pytest.raises(TimeLimitError), guard("working"):
            signal.raise_signal(signal.SIGALRM)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(TimeLimitError):
            try:
                time.sleep(5)
            except Exception as error:
                report("working", error)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not _guard.failures


def test_errors_of_ours_do_not() -> None:
    with guard("working"):
        fail(1, None)
    assert _guard.failures.pop("working") == 1


def test_the_first_of_each_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with guard("working"):
            fail()
    assert caplog.messages == ["autolog failed while working; the program is not affected"]
    assert _guard.failures.pop("working") == 3


def test_ctrl_c_passes() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # an earlier test may have left another handler
    with pytest.raises(KeyboardInterrupt), guard("working"):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("own", "root", "stderr"),
    [
        ([], [], "autolog failed while reading; the program is not affected (ZeroDivisionError: no)\n"),
        ([], [logging.NullHandler()], ""),
        ([logging.NullHandler()], [], ""),
    ],
    ids=["nobody has configured logging", "the program has", "the program silences us"],
)
def test_a_warning_is_a_line_on_standard_error_unless_logging_is_configured(
    own: list[logging.Handler],
    root: list[logging.Handler],
    stderr: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (ours,) = [handler for handler in _guard.logger.handlers if isinstance(handler, _guard.Unconfigured)]
    monkeypatch.setattr(_guard.logger, "handlers", [ours, *own])
    monkeypatch.setattr(logging.root, "handlers", root)
    for _ in range(2):  # the second failure is only counted
        with guard("reading"):
            raise ZeroDivisionError("no")
    assert _guard.failures.pop("reading") == 2
    assert capsys.readouterr().err == stderr


def test_a_warning_without_a_standard_error_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        _guard.logger.warning("nobody reads this")
