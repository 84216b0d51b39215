"""`autolog serve`."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from commands import NOON, run
from waiting import until

from autolog._record.record import Record
from autolog.errors import AutologError
from autolog.stores import open_store
from autolog.stores.query import Query


def test_a_server_keeps_what_it_is_told_to(tmp_path: Path) -> None:
    from live import live

    from autolog.server import Retain

    path = tmp_path / "s.db"
    open_store(f"sqlite:///{path}").write([Record(id="old", created_at=NOON - timedelta(days=400)), Record(id="new")])
    with live(path, retain=Retain(age=timedelta(days=30))) as running:
        until(lambda: running.store.count(Query()) <= 1)
        assert [record.id for record in running.records()] == ["new"]


def serve(tmp_path: Path, port: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "autolog", "serve", "--port", str(port), "--store", f"sqlite:///{tmp_path}/s.db"]
    return subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)


def test_a_start_that_fails_says_why_and_makes_no_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = serve(tmp_path, taken.getsockname()[1])
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "cannot listen on 127.0.0.1" in stderr
    assert "Admin key" not in stderr
    assert "autolog serves" not in stderr
    assert not (tmp_path / "s.db").exists()


def test_the_pages_do_not_open_at_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ("--no-browser", "--port", str(taken.getsockname()[1]), "--store", f"sqlite:///{tmp_path}/s.db")
        with pytest.raises(AutologError, match=r"cannot listen on 127\.0\.0\.1"):
            run("ui", *words)


def test_it_says_that_it_serves_once_it_does(tmp_path: Path) -> None:
    process = serve(tmp_path, 0, "--root-path", "/logs", "--log-level", "info", "--log-format", "json")
    assert process.stderr is not None
    try:
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert "Admin key" in lines[0]
        url = re.search(r"http://127\.0\.0\.1:\d+/logs", lines[1])
        assert url is not None, lines
        key = lines[0].split()[-1]
        assert httpx2.get(f"{url[0]}/api/v1/records", headers={"x-api-key": key}).status_code == 200
        line = json.loads(process.stderr.readline())
        assert (line["path"], line["status"], line["level"]) == ("/logs/api/v1/records", 200, "info")
    finally:
        process.terminate()
        process.wait(20)


def test_a_store_that_is_damaged_is_reported_at_the_start(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([Record(id=str(number), metadata={"m": str(number) * 500}) for number in range(200)])
    assert store.damage(60) is None
    store.close()
    data = bytearray((tmp_path / "s.db").read_bytes())
    for page in range(len(data) // 4096 // 2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 100] = bytes(100)
    (tmp_path / "s.db").write_bytes(data)
    process = serve(tmp_path, 0)
    assert process.stderr is not None
    try:
        lines = [process.stderr.readline() for _ in range(3)]
        assert "autolog serves" in lines[1]
        assert "is damaged: " in lines[2]
    finally:
        process.terminate()
        process.wait(20)


def make_certificate(folder: Path, name: str = "localhost") -> list[str]:
    """Write a new certificate and its key into a folder, and return the options that name them."""
    paths = f"{folder}/cert.pem", f"{folder}/key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}"]
    done = subprocess.run([*command, "-out", paths[0], "-keyout", paths[1]], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("making a certificate needs openssl")
    return ["--tls-cert", paths[0], "--tls-key", paths[1]]


def test_https_with_a_certificate_that_is_renewed(tmp_path: Path) -> None:
    process = serve(tmp_path, 0, *make_certificate(tmp_path))
    assert process.stderr is not None
    try:
        begin = "".join(process.stderr.readline() for _ in range(3))
        url = re.search(r"https://127\.0\.0\.1:(\d+)", begin)
        assert url is not None
        assert re.search(r"cert\.pem expires on 20\d\d-", begin)
        assert httpx2.get(f"{url[0]}/health", verify=False).json() == {"status": "ok"}
        assert httpx2.get(f"{url[0]}/ui/login", verify=False).status_code == 200
        address = "127.0.0.1", int(url[1])
        before = ssl.get_server_certificate(address)
        make_certificate(tmp_path, "renewed")
        process.send_signal(signal.SIGHUP)
        assert "was read again" in process.stderr.readline()
        assert "expires on" in process.stderr.readline()
        renewed = ssl.get_server_certificate(address)
        assert renewed != before
        (tmp_path / "key.pem").write_text("broken")
        process.send_signal(signal.SIGHUP)
        assert "the certificate in use stays" in process.stderr.readline()
        assert ssl.get_server_certificate(address) == renewed
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("other", "the key is not that of the certificate"), ("text", "in PEM format, without a password")],
)
def test_a_certificate_that_cannot_be_used_starts_nothing(tmp_path: Path, wrong: str, says: str) -> None:
    options = make_certificate(tmp_path)
    key = (tmp_path / "key.pem").read_text()
    make_certificate(tmp_path)
    (tmp_path / "key.pem").write_text(key if wrong == "other" else "text")
    with pytest.raises(AutologError, match=says):
        run("serve", "--port", "0", "--store", f"sqlite:///{tmp_path}/s.db", *options)
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--root-path", "logs"], "not a path such as /logs"),
        (["--trusted-proxy", "proxy"], "proxy"),
        (["--tls-cert", __file__], "must be given together"),
        (["--retain", "30x"], "'--retain': '30x' is not a duration"),
        (["--budget", "much/day"], "'much' is not a number of dollars"),
    ],
)
def test_options_that_make_no_sense_start_nothing(tmp_path: Path, options: list[str], says: str) -> None:
    answer = run("serve", "--port", "0", "--store", f"sqlite:///{tmp_path}/s.db", *options)
    assert answer.exit_code == 2
    assert says in answer.output
    assert not (tmp_path / "s.db").exists()


def test_the_examples_name_options_that_there_are() -> None:
    from autolog.cli.serve import serve as command

    known = {name for option in command.params for name in option.opts}
    folder = Path(__file__).parents[2] / "examples" / "server"
    for file in ("autolog.service", "compose.yaml", "README.md"):
        given = set(re.findall(r"(?<=[\s`])--[a-z-]+", (folder / file).read_text())) - {"--quiet"}
        assert given <= known, file


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--login-header", "X-User", "--login-role", "*=read"], "--trusted-proxy"),
        (["--login-header", "X-User", "--login-role", "*=read", "--trusted-proxy", "*"], "claim to be anybody"),
        (["--login-header", "X-User", "--trusted-proxy", "10.0.0.7"], "--login-role"),
        (["--login-role", "*=read"], "--login-header"),
        (["--login-header", "X-User", "--trusted-proxy", "10.0.0.7", "--login-role", "ann=boss"], "is not a role"),
    ],
)
def test_a_login_that_is_not_safe_or_makes_no_sense_starts_nothing(
    tmp_path: Path, options: list[str], says: str
) -> None:
    store = ["--store", f"sqlite:///{tmp_path}/s.db"]
    answer = run("serve", "--port", "0", *store, *options)
    assert answer.exit_code == 2
    assert says in answer.output
    assert not (tmp_path / "s.db").exists()


def test_changes_of_keys_are_logged_at_any_level(tmp_path: Path) -> None:
    process = serve(tmp_path, 0, "--log-level", "error", "--log-format", "json")
    assert process.stderr is not None
    try:
        key = process.stderr.readline().rpartition(" ")[2].strip()
        url = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert url
        headers = {"x-api-key": key}
        httpx2.post(f"{url[0]}/api/v1/keys", json={"name": "k"}, headers=headers).raise_for_status()
        line = json.loads(process.stderr.readline())
        assert line["logger"] == "autolog.server.audit"
        assert "created the key" in line["message"]
        assert line["key"] in line["message"]
    finally:
        process.terminate()
        process.communicate(timeout=300)
