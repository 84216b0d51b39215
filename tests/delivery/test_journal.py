"""The journal file: bounded, shared between processes, readable after damage."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from lines import Sink, journal_in, make
from waiting import until

from autolog._config import config_from
from autolog._delivery.journal import Journal, journal_for
from autolog._record.record import Record
from autolog.dialects import native
from autolog.errors import StoreError, StoreUnavailable


def test_the_journal_is_bounded_and_says_what_it_shed(tmp_path: Path) -> None:
    journal = journal_in(tmp_path, max_bytes=3_000)
    for number in range(100):
        journal.add([Record(id=str(number), metadata={"x": os.urandom(50).hex()})])
    waiting = journal.waiting()
    assert 5 < waiting.records < 40
    assert waiting.bytes <= 3_000
    assert journal.shed() == {"journal full": 100 - waiting.records}
    assert [int(record.id) for record, _ in journal.claim(100)][-1] == 99
    young = journal_in(tmp_path, max_age=0)
    assert young.claim(10) == []
    assert young.shed() == {"too old in the journal": waiting.records}


def test_a_full_journal_drops_no_more_than_it_must(tmp_path: Path) -> None:
    journal = journal_in(tmp_path, max_bytes=5_000)
    assert journal.add([Record(id="too large", request_body=os.urandom(6_000))]) == [None]
    for name in "abcdef":
        journal.add([Record(id=name, request_body=os.urandom(900))])
    assert journal.add([Record(id="too large", request_body=os.urandom(6_000))], claimed=True) == [None]
    assert journal.shed() == {"journal full": 2}  # the caller delivers what it claims, or adds it later
    assert [record.id for record, _ in journal.claim(10)] == list("bcdef")


def test_a_clock_that_is_set_forward_ages_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"time": 1e9, "monotonic": 50.0}
    for name in clock:
        monkeypatch.setattr(f"autolog._delivery.journal.{name}", lambda name=name: clock[name])

    def pass_by(name: str, seconds: float) -> None:
        clock[name] += seconds

    journal = journal_in(tmp_path, max_age=1000)
    journal.add([Record(id="a")])
    pass_by("time", 10**8)  # a machine without a clock of its own, which has just asked for the time
    journal.add([Record(id="b")])
    assert (journal.waiting().records, journal.shed()) == (2, {})
    for name in clock:
        pass_by(name, 1001)
    journal.add([Record(id="c")])
    assert (journal.waiting().records, journal.shed()) == (1, {"too old in the journal": 2})


def test_a_claim_is_void_when_its_process_is_gone(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    program = f"""
        import os
        from pathlib import Path
        from autolog._delivery.journal import Journal
        from autolog._record.record import Record
        Journal(Path({str(tmp_path / "journal.db")!r}), "somewhere", 10**6, 1000).add([Record(id="a")], claimed=True)
        os.kill(os.getpid(), 9)
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert journal.waiting().records == 1
    held = journal.add([Record(id="mine")], claimed=True)
    claimed = journal.claim(10)
    assert [record.id for record, _ in claimed] == ["a"]
    assert journal.claim(10) == []  # both records are claimed by this process
    journal.release(held)
    assert [record.id for record, _ in journal.claim(10)] == ["mine"]


