"""The language of the project: no phrase that docs/glossary.md avoids, in code, messages or documentation."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
SOURCES = sorted(
    file
    for folder in ("ai", "benchmarks", "packages", "samples", "tests")
    for file in (ROOT / folder).rglob("*.py")
    if not {"golden", "generated"} & set(file.parts) and file != Path(__file__)
)
PAGES = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", "samples/**/*.md", "packages/**/*.md", "ai/**/*.j2", "samples/**/*.j2")
    for file in ROOT.glob(pattern)
    if file != GLOSSARY
)
USER_FACING = re.compile(
    r"Error$|BadParameter|UsageError|Finding$|SkipReason|^(error|warning|info|echo|tell|warn|print|__init__|option|argument|"
    r"command|Option|Field|finding|Failure|add_argument|_print|output)$"
)
"""Functions whose strings reach users, by the last part of their names."""
CODE = re.compile(r"```.*?```|``.*?``|`[^`]*`|https?://\S+|^\s+\*{0,2}\w+:", re.DOTALL | re.MULTILINE)
"""Parts of a text that are not prose."""
HEAD = re.compile(r"^(?P<indent> *)(?P<kind>Args|Attributes|Returns|Yields):$")
"""Head of a section of a docstring that has descriptions."""
ENTRY = re.compile(r"^ *\*{0,2}[\w.]+(?: \([^)]*\))?: +(?P<text>.*)$")
"""First line of a parameter or a field in such a section."""
DESCRIBING = {"description", "help", "short_help"}
"""Keyword arguments of the describing calls of pydantic, Dagster, click and argparse."""
COMMENT = re.compile(r"(?:^|\s)#\s+(.*)$")


class Sentence(NamedTuple):
    """Prose of the project, without code, and its place."""

    place: str
    prose: str
    lower: str

    @classmethod
    def of(cls, place: str, text: str) -> Sentence:
        prose = CODE.sub("CODE", text)
        return cls(place, prose, prose.lower())


class Phrase(NamedTuple):
    """A phrase to avoid, and its replacement."""

    avoided: str
    pattern: re.Pattern[str]
    fine: re.Pattern[str] | None
    write: str
    needle: str = ""
    """Part of every use, in lower case, which is searched for faster than the pattern."""

    def uses(self, sentence: Sentence) -> list[str]:
        """Return each use of the phrase, with the words around it."""
        if self.needle not in sentence.lower:
            return []
        prose = sentence.prose
        if self.fine:
            prose = self.fine.sub("FINE", prose)
        return [prose[max(use.start() - 40, 0) : use.end() + 40] for use in self.pattern.finditer(prose)]


def pattern_of(phrase: str) -> str:
    """Return a regular expression for a phrase of the glossary."""
    words = []
    for word in phrase.split():
        if word == "...":
            words.append(r"[\w-]+")
        else:
            alternatives = [re.sub(r"\\\((\w+)\\\)", r"(?:\1)?", re.escape(one)) for one in word.split("/")]
            words.append(f"(?:{'|'.join(alternatives)})")
    return r"\b" + r"[\s#]+".join(words) + r"\b"


def needle_of(phrase: str) -> str:
    """Return the longest part that all forms of a phrase have."""
    parts = (word.partition("(")[0] for word in phrase.lower().split() if "/" not in word and word != "...")
    return max(parts, key=len)


def compiled(phrases: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(pattern_of, phrases)), re.IGNORECASE)


def table_rows(page: str, heading: str) -> Iterator[list[str]]:
    """Yield the rows of the table below a heading, without its head."""
    section = page.split(f"### {heading}\n")[1].split("\n#", maxsplit=1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    yield from ([cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:])


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def avoided_phrases(page: str) -> list[Phrase]:
    """Return the phrases that a glossary avoids."""
    found = []
    for write, avoid, fine in table_rows(page, "Phrases to avoid"):
        exceptions = compiled(quoted(fine)) if quoted(fine) else None
        for phrase in quoted(avoid):
            pattern = compiled([phrase])
            if phrase.endswith("none"):  # None, the value, is fine
                pattern = re.compile(re.sub(r"\(\?:none\)", "(?-i:none)", pattern.pattern), re.IGNORECASE)
            found.append(Phrase(phrase, pattern, exceptions, write, needle_of(phrase)))
    return found


def avoided_beginnings(page: str, heading: str, flags: int = 0) -> list[Phrase]:
    """Return the beginnings of docstrings or descriptions that a table of a glossary avoids."""
    return [
        Phrase(beginning, re.compile(rf"\A\s*{re.escape(beginning)}\b(?!\.)", flags), None, write)
        for write, avoid in table_rows(page, heading)
        for beginning in quoted(avoid)
    ]


def strings_of_value(value: ast.expr) -> Iterator[tuple[int, str]]:
    """Yield the strings of an expression, those of f-strings with a word in place of each value."""
    for node in ast.walk(value):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "VALUE" for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def strings_of(call: ast.Call) -> Iterator[tuple[int, str]]:
    """Yield the strings of the arguments of a call."""
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        yield from strings_of_value(argument)


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@functools.cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the docstrings of a module, its classes, functions and attributes."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for statement in node.body:
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def entries(docstring: str) -> Iterator[tuple[int, str]]:
    """Yield the first lines of the parameters, fields and results that a docstring describes, with their offsets."""
    head: re.Match[str] | None = None
    for offset, line in enumerate(docstring.splitlines()):
        indent = len(line) - len(line.lstrip())
        if found := HEAD.match(line):
            head = found
        elif head and line.strip() and indent <= len(head["indent"]):
            head = None
        elif head and indent == len(head["indent"]) + 4:
            entry = ENTRY.match(line) if head["kind"] in ("Args", "Attributes") else None
            yield offset, entry["text"] if entry else line.strip()


def descriptions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the descriptions of parameters, results, fields and options in docstrings and in calls."""
    for line, docstring in docstrings(tree):
        yield from ((line + offset, text) for offset, text in entries(docstring))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg in DESCRIBING]
        given += node.args[:1] if name_of(node.func) == "described" else []
        yield from (next(strings_of_value(value)) for value in given if any(strings_of_value(value)))


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a module, those of adjoining lines as one."""
    block: list[str] = []
    for number, line in enumerate((*source.splitlines(), ""), 1):
        comment = COMMENT.search(line)
        if comment:
            block.append(comment[1])
        elif block:
            yield number - 1, " ".join(block)
            block = []


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the strings of calls that show them to users."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and USER_FACING.search(name_of(node.func)):
            yield from ((line, text) for line, text in strings_of(node) if not text.isidentifier())


def prose_of(source: str, place: str) -> Iterator[Sentence]:
    """Yield the docstrings, comments and messages of a module."""
    tree = parsed(source)
    found = [*docstrings(tree), *comments(source)]
    if place.startswith("ai/"):
        found += messages(tree)
    yield from (Sentence.of(f"{place}:{line}", text) for line, text in found)


@functools.cache
def all_prose() -> list[Sentence]:
    found = [Sentence.of(str(file.relative_to(ROOT)), file.read_text("utf-8")) for file in PAGES]
    for file in SOURCES:
        found += prose_of(file.read_text("utf-8"), str(file.relative_to(ROOT)))
    return found


@functools.cache
def all_docstrings() -> list[Sentence]:
    return [
        Sentence.of(f"{file.relative_to(ROOT)}:{line}", text)
        for file in SOURCES
        for line, text in docstrings(parsed(file.read_text("utf-8")))
    ]


@functools.cache
def all_descriptions() -> list[Sentence]:
    """Return the descriptions outside of tests, whose helpers have no readers but ourselves."""
    return [
        Sentence.of(f"{file.relative_to(ROOT)}:{line}", text)
        for file in SOURCES
        if file.relative_to(ROOT).parts[0] != "tests"
        for line, text in descriptions(parsed(file.read_text("utf-8")))
    ]


def report(phrase: Phrase, sentences: list[Sentence]) -> str:
    """Return the places of a phrase, with the words around it; empty if there are none."""
    found = {f"{sentence.place}: ...{use!r}" for sentence in sentences for use in phrase.uses(sentence)}
    return "\n".join(sorted(found))


PHRASES = avoided_phrases(GLOSSARY.read_text("utf-8"))
QUESTIONS = avoided_beginnings(GLOSSARY.read_text("utf-8"), "Questions to avoid", re.IGNORECASE)
BEGINNINGS = avoided_beginnings(GLOSSARY.read_text("utf-8"), "Beginnings to avoid") + QUESTIONS


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.avoided)
def test_no_phrase_that_the_glossary_avoids(phrase: Phrase) -> None:
    found = report(phrase, all_prose())
    assert not found, f"write {phrase.write!r} instead of {phrase.avoided!r}:\n{found}"


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda phrase: phrase.avoided)
def test_no_docstring_begins_as_the_glossary_avoids(beginning: Phrase) -> None:
    found = report(beginning, all_docstrings())
    assert not found, f"write {beginning.write} instead of {beginning.avoided!r}:\n{found}"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda phrase: phrase.avoided)
def test_no_description_begins_with_a_question(question: Phrase) -> None:
    found = report(question, all_descriptions())
    assert not found, f"write {question.write} instead of {question.avoided!r}:\n{found}"


FAULTY = '''
"""What is wrong."""
LIMIT = 1
"""How many there are."""
# it is no
# number
def fail(value):
    """Return a text."""
    raise ValueError(f"{value} is none")
def ask(path, wait):
    """Ask.

    Args:
        path: Where the file is, and
            which one.
        wait: True to wait.

    Returns:
        Whether there is one.
    """
class Model:
    retries: int = Field(1, description="how often " "to try again")
    mode: Annotated[str, described("Which mode.")]
    name: str = option("--name", help=f"{What}")
    size: str = option("--size", help="Number of rows, whether kept or not.")
'''


def test_the_finder_finds_faults() -> None:
    prose = list(prose_of(FAULTY, "ai/faulty.py"))
    found = {phrase.avoided for phrase in PHRASES if report(phrase, prose)}
    assert found == {"is/are/was no ...", "a text", "is/are/was none"}
    begun = [Sentence.of(str(line), text) for line, text in docstrings(ast.parse(FAULTY))]
    assert {phrase.avoided for phrase in BEGINNINGS if report(phrase, begun)} == {"What", "How"}
    described = [Sentence.of(str(line), text) for line, text in descriptions(ast.parse(FAULTY))]
    questions = {
        (phrase.avoided, sentence.place) for phrase in QUESTIONS for sentence in described if phrase.uses(sentence)
    }
    assert {question for question, _ in questions} == {"Where", "Whether", "How", "Which"}
    assert len(questions) == 4, "a word within a description is fine"


@pytest.mark.parametrize(
    "text",
    [
        "There is no such file.",
        "The value is None.",
        "It is no longer used.",
        "Read a text file in the time zone of the project.",
        "The option `the original` is code.",
        "No one counts them.",
    ],
)
def test_the_finder_accepts_plain_sentences(text: str) -> None:
    assert not [phrase.avoided for phrase in PHRASES if report(phrase, [Sentence.of("text", text)])]


def test_the_glossary_names_phrases_for_the_finder() -> None:
    assert len(PHRASES) > 20
    assert len(BEGINNINGS) > 10


def test_references_to_a_numbered_contract_lead_to_a_page() -> None:
    """Sections of documents that are not in this repository cannot be looked up."""
    reference = re.compile(r"\bcontract \d+(?:\.\d+)*\b", re.IGNORECASE)
    assert reference.search("see contract 6.2"), "the pattern finds references"
    found = [f"{place}: {match[0]}" for place, prose, _ in all_prose() for match in reference.finditer(prose)]
    assert not found, "name the page and its section instead:\n" + "\n".join(found)
