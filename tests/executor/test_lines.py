from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.executor.process.lines import LINE_LIMIT, LineSplitter


def split(*chunks: bytes) -> list[str]:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*lines, *splitter.feed(b"", final=True)]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_lines_do_not_depend_on_how_the_bytes_arrive(data, cuts):
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(places)]
    assert split(*chunks) == split(data)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1)))
def test_text_comes_as_it_was_printed(lines):
    assert split("".join(f"{line}\n" for line in lines).encode()) == lines


def test_odd_bytes_become_escapes():
    assert split(b"caf\xe9\n", b"nul \0!\n") == ["caf\\xe9", "nul \\x00!"]


def test_a_character_may_be_torn_between_two_reads():
    assert split("é".encode()[:1], "é\n".encode()[1:]) == ["é"]


def test_line_breaks_of_windows_and_a_missing_last_one():
    assert split(b"a\r\n\r\nb\r") == ["a", "", "b"]


@given(st.integers(0, 3 * LINE_LIMIT))
def test_long_lines_come_in_pieces_and_lose_nothing(length):
    line = "x" * length
    pieces = split(line.encode() + b"\nend")
    assert "".join(pieces[:-1]) == line
    assert all(len(piece) <= LINE_LIMIT for piece in pieces)
    assert pieces[-1] == "end"


def test_a_word_is_not_torn():
    line = "x" * (LINE_LIMIT - 10) + " a-secret-of-some-length " + "y" * LINE_LIMIT
    pieces = split(line.encode())
    assert any("a-secret-of-some-length" in piece for piece in pieces)
    assert "".join(pieces) == line
