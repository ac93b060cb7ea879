"""Servers that do what none should, made with PyPI h2, against the client: every call ends, in time, with a typed error."""

import signal
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from common import Peer, Served, call, check, end, shown

LIMIT_MS = 3000


def http2(settings, on_request, besides=b""):
    """A peer that has these settings, sends these bytes behind them, and does this with each request."""

    def act(socket):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, validate_outbound_headers=False))
        peer.local_settings.update(settings)
        peer.initiate_connection()
        socket.sendall(peer.data_to_send() + besides)
        while data := socket.recv(65536):
            for event in peer.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    on_request(peer, event.stream_id, socket)
            socket.sendall(peer.data_to_send())

    return act


def raw(answer):
    """A peer of HTTP/1.1 that answers a request with these bytes, and closes."""

    def act(socket):
        if socket.recv(65536):
            socket.sendall(answer)
            time.sleep(0.05)

    return act


def silent(*_):
    """Takes a request, and says no more."""


def head(names, size):
    def answer(peer, stream, socket):
        fields = [(":status", "200")] + [(f"x-{n}", "a" * size) for n in range(names)]
        peer.send_headers(stream, fields, end_stream=True)

    return answer


def good(peer, stream, socket):
    body = b'{"data":1}'
    peer.send_headers(stream, [(":status", "200"), ("content-type", "application/json")])
    peer.send_data(stream, body, end_stream=True)


def refuse(peer, stream, socket):
    peer.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)


def go_away(peer, stream, socket):
    peer.close_connection()


def twice(peer, stream, socket):
    good(peer, stream, socket)
    # The second answer: h2 itself would not write it.
    socket.sendall(peer.data_to_send())
    socket.sendall(b"\x00\x00\x01\x01\x05" + stream.to_bytes(4, "big") + b"\x88")


def fails(name, peer, version="2", calls=8, within_ms=LIMIT_MS + 1500, retryable=None, code=None):
    """Every call ends with an error in this time."""
    ends = call(peer.port, version, calls, LIMIT_MS)
    bad = [one for one in ends if one["ok"] or one["ms"] > within_ms or not one["code"]]
    bad += [one for one in ends if retryable is not None and one["retryable"] != retryable]
    bad += [one for one in ends if code is not None and one["code"] != code]
    check(f"{name} -> {ends[0]['code']}, {max(one['ms'] for one in ends) // 100 / 10} s", not bad, shown(bad or ends))
    return ends


MOST = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100}
# Written as they stand on the wire: the library would hold a stream that it serves against them.
NO_STREAM = b"\0\0\6\4\0\0\0\0\0" + b"\0\3\0\0\0\0"

ends = call(Peer(http2({}, good, NO_STREAM)).port, "2", 8, LIMIT_MS)
late = [one for one in ends if not one["ok"] and (one["ms"] > 1500 or not one["retryable"])]
check(f"settings that allow no stream: who waits is told within 1.5 s ({len(late)} of {len(ends)} are not)", not late, shown(late or ends))

fails("settings and then silence", Peer(http2(MOST, silent)))
fails("not even settings", Peer(lambda socket: time.sleep(LIMIT_MS / 1000 + 5)))
fails("a head of 200 KiB", Peer(http2(MOST, head(50, 4096))), within_ms=1500)
fails("a head of 20,000 fields", Peer(http2(MOST, head(20000, 1))))
fails("each stream refused", Peer(http2(MOST, refuse)), within_ms=1500, retryable=True)
# It says that it will still answer those that it has seen.
fails("GOAWAY at each request", Peer(http2(MOST, go_away)))
fails("plain text in place of HTTP/2", Peer(raw(b"hello\r\n")), within_ms=1500)

ends = call(Peer(http2(MOST, twice)).port, "2", 8, LIMIT_MS)
right = [one for one in ends if (one["ok"] and one["text"] == "1") or one["code"]]
check("an answer twice over", len(right) == len(ends) and all(one["ms"] < 1500 for one in ends), shown(ends))

BODY = b'a\r\n{"data":1}\r\n0\r\n\r\n'
# Where chunks are not the last coding, the body ends with the connection, and is not what it seems.
for coding in (b"chunked, gzip", b"gzip", b"identity", b"xchunked", b"chunked\r\ntransfer-encoding: gzip", b"gzip, chunked, x"):
    head_of = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: " + coding + b"\r\n\r\n"
    fails(f"transfer-encoding: {coding.decode().splitlines()!r}", Peer(raw(head_of + BODY)), "1", 2, 1500)
for lengths in (b"content-length: 10\r\ncontent-length: 11", b"content-length: +10", b"content-length: 99999999999999999999"):
    answer = b"HTTP/1.1 200 OK\r\n" + lengths + b"\r\n\r\n" + b'{"data":1}'
    fails(f"{lengths.decode().splitlines()!r}", Peer(raw(answer)), "1", 2)
both = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n" + BODY
ends = call(Peer(raw(both)).port, "1", 2, LIMIT_MS)
check("a length beside chunks: chunks win, or an error", all(not one["ok"] or one["text"] == "1" for one in ends), shown(ends))

# A server that stands still in the middle of a call, as one does whose machine is gone: pings find it out.
with Served() as served:
    calling = threading.Timer(0.5, lambda: served.process.send_signal(signal.SIGSTOP))
    calling.start()
    ends = call(served.port, "2", 1, 120_000, '{"sleep_ms": 110000}')
    check(f"a server that stands still is found out by pings -> {ends[0]['code']}, {ends[0]['ms'] // 1000} s",
          not ends[0]["ok"] and ends[0]["ms"] < 60_000, shown(ends))
end()
