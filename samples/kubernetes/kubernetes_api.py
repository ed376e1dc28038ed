"""The one call of the API server that the backend needs; write it with the package kubernetes if you prefer that.

It talks to the server as a pod does, with the service account that is mounted there: that may `create`, `get`, `list`
and `delete` jobs, `list` pods, and `get` pods/log. Elsewhere, pass a URL, for example that of `kubectl proxy`.
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from ai.starlake.executor.remote import RemoteCallError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NO_ANSWER, NOT_FOUND, CONFLICT, PASSING = 0, 404, 409, (0, 429, 500, 502, 503, 504)


class KubernetesError(RemoteCallError):
    def __init__(self, what: str, code: int, message: str) -> None:
        super().__init__(f"Kubernetes could not {what}", cause=f"{code}: {message}", transient=code in PASSING)
        self.code, self.definite, self.missing = code, code not in PASSING, code == NOT_FOUND


class KubernetesApi:
    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, what: str, method: str, path: str, body: object = None, **query: str) -> str:
        """Make one call and return the text of the answer. Raises a `KubernetesError` if it does not succeed."""
        request = Request(f"{self.url}{path}?{urlencode(query)}", json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        context = None
        if self.url.startswith("https:"):
            request.add_header("Authorization", f"Bearer {(ACCOUNT / 'token').read_text()}")
            context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        try:
            with urlopen(request, timeout=20, context=context) as answer:
                return str(answer.read().decode(errors="backslashreplace"))
        except OSError as error:
            said = error.read().decode(errors="replace") if isinstance(error, HTTPError) else str(error)
            raise KubernetesError(what, getattr(error, "code", NO_ANSWER), said) from None
