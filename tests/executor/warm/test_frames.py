from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.executor.warm.warm_frames import (
    LARGEST_PAYLOAD,
    Frame,
    FrameError,
    FrameKind,
    FrameSplitter,
    WarmEnd,
    WarmHello,
    WarmReady,
    WarmRefusal,
    WarmRequest,
    WarmStart,
    environment_digest,
)

_SYSTEM_TEXTS = st.binary(max_size=20).map(lambda data: os.fsdecode(data.replace(b"\0", b"")))
_NAMES = _SYSTEM_TEXTS.map(lambda text: text.replace("=", "")).filter(bool)
_FRAMES = st.builds(lambda kind, parts: Frame.of(kind, *parts), st.sampled_from(FrameKind), st.lists(st.binary()))


@given(frames=st.lists(_FRAMES, max_size=6), cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_frames_survive_wherever_the_stream_is_cut(frames, cuts):
    stream = b"".join(frame.encoded for frame in frames)
    splitter, found, turn = FrameSplitter(), [], 0
    while stream:
        size = cuts[turn % len(cuts)]
        found += splitter.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert joined(found) == joined(frames)
    assert splitter.is_between_frames


def joined(frames):
    """Return frames with successive ones of one output as one."""
    result = []
    for frame in frames:
        if result and frame.kind == result[-1].kind and frame.kind in (FrameKind.STDOUT, FrameKind.STDERR):
            result[-1] = Frame(frame.kind, result[-1].payload + frame.payload)
        else:
            result.append(frame)
    return result


def test_the_frames_of_many_lines_become_one():
    out, error, beat = Frame(FrameKind.STDOUT, b"a\n"), Frame(FrameKind.STDERR, b"b\n"), Frame(FrameKind.HEARTBEAT)
    stream = b"".join(frame.encoded for frame in [*[out] * 1000, error, error, out, beat, beat])
    kinds = [(frame.kind, len(frame.payload)) for frame in FrameSplitter().feed(stream)]
    assert kinds == [(out.kind, 2000), (error.kind, 4), (out.kind, 2), (beat.kind, 0), (beat.kind, 0)]


def test_lines_before_a_mistake_arrive():
    found = FrameSplitter().feed(Frame(FrameKind.STDOUT, b"a\n").encoded * 2 + bytes([255, 0, 0, 0, 0]))
    assert next(found) == Frame(FrameKind.STDOUT, b"a\na\n")
    with pytest.raises(FrameError, match="unknown kind 255"):
        next(found)


@given(parts=st.lists(st.binary()))
def test_parts_come_back(parts):
    assert Frame.of(FrameKind.REQUEST, *parts).parts == parts


@given(arguments=st.lists(_SYSTEM_TEXTS), environment=st.dictionaries(_NAMES, _SYSTEM_TEXTS), folder=_SYSTEM_TEXTS)
def test_a_request_holds_arguments_and_variables_as_the_system_has_them(arguments, environment, folder):
    [frame] = FrameSplitter().feed(WarmRequest(arguments, environment, folder).encoded())
    first, count, *rest = map(os.fsdecode, frame.parts)
    assert first == folder
    assert rest[: int(count)] == arguments
    variables = rest[int(count) :]
    assert dict(zip(variables[::2], variables[1::2], strict=True)) == environment


@given(environment=st.dictionaries(_NAMES, _SYSTEM_TEXTS), name=_NAMES, value=_SYSTEM_TEXTS)
def test_the_digest_is_another_when_a_variable_is(environment, name, value):
    changed = {**environment, name: value}
    assert (environment_digest(changed) == environment_digest(environment)) is (changed == environment)
    assert environment_digest(dict(reversed(environment.items()))) == environment_digest(environment)


def _hello(**changes):
    values = {"port": "1234", "pid": "7", "protocol": "1", "java": "17.0.1", "starlake": "1.5.16"}
    values.update({"check:run": "ok", "check:pool": "no such method"}, **changes)
    return Frame.of(FrameKind.HELLO, *(text.encode() for item in values.items() for text in item))


def test_a_hello_says_what_does_not_work():
    hello = WarmHello.of_bytes(_hello().encoded)
    assert (hello.port, hello.pid, hello.protocol) == (1234, 7, 1)
    assert (hello.java, hello.starlake) == ("17.0.1", "1.5.16")
    assert hello.failed_checks == {"pool": "no such method"}


def test_answers_come_back():
    assert WarmReady.of(Frame.of(FrameKind.READY, b"/pro\xffject", b"d")) == WarmReady("/pro\udcffject", "d")
    assert WarmRefusal.of(Frame.of(FrameKind.REFUSED, "bésy".encode())).reason == "bésy"
    assert WarmEnd.of(Frame.of(FrameKind.END, b"-9", b"/p", b"d")) == WarmEnd(-9, "/p", "d")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: list(FrameSplitter().feed(b"\x63\0\0\0\0")), "unknown kind 99"),
        (lambda: list(FrameSplitter().feed(b"\x01" + (LARGEST_PAYLOAD + 1).to_bytes(4, "big"))), "bytes"),
        (lambda: Frame(FrameKind.READY, b"\0\0\0\x09abc").parts, "longer than the frame"),
        (lambda: Frame(FrameKind.READY, b"\0\0").parts, "longer than the frame"),
        (lambda: WarmReady.of(Frame(FrameKind.END)), "END where READY was expected"),
        (lambda: WarmReady.of(Frame.of(FrameKind.READY, b"x")), "two parts"),
        (lambda: WarmEnd.of(Frame.of(FrameKind.END, b"one", b"", b"")), "exit code"),
        (lambda: WarmHello.of(_hello(port="http")), "no number for port"),
        (lambda: WarmHello.of(Frame.of(FrameKind.HELLO, b"port")), "name without a value"),
        (lambda: WarmHello.of_bytes(b""), "one frame"),
    ],
)
def test_what_is_not_of_the_protocol_is_an_error(read, said):
    with pytest.raises(FrameError, match=said) as caught:
        read()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert isinstance(caught.value, StarlakeError)


def test_a_token_shows_in_no_representation():
    assert "geheim" not in repr(WarmStart("geheim", "/tmp/x", 1))
    assert "geheim" not in repr(WarmRequest(["geheim"], {"A": "geheim"}, "/"))


def test_nothing_is_passed_that_makes_starlake_end_the_virtual_machine():
    request = WarmRequest(["bootstrap", "--template", "x"], {"SL_FORCE_HALT": "true", "A": "1"}, "/")
    assert request.arguments == ["bootstrap", "--no-exit", "--template", "x"]
    assert request.environment == {"A": "1"}
