"""A PostgreSQL server of the tests' own: a temporary data folder, a free port, nothing that survives.

It needs PostgreSQL's binaries, as Debian's package `postgresql` has them. Tests that need it are slow ones.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.waiting import PATIENCE, reserved_port, wait_for

USER = "starlake"
PASSWORD = "p@ss:w/rd-hush"
"""One that has to be quoted in URLs, and that no other text has in it."""
FASTER = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=16MB", "max_wal_senders=0")


def binary(name: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    places = [shutil.which(name), *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)]
    found = next((place for place in places if place), None)
    assert found, f"PostgreSQL has no {name} here. On Debian: apt-get install postgresql"
    return found


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_the_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: a killed test leaves no server


class PostgresServer:
    """A server that runs; `url` is that of a database, made if it is new."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.data = folder / "data"
        self._owner = _unprivileged() if os.geteuid() == 0 else None
        self._numbers = count(1)
        if self._owner is not None:
            os.chown(folder, *self._owner)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        options = ["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", f"--username={USER}"]
        self._run(binary("initdb"), *options, f"--pwfile={secret}", "--pgdata", str(self.data))
        self.start()

    def start(self) -> None:
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self.port}", *FASTER]
        command = [binary("postgres"), "-D", str(self.data), *(part for each in settings for part in ("-c", each))]
        self._process = subprocess.Popen(
            command,
            stdout=self._log(),
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_the_parent,  # noqa: PLW1509  it calls the kernel and nothing else
            **self._as_owner(),
        )
        wait_for("PostgreSQL", self._answers, seen=(self.folder / "log").read_text)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop it at once: open connections break."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)

    def database(self, name: str | None = None) -> str:
        """Make a database, and return its URL as SQLAlchemy takes it."""
        name = name or f"test_{next(self._numbers)}"
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD) -> str:
        """Return the URL of a database, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        )

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, stdout=self._log(), stderr=subprocess.STDOUT, **self._as_owner())

    def _log(self) -> int:
        return os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _as_owner(self) -> dict[str, object]:
        """PostgreSQL refuses to run as root."""
        environment = {**os.environ, "LC_ALL": "C", "HOME": str(self.folder)}
        owner = {"user": self._owner[0], "group": self._owner[1], "extra_groups": []} if self._owner else {}
        return {"cwd": self.folder, "env": environment, **owner}


def _unprivileged() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise AssertionError("there is neither a user postgres nor nobody to run PostgreSQL as")


@functools.cache
def shared_server() -> PostgresServer:
    """Return the server of this process, started when it is needed first and stopped when the process ends."""
    return _SHARED.enter_context(postgres_server())


_SHARED = ExitStack()
atexit.register(_SHARED.close)


def stop_shared_server() -> None:
    """Stop it before the process ends: workers of pytest-xdist do not always end in order."""
    _SHARED.close()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server. Each process that tests run in has its own: a second takes less than sharing one would."""
    folder = Path(tempfile.mkdtemp(prefix="starlake-postgres-"))
    server = None
    with reserved_port() as port:
        try:
            server = PostgresServer(folder, port)
            yield server
        finally:
            if server is not None:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)
