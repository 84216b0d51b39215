"""A score is stored under its name, with its comment if there is one."""

from __future__ import annotations

from autolog._record.record import Record
from autolog._record.scores import DEFAULT, entries_of, set_score, values_of


def test_scores_stand_beside_one_another_and_one_of_the_same_name_is_replaced() -> None:
    record = Record(id="r")
    set_score(record, "tone", 0.5)
    set_score(record, "facts", 1, "all there")
    set_score(record, "tone", 0.7)
    assert record.scores == {"tone": 0.7, "facts": {"value": 1, "comment": "all there"}}
    assert record.score is None


def test_the_score_without_a_name_is_the_records_score() -> None:
    record = Record(id="r")
    set_score(record, DEFAULT, -1, "no")
    assert record.score == -1
    assert record.scores[DEFAULT] == {"value": -1, "comment": "no"}


def test_scores_that_somebody_else_holds_stay_as_they_are() -> None:
    before: dict[str, object] = {"a": 1}
    record = Record(id="r", scores=before)
    set_score(record, "b", 2)
    assert before == {"a": 1}


def test_scores_are_read_with_their_comments_and_only_numbers_count() -> None:
    record = Record(id="r", score=2, scores={"facts": {"value": 1, "comment": "all there"}, "tone": "warm"})
    assert list(entries_of(record)) == [(DEFAULT, 2, None), ("facts", 1, "all there"), ("tone", "warm", None)]
    assert values_of(record) == {DEFAULT: 2.0, "facts": 1.0}
    assert list(entries_of(Record(id="s"))) == []


def test_values_without_a_finite_sum_are_kept_and_not_summed() -> None:
    scores = {"nan": float("nan"), "inf": float("inf"), "float": -1.7e308, "integer": 10**400, "good": 10**20}
    assert values_of(Record(id="r", score=1.7e308, scores=scores)) == {"good": 1e20}
