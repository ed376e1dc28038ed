"""Mask secrets in all output: logs, events, metadata, errors."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

MASK = "***"

_SHORTEST_LINE = 6
"""Minimum characters of a line of a multi-line secret that is masked on its own."""

_SHORTEST_ENCODED = 6
"""Minimum characters of a secret whose base64 form is masked too: a shorter form would appear by chance."""

_SECRET_NAME = re.compile(
    r"passw|pwd|secret|token|credential|api[_-]?key|private[_-]?key|access[_-]?key|authorization", re.IGNORECASE
)

_FOLDERS = frozenset({"PWD", "OLDPWD"})
"""Variables of every shell whose names only resemble those of secrets."""

# A name is matched as a whole word. A pattern that is tried at each of its characters takes time that grows with the
# square of its length, and values such as base64 are long words.
_NAME = re.compile(r"""(?<![\w.-])(?P<name>[\w.-]+)(?![\w.-])["']?(?P<sign>\s*[:=]\s*|\s+)""")
_VALUE = re.compile(r"""(?:(?:bearer|basic)\s+)?("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&}]+)""", re.IGNORECASE)


def names_a_secret(name: str) -> bool:
    """Return True if a variable with this name is likely to hold a secret, such as ``DB_PASSWORD``.

    Args:
        name: Name of a variable, an option or a flag; any string that contains one.
    """
    return _SECRET_NAME.search(name) is not None


def names_a_place(name: str, value: str) -> bool:
    """Return True if an environment variable holds a folder of the shell or an existing path, whatever its name.

    An error is hard to understand without the path of a key file, or of the working folder.

    Args:
        name: Name of the variable.
        value: Its value.
    """
    return name in _FOLDERS or (value.startswith("/") and "\n" not in value and Path(value).exists())


def mask_named_values(text: str) -> str:
    """Mask the values that follow the name of a secret, in time linear in the length of the string.

    A value follows ``:`` or ``=``, or is the argument of a flag such as ``--accessToken``.

    Args:
        text: String that may contain names and values.

    Returns:
        The string with ``***`` instead of each such value.

    >>> mask_named_values('{"DB_PASSWORD": "x", "SL_ROOT": "/p"}')
    '{"DB_PASSWORD": ***, "SL_ROOT": "/p"}'
    >>> mask_named_values("starlake load --accessToken x")
    'starlake load --accessToken ***'
    """
    if not names_a_secret(text):  # the common case, and far cheaper to check
        return text
    return "".join(_masked_pieces(text))


def _masked_pieces(text: str) -> Iterator[str]:
    position = 0
    while named := _NAME.search(text, position):
        value = _VALUE.match(text, named.end()) if _introduces_a_secret(named, text) else None
        yield text[position : named.end()]
        position = named.end()
        if value:
            yield MASK
            position = value.end()
    yield text[position:]


def _introduces_a_secret(named: re.Match[str], text: str) -> bool:
    if not names_a_secret(named["name"]):
        return False
    is_flag = named["name"].startswith("--") and not text.startswith("--", named.end())
    return is_flag or not named["sign"].isspace()


def secret_arguments(arguments: Sequence[str]) -> set[str]:
    """Return the values of flags whose names indicate a secret, such as ``--accessToken x``.

    Args:
        arguments: Arguments of a command.
    """
    values = set()
    for flag, following in zip_longest(arguments, arguments[1:], fillvalue="--"):
        name, equals, value = flag.partition("=")
        if name.startswith("-") and names_a_secret(name):
            values.add(value if equals else following if not following.startswith("--") else "")
    return values - {""}


_PASSWORD_OF_URL = re.compile(r"://[^\s/?#:@]*:([^\s/?#]+)@")


def passwords_of_urls(text: str) -> set[str]:
    """Return the passwords of URLs in a string, both percent-encoded and decoded.

    >>> sorted(passwords_of_urls("postgresql://ada:p%40ss@localhost/shop"))
    ['p%40ss', 'p@ss']
    """
    written = set(_PASSWORD_OF_URL.findall(text)) if "://" in text else set()
    return written | set(map(unquote, written))


def mask_passwords_of_urls(text: str) -> str:
    """Mask the passwords of URLs in a string.

    >>> mask_passwords_of_urls("postgresql://ada:p%40ss@localhost/shop")
    'postgresql://ada:***@localhost/shop'
    """
    if "://" not in text:  # the common case, and far cheaper to check
        return text
    return _PASSWORD_OF_URL.sub(lambda found: found[0].replace(f":{found[1]}@", f":{MASK}@"), text)


class Redactor:
    """Replaces known secret values by a mask.

    Args:
        secrets: The values to mask; empty ones are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        written = {form for secret in secrets for form in _written_forms(secret)}
        longest_first = sorted(written, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if written else None

    def mask(self, text: str) -> str:
        """Return a string with every secret and every password of a URL masked.

        Args:
            text: String that may contain secrets.
        """
        return mask_passwords_of_urls(self._pattern.sub(MASK, text) if self._pattern else text)

    def shown(self, argv: Iterable[str]) -> str:
        """Return a command line for display: quoted as for a shell, secrets masked by value and by name.

        Values are masked before they are quoted: quotes within a secret change its written form.

        Args:
            argv: Arguments, the executable first.
        """
        return mask_named_values(self.mask(shlex.join(map(self.mask, argv))))


def _written_forms(secret: str) -> set[str]:
    """Return the forms in which programs write a secret, also line by line, because output is read in lines.

    The brackets of a JSON key file are lines of it too; masking every bracket would make output unreadable.
    """
    lines = secret.splitlines()
    telling = lines if len(lines) == 1 else [line for line in lines if len(line.strip()) >= _SHORTEST_LINE]
    forms = {form for line in (secret, *telling) for form in _escaped_forms(line)}
    return {form.strip() for form in forms if form.strip()}


def _escaped_forms(text: str) -> set[str]:
    """Return the forms of a value in JSON, Python, a shell, a URL and base64."""
    encoded = text.encode("utf-8", "surrogatepass")
    forms = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    forms |= {literal[1:-1] for literal in (repr(text), ascii(text), repr(encoded)[1:])}
    forms |= {shlex.quote(text).removeprefix("'").removesuffix("'")}
    forms |= {quote(encoded, safe=""), quote(encoded), quote_plus(encoded)}
    if len(text) >= _SHORTEST_ENCODED:
        forms |= {encode(encoded).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return forms
