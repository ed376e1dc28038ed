"""The links of the pages: ``python -m tests.documentation.links`` lists those that leave the repository.

With ``--ask`` it asks each of them, which needs the network. `make docs-links` does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import requests

from tests.documentation.code_blocks import PAGES, ROOT

_CODE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$|`[^`\n]+`|<!--.*?-->", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<inline>[^)\s]+)(?: \"[^\"]*\")?\)|^\[[^\]]+\]: (?P<listed>\S+)", re.MULTILINE)
_LINKS_IN_LINKS = re.compile(r"\[!\[[^\]]*\]\((?P<target>[^)\s]+)\)\]")


@dataclass(frozen=True, order=True)
class Link:
    """A link of a page.

    Args:
        page: The page, relative to the repository.
        target: What the link names, without its anchor.
        anchor: What follows the ``#``.
    """

    page: str
    target: str
    anchor: str

    @property
    def external(self) -> bool:
        """Return True if the link leaves the repository."""
        return re.match(r"\w+:", self.target) is not None

    @property
    def file(self) -> Path:
        """Return the file or folder that it leads to."""
        return (ROOT / self.page).parent.joinpath(self.target).resolve() if self.target else ROOT / self.page


def links_of(page: Path) -> Iterator[Link]:
    """Yield the links of a page, but for those in code."""
    text = _CODE.sub("", page.read_text("utf-8"))
    found = [each["inline"] or each["listed"] for each in _LINK.finditer(text)]
    found += [each["target"] for each in _LINKS_IN_LINKS.finditer(text)]
    for target in found:
        name, _, anchor = target.partition("#")
        yield Link(str(page.relative_to(ROOT)), name, anchor)


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """Return the anchors of the headings of a page, as GitHub makes them, and those that it sets itself."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^( *)```.*?^\1```", "", text, flags=re.M | re.S), flags=re.M)
    made: list[str] = []
    for heading in headings:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        made.append(f"{slug}-{made.count(slug)}" if slug in made else slug)
    return frozenset(made) | frozenset(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


LINKS = sorted({link for page in PAGES for link in links_of(page)})


def answer_of(url: str) -> tuple[str, bool]:
    """Ask an address, and return its answer and whether it leads somewhere."""
    try:
        status = requests.get(url, timeout=30, stream=True).status_code
    except requests.RequestException as error:
        return type(error).__name__, False
    return str(status), status < requests.codes.bad_request


def main() -> int:
    """List the external links; with ``--ask``, return 1 if one of them leads nowhere."""
    pages: dict[str, set[str]] = {}
    for link in LINKS:
        if link.external:
            pages.setdefault(link.target, set()).add(link.page)
    lost = []
    for url, named_by in sorted(pages.items()):
        answer = ""
        if "--ask" in sys.argv:
            answer, found = answer_of(url)
            lost += [] if found else [url]
        print(f"{url} {answer} ({', '.join(sorted(named_by))})".replace("  ", " "), flush=True)
    if lost:
        print(
            f"{len(lost)} of {len(pages)} addresses lead nowhere. Correct them, or check the network.", file=sys.stderr
        )
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
