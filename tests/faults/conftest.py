"""What the programs of these tests need: a temporary folder of their own, and signals that are not ignored."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _apart(own_temporary_folder: Path) -> None:
    """Keep journals out of the machine's temporary folder, from where other programs would send them."""


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let Ctrl-C interrupt programs even if the tests run as a shell's background job, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
