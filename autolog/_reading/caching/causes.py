"""Explain why a call's prompt did not come from the cache, by comparing it with the most similar earlier call.

The tokens of a part of a prompt are estimated from its share of the characters. A miss is only reported if more tokens
are missing than that estimate may be off by, and never for tokens that were read according to the usage.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autolog._reading.caching.calls import CachedCall
from autolog._reading.caching.prefix import Common, Mark, common_prefix, same_characters

#: The causes of misses, and whether each is avoidable. The others follow from the provider's rules.
CAUSES = {
    "prefix_changed": True, "tools_reordered": True, "keys_reordered": True, "parameter_changed": True,
    "header_changed": True, "model_changed": True, "tier_changed": True, "not_marked": True, "mark_missing": True,
    "mark_moved": True, "mark_too_far": True, "cache_key_changed": True, "expired": False, "concurrent": False,
    "below_minimum": False, "unknown": False,
}  # fmt: skip
#: The margin of error of an estimate of tokens: a share of it, and a minimum number of tokens.
_SLACK, _LEAST = 0.15, 64
_AROUND = 40


@dataclass(frozen=True, slots=True)
class Miss:
    """Tokens that did not come from the cache, although an earlier call had put them there.

    Attributes:
        id: the id of the call's record.
        against: the id of the earlier call's record.
        cause: one of CAUSES.
        where: the place in the request, such as `tools[3].description`.
        tokens: an estimate of the tokens missed.
        dollars: how much more they cost than from the cache; None if unknown.
        explanation: why the cache was missed, as a sentence for the user.
        before: the earlier call's text around the first difference.
        after: this call's text around the first difference.
    """

    id: str
    against: str
    cause: str
    where: str
    tokens: int
    dollars: float | None
    explanation: str
    before: str | None = None
    after: str | None = None

    @property
    def avoidable(self) -> bool:
        """Whether the program could have avoided the miss."""
        return CAUSES[self.cause]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A call, the earlier call that it is compared with, and the prefix that their prompts share."""

    call: CachedCall
    earlier: CachedCall
    same: Common

    def miss(
        self,
        cause: str,
        tokens: int,
        explanation: str,
        where: str = "",
        before: str | None = None,
        after: str | None = None,
    ) -> Miss:
        """Return a miss of this many tokens; the other arguments are fields of `Miss`."""
        dollars = _dollars(self.call, tokens)
        return Miss(self.call.id, self.earlier.id, cause, where, tokens, dollars, explanation, before, after)

    def changed_value(self, cause: str, where: str, tokens: int, before: Any, after: Any) -> Miss:
        """Return the miss caused by a value other than the earlier call's."""
        old, new = (json.dumps(value, default=str) for value in (before, after))
        return self.miss(cause, tokens, f"{where} changed from {old} to {new}", where, old, new)


def nearest(call: CachedCall, earlier: Sequence[CachedCall]) -> CachedCall | None:
    """Return the earlier call to compare with: the one that shares most of the prompt, or the latest of several."""
    best: tuple[tuple[bool, int], CachedCall] | None = None
    for other in earlier:
        if other.rules is not call.rules or other.start > call.start or other.id == call.id:
            continue
        related = bool(call.session and call.session == other.session)
        rank = (related, common_prefix(other.prefix, call.prefix).size)
        if best is None or rank >= best[0]:
            best = rank, other
    return None if best is None else best[1]


def explain(call: CachedCall, earlier: CachedCall | None) -> Miss | None:
    """Return why a call missed the cache; None if it did not, or if nothing was cached that it could have read."""
    if earlier is None:
        return None
    pair = _Pair(call, earlier, common_prefix(earlier.prefix, call.prefix))
    could = _tokens(call, earlier, _cached_length(earlier))
    should = _tokens(call, earlier, _cached_length(earlier, pair.same))
    if call.tokens < call.rules.minimum(call.model):
        if pair.same.size and not call.read:
            return pair.miss("below_minimum", 0, f"{call.tokens:,} tokens are too few to be cached")
        return None
    if _is_less(call.read, could) and earlier.model != call.model:
        explanation = f"the model is {call.model}; it was {earlier.model}"
        return pair.miss("model_changed", could - call.read, explanation, "model")
    if call.rules.marked and (found := _unmarked(pair)):
        return found
    broke = 0 if _begins_anew(pair) else could - max(call.read, should)
    if _is_less(call.read, should) and should - call.read >= broke:
        return _not_read(pair, should - call.read)
    return _changed(pair, broke) if broke and _is_less(call.read, could) else None


