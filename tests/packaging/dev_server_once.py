"""Start the server of `dagster dev`, ask it for its jobs and assets as the UI does, print them, and end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import requests

QUERY = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    jobs { name } assetNodes { assetKey { path } } } } } }"""


def main(arguments: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*arguments, "-p", str(port)], start_new_session=True)
    try:
        for node in nodes_of(f"http://127.0.0.1:{port}/graphql", server):
            for job in node["jobs"]:
                print("job", job["name"])
            for asset in node["assetNodes"]:
                print("asset", "/".join(asset["assetKey"]["path"]))
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def nodes_of(url: str, server: subprocess.Popen[bytes]) -> list[dict]:
    """Return what the repositories of the server have, once it answers."""
    while (answer := asked(url)) is None:
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode}")
        time.sleep(0.5)
    return answer["data"]["repositoriesOrError"]["nodes"]


def asked(url: str) -> dict | None:
    try:
        return requests.post(url, json={"query": QUERY}, timeout=60).json()
    except requests.RequestException:
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
