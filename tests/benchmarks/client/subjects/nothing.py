"""No instrumentation: the baseline for all others."""

REQUIREMENTS: list[str] = []


def begin(sink: str) -> None: ...


def settle() -> None: ...


def decorate(function):
    return function


class span:
    def __init__(self, name: str) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
