"""Copy one store into another: in batches, verifying each on arrival, and resuming where an earlier run stopped."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from autolog._record.record import Record
from autolog.errors import StoreError
from autolog.stores._batches import batches
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

BATCH = 500
#: The kind of the document in which a target stores the progress of a copy.
_COPY = "copy"


@dataclass(slots=True)
class Copied:
    """The figures of a copy.

    Attributes:
        before: the number of records copied by earlier runs.
        records: the number of records copied by this run.
        documents: the number of documents copied by this run.
        calls: the number of provider calls among the records; the following are sums over these.
        input_tokens: their input tokens.
        output_tokens: their output tokens.
        cost: their cost, in US dollars.
    """

    before: int = 0
    records: int = 0
    documents: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


def copy(
    source: Store, target: Store, again: bool = False, on_progress: Callable[[int], None] = lambda _: None
) -> Copied:
    """Copy all records with their bodies and sequence numbers, and all documents, into a store that may hold others.

    The target remembers its progress: after an interruption, or when there are new records, the copy resumes from
    there, unless `again` is set. Records that exist already are merged, not duplicated. `on_progress` is called with
    the total number of records copied so far.

    Raises:
        StoreError: if the target's records differ from those sent.
    """
    state = {} if again else target.documents(_COPY).get(source.url, {})
    if state and not source.find(Query({"seq": state["after"], "id": state["id"]}), 1):
        state = {}  # another store has this name now, or the last record copied is gone: start over
    done = Copied(before=state.get("records", 0))
    after = state.get("after", 0)
    on_progress(done.before)
    found = source.scan(Query(), after - 1 if after else 0)  # records that share this number may be missing
    records = (record for record in found if (record.seq, record.id) != (after, state.get("id")))
    for batch in batches(records, BATCH):
        after = batch[-1].seq or after
        with target.transaction():
            target.write(batch, keep_seq=True)
            state = {"after": after, "id": batch[-1].id, "records": done.before + done.records + len(batch)}
            target.put_document(_COPY, source.url, state)
        done.records += len(batch)
        _check(target, batch, done)
        on_progress(done.before + done.records)
    for kind, key, data in _documents(source):
        target.put_document(kind, key, data)
        done.documents += 1
    return done


def _documents(source: Store) -> Iterator[tuple[str, str, dict[str, object]]]:
    for kind in source.document_kinds():
        if kind not in {_COPY, "health"}:
            for key, data in source.documents(kind).items():
                yield kind, key, data


def _check(target: Store, batch: list[Record], done: Copied) -> None:
    """Check that the target has the same number of records of a batch, and the same sums.

    Raises:
        StoreError: if it has not.
    """
    projects: dict[str, list[Record]] = defaultdict(list)
    for record in batch:
        projects[record.project].append(record)
    for project, sent in projects.items():
        query = Query({"project": project}, conditions=(Condition("id", "eq", tuple({item.id for item in sent})),))
        calls = [record for record in sent if record.kind == "llm"]
        wanted = (
            len({record.id for record in sent}),
            len(calls),
            sum(record.usage_input_tokens or 0 for record in calls),
            sum(record.usage_output_tokens or 0 for record in calls),
            math.fsum(record.cost or 0.0 for record in calls),
        )
        rows = target.aggregate(query)
        sums = rows[0] if rows else None
        found = (
            target.count(query),
            sums.calls if sums else 0,
            (sums.input_tokens if sums else 0) or 0,
            (sums.output_tokens if sums else 0) or 0,
            (sums.cost if sums else 0.0) or 0.0,
        )
        if found[:4] != wanted[:4] or not math.isclose(found[4], wanted[4], rel_tol=1e-9, abs_tol=1e-12):
            names = ("records", "calls", "input tokens", "output tokens", "dollars")
            differences = ", ".join(
                f"{have} {name} of {want}"
                for name, have, want in zip(names, found, wanted, strict=True)
                if have != want
            )
            raise StoreError(
                target.url,
                f"the records of project {project!r} that arrived differ from those sent: {differences}; "
                f"if the store had other versions of these records before (ids from {sent[0].id} to {sent[-1].id}), "
                "delete them and copy again",
            )
        done.calls += wanted[1]
        done.input_tokens += wanted[2]
        done.output_tokens += wanted[3]
        done.cost += wanted[4]
