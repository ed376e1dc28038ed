"""An Airflow of its own in a folder: its settings, its database, and its four parts on 127.0.0.1.

`airflow standalone` starts the same parts, but its servers of log files listen on all addresses of the machine. Here
the web server is the only one that listens. Whoever reaches it is an administrator, so it answers this machine only.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil  # Airflow needs it, too

_FoundT = TypeVar("_FoundT")

PARTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
PATIENCE = 240.0
GRACE = 30.0


@dataclass(frozen=True)
class AirflowFolder:
    """The folder in which an Airflow keeps everything.

    Args:
        folder: AIRFLOW_HOME.
        dags: The folder of the DAG files.
        variables: Environment variables of the tasks, besides those of this process.
    """

    folder: Path
    dags: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """The output of commands that `run` has run."""
        return self.folder / "airflow.log"

    def environment(self, port: int = 8080) -> dict[str, str]:
        """Return the environment of Airflow: ours, without the settings of another Airflow or Starlake project."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SL_"))}
        address = f"http://127.0.0.1:{port}"
        settings = {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_COLOR": "1",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }
        return {**ours, **settings, **self.variables}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `airflow` to its end; its output is added to `airflow.log`."""
        command = [sys.executable, "-m", "airflow", *arguments]
        with self.log.open("a", encoding="utf-8") as log:
            return subprocess.run(command, env=self.environment(), stdout=log, stderr=log, text=True, check=False)

    def migrate(self) -> None:
        """Make the database."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "airflow.db").exists() and self.run("db", "migrate").returncode:
            raise SystemExit(f"airflow db migrate failed: see {self.log}")


class AirflowServer:
    """An Airflow that runs.

    Args:
        address: Address of its web server.
        parts: Its processes by name.
        folder: Folder that they write to.
    """

    def __init__(self, address: str, parts: Mapping[str, subprocess.Popen[bytes]], folder: Path) -> None:
        self.address = address
        self._parts = parts
        self._folder = folder
        self._token = ""

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Call the REST API.

        Args:
            method: Such as ``GET``.
            path: Path after `/api/v2/`.
            body: Data to send as JSON.

        Returns:
            The JSON of its answer.
        """
        if not self._token:
            self._token = self._request("GET", "/auth/token")["access_token"]
        return self._request(method, f"/api/v2/{path}", body)

    def _request(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(f"{self.address}{path}", method=method)
        request.add_header("Accept", "application/json")
        request.add_header("Authorization", f"Bearer {self._token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def until(self, find: Callable[[], _FoundT], what: str, patience: float = PATIENCE) -> _FoundT:
        """Wait until something is found.

        Args:
            find: Returns it, or what is false; a server that does not answer yet is the same.
            what: Name of the awaited event, for the error.
            patience: The most seconds to wait.

        Raises:
            TimeoutError: If it is not found in time, or if a part of Airflow ends.
        """
        deadline = time.monotonic() + patience
        while True:
            with suppress(OSError):
                if found := find():
                    return found
            ended = [name for name, process in self._parts.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise TimeoutError(
                    f"Airflow: {what}: not in {patience:.0f} s. {self._ends(ended or list(self._parts))}"
                )
            time.sleep(0.2)

    def _ends(self, names: list[str]) -> str:
        return "\n".join(
            f"{name}:\n{(self._folder / f'{name}.log').read_text('utf-8', 'replace')[-1500:]}" for name in names
        )

    def wait_until_ready(self, dags: int) -> None:
        """Wait until all parts are healthy and so many DAGs are read."""
        self.until(self._is_healthy, "its parts are healthy")
        self.until(lambda: self.ask("GET", "dags")["total_entries"] >= dags, f"{dags} DAGs are read")

    def _is_healthy(self) -> bool:
        health = self.ask("GET", "monitor/health")
        return all(health[name]["status"] == "healthy" for name in ("scheduler", "triggerer", "dag_processor"))


@contextmanager
def running(home: AirflowFolder, port: int | None = None) -> Iterator[AirflowServer]:
    """Start the parts of an Airflow, and end all of their processes with the block.

    Args:
        home: Working folder, with its database.
        port: The port of the web server; by default a free one.

    Yields:
        The server, which may not answer yet.
    """
    port = port or _free_port()
    environment = home.environment(port)
    parts: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in PARTS.items():
            with (home.folder / f"{name}.log").open("wb") as log:
                parts[name] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", *arguments],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        yield AirflowServer(f"http://127.0.0.1:{port}", parts, home.folder)
    finally:
        _end(list(parts.values()))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End processes and what they have started: politely at first."""
    started = [child for process in processes for child in _children(process)]
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
    for child in started:
        with suppress(psutil.NoSuchProcess):  # also if its id belongs to another process by now
            child.kill()
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []
