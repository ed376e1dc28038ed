"""The service behind the stand-in: files of a folder that all processes share.

``state.json`` has clusters, registered names, queries and counts of calls; ``settings.json`` is written by tests:

- ``accounts``: service accounts with their secrets;
- ``seconds_to_start``, ``seconds_of_a_query``;
- ``faults``: by the name of a call, the text of its error, or ``{"error": text, "times": n}``.

Paths below ``bucket`` are the object store that machines can read.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


class Service:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.bucket = self.folder / "bucket"

    @classmethod
    def of_environment(cls):
        return cls(os.environ["FAKE_POLARS_CLOUD"])

    @property
    def accounts(self):
        return self.setting("accounts", {})

    def setting(self, name, default=None):
        with self._locked():
            return self._read("settings.json").get(name, default)

    def state(self):
        with self._locked():
            return self._state()

    @contextmanager
    def change(self):
        with self._locked():
            state = self._state()
            yield state
            self._write("state.json", state)

    def count(self, call):
        with self.change() as state:
            state["calls"][call] = state["calls"].get(call, 0) + 1

    def take(self, name):
        """Return the text of a fault, if there is one, and count it down."""
        with self._locked():
            settings = self._read("settings.json")
            fault = settings.get("faults", {}).get(name)
            if isinstance(fault, str):
                return fault
            if not fault or fault["times"] < 1:
                return None
            fault["times"] -= 1
            self._write("settings.json", settings)
            return fault["error"]

    def fault(self, name, kind=RuntimeError):
        text = self.take(name)
        if text:
            raise kind(text)

    def storage(self, uri):
        if uri is None:
            folder = self.folder / "temporary" / str(uuid4())
        else:
            assert uri.startswith(str(self.bucket)), f"{uri} is not in the bucket"
            folder = Path(uri)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _state(self):
        empty = {"clusters": {}, "manifests": {}, "queries": [], "calls": {}}
        return {**empty, **self._read("state.json")}

    def _read(self, name):
        file = self.folder / name
        return json.loads(file.read_text()) if file.exists() else {}

    def _write(self, name, content):
        file = self.folder / f"{name}.new"
        file.write_text(json.dumps(content))
        file.replace(self.folder / name)

    @contextmanager
    def _locked(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
