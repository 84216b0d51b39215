"""A score is stored under its name, with its comment if there is one."""

from __future__ import annotations

from autolog._record.record import Record
from autolog._record.scores import DEFAULT, set_score


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
