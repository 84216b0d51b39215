"""The part of the recorder that patches: SDKs, HTTP libraries, OpenTelemetry and the Agents SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from autolog._capture import opentelemetry
from autolog._capture.patch import make_patches
from autolog._guard import guard, logger
from autolog.errors import PatchError

if TYPE_CHECKING:
    from autolog._capture.http import Reserve
    from autolog._capture.libraries.patch import LibraryPatch
    from autolog._capture.openai_agents import AgentsTracing


def _patching(sdk: str) -> tuple[Callable[[Patching], None], Callable[[Patching], None]]:
    """Return the methods that patch and unpatch one SDK."""

    def patch(self: Patching) -> None:
        self._use_config()
        self._patches[sdk].apply()

    def unpatch(self: Patching) -> None:
        self._patches[sdk].remove()

    patch.__doc__ = f"""Record every call of the {sdk} SDK that costs money, made by existing and future clients.

        Raises:
            PatchError: the SDK is not installed, too old, or its internals changed incompatibly.
        """
    unpatch.__doc__ = f"""Stop recording the {sdk} SDK's calls, and restore its classes."""
    for method in (patch, unpatch):
        method.__name__ = f"{method.__name__}_{sdk}"
        method.__qualname__ = f"Recorder.{method.__name__}"
    return patch, unpatch


class Patching:
    """Patches and unpatches; the recorder derives from this, and defines how calls are recorded."""

    def __init__(self, import_prices: Callable[[], None]) -> None:
        self._import_prices = import_prices
        self._patches = make_patches(self._emit, import_prices)
        self._libraries: LibraryPatch | None = None
        self._agents: AgentsTracing | None = None
        self._hosts: Mapping[str, str] = {}
        self._reserve: Reserve | None = None

    def _use_config(self) -> None:
        """Read the configuration, unless that has been done, and call `_instruct_patches`."""
        raise NotImplementedError

    def _emit(self, span: Any) -> None:
        """Receive an ended span."""
        raise NotImplementedError

    def _instruct_patches(self, ask_usage: bool, hosts: Mapping[str, str], reserve: Reserve | None) -> None:
        """Set whether to request stream usage, the user's own hosts, and the function that reserves a call's cost."""
        self._hosts, self._reserve = hosts, reserve
        for patch in self._patches.values():
            patch.instruct(ask_usage, reserve)
        if self._libraries is not None:
            self._libraries.instruct(hosts, reserve)

    def patch(self) -> list[str]:
        """Record the calls of every known installed SDK, and everything that `patch_http` records.

        An SDK that cannot be patched is left alone, with a warning in the log and the reason in `status()`.

        Returns:
            The names of the patched SDKs.
        """
        self._use_config()
        patched = []
        for name, patch in self._patches.items():
            try:
                patch.apply()
            except PatchError as error:
                if not error.missing:
                    logger.warning("%s", error)
            else:
                patched.append(name)
        self.patch_http()
        opentelemetry.follow(self._emit)
        if self._agents is None:
            from autolog._capture.openai_agents import AgentsTracing

            self._agents = AgentsTracing(self._emit)
        self._agents.follow()
        return patched

    def unpatch(self) -> None:
        """Stop recording the calls of all SDKs and HTTP libraries."""
        for patch in self._patches.values():
            patch.remove()
        self.unpatch_http()
        opentelemetry.leave()
        if self._agents is not None:
            self._agents.leave()

    def opentelemetry(self, provider: Any = None, *, keep_all: bool = False) -> Any:
        """Record this program's OpenTelemetry spans: the agents, chains, tools and retrievals of any framework.

        Spans about models and those around calls are kept. A call that is also described by a span becomes one record.
        `patch()` does this for the program's tracer provider, once it has one.

        Args:
            provider: a tracer provider of OpenTelemetry's SDK; None for the program's, which is created if necessary.
            keep_all: keep all spans, including those of web servers and databases.

        Returns:
            The span processor that was added to the provider.

        Raises:
            ImportError: if OpenTelemetry's SDK is not installed (`pip install opentelemetry-sdk`).
        """
        self._use_config()
        return opentelemetry.install(self._emit, keep_all, provider)

    def patch_http(self) -> None:
        """Record calls to models through httpx, httpx2, requests, aiohttp, botocore and lm15, whichever SDK makes them.

        Calls are recognised by host and path; `configure(hosts=...)` adds hosts. The calls of an SDK that is patched
        itself are recorded only once. Libraries that have not been imported yet are patched when they are.
        """
        self._use_config()
        if self._libraries is None:
            from autolog._capture.libraries.patch import LibraryPatch

            self._libraries = LibraryPatch(self._emit, self._import_prices)
            self._libraries.instruct(self._hosts, self._reserve)
        self._libraries.apply()

    def unpatch_http(self) -> None:
        """Stop recording calls through the HTTP libraries, and restore their classes."""
        if self._libraries is not None:
            self._libraries.remove()

    def _patch_status(self) -> dict[str, Any]:
        """Return the part of `status()` about patches."""
        http = self._libraries.seen if self._libraries is not None and self._libraries.active else None
        unpatched = {name: patch.problem for name, patch in self._patches.items() if patch.problem}
        calls = {name: patch.recorded for name, patch in self._patches.items() if patch.active}
        sdks: list[dict[str, Any]] = []
        with guard("listing SDKs"):
            from msgspec.structs import asdict

            from autolog._capture.inventory import inventory

            sdks = [asdict(sdk) for sdk in inventory(calls, unpatched, http)]
        unrecorded = {name: patch.unrecorded for name, patch in self._patches.items() if patch.unrecorded}
        unrecorded |= self._libraries.missed if self._libraries is not None else {}
        return {"patched": list(calls), "unpatched": unpatched, "sdks": sdks, "http": http, "unrecorded": unrecorded}

    patch_openai, unpatch_openai = _patching("openai")
    patch_anthropic, unpatch_anthropic = _patching("anthropic")
    patch_groq, unpatch_groq = _patching("groq")
    patch_together, unpatch_together = _patching("together")
    patch_cerebras, unpatch_cerebras = _patching("cerebras")
    patch_fireworks, unpatch_fireworks = _patching("fireworks")
    patch_perplexity, unpatch_perplexity = _patching("perplexity")
    patch_portkey, unpatch_portkey = _patching("portkey")
    patch_writer, unpatch_writer = _patching("writer")
    patch_llama_api, unpatch_llama_api = _patching("llama_api")
