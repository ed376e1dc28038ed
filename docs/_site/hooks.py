"""Show the files of the repository that pages link to, so that each link of a page leads somewhere on the site, too.

On GitHub, ``[hooks.py](../samples/x.py)`` in a page opens the file. The site has a page for each such file,
``source/samples/x.py.md``, and pictures as they are. ``CHANGELOG.md`` and its neighbours become pages of the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES_OF_ROOT = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "SECURITY.md": "reporting-vulnerabilities.md",
}
PICTURES = {".png", ".svg"}
LANGUAGES = {
    ".cfg": "ini",
    ".conf": "ini",
    ".java": "java",
    ".j2": "jinja",
    ".py": "python",
    ".sh": "bash",
    ".sql": "sql",
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
}
LINK = re.compile(r"(?<=\]\()(?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\)| \")")
FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def outside_code(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a page: True and prose, or False and a block of code as it stands."""
    end = 0
    for block in FENCED.finditer(text):
        yield True, text[end : block.start()]
        yield False, block[0]
        end = block.end()
    yield True, text[end:]


def place_of(page: str) -> str:
    """Return the folder in the repository that the links of a page are relative to."""
    for name, shown in PAGES_OF_ROOT.items():
        if page == shown and name != "README.md":
            return ""
    if page.startswith("source/"):
        return posixpath.dirname(page.removeprefix("source/"))
    return posixpath.join("docs", posixpath.dirname(page))


def shown_as(target: str) -> str | None:
    """Return the page or file of the site for a path in the repository; None if there is no such file."""
    if not target or target.startswith("..") or not (ROOT / target).exists():
        return None
    if target in PAGES_OF_ROOT:
        return PAGES_OF_ROOT[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if PurePosixPath(target).suffix in PICTURES:
        return target
    if (ROOT / target).is_dir():
        return f"source/{target}/index.md"
    return f"source/{target}" if target.endswith(".md") else f"source/{target}.md"


def links_of(text: str, page: str) -> Iterator[tuple[re.Match[str], str, str]]:
    """Yield each link of a page to a file of the repository, with its path there and on the site."""
    for link in LINK.finditer(text):
        target = posixpath.normpath(posixpath.join(place_of(page), link["target"]))
        shown = shown_as(target)
        if shown is not None:
            yield link, target, shown


def rewritten(text: str, page: str) -> str:
    """Return a page whose links lead to places of the site."""
    parts = []
    for prose, part in outside_code(text):
        end = 0
        if prose:
            for link, _, shown in links_of(part, page):
                relative = posixpath.relpath(shown, posixpath.dirname(page) or ".")
                parts += [part[end : link.start()], relative, link["anchor"] or ""]
                end = link.end()
        parts.append(part[end:])
    return "".join(parts)


def page_of(target: str) -> str:
    """Return the page that shows a file or a folder of the repository."""
    path = ROOT / target
    if target.endswith(".md"):
        return path.read_text("utf-8")
    head = f"---\ntitle: {path.name}\nsearch:\n  exclude: true\n---\n\n# `{target}`\n\n"
    if path.is_dir():
        listed = sorted(each for each in path.iterdir() if each.is_file() and each.suffix in LANGUAGES)
        return head + "\n".join(f"- [{each.name}]({each.name})" for each in listed) + "\n"
    language = LANGUAGES.get(path.suffix, "text")
    return f"{head}~~~~~~ {{.{language} linenums=1}}\n{path.read_text('utf-8')}~~~~~~\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository that pages link to, and those that these link to."""
    from mkdocs.structure.files import File

    waiting = [file.src_uri for file in files.documentation_pages()]
    for target, page in PAGES_OF_ROOT.items():
        if page != "index.md" and (ROOT / target).exists():
            files.append(File.generated(config, page, content=page_of(target)))
            waiting.append(page)
    while waiting:
        page = waiting.pop()
        file = files.get_file_from_path(page)
        if file is None:
            continue
        for prose, part in outside_code(file.content_string):
            for _, target, shown in links_of(part, page) if prose else ():
                if files.get_file_from_path(shown) is not None:
                    continue
                if PurePosixPath(shown).suffix in PICTURES:
                    files.append(File.generated(config, shown, abs_src_path=str(ROOT / target)))
                else:
                    files.append(File.generated(config, shown, content=page_of(target)))
                    waiting.append(shown)
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Rewrite the links of a page."""
    return rewritten(markdown, page.file.src_uri)