def _is_less(read: int, expected: int) -> bool:
    return expected - read > max(_LEAST, _SLACK * expected)


def _cached_length(call: CachedCall, same: Common | None = None) -> int:
    """Return how many characters of a call's prompt were cached; with `same`, only within the common prefix."""
    if not call.rules.marked:
        if same is None:
            return call.prefix.size
        return 0 if call.rules.whole and same.size < call.prefix.size else same.size
    sizes = call.prefix.sizes
    reached = [mark.leaves for mark in call.prefix.marks if same is None or mark.leaves <= same.leaves]
    return sum(sizes[: max(reached, default=0)])


def _tokens(call: CachedCall, earlier: CachedCall, size: int) -> int:
    """Return how many tokens the cache can provide for `size` characters: whole units, and 0 below the minimum."""
    tokens = min(earlier.tokens_of(size), call.tokens)
    tokens -= tokens % call.rules.unit
    return tokens if tokens >= call.rules.minimum(call.model) else 0


def _begins_anew(pair: _Pair) -> bool:
    """Return whether the call starts another conversation: its messages differ, and the session is not the same."""
    call, earlier = pair.call, pair.earlier
    if call.session is not None and call.session == earlier.session:
        return False
    at = min(pair.same.leaves, len(call.prefix.paths) - 1, len(earlier.prefix.paths) - 1)
    return _kind(earlier, at) == "message" or _kind(call, at) == "message"


# Misses within the common prefix


def _unmarked(pair: _Pair) -> Miss | None:
    """Return the miss of a call whose `cache_control` marks are missing or have moved; None if they are in order."""
    call, earlier, same = pair.call, pair.earlier, pair.same
    marks = call.prefix.marks
    if not marks:
        return _without_marks(pair)
    reached = [mark for mark in earlier.prefix.marks if mark.leaves <= same.leaves]
    if not reached:
        return None
    last = max(reached, key=lambda mark: mark.leaves)
    tokens = _tokens(call, earlier, sum(earlier.prefix.sizes[: last.leaves]))
    if not _is_less(call.read, tokens):
        return None
    following = [mark for mark in marks if mark.leaves >= last.leaves]
    where = _place(earlier, last)
    if not following:
        explanation = f"cache_control moved from {where} to {_place(call, max(marks, key=lambda mark: mark.leaves))}"
        return pair.miss("mark_moved", tokens - call.read, explanation, where)
    distance = min(mark.blocks for mark in following) - last.blocks
    if call.rules.lookback is not None and distance > call.rules.lookback:
        explanation = (
            f"the next cache_control is {distance} blocks after {where}; the provider looks back only "
            f"{call.rules.lookback} blocks"
        )
        return pair.miss("mark_too_far", tokens - call.read, explanation, where)
    return None


def _without_marks(pair: _Pair) -> Miss | None:
    """Return the miss of a call that marks nothing with `cache_control`; None if nothing could have been cached."""
    earlier = pair.earlier
    if earlier.prefix.marks:
        cause, explanation = "mark_missing", "cache_control is missing; the earlier call had it"
        size = _cached_length(earlier, pair.same)
    else:
        cause, explanation = "not_marked", "nothing is marked with cache_control"
        size = pair.same.size
    tokens = _tokens(pair.call, earlier, size)
    return pair.miss(cause, tokens, explanation, "cache_control") if tokens else None


def _place(call: CachedCall, mark: Mark) -> str:
    return call.prefix.paths[mark.leaves - 1].rpartition(".")[0] if mark.leaves else ""


def _not_read(pair: _Pair, tokens: int) -> Miss:
    """Return why the common prefix was not read from the cache."""
    call, earlier = pair.call, pair.earlier
    for name in call.rules.parameters:
        before, after = earlier.request.get(name), call.request.get(name)
        if before != after:
            return pair.changed_value("parameter_changed", name, tokens, before, after)
    if call.tier != earlier.tier:
        return pair.changed_value("tier_changed", "service_tier", tokens, earlier.tier, call.tier)
    if call.start < earlier.end:
        explanation = "the earlier call had not ended, so its prompt was not cached yet"
        return pair.miss("concurrent", tokens, explanation)
    age = (call.start - earlier.end).total_seconds()
    if earlier.lives is not None and age > earlier.lives[0]:
        sure = "had" if age > earlier.lives[1] else "may have"
        hours, minutes = divmod(round(age / 60), 60)
        words = f"{hours} h {minutes} min" if hours else f"{minutes} min"
        return pair.miss("expired", tokens, f"{words} after the earlier call, its time to live {sure} passed")
    before, after = earlier.request.get("prompt_cache_key"), call.request.get("prompt_cache_key")
    if before != after:
        return pair.changed_value("cache_key_changed", "prompt_cache_key", tokens, before, after)
    for name in earlier.headers.keys() | call.headers.keys():
        before, after = earlier.headers.get(name), call.headers.get(name)
        if before != after:
            return pair.changed_value("header_changed", name, tokens, before, after)
    explanation = (
        "the prompt is the same, and its time to live had not passed: the provider routed it elsewhere or evicted it"
    )
    return pair.miss("unknown", tokens, explanation)


