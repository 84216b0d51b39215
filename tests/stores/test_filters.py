"""Filters in the form that users write: names, times, ages, time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from autolog.stores.filters import FILTERS, parse_age, parse_time, parse_zone, read_query, scored_words
from autolog.stores.query import FilterError, Query, Scored

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 0, 30, tzinfo=UTC)  # 01:30 in Berlin


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", NOW),
        ("30m", utc(27, 0)),
        ("2 h ago", utc(26, 22, 30)),
        ("2 hours ago", utc(26, 22, 30)),
        ("1 Day Ago", utc(26, 0, 30)),
        ("1w", utc(20, 0, 30)),
        ("999999w", datetime(1970, 1, 1, tzinfo=UTC)),
        ("today", utc(26, 23)),
        ("yesterday", utc(25, 23)),
        ("yesterday 14:05", utc(26, 13, 5)),
        ("today 9:00", utc(27, 8)),
        ("14:05", utc(27, 13, 5)),
        ("this week", utc(22, 23)),
        ("Monday", utc(22, 23)),
        ("friday", utc(26, 23)),
        ("saturday 9:00", utc(21, 8)),
        ("this week 14:05", utc(23, 13, 5)),
        ("this month", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("2026-11-20", utc(19, 23)),
        ("2026-11-20T12:00", utc(20, 11)),
        ("2026-11-20 12:00", utc(20, 11)),
        ("2026-11-20T12:00Z", utc(20, 12)),
        ("2026-11-20T12:00-05:00", utc(20, 17)),
        ("2026-07-20T12:00", datetime(2026, 7, 20, 10, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_the_readers(text: str, at: datetime) -> None:
    assert parse_time(text, BERLIN, NOW) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "25:00",
        "yesterday noon",
        "next week",
        "this year",
        "mon",
        "2026-13-01",
        "1969-12-31",
        "12",
        "3 months",
    ],
)
def test_what_is_no_time_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time such as|is not a time of the years"):
        parse_time(text, BERLIN, NOW)


def test_ages() -> None:
    assert parse_age("90 min") == timedelta(minutes=90)
    assert parse_age("7d") == timedelta(days=7)
    for text in ("7", "d", "1.5h", "-1h", "1h30m", "1234567s"):
        with pytest.raises(ValueError, match="is not a duration"):
            parse_age(text)


def test_zones() -> None:
    assert parse_zone("Europe/Berlin") == BERLIN
    assert parse_zone("-05:30").utcoffset(None) == timedelta(hours=-5, minutes=-30)
    assert parse_zone("utc") is UTC
    for text in ("Mars/Crater", "../../etc/passwd", "Europe", "+25:00", "\0"):
        with pytest.raises(ValueError, match="is not a time zone"):
            parse_zone(text)


def test_every_filter_becomes_a_part_of_the_query() -> None:
    values = {"status": "ok", "metadata": "k=v", "since": "2026-11-20", "until": "2026-11-21"}
    for word in FILTERS:
        assert read_query([(word, values.get(word, "x"))]) != Query(), word


def test_filters_may_be_combined() -> None:
    pairs = [("model", "m"), ("trace", "t"), ("tag", "a"), ("tag", "b"), ("metadata", "k=v=w"), ("until", "2026-11-20")]
    expected = Query(
        {"model": "m", "trace_id": "t"}, ("a", "b"), {"k": "v=w"}, until=datetime(2026, 11, 19, 23, tzinfo=UTC)
    )
    assert read_query(pairs, BERLIN) == expected


@pytest.mark.parametrize(
    ("pairs", "name", "problem"),
    [
        ([("colour", "red")], "colour", "there is no such filter; choose from model, provider"),
        ([("user", "a"), ("user", "b")], "user", "given twice"),
        ([("status", "maybe")], "status", "neither ok nor error"),
        ([("metadata", "x")], "metadata", "key=value"),
        ([("metadata", "=x")], "metadata", "key=value"),
        ([("since", "soon")], "since", "is not a time such as"),
        ([("since", "2026-11-21"), ("until", "2026-11-20")], "until", "is before since"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(pairs: list[tuple[str, str]], name: str, problem: str) -> None:
    with pytest.raises(FilterError) as refused:
        read_query(pairs)
    assert refused.value.name == name
    assert problem in refused.value.problem


@pytest.mark.parametrize(
    ("text", "scored"),
    [
        ("helpful", Scored("helpful")),
        ("helpful<0.5", Scored("helpful", "lt", 0.5)),
        ("tone of voice >= -1e2", Scored("tone of voice", "ge", -100.0)),
        ("default=1", Scored("default", "eq", 1.0)),
    ],
)
def test_scores_are_compared_as_people_write_it(text: str, scored: Scored) -> None:
    assert read_query([("score", text)]).scores == (scored,)
    assert read_query([("score", scored_words(scored))]).scores == (scored,)


@pytest.mark.parametrize("text", ["helpful<", "<1", "helpful=yes", "a=b=c", "helpful<nan", "helpful>>1", "helpful==1"])
def test_a_comparison_of_scores_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="score"):
        read_query([("score", text)])
