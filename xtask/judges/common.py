"""What the judges share: the programs that are judged, and a line for each check."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

JUDGED = os.environ["JUDGED"]
LIMIT = 150
failed = False


def check(name, holds, found=""):
    """Prints whether it holds, and what was found instead."""
    global failed
    failed = failed or not holds
    print(f"ok {name}" if holds else f"not ok {name}: {found}", flush=True)


def end():
    sys.exit(1 if failed else 0)


class Served:
    """The plugin, served. It listens on a port that the system chose."""

    def __init__(self, *tls):
        command = [JUDGED, "serve", "http", "127.0.0.1:0", *tls]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def answers(self):
        """Whether it still serves somebody else."""
        body = '{"data": {"echo": 5}}'
        url = f"http://127.0.0.1:{self.port}/"
        command = ["curl", "-sS", "--max-time", "5", "--json", body, url]
        return '"data":5' in subprocess.run(command, capture_output=True, text=True).stdout


def call(port, version="2", calls=1, timeout_ms=3000, payload='{"echo": 1}'):
    """Calls a peer with that many calls at once. Gives how each ended."""
    command = [JUDGED, "call", f"http://127.0.0.1:{port}/", version, str(timeout_ms)]
    done = subprocess.run(command, input=(payload + "\n") * calls, capture_output=True, text=True, timeout=LIMIT)
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ends) == calls, done.stderr
    return ends


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
