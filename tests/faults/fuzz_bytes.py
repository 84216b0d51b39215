"""Fuzz everything that reads external bytes with atheris; the first crash or hang stops it and saves the bytes.

python -m faults.fuzz_bytes -max_total_time=60      (from the folder tests)
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["autolog"]):
    from faults.readers import KINDS, PATHS, read_everything

from autolog import _guard

_guard.strict = True


def fuzz_one(data: bytes) -> None:
    if len(data) >= 2:
        read_everything(data[2:], KINDS[data[0] % len(KINDS)], PATHS[data[1] % len(PATHS)])


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