def test_what_messagepack_cannot_hold_is_kept_all_the_same(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    odd = Record(id="a", input_preview="cut \ud83d", metadata={"n": 2**70, "deep": [{"\udc00": -(2**70)}]})
    journal.add([odd])
    ((back, _),) = journal.claim(1)
    assert back.input_preview == "cut ?"
    assert back.metadata == {"n": hex(2**70), "deep": [{"?": hex(-(2**70))}]}
    (decoded,) = native.decode_batch(native.encode_batch([odd]), native.MSGPACK)
    assert decoded == back


def test_a_file_that_is_deleted_is_made_anew_and_numbers_are_not_used_again(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    claimed = journal.add([Record(id="a")], claimed=True)
    for file in tmp_path.glob("journal.db*"):
        file.unlink()
    journal.add([Record(id="b")])
    journal.remove(claimed)  # of the other file
    assert [record.id for record, _ in journal_in(tmp_path).claim(10)] == ["b"]


def test_a_file_that_is_emptied_is_made_anew_even_if_others_have_it_open(tmp_path: Path) -> None:
    journal, other = journal_in(tmp_path), journal_in(tmp_path)
    journal.add([Record(id="a")])
    for each in (journal, other):
        each.wait_up_to(0.1)
        assert [item.records for item in each.all_waiting()] == [1]
    os.truncate(tmp_path / "journal.db", 0)
    journal.add([Record(id="b")])
    other.add([Record(id="c")])
    assert [record.id for record, _ in journal_in(tmp_path).claim(10)] == ["b", "c"]


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    journal = journal_in(tmp_path / "new")
    journal.add([Record(id="a")])
    assert (tmp_path / "new" / "journal.db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


PAGE = 4096


def filled(folder: Path, count: int = 300) -> Path:
    """Write a journal of many pages, checkpointed into one file, and return its path."""
    journal = journal_in(folder)
    for start in range(0, count, 50):
        journal.add([Record(id=str(n), metadata={"x": os.urandom(400).hex()}) for n in range(start, start + 50)])
    with journal._file.reading() as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "journal.db"


@pytest.mark.parametrize("junk", [b"\0", b"\xff", b"\x0d"])
@pytest.mark.parametrize("where", [1, 3, 5, 0.3, 0.5, 0.8, -1])
def test_a_damaged_page_costs_what_was_on_it_and_is_counted(where: float, junk: bytes, tmp_path: Path) -> None:
    path = filled(tmp_path)
    pages = path.stat().st_size // PAGE
    page = int(where * pages) if 0 < where < 1 else int(where) % pages
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(junk * PAGE)
    journal = journal_in(tmp_path)
    journal.add([Record(id="new")])
    found: set[str] = set()
    while entries := journal.claim(100):
        found |= {record.id for record, _ in entries}
        journal.remove([seq for _, seq in entries if seq is not None])
    lost = journal.shed().get("unreadable in the journal", 0)
    assert "new" in found
    assert len(found) + lost == 301
    assert lost < 30
    assert journal.waiting().records == 0


def test_a_first_page_that_is_damaged_costs_all_but_not_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / ".autolog"
    path = filled(folder)
    with path.open("r+b") as file:
        file.write(bytes(PAGE))
    journal = journal_in(folder)
    journal.add([Record(id="new")])
    assert [record.id for record, _ in journal.claim(10)] == ["new"]
    assert journal.shed()["unreadable in the journal"] >= 1
    assert path.with_name("journal.db.damaged").exists()


def test_a_journal_whose_log_is_overwritten_while_it_is_open_is_repaired(tmp_path: Path) -> None:
    folder = tmp_path / ".autolog"
    journal = journal_in(folder)
    journal.add([Record(id="old")])
    (folder / "journal.db-wal").write_bytes(b"damage " * 20_000)
    journal.add([Record(id="new")])
    found = {record.id for record, _ in journal.claim(10)}
    assert "new" in found
    assert len(found) + journal.shed().get("unreadable in the journal", 0) == 2


def test_several_threads_find_the_damage_at_once(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // PAGE // 2 * PAGE)
        file.write(bytes(PAGE))
    journal = journal_in(tmp_path)
    found: list[str] = []

    def take() -> None:
        while entries := journal.claim(7):
            found.extend(record.id for record, _ in entries)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        len(set(found)) + journal.shed()["unreadable in the journal"] == 300
    )  # some records twice, which the backend recognises by their ids


def test_a_sink_gets_what_a_damaged_journal_still_has_and_the_rest_is_counted(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // PAGE // 2 * PAGE)
        file.write(bytes(PAGE))
    sink = Sink()
    line = make(sink, journal=journal_in(tmp_path))
    line.delivery.resume_backlog()
    until(lambda: len(sink.records) + line.lost.get("unreadable in the journal", 0) == 300)
    assert line.close(5)
    assert [loss["reason"] for loss in journal_in(tmp_path).losses()] == ["unreadable in the journal"]


def test_entries_that_grew_too_old_are_counted_by_the_sender_that_finds_them(tmp_path: Path) -> None:
    journal_in(tmp_path).add([Record(id="a"), Record(id="b")])
    line = make(Sink(), journal=journal_in(tmp_path, max_age=0))
    line.delivery.resume_backlog()
    until(lambda: line.lost == {"too old in the journal": 2})
    assert line.close(5)


@pytest.fixture
def spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for temporary files."""
    folder = tmp_path / "spare"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_looking_for_a_journal_makes_nothing(spare: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none" / "journal.db", "target", 1_000_000, 60, spare=True)
    assert (journal.exists(), journal.all_waiting(), journal.losses()) == (False, [], [])
    assert not list(spare.iterdir())
    assert not (tmp_path / "none").exists()


def test_a_journal_that_another_process_writes_to_is_not_left_for_the_temporary_folder(
    spare: Path, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    journal = Journal(path, "target", 1_000_000, 60, spare=True)
    journal.wait_up_to(0.1)
    with pytest.raises(StoreUnavailable):
        journal.add([Record(id="a")])
    other.execute("ROLLBACK")
    assert journal.add([Record(id="a")])
    assert (journal.path, list(spare.iterdir())) == (path, [])


def test_what_the_temporary_folder_kept_comes_home(spare: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.write_text("no folder")
    path = folder / "journal.db"
    away = Journal(path, "target", 1_000_000, 60, spare=True)
    away.add([Record(id=str(number)) for number in range(250)])
    away.add([Record(id="mine")], claimed=True)
    assert away.path != path
    folder.unlink()

    def elsewhere() -> Journal:
        return Journal(tmp_path / "elsewhere" / "journal.db", "target", 1_000_000, 60, spare=True)

    assert elsewhere().claim(10) == []  # another folder's, which may mean another store by the same name
    home = Journal(path, "target", 1_000_000, 60, spare=True)
    assert home.exists()
    assert [record.id for record, _ in home.claim(1000)] == [str(number) for number in range(250)]
    assert home.path == path
    assert away.waiting().records == 1


def test_stores_of_different_folders_are_different_in_one_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name(journal: Path | None, store: str) -> str:
        return journal_for(config_from({"journal": str(journal)} if journal else {}), store).target

    names = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        here = "sqlite:///.autolog/logs.db"
        names.append(name(Path("/var/shared/journal.db"), here))
        assert name(None, here) == name(None, f"sqlite:///{tmp_path}/{folder}/.autolog/logs.db") == here
    assert len(set(names)) == 2


def test_losses_are_remembered_elsewhere_when_the_journal_cannot_take_them(spare: Path, tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.add([Record(id="a")])
    with journal._file.reading() as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON loss BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    journal.note_losses({"queue full": 3})
    assert [(loss["reason"], loss["count"]) for loss in journal_in(tmp_path).losses()] == [("queue full", 3)]
    assert list(spare.glob("autolog-*/losses-*.db"))
    (tmp_path / "other").mkdir()
    assert journal_in(tmp_path / "other").losses() == []  # of another program


def test_losses_remembered_elsewhere_are_read_while_the_journal_cannot_be(spare: Path, tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("something else, and long enough to be no empty file")
    with pytest.raises(StoreError):
        journal_in(tmp_path).losses()
    journal_in(tmp_path).note_losses({"queue full": 3})
    assert [loss["count"] for loss in journal_in(tmp_path).losses()] == [3]
    assert list(spare.glob("autolog-*/losses-*.db"))


def test_losses_that_nothing_can_remember_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "journal.db").write_text("something else, and long enough to be no empty file")
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    journal_in(tmp_path).note_losses({"queue full": 7})
    assert "autolog lost records: 7 (queue full)" in capsys.readouterr().err
