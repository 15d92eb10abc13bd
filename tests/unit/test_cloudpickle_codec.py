from __future__ import annotations

import collections
import contextlib
import importlib
import pickle
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadows.adapters.codecs import cloudpickle as module
from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.errors import ConfigurationError, SerializationError, Undecodable

CODEC = CloudpickleCodec()


class Session:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


class Slotted:
    __slots__ = ("empty", "lock", "name")

    def __init__(self, lock: object) -> None:
        self.name = "slotted"
        self.lock = lock

    def __reduce__(self) -> tuple[Any, ...]:
        return Slotted, (self.lock,)


class Hidden:
    """Its attributes cannot be looked at, and it cannot be pickled."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError

    def __reduce__(self) -> Any:
        raise ValueError("secret reason\nand a second line")


class Wordless:
    def __reduce__(self) -> Any:
        raise ValueError


class Odd:
    def __reduce__(self) -> Any:
        return 7


class Unloadable:
    """Pickles, and raises when it is loaded."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return _raise, (type(self.error), *self.error.args)


def _raise(kind: type[BaseException], *args: object) -> None:
    raise kind(*args)


def iter_nothing() -> Iterator[int]:
    yield from ()


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def call(*args: object, **kwargs: object) -> tuple[Any, Any]:
    return args, kwargs


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda some: st.lists(some) | st.dictionaries(st.text(), some) | st.tuples(some, some),
    )
)
def test_what_is_encoded_is_decoded(value: object) -> None:
    """Plain values come back as they were, results with lone surrogates included."""
    assert CODEC.decode(CODEC.encode(value)) == value


def test_a_class_of_an_imported_module_travels_by_reference() -> None:
    """Both sides have the module, so pickle's short form will do."""
    assert CODEC.encode(call(Session())) == pickle.dumps(call(Session()), 5)


def test_a_reference_is_enough_while_nobody_has_imported_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can have been registered with it then."""
    monkeypatch.delitem(sys.modules, "cloudpickle", raising=False)
    assert CODEC.encode(call(Session)) == pickle.dumps(call(Session), 5)
    assert "cloudpickle" not in sys.modules


def test_what_pickle_refuses_travels_by_value() -> None:
    """A lambda, and a class that was made inside a function."""

    @attrs.frozen
    class Local:
        number: int

    (function, local), _ = CODEC.decode(CODEC.encode(call(lambda number: number + 1, Local(7))))
    assert function(1) == 2
    assert local.number == 7


def test_what_the_main_module_defines_travels_by_value() -> None:
    """In a worker ``__main__`` is another module; a reference to it would find nothing there."""
    program = """
        import sys
        from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
        class Order:
            number = 7
        sys.stdout.buffer.write(CloudpickleCodec().encode(((Order(),), {})))
    """
    data = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, stdout=subprocess.PIPE).stdout
    (order,), _ = CODEC.decode(data)
    assert order.number == 7


def test_a_text_that_only_mentions_the_main_module_travels_too() -> None:
    """It takes the slower way, and arrives the same."""
    assert CODEC.decode(CODEC.encode(call(Session, "__main__"))) == call(Session, "__main__")


def test_a_module_that_was_registered_for_it_travels_by_value() -> None:
    """``cloudpickle.register_pickle_by_value`` keeps its meaning although pickle is tried first."""
    cloudpickle = importlib.import_module("cloudpickle")
    here = sys.modules[__name__]
    by_reference = CODEC.encode(call(Slotted))
    cloudpickle.register_pickle_by_value(here)
    try:
        assert len(CODEC.encode(call(Slotted))) > 2 * len(by_reference)
        assert CODEC.encode(call(collections.OrderedDict())) == pickle.dumps(call(collections.OrderedDict()), 5)
    finally:
        cloudpickle.unregister_pickle_by_value(here)


def test_cloudpickle_is_imported_only_when_it_is_needed() -> None:
    """Most programs never send anything that needs it, and it costs 20 ms."""
    program = """
        import sys
        from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
        codec = CloudpickleCodec()
        codec.decode(codec.encode(((1, "hello"), {})))
        import datetime, decimal
        codec.decode(codec.encode(((datetime.date.today(),), {"amount": decimal.Decimal(1)})))
        assert "cloudpickle" not in sys.modules
        codec.encode(((lambda: 1,), {}))
        assert "cloudpickle" in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (call(LOCK), "args[0] is a _thread.lock"),
        (call(1, iter_nothing()), "args[1] is a generator"),
        (call(session=Session(name="s", lock=LOCK)), "kwargs['session'].lock is a _thread.lock"),
        (call([1, {"a": (2, LOCK)}]), "args[0][1]['a'][1] is a _thread.lock"),
        (call({7: LOCK}), "args[0][7] is a _thread.lock"),
        (call({("a", "tuple"): LOCK}), "args[0][<tuple>] is a _thread.lock"),
        (call({"k" * 100: LOCK}), "args[0][<str>] is a _thread.lock"),
        (call({LOCK}), "an element of args[0] is a _thread.lock"),
        (call({LOCK: 1}), "a key of args[0] is a _thread.lock"),
        (call(collections.deque([LOCK])), "args[0][0] is a _thread.lock"),
        (call(Slotted(LOCK)), "args[0].lock is a _thread.lock"),
        (call(Slotted(1), Hidden()), f"args[1] is a {__name__}.Hidden"),
        (call(Odd()), f"args[0] is a {__name__}.Odd"),
        (call([Session, Odd()]), f"args[0][1] is a {__name__}.Odd"),
        (LOCK, "the value is a _thread.lock"),
        ([LOCK], "the value[0] is a _thread.lock"),
    ],
)
def test_the_path_of_what_cannot_travel_is_named(value: object, path: str) -> None:
    """FAULT 3: a lock, a generator: wherever in the arguments it is, the error says where."""
    with pytest.raises(SerializationError) as caught:
        CODEC.encode(value)
    assert str(caught.value).startswith(path)
    assert isinstance(caught.value, TypeError)


