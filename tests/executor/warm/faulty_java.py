"""Stands in for `java`: a server of the same protocol whose faults a test chooses.

A property of the virtual machine chooses one of its start (`-Dfault=...`), the variable FAULT of a command another one.
Commands are the methods `do_...`.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(sys.argv[sys.argv.index("-cp") + 1].split(os.pathsep)[-1])
sys.path.insert(0, str(REPOSITORY))


def loaded(path: Path):
    """Return a module without its package, which takes longer to import than all the rest."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


frames = loaded(REPOSITORY / "ai/starlake/executor/warm/warm_frames.py")
Frame, FrameKind = frames.Frame, frames.FrameKind

FAULTS: set[str] = set()
busy = threading.Event()


def frames_of(read):
    splitter = frames.FrameSplitter()
    while data := read(65536):
        yield from splitter.feed(data)


def hello(port: int) -> bytes:
    values = {
        "port": port,
        "pid": os.getpid() + ("pid" in FAULTS),
        "protocol": 99 if "protocol" in FAULTS else frames.PROTOCOL,
        "java": "17.0.1",
        "starlake": "1.5.16",
        "check:environment": "no such field" if "checks" in FAULTS else "ok",
    }
    parts = [str(part).encode() for item in values.items() for part in item]
    return Frame.of(FrameKind.HELLO, *parts).encoded


def watch_stdin(rest):
    for _ in rest:
        pass
    os._exit(frames.OWNER_GONE)


class Command:
    def __init__(self, connection, request):
        _folder, count, *rest = request.parts
        self.connection = connection
        self.arguments = [os.fsdecode(part) for part in rest[: int(count)]]
        variables = [os.fsdecode(part) for part in rest[int(count) :]]
        self.environment = dict(zip(variables[::2], variables[1::2], strict=True))
        self.fault = self.environment.get("FAULT", "")
        self.lock = threading.Lock()
        self.over = threading.Event()

    def state(self, when):
        root = "/elsewhere" if self.fault == f"{when}_root" else self.environment.get("SL_ROOT", "")
        digest = "0" * 64 if self.fault == f"{when}_digest" else frames.environment_digest(self.environment)
        return root.encode(), digest.encode()

    def send(self, kind, *parts):
        with self.lock:
            self.connection.sendall(Frame.of(kind, *parts).encoded)

    def print(self, text, kind=FrameKind.STDOUT):
        with self.lock:
            self.connection.sendall(Frame(kind, text.encode()).encoded)

    def beat(self):
        while not self.over.wait(0.1):
            if self.fault != "silent":
                self.send(FrameKind.HEARTBEAT)

    def run(self):
        busy.set()
        threading.Thread(target=self.beat, daemon=True).start()
        if self.fault == "garbage":
            self.connection.sendall(b"\xff" * 100)
        verb, *values = self.arguments
        code = getattr(self, f"do_{verb}")(*values) or 0
        busy.clear()
        self.over.set()
        self.send(FrameKind.END, str(code).encode(), *self.state("end"))

    def do_print(self, *texts):
        self.print("\n".join(texts))

    def do_variable(self, name):
        self.print(self.environment.get(name, "not set"))

    def do_process(self):
        self.print(str(os.getpid()))

    def do_fail(self, code):
        self.print("ERROR it fails\n", FrameKind.STDERR)
        return int(code)

    def do_exit(self, code):
        self.print("about to exit\n")
        self.send(FrameKind.EXITING)
        os._exit(int(code))

    def do_halt(self, code):
        os._exit(int(code))

    def do_crash(self, number):
        self.print("about to crash\n")
        print("# A fatal error has been detected", flush=True)
        os.kill(os.getpid(), int(number))
        time.sleep(600)

    def do_wait(self, file):
        self.print(f"{os.getpid()}\n")
        while not Path(file).exists():
            time.sleep(0.02)

    do_load = do_wait

    def do_disconnect(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        time.sleep(600)

    def do_child(self, file):
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        Path(file).write_text(f"{child.pid}\n")
        self.do_wait(f"{file}.never")


def serve(connection, token):
    received = frames_of(connection.recv)
    if next(received).parts != [token] or "close" in FAULTS:
        connection.close()
        return
    connection.sendall(hello(connection.getsockname()[1]))
    for frame in received:
        if frame.kind == FrameKind.REQUEST:
            command = Command(connection, frame)
            if "refuse" in FAULTS:
                command.send(FrameKind.REFUSED, b"the class is final")
            else:
                command.send(FrameKind.READY, *command.state("ready"))
        else:
            threading.Thread(target=command.run, daemon=True).start()
    if busy.is_set() and command.arguments != ["disconnect"]:
        os._exit(frames.CLIENT_GONE)


def main():
    stdin = frames_of(lambda size: os.read(0, size))
    token, file, idle, *properties = next(stdin).parts
    FAULTS.update(
        value.decode() for name, value in zip(properties[::2], properties[1::2], strict=True) if name == b"fault"
    )
    if "ignore" in FAULTS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=watch_stdin, args=[stdin], daemon=True).start()
    if "start" in FAULTS:
        sys.exit("Error: no main class; password=hunter2")
    if "hang" in FAULTS:
        time.sleep(600)
    server = socket.create_server(("127.0.0.1", 0))
    path = Path(os.fsdecode(file))
    partial = path.with_suffix(".part")
    partial.touch(0o600)
    partial.write_bytes(
        b"\x07garbage" if "garbage" in FAULTS else hello(0 if "checks" in FAULTS else server.getsockname()[1])
    )
    partial.rename(path)
    if "checks" in FAULTS:
        sys.exit(frames.CHECKS_FAILED)
    server.settimeout(60)  # a test on a loaded machine may need longer than it lets a server idle
    serving = []
    while True:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            if not any(thread.is_alive() for thread in serving):
                sys.exit(frames.UNUSED)
            continue
        server.settimeout(int(idle) / 1000)
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serving.append(threading.Thread(target=serve, args=[connection, token], daemon=True))
        serving[-1].start()


main()
