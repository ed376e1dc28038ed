"""Each link within the repository leads to a file and a heading that exist, on GitHub too. The site checks its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.documentation.code_blocks import PAGES, ROOT
from tests.documentation.links import LINKS, anchors_of, answer_of

INTERNAL = [link for link in LINKS if not link.external]


def test_every_link_leads_to_a_file_of_the_repository() -> None:
    assert len(INTERNAL) > 200
    assert [link for link in INTERNAL if not link.file.exists()] == []
    assert [link for link in INTERNAL if not link.file.is_relative_to(ROOT)] == []


def test_every_anchor_is_that_of_a_heading() -> None:
    with_anchor = [link for link in INTERNAL if link.anchor and link.file.suffix == ".md"]
    assert len(with_anchor) > 20
    assert [link for link in with_anchor if link.anchor not in anchors_of(link.file)] == []


def test_external_links_are_encrypted() -> None:
    external = [link.target for link in LINKS if link.external and not link.target.startswith("mailto:")]
    assert [url for url in external if not url.startswith("https://")] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "samples/README.md"])
def test_pages_beside_the_site_are_checked_too(name: str) -> None:
    assert ROOT / name in PAGES
    assert any(link.page == name for link in LINKS)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("status", "found"), [("200", True), ("404", False), ("500", False)])
def test_an_address_is_asked(site: str, status: str, found: bool) -> None:
    assert answer_of(f"{site}/{status}") == (status, found)


def test_an_address_of_nobody_leads_nowhere() -> None:
    assert answer_of("http://127.0.0.1:1/") == ("ConnectionError", False)
