"""A small API server of Kubernetes: each Job is a process of this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from tests.waiting import wait_for

JOBS, PODS = "/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/pods"
LABEL = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
GRACE = 2.0


class RefusedError(Exception):
    """An answer that is not a success; its arguments are the status and what is said."""


def now(*, exactly=False):
    moment = datetime.now(timezone.utc)
    fraction = f".{moment.microsecond:06d}{time.monotonic_ns() % 1000:03d}" if exactly else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


class Job:
    """A Job, its pod and its process."""

    def __init__(self, body, entry_point):
        self.metadata = {**body["metadata"], "creationTimestamp": now()}
        self.spec = body["spec"]
        self.deleted = 0
        self.lines = []
        (container,) = self.spec["template"]["spec"]["containers"]
        self.argv, self.env = container["args"], {one["name"]: one["value"] for one in container["env"]}
        self.process = subprocess.Popen(
            [*entry_point, *self.argv],
            env={"PATH": os.environ["PATH"], **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    @property
    def name(self):
        return self.metadata["name"]

    def read(self):
        for line in self.process.stdout:
            self.lines.append(f"{now(exactly=True)} {line.decode(errors='backslashreplace').rstrip(chr(10))}")
        self.process.wait()

    @property
    def exit_code(self):
        return None if self.reader.is_alive() else self.process.returncode

    @property
    def message(self):
        status = {"active": 1}
        if self.exit_code is not None:
            kind = "Failed" if self.exit_code else "Complete"
            status = {"conditions": [{"type": kind, "status": "True", "message": "Job has reached its backoff limit"}]}
        return {"metadata": self.metadata, "spec": self.spec, "status": status}

    @property
    def pod(self):
        code = self.exit_code
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code if code >= 0 else 128 - code}}
        status = {"phase": "Running" if code is None else "Done", "containerStatuses": [{"state": state}]}
        return {"metadata": {"name": f"{self.name}-x1"}, "status": status}

    def delete(self):
        """Note that it is to be deleted; `end` ends its process."""
        self.deleted += 1
        self.metadata.setdefault("deletionTimestamp", now())

    def end(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):  # the reader may wait for it meanwhile
                if self.process.poll() is None:
                    os.killpg(self.process.pid, number)
            self.reader.join(GRACE)


class FakeKubernetes:
    """The API server.

    Args:
        entry_point: What the image of the containers starts.
    """

    def __init__(self, entry_point):
        self.entry_point = entry_point
        self.jobs = {}
        self.all_jobs = []
        self.calls = []
        self.faults = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                size = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(size) or "null")
                url = urlsplit(self.path)
                try:
                    status, text = 200, fake.handle(self.command, url.path, dict(parse_qsl(url.query)), body)
                except RefusedError as refusal:
                    status, text = refusal.args
                content = (text if isinstance(text, str) else json.dumps(text)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  as http.server has it

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        for job in self.all_jobs:
            job.end()

    def fault(self, method, code, *, when="before", count=1):
        """Let the next calls of a method fail, before or after their effect."""
        self.faults += [(method, code, when)] * count

    def wait_for(self, wanted):
        wait_for("the fake to be as wanted", lambda: wanted(self), seen=lambda: self.calls[-5:])

    def handle(self, method, path, query, body):
        self.calls.append((method, path))
        fault = next((one for one in self.faults if one[0] == method), None)
        if fault:
            self.faults.remove(fault)
            if fault[2] == "after":
                self.carry_out(method, path, query, body)
            raise RefusedError(fault[1], "a fault")
        return self.carry_out(method, path, query, body)

    def carry_out(self, method, path, query, body):
        if method == "POST":
            return self.create(body)
        if path.startswith(PODS):
            return self.pods(path.removeprefix(PODS), query)
        if path == JOBS:
            return {"items": [job.message for job in self.jobs.values() if fits(job, query["labelSelector"])]}
        job = self.jobs.get(path.removeprefix(f"{JOBS}/"))
        if job is None:
            raise RefusedError(404, "not found")
        if method == "DELETE":
            assert query == {"propagationPolicy": "Foreground"}
            job.delete()
            threading.Thread(target=lambda: (job.end(), self.jobs.pop(job.name, None)), daemon=True).start()
        return job.message

    def create(self, body):
        name, labels = body["metadata"]["name"], body["metadata"]["labels"]
        if not NAME.fullmatch(name) or not all(LABEL.fullmatch(value) for value in labels.values()):
            raise RefusedError(422, "a name or a label is invalid")
        if name in self.jobs:
            raise RefusedError(409, "already exists")
        job = self.jobs[name] = Job(body, self.entry_point)
        self.all_jobs.append(job)
        return job.message

    def pods(self, rest, query):
        if not rest:
            job = self.jobs.get(query["labelSelector"].removeprefix("job-name="))
            return {"items": [job.pod] if job else []}
        job = self.jobs.get(rest.split("/")[1].removesuffix("-x1"))
        since = query.get("sinceTime", "").removesuffix("Z")
        return "".join(f"{line}\n" for line in (job.lines if job else []) if line >= since)


def fits(job, selector):
    labels = job.metadata["labels"]
    terms = [term.partition("=") for term in selector.split(",")]
    return all(labels.get(key) == value if sign else key in labels for key, sign, value in terms)
