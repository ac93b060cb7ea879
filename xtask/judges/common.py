"""What the judges share: the programs that are judged, and a line for each check."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

JUDGED = os.environ["JUDGED"]
GATEWAY = os.environ["GATEWAY"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 150
failed = False

# However it goes, what was started is ended.
signal.signal(signal.SIGALRM, lambda *_: sys.exit("the judge took longer than five minutes"))
signal.alarm(300)


def check(name, holds, found=""):
    """Prints whether it holds, and what was found instead."""
    global failed
    failed = failed or not holds
    print(f"ok {name}" if holds else f"not ok {name}: {' '.join(str(found).split())}", flush=True)


def end():
    # At once: a library may have threads of its own that wait for something.
    sys.stdout.flush()
    os._exit(1 if failed else 0)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def certificate(folder):
    """A certificate for localhost that is its own authority, and its key."""
    cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
    return cert, key


class Running:
    """A program, until it is left."""

    def __init__(self, *command, **more):
        self.process = subprocess.Popen(command, text=True, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Served(Running):
    """The plugin, served. It listens on a port that the system chose, or on a socket."""

    def __init__(self, *tls, protocol="http", address="127.0.0.1:0"):
        super().__init__(JUDGED, "serve", protocol, address, *tls, stdout=subprocess.PIPE)
        self.address = self.process.stdout.readline().removeprefix("listening on ").strip()
        self.port = None if address.startswith("unix:") else int(self.address.rsplit(":", 1)[1])

    def answers(self):
        """Whether it still serves somebody else."""
        body = '{"data": {"echo": 5}}'
        url = f"http://127.0.0.1:{self.port}/"
        command = ["curl", "-sS", "--max-time", "5", "--json", body, url]
        return '"data":5' in subprocess.run(command, capture_output=True, text=True).stdout


class Gateway(Running):
    """The gateway, with these plugins and these settings of its data plane."""

    def __init__(self, plugins, server=""):
        self.folder = tempfile.TemporaryDirectory()
        self.port, self.admin = free_port(), free_port()
        file = pathlib.Path(self.folder.name) / "gateway.yaml"
        file.write_text(f'server: {{listen: "127.0.0.1:{self.port}"{server}}}\nadmin: {{listen: "127.0.0.1:{self.admin}"}}\n{plugins}')
        with open(f"{self.folder.name}/log", "w") as log:
            super().__init__(GATEWAY, "run", "--config", str(file), stdout=log, stderr=log, cwd=self.folder.name)
        wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5).status == 200,
                 lambda: pathlib.Path(f"{self.folder.name}/log").read_text())

    def __exit__(self, *_):
        super().__exit__()
        self.folder.cleanup()


def wait_for(holds, said=lambda: ""):
    """Asks until it holds, for ten seconds."""
    until = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError):
            if holds():
                return
        assert time.monotonic() < until, said()
        time.sleep(0.05)


def ask(endpoint, asks, protocol="grpc", timeout_ms=5000, *settings):
    """Calls a peer with all of these at once. Gives how each ended, in the order of the calls."""
    command = [JUDGED, "call", protocol, endpoint, str(timeout_ms), *settings]
    lines = "".join(json.dumps(one) + "\n" for one in asks)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=LIMIT)
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ends) == len(asks), done.stderr
    return sorted(ends, key=lambda one: one["call"])


def call(port, version="2", calls=1, timeout_ms=3000, payload='{"echo": 1}'):
    """Calls a peer of HTTP with that many calls at once."""
    asks = [{"payload": json.loads(payload)}] * calls
    return ask(f"http://127.0.0.1:{port}/", asks, f"http{version}", timeout_ms)


def shown(ends):
    one = ends[0]
    return f"{len(ends)} calls, the slowest {max(end['ms'] for end in ends)} ms: {one['code']} {one['text']} ({one['sent']})"


class Peer:
    """A server that does with each of its connections what `act` says."""

    def __init__(self, act):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.act = act
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(LIMIT)
            self.connections += 1
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        # Whatever the library says of what the other side answers: the connection ends, as a program's would that ends.
        with connection, contextlib.suppress(Exception):
            self.act(connection)
