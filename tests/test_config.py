"""Options: `configure()` reports errors, and then changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import autolog
from autolog._config import NAMES, Config, config_from
from autolog._options import Options
from autolog.errors import ConfigError, StoreError


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stor": "sqlite:///x.db"}, "stor: no such option; did you mean 'store'?"),
        ({"zzz": 1}, "zzz: no such option; choose from store, "),
        ({"store": "logs.db"}, "store: 'logs.db' is not a store URL; write for example"),
        ({"store": 3}, "store: 3 is not of type str"),
        ({"hosts": "llm.internal"}, "hosts: 'llm.internal' is not a mapping, or text such as 'name=value"),
        ({"enabled": "maybe"}, "enabled: 'maybe' is not true or false"),
        ({"prices": 3}, "prices: 3 is neither a mapping of models to prices nor a function"),
        ({"prices": {"m": {"inptu": 1}}}, "prices: 'm': {'inptu': 1} is not a mapping with some of input"),
        ({"prices": {"m": {"input": -1}}}, "prices: 'm': input -1 is not an amount in dollars per million tokens"),
        ({"max_queue_records": 0}, "max_queue_records: 0 is less than 1"),
        ({"max_queue_bytes": "lots"}, "max_queue_bytes: 'lots' is not of type int"),
    ],
)
def test_bad_options(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        autolog.configure(**options)
    assert str(caught.value).startswith(sentence)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("url", ["nosuch://x", "sqlite://x", "sqlite:///"])
def test_bad_stores(url: str) -> None:
    with pytest.raises(StoreError):
        autolog.configure(store=url)


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot create the folder"):
        autolog.configure(store=f"sqlite:///{tmp_path}/file/logs.db")
    assert autolog.status()["store"] == Config().store


def test_options_from_the_environment() -> None:
    environ = {"AUTOLOG_STORE": "sqlite:////tmp/x.db", "AUTOLOG_ENABLED": "no", "AUTOLOG_MAX_QUEUE_RECORDS": "7"}
    config = config_from({}, environ=environ)
    assert (config.store, config.enabled, config.max_queue_records) == ("sqlite:////tmp/x.db", False, 7)
    assert config_from({"enabled": True}, config).max_queue_records == 7


@pytest.mark.parametrize("name", ["budgets", "prices", "sinks"])
def test_an_option_that_is_not_read_from_the_environment_is_named(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert config_from({}, environ={f"AUTOLOG_{name.upper()}": "[]", "AUTOLOG_ENABLED": "no"}) == Config(enabled=False)
    assert [record.getMessage() for record in caplog.records] == [
        f"AUTOLOG_{name.upper()} is ignored: pass {name}=... to autolog.configure()"
    ]


def test_editors_know_every_option() -> None:
    assert list(Options.__annotations__) == list(NAMES)


def test_disabled_records_nothing(tmp_path: Path) -> None:
    autolog.configure(enabled=False, store=f"sqlite:///{tmp_path}/x.db")
    with autolog.span("s"):
        pass
    assert autolog.flush()
    assert autolog.status()["written"] == 0


def test_without_bodies(records: autolog.testing.Records) -> None:
    autolog.configure(capture_bodies=False)
    with autolog.span("s") as span:
        span.set(input="secret", output="secret", note="kept")
    assert (records[0].request_body, records[0].response_body) == (None, None)
    assert (records[0].input_preview, records[0].metadata) == (None, {"note": "kept"})


def test_the_public_names_are_exact() -> None:
    bound = {name for name in dir(autolog.Recorder) if not name.startswith("_")} - {"diverted"}
    assert bound <= set(autolog.__all__)
    assert all(hasattr(autolog, name) for name in autolog.__all__)
    assert sorted(autolog.__all__) == autolog.__all__


@pytest.mark.parametrize(
    "options",
    [{"store": "user:a-secret@host"}, {"endpoint": "clickhouse://user:a-secret@host"}, {"endpoint": "host?key=a-secret"},
     {"sinks": ["https://a-secret@host"]}, {"sinks": [{"endpoint": "http://host", "api_key": "a-secret", "key": ""}]},
     {"sinks": [{"endpoint": "ftp://user:a-secret@host"}]}, {"headers": {"a": "a-secret\n"}}, {"headers": ["a-secret"]},
     {"headers": "authorization: a-secret"}, {"sinks": [{"endpoint": "http://host", "headers": ["a-secret"]}]}],
)  # fmt: skip
def test_messages_about_destinations_name_no_secret(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as refused:
        config_from(options)
    assert "secret" not in str(refused.value)