def test_the_reason_is_quoted_in_one_line() -> None:
    """FAULT 3: what pickle said, and what to do."""
    with pytest.raises(SerializationError, match=r"\(secret reason\); pass the plain data"):
        CODEC.encode(call(Hidden()))
    with pytest.raises(SerializationError, match=r"\(ValueError\)"):
        CODEC.encode(call(Wordless()))


def test_cycles_end_the_search_for_the_culprit() -> None:
    """FAULT 3: objects that refer to each other, one of them with a lock."""
    first, second = Session(), Session()
    first.__dict__["other"] = second
    second.__dict__.update(other=first, lock=LOCK)
    with pytest.raises(SerializationError, match=r"^args\[0\]\.other\.lock is"):
        CODEC.encode(call(first))


def test_the_search_for_the_culprit_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 3: a million parts, or parts in parts, must not stop the producer's loop for long."""
    monkeypatch.setattr(module, "_LONGEST_SEARCH", 10)
    with pytest.raises(SerializationError, match=r"^args\[0\] is a list"):
        CODEC.encode(call([*range(100), LOCK]))
    monkeypatch.setattr(module, "_DEEPEST_SEARCH", 2)
    with pytest.raises(SerializationError, match=r"^args\[0\]\[0\] is a list"):
        CODEC.encode(call([[[LOCK]]]))


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_very_deep_nesting_is_refused_and_crashes_nothing(depth: int) -> None:
    """FAULT 6: neither pickle nor cloudpickle may overrun the stack; the argument is named."""
    with pytest.raises(SerializationError, match=r"^kwargs\['tree'\] is nested deeper than"):
        CODEC.encode(call(1, tree=nested(depth)))
    with pytest.raises(SerializationError, match=r"^the value is nested deeper than"):
        CODEC.encode(nested(depth))
    with pytest.raises(SerializationError, match=r"^args\[0\] is nested deeper than"):
        CODEC.encode(call([lambda: 1, nested(depth)]))


def test_deep_and_immovable_at_once_is_refused_all_the_same() -> None:
    """FAULT 6: cloudpickle, which is asked after pickle refused, reports the depth in its own way."""
    with pytest.raises(SerializationError):
        CODEC.encode(call([LOCK, nested(100_000)]))


