"""Recorded calls in the place of the network, for the block of a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from autolog._display.cassettes import read_calls, write_cassette
from autolog._record.record import Record
from autolog.errors import AutologError
from autolog.testing._capture import capture, tap
from autolog.testing._libraries import answered
from autolog.testing._tape import NotRecorded, Tape

#: Hosts at which a test's own servers listen.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Replay:
    """What a block of `replay` has to say.

    Attributes:
        recording: the calls go out, for there is no cassette yet; it is written at the end of the block.
    """

    def __init__(self, tape: Tape, recording: bool) -> None:
        self._tape = tape
        self.recording = recording
        self._discarded = False

    def check(self) -> None:
        """Raise the error of the first request that was not recorded, if there was one.

        Raises:
            NotRecorded: there was; whatever the program did with the error.
        """
        if self._tape.unmatched:
            raise NotRecorded(self._tape.unmatched[0])

    def discard(self) -> None:
        """Write no cassette: what is being recorded is not what the test wants."""
        self._discarded = True

    @property
    def played(self) -> list[Record]:
        """The records of the calls that were answered, in that order."""
        return list(self._tape.played)

    @property
    def left(self) -> list[Record]:
        """The records of the recorded calls that nothing has asked for."""
        return self._tape.left


@contextlib.contextmanager
def replay(
    source: str | Path,
    *,
    mode: Literal["strict", "once"] = "strict",
    repeat: bool = False,
    ignore: Sequence[str] = (),
    allow: Sequence[str] = LOOPBACK,
    **filters: Any,
) -> Iterator[Replay]:
    """Answer the calls of a block from recorded ones: nothing goes to the network.

    Requests through httpx, httpx2, requests, aiohttp and botocore are stopped, whichever SDK makes them. Each recorded
    call answers one request with its method, address and body (its values, in any order of keys); equal requests get
    their answers in the order in which they were recorded. Streams come event by event, failed calls fail as they did,
    and again for each attempt that was made.

    Args:
        source: a store's URL (`sqlite:///.autolog/logs.db`), a cassette of vcrpy's form, or JSON lines as exported.
        mode: `strict` plays what is there; `once` lets the calls go out if there is no cassette yet, and writes it.
        repeat: the last answer to a request answers further ones like it, too.
        ignore: fields of JSON bodies that may differ, by their name or the end of their path: `metadata.run_id`.
        allow: hosts at which requests that were not recorded may be made; by default this machine.
        filters: which calls of a store, as the commands have it: `session="s-1"`, `since="2d"`, `tag=["a", "b"]`.

    Raises:
        AutologError: the source cannot be read.
        NotRecorded: a request that equals no recorded one; the message shows the nearest as a diff. Raised where it is
            made and, where something there hides it, at the end of the block.
    """
    if mode not in {"strict", "once"}:
        raise AutologError(f"mode is strict or once, not {mode!r}")
    if mode == "once" and "://" not in str(source) and not Path(source).exists():
        with _recorded(Path(source)) as recording:
            yield recording
        return
    tape = Tape(read_calls(source, filters), ignore, repeat)

    def answer(request: Record) -> Record | None:
        url = request.request_url or ""
        if not tape.has_host(url) and urlsplit(url).hostname in allow:
            return None
        return tape.take(request)

    playing = Replay(tape, recording=False)
    with answered(answer):
        yield playing
    playing.check()


@contextlib.contextmanager
def _recorded(path: Path) -> Iterator[Replay]:
    """Record the calls of a block as a cassette, once it has ended well."""
    import autolog

    autolog.patch()
    recording = Replay(Tape([]), recording=True)
    with capture() as made, tap(made):
        yield recording
        calls = list(made)
    if recording._discarded:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        write_cassette(calls, file)
