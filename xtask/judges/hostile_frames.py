"""Frames that no client should send, made with PyPI h2 and by hand, against a served plugin: it goes on serving others."""

import socket
import struct
import time

import h2.config
import h2.connection

from common import Served, check, end

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def frame(kind, flags, stream, payload, length=None):
    return struct.pack(">I", length if length is not None else len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def request_head(peer, stream):
    peer.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")])
    return peer.data_to_send()


def client():
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    peer.initiate_connection()
    return peer, peer.data_to_send()


def resets():
    peer, sent = client()
    for stream in range(1, 4001, 2):
        sent += request_head(peer, stream)
        peer.reset_stream(stream)
        sent += peer.data_to_send()
    return sent


def continuations():
    head = frame(1, 0, 1, b"\x82")
    return PREFACE + SETTINGS + head + b"".join(frame(9, 0, 1, b"\0\1a\1b" * 3000) for _ in range(200))


HOSTILE = {
    "a preface cut short": PREFACE[:10],
    "no settings": PREFACE + frame(6, 0, 0, b"12345678"),
    "a frame of 16 MiB announced": PREFACE + SETTINGS + frame(0, 0, 1, b"", 0xFFFFFF),
    "data on stream 0": PREFACE + SETTINGS + frame(0, 0, 0, b"x"),
    "data on a stream that is not there": PREFACE + SETTINGS + frame(0, 1, 7, b"x"),
    "an even stream": PREFACE + SETTINGS + frame(1, 4, 2, b"\x82"),
    "a window that overflows": PREFACE + SETTINGS + frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "a window of nothing": PREFACE + SETTINGS + frame(8, 0, 0, b"\0\0\0\0"),
    "HPACK that points nowhere": PREFACE + SETTINGS + frame(1, 5, 1, b"\xff\xff\xff\xff\x0f"),
    "padding longer than its frame": PREFACE + SETTINGS + frame(0, 8, 1, b"\xff"),
    "a push from a client": PREFACE + SETTINGS + frame(5, 4, 1, b"\0\0\0\2\x82"),
    "a head without end (CONTINUATION flood)": continuations(),
    "2,000 streams opened and reset (rapid reset)": resets(),
    "20,000 pings": PREFACE + SETTINGS + frame(6, 0, 0, b"12345678") * 20000,
    "20,000 settings": PREFACE + SETTINGS * 20000,
    "20,000 empty frames": PREFACE + SETTINGS + request_head(*[client()[0]], 1) + frame(0, 0, 1, b"") * 20000,
}


def send(port, sent):
    """Sends, reads what comes for a second, and says whether the server ended the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.settimeout(1)
        try:
            connection.sendall(sent)
            until = time.monotonic() + 3
            while time.monotonic() < until:
                if not connection.recv(65536):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


with Served() as served:
    for name, sent in HOSTILE.items():
        ended = send(served.port, sent)
        check(f"{name}: {'the connection ends' if ended else 'it stays open'}, others are served", served.answers(), "no answer")
    with open(f"/proc/{served.process.pid}/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    check(f"memory stays below 128 MiB ({kib >> 10} MiB)", kib < 128 << 10, f"{kib} KiB")
end()