def test_an_argument_with_a_lone_surrogate_is_refused_by_its_path() -> None:
    """FAULT 10: a ValueError that names the field."""
    with pytest.raises(ValueError, match=r"kwargs\['path'\] holds a lone surrogate at index 1") as caught:
        CODEC.encode(call("ok", path="a\udcff"))
    assert isinstance(caught.value, ConfigurationError)
    with pytest.raises(ValueError, match=r"^args\[0\]\['names'\]\[1\] holds"):
        CODEC.encode(call({"names": ["fine", "\ud800"]}))
    with pytest.raises(ValueError, match=r"^args\[0\]\.name holds"):
        CODEC.encode(call(Session(name="\ud800")))


def test_bytes_that_only_look_like_a_surrogate_travel() -> None:
    """FAULT 10: binary data may hold any bytes, in objects that refer to each other, too."""
    same = [b"\xed\xa0\x80"]
    same.append(same)  # type: ignore[arg-type]
    (found, again, _), _ = CODEC.decode(CODEC.encode(call(same, same, Session)))
    assert found[0] == b"\xed\xa0\x80"
    assert found[1] is again


def test_a_result_may_hold_a_lone_surrogate() -> None:
    """Names of files that are no UTF-8 have them; what a task returns is not judged."""
    assert CODEC.decode(CODEC.encode(["a\udcff"])) == ["a\udcff"]


def test_the_search_for_surrogates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 10: what is not found within the bound travels, as it can."""
    monkeypatch.setattr(module, "_LONGEST_SEARCH", 5)
    assert CODEC.decode(CODEC.encode(call("\ud800", *range(10))))[0][0] == "\ud800"


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x05\x95", b"not a pickle", pickle.dumps([1, "two"], 5)[:-3]])
def test_truncated_and_garbled_bytes_are_undecodable(data: bytes) -> None:
    """FAULT 44: quarantined, not tried again."""
    with pytest.raises(Undecodable, match="cannot be loaded") as caught:
        CODEC.decode(data)
    assert not caught.value.temporary


@given(st.binary(max_size=30))
def test_no_bytes_whatever_get_an_error_of_another_kind(data: bytes) -> None:
    """INV 15: garbage is Undecodable, and nothing else.  Opcodes that name a module are left out: they run code."""
    harmless = bytes(
        byte for byte in data if byte not in b"c\x93iobR\x81\x92\x82\x83\x84PQr\x8d\x8eT\x8aB\x8b\x96\x98\x97"
    )
    with contextlib.suppress(Undecodable):
        CODEC.decode(b"\x80\x05" + harmless)


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (ModuleNotFoundError("No module named 'orders'"), True),
        (AttributeError("no attribute 'Order'"), True),
        (ImportError("cannot import name 'Order'"), True),
        (ValueError("secret"), False),
        (SystemExit(1), False),
        (GeneratorExit(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_raises_when_it_is_loaded_is_undecodable(error: BaseException, temporary: bool) -> None:  # noqa: FBT001
    """FAULT 4: whatever it raises; a missing module or name may be there in another worker."""
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(CODEC.encode(Unloadable(error)))
    assert caught.value.temporary is temporary
    assert "secret" not in str(caught.value)


def test_a_real_interrupt_while_loading_is_not_swallowed() -> None:
    """FAULT 30: Ctrl-C stays Ctrl-C."""
    with pytest.raises(KeyboardInterrupt):
        CODEC.decode(CODEC.encode(Unloadable(KeyboardInterrupt())))


def test_a_class_that_is_gone_is_undecodable_for_now() -> None:
    """FAULT 4, 47: a rolling deploy may have workers that know it."""
    fleeting = types.ModuleType("fleeting")
    exec("class Order: pass", fleeting.__dict__)  # noqa: S102 - a module that exists only for a moment
    sys.modules["fleeting"] = fleeting
    try:
        data = CODEC.encode(call(fleeting.Order()))
    finally:
        del sys.modules["fleeting"]
    with pytest.raises(Undecodable, match="missing here: No module named 'fleeting'") as caught:
        CODEC.decode(data)
    assert caught.value.temporary
