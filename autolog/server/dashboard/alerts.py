"""Alerts: the rules with their states, the latest events, and a form for a new rule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from autolog.dialects._fault import Fault
from autolog.errors import AutologError
from autolog.server._alerts import (
    Rule,
    check_rule,
    described,
    filter_pairs,
    put_rule,
    read_rules,
    remove_rule,
)
from autolog.server._call import Reply
from autolog.server._keys import ANY_PROJECT
from autolog.server._logs import note_change
from autolog.server.dashboard._page import PageRequest
from autolog.stores.filters import REPEATED

#: Example conditions that the form suggests.
EXAMPLES = ("error_rate > 5% over 15m", "p95 > 20s over 1h", "cost > 50 over 1d", "calls < 1 over 1h")
#: The most events that are listed.
EVENTS = 30


def alerts(request: PageRequest) -> Reply:
    """Show the alerts; a link from a list fills the list's filters into the form."""
    return _show(request)


def save(request: PageRequest) -> Reply:
    """Create an alert, or replace the one of the same name."""
    form = request.form
    name = form.get("name", "").strip()
    known = next((rule for rule in read_rules(request.store) if rule.name == name), None)
    if known is not None:
        _check(request, known.project)
    project = request.project or form.get("project", "").strip() or ANY_PROJECT
    _check(request, project)
    try:
        kept = known.webhook if known is not None and form.get("keep_webhook") else None
        rule = Rule(
            name, project, form.get("when", ""), _filters(form.get("filters", "")), _count(form.get("min_calls", "")),
            form.get("webhook", "").strip() or kept, tuple(form.get("mail", "").replace(",", " ").split()),
        )  # fmt: skip
        check_rule(rule)
        request.call.write(lambda store: put_rule(store, rule))
    except AutologError as error:
        return _show(request, 400, wrong=str(error))
    note_change(request.call.principal.key_id, f"set the alert {name!r}: {rule.when}", alert=name)
    return request.redirect("/ui/alerts")


def remove(request: PageRequest) -> Reply:
    rule = _rule(request)
    request.call.write(lambda store: remove_rule(store, rule.name))
    note_change(request.call.principal.key_id, f"removed the alert {rule.name!r}", alert=rule.name)
    return request.redirect("/ui/alerts")


def try_out(request: PageRequest) -> Reply:
    """Send an alert's notifications as if it fired, to test their delivery."""
    rule, now = _rule(request), datetime.now(UTC)
    value, calls = rule.figure(request.store, now)
    text = "TEST " + rule.words(True, value, calls).removeprefix("FIRING ")
    event = {"at": now.isoformat(timespec="seconds"), "firing": True, "test": True, "value": value, "calls": calls}
    problems = request.call.services.notifier.notify(rule, {**event, "text": text})
    return _show(request, told=text, problems=problems)


def _show(request: PageRequest, code: int = 200, **values: Any) -> Reply:
    rules = described(request.store, None if request.project is None else {request.project})
    chosen = request.frame.project
    rules = [rule for rule in rules if not chosen or rule["project"] in {chosen, ANY_PROJECT}]
    for rule in rules:
        rule["pairs"] = list(filter_pairs(rule["filters"]))
    events = sorted(
        ({**event, "name": rule["name"]} for rule in rules for event in rule["events"]),
        key=lambda event: str(event["at"]), reverse=True,
    )  # fmt: skip
    form = request.form or {"filters": request.parameter("filters"), "project": chosen, **_changed(request, rules)}
    return request.render(
        "alerts.html", code, place="alerts", rules=rules, events=events[:EVENTS], form=form, examples=EXAMPLES,
        may_change=request.call.principal.may("admin"), any_project=ANY_PROJECT, **values,
    )  # fmt: skip


def _changed(request: PageRequest, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the form's values for the alert to be changed, if the URL names one."""
    rule = next((rule for rule in rules if rule["name"] == request.parameter("change")), None)
    if rule is None:
        return {}
    return {
        "name": rule["name"], "project": rule["project"], "when": rule["when"], "filters": urlencode(rule["pairs"]),
        "min_calls": rule["min_calls"], "mail": ", ".join(rule["mail"]), "hook": rule["webhook"],
    }  # fmt: skip


def _rule(request: PageRequest) -> Rule:
    """Return the alert that the form names.

    Raises:
        Fault: 404, if there is none that the key administers.
    """
    rule = next((rule for rule in read_rules(request.store) if rule.name == request.form.get("name")), None)
    if rule is None:
        raise Fault(404, "There is no such alert; it may have been removed.")
    _check(request, rule.project)
    return rule


def _check(request: PageRequest, project: str) -> None:
    """Raise a Fault with status 403 if the key does not administer a project."""
    if not request.call.principal.may("admin") or request.project not in {None, project}:
        raise Fault(403, "Changing alerts needs a key with the scope admin.")


def _filters(text: str) -> dict[str, Any]:
    """Parse filters written as in a URL: `model=gpt-4o&tag=web`.

    Raises:
        AutologError: if they do not have this form.
    """
    pairs = parse_qsl(text.strip().removeprefix("?"), keep_blank_values=True)
    if text.strip() and not pairs:
        raise AutologError(f"filters: {text[:100]!r} is not of the form model=gpt-4o&tag=web")
    found: dict[str, Any] = {}
    for word, value in pairs:
        if word in REPEATED:
            found.setdefault(word, []).append(value)
        else:
            found[word] = value
    return found


def _count(text: str) -> int:
    if not text.strip():
        return 1
    if not (text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 10):
        raise AutologError(f"calls: {text[:50]!r} is not a number of calls")
    return int(text)