# Misses after the common prefix


def _changed(pair: _Pair, tokens: int) -> Miss:
    """Return the miss of a call whose prompt differs from the earlier call's."""
    call, earlier, at = pair.call, pair.earlier, pair.same.leaves
    path = _path(call, at) or _path(earlier, at)
    if _path(earlier, at) and _path(call, at) != _path(earlier, at):
        path = min(filter(None, (_path(call, at), _path(earlier, at))), key=len)
    part = re.match(r"[\w.]+?(?:\[\d+\])?(?=\.|$|\[)", path)
    if path.startswith("tools") and _reordered(earlier.request.get("tools"), call.request.get("tools")):
        old, new = _tool_names(earlier), _tool_names(call)
        return pair.miss("tools_reordered", tokens, "the order of tools changed", "tools", old, new)
    if part is not None and _same_but_for_keys(earlier.request, call.request, part[0]):
        return pair.miss("keys_reordered", tokens, f"the order of keys changed in {part[0]}", part[0])
    before, after = _around(earlier, call, at)
    return pair.miss("prefix_changed", tokens, f"the prefix broke at {path}", path, before, after)


def _path(call: CachedCall, at: int) -> str:
    return call.prefix.paths[at] if at < len(call.prefix.paths) else ""


def _kind(call: CachedCall, at: int) -> str:
    """Return what a leaf of the request belongs to: tool, system, parameter or message."""
    path = _path(call, at)
    if path.startswith(("tools", "toolConfig")):
        return "tool"
    if path.startswith(("response_format", "text")):
        return "parameter"
    if path.startswith(("system", "instructions")):
        return "system"
    match = re.match(r"(messages|input)\[(\d+)\]", path)
    if match:
        message = call.request[match[1]][int(match[2])]
        if isinstance(message, dict) and message.get("role") in {"system", "developer"}:
            return "system"
    return "message"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _reordered(before: Any, after: Any) -> bool:
    if not isinstance(before, list) or not isinstance(after, list):
        return False
    one, other = ([_canonical(tool) for tool in tools] for tools in (before, after))
    return one != other and sorted(one) == sorted(other)


def _tool_names(call: CachedCall) -> str:
    tools = (tool for tool in call.request["tools"] if isinstance(tool, dict))
    return ", ".join(str((tool.get("function") or tool).get("name")) for tool in tools)


def _same_but_for_keys(before: dict[str, Any], after: dict[str, Any], part: str) -> bool:
    one, other = _at(before, part), _at(after, part)
    if one is None or other is None or _canonical(one) != _canonical(other):
        return False
    return json.dumps(one, default=str) != json.dumps(other, default=str)


def _at(request: dict[str, Any], part: str) -> Any:
    name, _, index = part.partition("[")
    value = request.get(name)
    if not index:
        return value
    number = int(index.rstrip("]"))
    return value[number] if isinstance(value, list) and number < len(value) else None


def _around(earlier: CachedCall, call: CachedCall, at: int) -> tuple[str | None, str | None]:
    """Return both prompts' texts around the first difference; None for a prompt that ends before it."""
    if not (_path(earlier, at) and _path(call, at)):
        return (_cut(earlier, at, 0), _cut(call, at, 0))
    same = 0
    if _path(earlier, at) == _path(call, at):
        same = same_characters(earlier.prefix.texts[at], call.prefix.texts[at])
    return _cut(earlier, at, same), _cut(call, at, same)


def _cut(call: CachedCall, at: int, same: int) -> str | None:
    if at >= len(call.prefix.texts):
        return None
    text = call.prefix.texts[at]
    start = max(0, same - _AROUND)
    return ("…" if start else "") + text[start : same + _AROUND] + ("…" if same + _AROUND < len(text) else "")


def _dollars(call: CachedCall, tokens: int) -> float | None:
    """Return how much more tokens cost than from the cache: as cache writes if they were written, else as input."""
    write = call.price("cache_write") if call.written >= tokens / 2 and call.written else None
    whole, read = write or call.price("input"), call.price("cache_read")
    return None if whole is None or read is None else tokens * (whole - read)
