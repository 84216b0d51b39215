"""Snapshots of values at the time of a call: later changes do not show, and every value can be read."""

from __future__ import annotations

import array
import collections
import ctypes
import datetime
import decimal
import enum
import fractions
import json
import pathlib
import uuid
from typing import Any

import msgspec
import pytest

from autolog._capture.snapshot import freeze, thaw, weigh
from autolog._record.bodies import encode_json


def kept(value: Any) -> Any:
    """Return a value as read back from a record."""
    return json.loads(encode_json(thaw(freeze(value))))


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, (2.5, None), {True}]}, {"a": [1, [2.5, None], [True]]}),
        ([b"text", bytearray(b"more"), memoryview(b"most")], ["text", "more", "most"]),
        ({"level": Level.HIGH, "name": Name("x")}, {"level": 3, "name": "x"}),
        ({Name("key"): 1, 2: 3}, {"key": 1, "2": 3}),
        ([type("Data", (bytes,), {})(b"text")], ["text"]),
        ([datetime.datetime(2026, 1, 2, 3, 4, 5), datetime.date(2026, 1, 2)], ["2026-01-02T03:04:05", "2026-01-02"]),
        ([array.array("i", [1, 2])], ["<array i 2>"]),
        ({"deep": {"deeper": [(array.array("d"),)]}}, {"deep": {"deeper": [["<array d 0>"]]}}),
        ([decimal.Decimal("1.10"), fractions.Fraction(1, 3), pathlib.PurePosixPath("/a"), uuid.UUID(int=1)],
         ["1.10", "1/3", "/a", "00000000-0000-0000-0000-000000000001"]),
        (collections.deque([1, decimal.Decimal("sNaN")]), [1, "sNaN"]),
    ],
)  # fmt: skip
def test_values_are_readable_wherever_they_stand(value: Any, expected: Any) -> None:
    assert kept(value) == expected


def test_what_has_a_buffer_is_never_its_bytes() -> None:
    assert "c_int" in kept([ctypes.c_int(3)])[0]


def test_numbers_and_arrays_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    assert kept(numpy.float32(0.5)) == 0.5
    assert kept([numpy.int64(3), numpy.bool_(True), numpy.float64(1.5), numpy.str_("x")]) == [3, True, 1.5, "x"]
    assert kept({numpy.int64(3): {"inner": [numpy.float16(0.25)]}}) == {"3": {"inner": [0.25]}}
    assert kept({"small": numpy.eye(2)}) == {"small": [[1.0, 0.0], [0.0, 1.0]]}
    assert kept([numpy.zeros((50, 30))]) == ["<ndarray float64 (50, 30)>"]
    assert kept(numpy.zeros(1000)) == "<ndarray float64 (1000,)>"
    assert kept(numpy.datetime64("2026-01-02")) == "2026-01-02"


def test_tables_and_series_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    assert kept({"table": pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})}) == {
        "table": {"a": [1, 2], "b": ["x", "y"]}
    }
    assert kept([pandas.Series([1.5, 2.5])]) == [[1.5, 2.5]]
    assert kept(pandas.DataFrame({"a": range(500), "b": 1})) == "<DataFrame a, b (500, 2)>"
    assert kept(pandas.DataFrame([[1, 2]], columns=["a", "a"])) == "<DataFrame a, a (1, 2)>"


class Series:
    """Looks like a series of polars'."""

    dtype, shape = "Float64", (2,)

    def to_list(self) -> list[float]:
        return [1.5, 2.5]


def test_series_of_polars() -> None:
    assert kept({"series": Series()}) == {"series": [1.5, 2.5]}


class Tensor:
    """Looks like a tensor of torch's."""

    dtype = "torch.float32"

    def __init__(self, values: list[float], device: str) -> None:
        self.values, self.device = values, device

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.values),)

    def tolist(self) -> list[float]:
        assert self.device == "cpu", "reading it would wait for the device"
        return self.values


def test_tensors_are_read_only_where_that_waits_for_nothing() -> None:
    assert kept({"logits": Tensor([0.5, 1.5], "cpu")}) == {"logits": [0.5, 1.5]}
    assert kept({"logits": Tensor([0.5, 1.5], "cuda:0")}) == {"logits": "<Tensor torch.float32 (2,)>"}


def test_later_changes_do_not_show() -> None:
    inner = [1]
    value: dict[str, Any] = {"inner": inner, "other": object()}
    frozen = [freeze({"inner": inner}), freeze(value)]
    inner.append(2)
    value["more"] = 1
    assert [thaw(snapshot)["inner"] for snapshot in frozen] == [[1], [1]]
    assert "more" not in thaw(frozen[1])


def test_shared_and_cyclic_values_are_looked_at_once() -> None:
    shared: Any = ["leaf"]
    for _ in range(60):
        shared = [shared, shared]
    ring: list[Any] = [shared]
    ring.append(ring)
    assert weigh(freeze(ring)) < 10_000
    shared_array: Any = [array.array("i")]
    for _ in range(60):
        shared_array = [shared_array, shared_array]
    assert "left out" in json.dumps(kept(shared_array))


def test_very_deep_values_are_cut() -> None:
    deep: Any = 1
    for _ in range(20_000):
        deep = [deep]
    assert "left out" in json.dumps(kept(deep))
    assert deep


class Unhashable(type):
    def __eq__(cls, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


class Unreadable(type):
    def __getattribute__(cls, name: str) -> Any:
        raise ValueError


@pytest.mark.parametrize("meta", [Unhashable, Unreadable])
def test_the_code_of_a_values_type_may_raise(meta: type[type]) -> None:
    value = type.__call__(type.__call__(meta, "Odd", (), {}))
    for odd in (kept(value), kept([1, value])[1], kept({"a": value})["a"], kept((value, 2))[0]):
        assert "Odd" in odd


def test_keys_whose_own_code_raises_leave_the_other_keys() -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError

    assert kept({Odd(): 1, "key": 2}) == {f"<{Odd.__qualname__}: ValueError while reading it>": 1, "key": 2}


def test_structures_are_kept_by_their_fields() -> None:
    attrs = pytest.importorskip("attrs")
    struct = msgspec.defstruct("Struct", [("a", int), ("b", list)])
    made = attrs.make_class("Made", {"a": attrs.field(), "hidden": attrs.field(repr=False)})
    assert kept([struct(1, [2]), made(1, "x")]) == [{"a": 1, "b": [2]}, {"a": 1}]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyError])
def test_a_value_that_cannot_be_read_says_why(kind: type[BaseException]) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise kind

    assert kept({"odd": Odd()}) == {"odd": f"<{Odd.__qualname__}: {kind.__name__} while reading it>"}
