"""A program that uses autolog under faults: a misbehaving backend, exits, kills, forks, lack of resources."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from live import KEY, Live, live

from autolog.stores.query import Query
from faults.real import (
    MOODS,
    ROOT,
    Moody,
    environment,
    free_port,
    moody,
    names_in,
    program,
    run,
    until,
)

#: Shortens pauses and timeouts alike, so that ten minutes of a faulty backend take seconds.
HASTE = """
import autolog, autolog._delivery.delivery, autolog._delivery.http_sink
autolog._delivery.delivery.MAX_PAUSE, autolog._delivery.http_sink.TIMEOUT = 0.4, 0.5
"""


def shipping(backend: Moody | Live) -> dict[str, str]:
    return {"AUTOLOG_ENDPOINT": backend.url, "AUTOLOG_API_KEY": KEY}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    """Run a server in this process, because these tests are about faults of the program's process."""
    with live(tmp_path / "server.db") as running:
        yield running


def wait_for_line(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == wanted:
            return
    raise AssertionError(process.stderr.read() if process.stderr else "it ended")


def settle(folder: Path, backend: Moody | Live) -> None:
    """Start a program again, to send what a fast exit has left in the journal."""
    done = run("import autolog\nautolog.patch()\nassert autolog.flush(20)", folder, **shipping(backend))
    assert done.returncode == 0, done.stderr


# A faulty backend


@pytest.mark.parametrize("mood", MOODS)
def test_a_mood_that_passes(mood: str, server: Live, tmp_path: Path, thorough: bool) -> None:
    with moody(server) as backend:
        process = program(
            HASTE + f"""
            import sys, time
            for number in range({400 if thorough else 60}):
                with autolog.span(str(number)): pass
                print(number)
                time.sleep({0.05 if thorough else 0.02})
            sys.stdin.readline()
            """.replace("\n            ", "\n"),
            tmp_path, **shipping(backend),
        )  # fmt: skip
        count = 400 if thorough else 60
        wait_for_line(process, str(count // 6))
        backend.feel(mood)
        wait_for_line(process, str(count - count // 6))
        backend.feel("well")
        until(lambda: server.store.count(Query()) == count)
        process.kill()
        _, stderr = process.communicate()
    assert server.names() == sorted(map(str, range(count)))
    assert stderr.count("\n") < 6, stderr


WAYS = {
    "normal": "",
    "sys.exit": "import sys; sys.exit(3)",
    "exception": "raise ValueError('x')",
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(60)",
    "SIGINT": "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(60)",
    "asyncio": "import asyncio, sys; asyncio.run(asyncio.sleep(0)); sys.exit(4)",
}


@pytest.mark.parametrize(
    ("way", "mood"),
    [(way, mood) for way in WAYS for mood in ("refuse", "hang")]
    + [(way, mood) for way in ("normal", "SIGTERM") for mood in ("500", "garbage", "well")],
)
def test_an_exit_is_quick_and_loses_nothing(way: str, mood: str, server: Live, tmp_path: Path) -> None:
    end, started = WAYS[way], time.monotonic()
    expected = run("import autolog\n" + end, tmp_path).returncode
    usual = time.monotonic() - started  # the time of a program that records nothing, on a machine this busy
    with moody(server, mood) as backend:
        process = program(
            textwrap.dedent("""
            import autolog, time
            for number in range(200):
                with autolog.span(str(number)) as span: span.set(output="x" * 1000)
            time.sleep(0.3)
            with autolog.span("last"): pass
            print("ending")
            """) + end,
            tmp_path, **shipping(backend),
        )  # fmt: skip
        wait_for_line(process, "ending")
        started = time.monotonic()
        process.communicate(timeout=20)
        took = time.monotonic() - started
        assert process.returncode == expected
        assert took < 2.6 + 4 * usual, (
            took,
            usual,
        )  # 2 seconds, plus an allowance for a busy machine; a request has 10
        backend.feel("well")
        run("import autolog\nwith autolog.span('next'): pass\nautolog.flush(10)", tmp_path, **shipping(backend))
    assert server.names() == sorted([*map(str, range(200)), "last", "next"])


def test_the_next_start_resends_without_a_call_of_its_own(server: Live, tmp_path: Path) -> None:
    with moody(server, "refuse") as backend:
        run("import autolog\nwith autolog.span('a'): pass", tmp_path, **shipping(backend))
        backend.feel("well")
        process = program("import autolog, time\nautolog.patch()\ntime.sleep(600)", tmp_path, **shipping(backend))
        until(lambda: server.names() == ["a"])
        process.kill()
        process.communicate()


def test_several_processes_share_what_is_left(server: Live, tmp_path: Path) -> None:
    with moody(server, "500") as backend:
        many = """
        import autolog
        for number in range(1500):
            with autolog.span(str(number)): pass
        autolog.flush(3)
        """
        run(many, tmp_path, **shipping(backend))
        backend.feel("well")
        backend.requests = 0
        later = [
            program(
                "import autolog, time\nwith autolog.span('own'): pass\nautolog.flush(8)\n",
                tmp_path,
                **shipping(backend),
            )
            for _ in range(4)
        ]
        for process in later:
            process.communicate(timeout=30)
        until(lambda: server.store.count(Query()) == 1504)
    assert server.names() == sorted([*map(str, range(1500)), *["own"] * 4])


def test_another_key_does_not_send_it(server: Live, tmp_path: Path) -> None:
    with moody(server, "500") as backend:
        run("import autolog\nwith autolog.span('a'): pass", tmp_path, **shipping(backend))
        backend.feel("well")
        other = {**shipping(backend), "AUTOLOG_API_KEY": "another"}
        run("import autolog\nwith autolog.span('b'): pass\nautolog.flush(1)", tmp_path, **other)
        assert server.names() == []
        done = subprocess.run(
            [sys.executable, "-m", "autolog", "doctor"], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
    assert done.returncode == 1
    assert len(re.findall(r"1 records", " ".join(done.stdout.split()))) == 2, done.stdout


# Killed


def test_killed_with_durable(server: Live, tmp_path: Path, thorough: bool) -> None:
    for kill in range(12 if thorough else 2):
        with moody(server, "hang" if kill % 2 else "well") as backend:
            process = program(
                f"""
                import autolog
                autolog.configure(durable=True)
                for number in range(100_000):
                    with autolog.span(f"{kill}-{{number}}"): pass
                    print(number)
                """,
                tmp_path, **shipping(backend),
            )  # fmt: skip
            wait_for_line(process, str(150 + 40 * kill))
            process.kill()
            out, _ = process.communicate()
            last = int(["", str(150 + 40 * kill), *out.split("\n")[:-1]][-1])
            backend.feel("well")
            settle(tmp_path, backend)
        mine = [name for name in server.names() if name.startswith(f"{kill}-")]
        assert set(mine) >= {f"{kill}-{number}" for number in range(last + 1)}
        assert len(mine) == len(set(mine))


def test_killed_with_durable_and_a_local_store(tmp_path: Path) -> None:
    process = program(
        """
        import autolog, sqlite3, os
        autolog.configure(store="sqlite:///logs.db", durable=True)
        lock = sqlite3.connect("logs.db", isolation_level=None); lock.execute("BEGIN EXCLUSIVE")
        for number in range(100):
            with autolog.span(str(number)): pass
        os.kill(os.getpid(), 9)
        """,
        tmp_path,
    )
    process.communicate(timeout=30)
    run("import autolog\nautolog.configure(store='sqlite:///logs.db')\nassert autolog.flush(10)", tmp_path)
    assert names_in(tmp_path / "logs.db") == sorted(map(str, range(100)))


def test_frozen_and_thawed(server: Live, tmp_path: Path) -> None:
    """Freeze a process as a function host does between two calls: connections die, and time jumps."""
    with moody(server) as backend:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent("""
                import autolog, time
                for number in range(40):
                    with autolog.span(str(number)): pass
                    print(number)
                    time.sleep(0.05)
                """)],
            cwd=tmp_path, env=environment(**shipping(backend)), text=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        for _ in range(3):
            time.sleep(0.5)
            process.send_signal(signal.SIGSTOP)
            backend.feel("cut")
            time.sleep(0.7)
            backend.feel("well")
            process.send_signal(signal.SIGCONT)
        process.communicate(timeout=30)
        settle(tmp_path, backend)
    assert server.names() == sorted(map(str, range(40)))


# Signals, exit handlers, and user functions that exit

INTERRUPTING = {
    "one Ctrl-C": "os.kill(os.getpid(), 2)",
    "an impatient user": "for _ in range(100): os.kill(os.getpid(), 2); time.sleep(0.002)",
    "SIGTERM": "os.kill(os.getpid(), 15)",
    "Ctrl-C and SIGTERM": "os.kill(os.getpid(), 2); os.kill(os.getpid(), 15)",
}


@pytest.mark.parametrize("way", INTERRUPTING)
def test_signals_during_the_last_flush(way: str, tmp_path: Path, thorough: bool) -> None:
    for turn in range(40 if thorough else 1):
        folder = tmp_path / str(turn)
        folder.mkdir()
        run(
            f"""
            import atexit, autolog, os, random, threading, time
            with autolog.span("warm"): pass
            autolog.flush()
            for number in range(500):
                with autolog.span(str(number)) as span: span.set(output="x" * 2000)
            def strike():
                time.sleep({0.001 * (turn % 40)} + 0.001)
                {INTERRUPTING[way]}
            threading.Thread(target=strike, daemon=True).start()
            """,
            folder,
        )
        run("import autolog\nautolog.configure()\nassert autolog.flush(30)", folder)
        assert names_in(folder / ".autolog" / "logs.db") == sorted(["warm", *map(str, range(500))])


#: Stays on one core, so that a program there is overloaded, and the tests that run beside it are not.
ON_ONE_CORE = (
    "import os\nif hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\n"
)


@contextlib.contextmanager
def overload() -> Iterator[None]:
    """Keep one core busy with four programs."""
    load = [subprocess.Popen([sys.executable, "-c", ON_ONE_CORE + "while True: pass"]) for _ in range(4)]
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.wait()


@pytest.mark.parametrize("interrupt", ["", INTERRUPTING["one Ctrl-C"]])
def test_an_exit_on_a_machine_that_is_overloaded(interrupt: str, tmp_path: Path, thorough: bool) -> None:
    for turn in range(10 if thorough else 1):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with overload():
            done = run(
                ON_ONE_CORE
                + textwrap.dedent(f"""
                import autolog, os, threading, time
                for number in range(3000):
                    with autolog.span(str(number)) as span: span.set(output="x" * 2000)
                def strike():
                    time.sleep(0.03)
                    {interrupt}
                threading.Thread(target=strike, daemon=True).start()
                """),
                folder,
            )
        run("import autolog\nautolog.configure()\nassert autolog.flush(50)", folder)
        assert names_in(folder / ".autolog" / "logs.db") == sorted(map(str, range(3000))), done.stderr


def test_time_limits_by_signal_reach_the_program_and_lose_no_whole_record(tmp_path: Path, thorough: bool) -> None:
    done = run(
        f"""
        import autolog, random, signal, time
        class Limit(Exception): ...
        raised = caught = done = 0
        armed = True
        def limit(*_):
            global raised
            if armed:
                raised += 1
                raise Limit
        with autolog.span("warm"): pass
        autolog.flush()
        signal.signal(signal.SIGALRM, limit)
        end = time.monotonic() + {20 if thorough else 2}
        while time.monotonic() < end or caught <= 100:  # enough on a slow machine, too
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.002))
                while True:
                    with autolog.span(f"whole {{done}}"): pass
                    done += 1
                    if not done % 50: time.sleep(0.0005)
            except Limit:
                caught += 1
        armed = False
        autolog.flush(30)
        print(raised, caught, done, len(autolog.status()["failures"]))
        """,
        tmp_path,
    )
    raised, caught, whole, failures = map(int, done.stdout.split())
    assert raised == caught > 100
    assert failures == 0
    run("import autolog\nautolog.configure()\nassert autolog.flush(30)", tmp_path)
    found = set(names_in(tmp_path / ".autolog" / "logs.db"))
    assert found >= {f"whole {number}" for number in range(whole)}


#: Imports autolog, configures, patches and calls for the first time, in a child for each place that an exception strikes
#: at: the first lines of ours that are run, in order; then does it again, and prints what is not as ever.
FIRST_USE = """
import json, openai, os, sys
from openai import _base_client
http = getattr(_base_client, "httpx2", None) or _base_client.httpx
answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": []}
transport = http.MockTransport(lambda request: http.Response(200, json=answer))
client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
ours = os.path.join(ROOT, "autolog")
class Limit(Exception): ...

def use():
    import autolog
    autolog.configure(store="sqlite:///logs.db")
    autolog.patch_openai()
    client.chat.completions.create(model="gpt-4o", messages=[])
    with autolog.span("last"): pass
    assert autolog.flush(30)

class Handler:
    def __init__(self, at):
        self.left, self.seen = at, 0
    def __call__(self, frame, event, argument):
        return self.strike if frame.f_code.co_filename.startswith(ours) else None
    def strike(self, frame, event, argument):
        self.seen += event == "line"
        if self.seen == self.left:
            sys.settrace(None)
            raise Limit
        return self.strike

def struck(at):
    handler, came_out = Handler(at), False
    sys.settrace(handler)
    try:
        use()
    except Limit:
        came_out = True
    sys.settrace(None)
    use()
    import autolog
    state = autolog.status()
    reached = handler.seen >= at  # the last lines poll until all is written, which may take fewer turns than it did
    good = came_out == reached and not state["failures"] and not state["unrecorded"] and "openai" in state["patched"]
    return handler.seen, good, state["written"]

def begin(at):
    reading, writing = os.pipe()
    if not (child := os.fork()):
        folder = os.path.join("places", str(at))
        os.makedirs(folder)
        os.chdir(folder)
        try:
            os.write(writing, json.dumps(struck(at)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    return child, open(reading)

def result(child, pipe):
    with pipe:
        line = pipe.read()
    os.waitpid(child, 0)
    return json.loads(line or '[0, false, "it ended"]')

lines, *_ = result(*begin(-1))
places = [lines * (2 * number + 1) // (2 * PLACES) for number in range(PLACES)]
for start in range(0, PLACES, 8):  # eight at once
    children = [(at, begin(at)) for at in places[start : start + 8]]
    for at, child in children:
        seen, good, written = result(*child)
        if not good or written < 2:
            print(at, good, written)
print("all", lines)
"""


def test_an_exception_during_the_first_use_reaches_the_program_and_the_next_use_works(
    tmp_path: Path, thorough: bool
) -> None:
    done = run(f"ROOT, PLACES = {str(ROOT)!r}, {400 if thorough else 3}\n{FIRST_USE}", tmp_path, timeout=1800)
    assert re.fullmatch(r"all \d{4,}\n", done.stdout), done.stdout + done.stderr


def test_exit_handlers_that_run_after_ours(server: Live, tmp_path: Path) -> None:
    for mood in ("well", "hang", "refuse"):
        with moody(server, mood) as backend:
            started = time.monotonic()
            run(
                f"""
                import atexit
                def late():
                    for number in range(20):
                        with autolog.span(f"{mood} late {{number}}"): pass
                atexit.register(late)
                import autolog
                with autolog.span("{mood} early"): pass
                """,
                tmp_path, **shipping(backend),
            )  # fmt: skip
            assert time.monotonic() - started < 30
            backend.feel("well")
            settle(tmp_path, backend)
    expected = [f"{mood} {name}" for mood in ("well", "hang", "refuse") for name in
                ("early", *(f"late {number}" for number in range(20)))]  # fmt: skip
    assert server.names() == sorted(expected)


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "raise KeyboardInterrupt", "raise GeneratorExit"])
def test_a_users_function_that_exits_costs_its_record_only(how: str, tmp_path: Path) -> None:
    done = run(
        f"""
        import autolog
        count = 0
        def redact(record):
            global count
            count += 1
            if count == 3: {how}
            return record
        autolog.configure(redact=redact)
        for number in range(30):
            with autolog.span(str(number)): pass
            if number == 10: autolog.flush(5)
        assert autolog.flush(5)
        print(autolog.status()["written"], sum(autolog.status()["dropped"].values()))
        """,
        tmp_path,
    )
    assert done.stdout.split() == ["29", "1"], done.stderr


def test_capturing_again_and_again(tmp_path: Path, thorough: bool) -> None:
    """Close a worker at every moment of its start, again and again."""
    done = run(
        f"""
        import autolog, threading
        from autolog.testing import capture
        autolog.autolog._adopt(autolog.autolog._current_config())
        def busy():
            while not done: sum(range(500))
        done = False
        threads = [threading.Thread(target=busy) for _ in range(2)]
        [t.start() for t in threads]
        problems = 0
        for number in range({3000 if thorough else 100}):
            with capture() as records:
                maker = threading.Thread(target=lambda: autolog.span("s").end())
                maker.start()
                if number % 2: maker.join()
            maker.join()
        done = True
        print(autolog.status()["failures"])
        """,
        tmp_path, timeout=900,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr


# The disk

LOCAL = "import autolog\nautolog.configure()\nassert autolog.flush(20)"


def test_a_store_that_is_deleted_while_the_program_runs(tmp_path: Path, thorough: bool) -> None:
    process = program(
        """
        import autolog, sys, time
        number = 0
        for line in sys.stdin:
            for _ in range(50):
                with autolog.span(str(number)): pass
                number += 1
                time.sleep(0.0005)
            assert autolog.flush(20)
            print("written", autolog.status()["written"], flush=True)
        """,
        tmp_path,
    )
    assert process.stdin is not None
    for turn in range(20 if thorough else 3):
        process.stdin.write("go\n")
        process.stdin.flush()
        wait_for_line(process, f"written {50 * (turn + 1)}")
        expected = sorted(map(str, range(50 * turn, 50 * turn + 50)))
        assert names_in(tmp_path / ".autolog" / "logs.db") == expected
        if turn % 2:
            shutil.rmtree(tmp_path / ".autolog")
        else:
            for file in (tmp_path / ".autolog").glob("logs.db*"):
                file.unlink()
    process.stdin.close()
    process.wait(20)


@pytest.mark.parametrize("page", [1, 2, 3, 5, 8, 13])
def test_a_journal_with_a_damaged_page(page: int, server: Live, tmp_path: Path) -> None:
    with moody(server, "500") as backend:
        run(
            """
            import autolog, os
            for number in range(200):
                with autolog.span(str(number)) as span: span.set(output=os.urandom(500).hex())
            autolog.flush(2)
            """,
            tmp_path, **shipping(backend),
        )  # fmt: skip
        journal = tmp_path / ".autolog" / "journal.db"
        db = sqlite3.connect(journal)
        assert db.execute("SELECT records FROM total").fetchone() == (200,)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        with journal.open("r+b") as file:
            file.seek(page * 4096)
            file.write(os.urandom(4096))
        backend.feel("well")
        done = run(
            "import autolog\nwith autolog.span('new'): pass\nautolog.flush(20)\nprint(autolog.status()['dropped'])",
            tmp_path, **shipping(backend),
        )  # fmt: skip
    lost = sum(ast.literal_eval(done.stdout).values())
    assert len(server.names()) + lost == 201
    assert "new" in server.names()


def test_a_store_and_a_journal_on_one_full_disk(tmp_path: Path) -> None:
    done = run(
        """
        import autolog, resource, signal, os
        autolog.configure()
        with autolog.span("first"): pass
        assert autolog.flush(10)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # no file may grow any more
        for number in range(100):
            with autolog.span(str(number)) as span: span.set(output=os.urandom(2000).hex())
        assert not autolog.flush(2)
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = subprocess.run(
        [sys.executable, "-m", "autolog", "doctor"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    lost = re.search(r"autolog lost records: (\d+)", done.stderr) or re.search(r"losses: (\d+)", report.stdout)
    assert lost is not None, (done.stderr, report.stdout)
    stored = len(names_in(tmp_path / ".autolog" / "logs.db"))
    assert int(lost[1]) + stored == 101


# Processes


def test_forks_at_any_moment(server: Live, tmp_path: Path) -> None:
    run(
        """
        import autolog, os, sys, threading, time
        def busy():
            while not done:
                with autolog.span("thread"): pass
                time.sleep(0.002)
        done = False
        threads = [threading.Thread(target=busy) for _ in range(3)]
        [t.start() for t in threads]
        for number in range(20):
            pid = os.fork()
            if pid == 0:
                with autolog.span(f"child {number}"): pass
                sys.exit(0)
            os.waitpid(pid, 0)
            with autolog.span(f"parent {number}"): pass
        done = True
        [t.join() for t in threads]
        """,
        tmp_path, **shipping(server),
    )  # fmt: skip
    settle(tmp_path, server)
    names = [name for name in server.names() if name != "thread"]
    assert names == sorted([f"{process_name} {number}" for process_name in ("child", "parent") for number in range(20)])


WSGI = """
import autolog
autolog.configure()
with autolog.span("loaded"): pass

def application(environ, start_response):
    with autolog.span("request"): pass
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"ok"]
"""
ASGI = """
import autolog
autolog.configure()

async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    async with autolog.span("request"): pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.mark.parametrize("kind", ["gunicorn --preload", "gunicorn", "uvicorn --workers"])
def test_web_servers(kind: str, server: Live, tmp_path: Path) -> None:
    port = free_port()
    if kind.startswith("gunicorn"):
        pytest.importorskip("gunicorn")
        (tmp_path / "web.py").write_text(WSGI)
        command = ["gunicorn", "-w", "3", "-b", f"127.0.0.1:{port}", *kind.split()[1:], "web:application"]
    else:
        (tmp_path / "web.py").write_text(ASGI)
        command = ["uvicorn", "--workers", "2", "--port", str(port), "web:application"]
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=tmp_path, env=environment(**shipping(server)),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:

        def asks() -> bool:
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/").status_code == 200
            except httpx2.HTTPError:
                return False

        until(asks)
        before = server.names().count("request")
        assert all(asks() for _ in range(50))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    settle(tmp_path, server)
    assert before + 50 <= server.names().count("request") <= before + 60
    if "--preload" in kind:
        assert server.names().count("loaded") == 1


def test_celery(server: Live, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    (tmp_path / "queue").mkdir()
    (tmp_path / "tasks.py").write_text(
        textwrap.dedent(f"""
        import autolog, celery
        app = celery.Celery("tasks", broker="filesystem://")
        app.conf.broker_transport_options = {{
            "data_folder_in": "{tmp_path}/queue", "data_folder_out": "{tmp_path}/queue",
            "control_folder": "{tmp_path}/control"}}
        autolog.configure()
        with autolog.span("imported"): pass

        @app.task
        @autolog.autolog
        def work(number): ...
        """)
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-c", "3", "-P", "prefork", "--without-mingle",
         "--without-gossip", "-l", "error"],
        cwd=tmp_path, env=environment(**shipping(server), C_FORCE_ROOT="1"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        run("import tasks\nfor number in range(30): tasks.work.delay(number)", tmp_path)
        until(lambda: server.names().count("work") == 30)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert server.names().count("work") == 30


def test_a_subprocess_and_its_parent(server: Live, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text("import autolog\nwith autolog.span('child'): pass\n")
    run(
        """
        import autolog, subprocess, sys
        with autolog.span("parent"): pass
        subprocess.run([sys.executable, "child.py"], check=True)
        """,
        tmp_path, **shipping(server),
    )  # fmt: skip
    settle(tmp_path, server)
    assert server.names() == ["child", "parent"]


def test_a_pool_that_is_terminated(server: Live, tmp_path: Path) -> None:
    run(
        """
        import autolog, multiprocessing
        @autolog.autolog
        def work(number): return number
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(3) as pool:  # ends by SIGTERM
                assert sum(pool.map(work, range(50))) == 1225
        """,
        tmp_path, **shipping(server),
    )  # fmt: skip
    settle(tmp_path, server)
    assert server.names().count("work") == 50


# Lack of resources

PROGRAM = """
import os
import openai
http = getattr(openai._base_client, "httpx2", None) or openai._base_client.httpx
answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}]}
client = openai.OpenAI(api_key="k", http_client=http.Client(
    transport=http.MockTransport(lambda r: http.Response(200, json=answer))))

def main():
    for number in range(20):
        said = client.chat.completions.create(model="gpt-4o", messages=[]).choices[0].message.content
    print(said)
"""
WITH = "import autolog\nautolog.patch_openai()\n" + PROGRAM


def poor(before: str, folder: Path, text: str = WITH, cwd: str | None = None, **given: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(before) + text + "\nmain()\n"],
        cwd=cwd or folder, env=environment(**given), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "Hi.\n"), done.stderr
    return done.stderr


def test_no_home_and_nowhere_to_write(tmp_path: Path) -> None:
    no_room = 'import tempfile\ntempfile.tempdir = "/nonexistent"\n'  # not by TMPDIR: Python would then take /tmp
    stderr = poor(no_room, tmp_path, cwd="/proc", HOME="/nonexistent")
    assert stderr.count("\n") < 5, stderr


def test_a_read_only_working_directory_keeps_its_journal_among_temporary_files(tmp_path: Path) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    poor("", tmp_path, cwd="/proc", TMPDIR=str(spare), AUTOLOG_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    (journal,) = spare.glob("autolog-*/journal-*.db")
    assert journal.stat().st_mode & 0o077 == 0
    assert journal.parent.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.getuid() != 0, reason="becoming nobody needs root")
def test_no_threads_to_be_had(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder != Path("/") and folder.stat().st_uid == os.getuid() and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    nobody = "import resource, os\nos.setgid(65534); os.setuid(65534)\n"
    limited = "resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\n"
    probe = subprocess.run([sys.executable, "-c", nobody + "import openai"], env=environment(), capture_output=True)
    if probe.returncode:
        pytest.skip("nobody may not read the installed packages here")
    poor(nobody + "import openai\n" + limited, tmp_path)
    assert len(names_in(tmp_path / ".autolog" / "logs.db")) == 20


def test_few_open_files(tmp_path: Path) -> None:
    poor("import openai, resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))\n", tmp_path)


def test_little_memory(tmp_path: Path) -> None:
    limits = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (700 * 2**20, 700 * 2**20))\n"
    poor("import openai\n" + limits, tmp_path)


def test_a_broken_clock(tmp_path: Path) -> None:
    poor(
        """
        import openai, time
        count = 0
        def jumping():
            global count
            count += 1
            return [0.0, -1e10, 4e12, 1e9][count % 4]
        time.time = jumping
        time.time_ns = lambda: int(jumping() * 1e9)
        """,
        tmp_path,
    )


def test_a_json_that_somebody_has_replaced(tmp_path: Path) -> None:
    poor(
        """
        import json, sys
        dumps, loads = json.dumps, json.loads
        def picky(function):
            def call(*args, **kwargs):
                if "autolog" in sys._getframe(1).f_globals["__name__"]:
                    raise RuntimeError("not for you")
                return function(*args, **kwargs)
            return call
        json.dumps, json.loads = picky(dumps), picky(loads)
        """,
        tmp_path,
    )
    assert len(names_in(tmp_path / ".autolog" / "logs.db")) == 20


def test_a_store_that_is_taken_away_meanwhile(tmp_path: Path) -> None:
    text = WITH.replace("    print(said)", textwrap.indent(textwrap.dedent("""
        autolog.flush()
        import shutil; shutil.rmtree(".autolog"); open(".autolog", "w").close()
        client.chat.completions.create(model="gpt-4o", messages=[])
        print(said)
        """), "    "))  # fmt: skip
    poor("", tmp_path, text)
