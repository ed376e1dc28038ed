from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai.starlake.common import Redactor, mask_named_values, names_a_secret, secret_arguments
from ai.starlake.common.redaction import MASK

SECRETS = st.text(
    st.characters(codec="utf-8", exclude_characters="xyz ", exclude_categories=("Cs", "Cc", "Zl", "Zp")),
    min_size=4,
    max_size=20,
).map(lambda text: f"<{text}>")


@given(SECRETS, st.text("xyz \n"), st.text("xyz \n"))
def test_a_known_secret_is_masked_wherever_it_stands(secret: str, before: str, after: str) -> None:
    assert Redactor([secret]).mask(f"{before}{secret}{after}{secret}") == f"{before}***{after}***"


@given(SECRETS)
def test_a_secret_is_masked_in_json_and_in_urls_too(secret: str) -> None:
    redactor = Redactor([secret])
    assert redactor.mask(json.dumps({"a": secret})) == '{"a": "***"}'
    assert redactor.mask(f"postgres://user:{quote(secret, safe='')}@host") == "postgres://user:***@host"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("cannot open postgresql://ada:hunter2@db:5432/shop", "cannot open postgresql://ada:***@db:5432/shop"),
        ("jdbc:redis://:p%40ss@db and http://x:y@z", "jdbc:redis://:***@db and http://x:***@z"),
        ("http://host:8080/path@2", "http://host:8080/path@2"),
        ("https://ada@host/?a=b:c@d", "https://ada@host/?a=b:c@d"),
    ],
)
def test_the_password_of_any_url_is_masked(text: str, masked: str) -> None:
    assert Redactor().mask(text) == masked
    assert Redactor().mask(masked) == masked


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    redactor = Redactor(["-----BEGIN-----\nabcdef\n-----END-----\n"])
    assert [redactor.mask(line) for line in ("key: abcdef", "-----BEGIN-----")] == ["key: ***", "***"]


def test_the_brackets_of_a_key_file_are_no_secrets() -> None:
    key = '{\n  "private_key": "abcdefgh",\n  "id": 1\n}\n'
    redactor = Redactor([key])
    assert redactor.mask('IngestionCounters:{"inputCount":3}') == 'IngestionCounters:{"inputCount":3}'
    assert redactor.mask('  "private_key": "abcdefgh",') == "  ***"


def test_a_short_secret_of_one_line_is_masked() -> None:
    assert Redactor(["abc\n"]).mask("key abc") == "key ***"


def test_of_two_secrets_the_longer_one_is_masked_as_a_whole() -> None:
    assert Redactor(["abc", "abcdef"]).mask("abcdef abc") == "*** ***"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=8, max_size=20))
@example("""a'b"c\\d\te\nfghijk""")
@example("mot de passé €")
def test_a_secret_is_masked_as_programs_write_it(secret: str) -> None:
    secret = f"<{secret}>"
    redactor = Redactor([secret])
    for written in (
        repr({"A": secret}),
        ascii([secret]),
        json.dumps([secret], ensure_ascii=False),
        shlex.join([secret]),
    ):
        masked = redactor.mask(written)
        assert MASK in masked
        assert len(masked) <= len(written) - len(secret) + len(MASK) + 4
    assert redactor.mask(repr(secret.encode())) == f"b{repr(secret.encode())[1]}***{repr(secret.encode())[1]}"
    assert redactor.mask(base64.b64encode(secret.encode()).decode()) == MASK


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "password" * 50_000,
        "a" * 400_000 + " token",
        "token" + " " * 400_000,
        "a-." * 150_000 + "=token",
        "://a:" * 100_000,
        "://a:" + "b@" * 100_000 + "/",
        'token="' + "\\" * 400_000,
        "token: " * 50_000,
        "x=1 " * 100_000 + "token=5",
        "--token " * 50_000,
    ],
    ids=range(10),
)
def test_long_texts_take_time_in_proportion_to_their_length(text: str) -> None:
    assert mask_named_values(text)


@pytest.mark.parametrize(
    ("arguments", "secrets"),
    [
        ([], set()),
        (["--accessToken", "abc"], {"abc"}),
        (["--accessToken=abc", "--password", "x y"], {"abc", "x y"}),
        (["--domains", "token", "sales"], set()),
        (["--token"], set()),
        (["--token", "--domains", "sales"], set()),
    ],
)
def test_the_values_of_telling_flags_are_secrets(arguments: list[str], secrets: set[str]) -> None:
    assert secret_arguments(arguments) == secrets


@pytest.mark.parametrize("secret", ["it's a secret", "both ' and \"", "back\\slash", "tab\there"])
def test_a_command_line_is_shown_without_its_secrets(secret: str) -> None:
    assert Redactor([secret]).shown(["starlake", "load", f"x={secret}"]) == "starlake load 'x=***'"


@pytest.mark.parametrize("secrets", [[], [""], ["  ", "\n"]])
def test_empty_secrets_hide_nothing(secrets: list[str]) -> None:
    assert Redactor(secrets).mask("a text") == "a text"


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "pwd", "apiKey", "API_KEY", "aws_secret_access_key", "GITHUB_TOKEN", "gcp_credentials"]
)
def test_names_that_speak_of_secrets_are_known(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize("name", ["SL_ROOT", "SL_ENV", "domain", "keyboard", "monkey", "path"])
def test_other_names_are_not_taken_for_secrets(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("DB_PASSWORD=hunter2", "DB_PASSWORD=***"),
        ("password: 'a b c', user: x", "password: ***, user: x"),
        ('{"db_password": "a \\" b", "user": "x"}', '{"db_password": ***, "user": "x"}'),
        ("--options a=1,api_key=xyz,b=2", "--options a=1,api_key=***,b=2"),
        ("jdbc:x?user=u&password=p&ssl=true", "jdbc:x?user=u&password=***&ssl=true"),
        ("nothing to hide", "nothing to hide"),
        ("starlake load --accessToken abc --domains sales", "starlake load --accessToken *** --domains sales"),
        ("starlake load --db-password=abc --domains sales", "starlake load --db-password=*** --domains sales"),
        ("spark.hadoop.fs.s3a.secret.key=abc", "spark.hadoop.fs.s3a.secret.key=***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("url=jdbc:x?password=p", "url=jdbc:x?password=***"),
        ("the password is wrong", "the password is wrong"),
        ("--token --other", "--token --other"),
    ],
)
def test_values_behind_telling_names_are_masked(text: str, masked: str) -> None:
    assert mask_named_values(text) == masked
