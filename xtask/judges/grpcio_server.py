"""grpcio as a server of plugins: the plugin of docs/plugin-over-grpc.md as it stands there, and one that does what it is asked to."""

import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from common import GATEWAY, ROOT, Gateway, Running, ask, certificate, check, end, free_port, wait_for
from grpcio_messages import messages, services


class Plugin(services.PluginServiceServicer):
    """Does what the payload says."""

    def __init__(self):
        self.options = []
        self.cancelled = 0
        self.state = messages.HealthResponse.STATE_HEALTHY

    def Init(self, request, context):
        self.options.append((json.loads(request.options_json), request.plugin_name))
        if "refuse" in self.options[-1][0]:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no such mode")
        return messages.InitResponse()

    def Execute(self, request, context):
        wish = json.loads(request.payload)
        if isinstance(wish, str):
            return messages.ExecuteResponse(payload=b"%d" % len(wish))
        if "hang" in wish:
            given_up = threading.Event()
            context.add_callback(given_up.set)
            if given_up.wait(wish["hang"]):
                self.cancelled += 1
        if "raise" in wish:
            raise ValueError("out of ink")
        if "status" in wish:
            context.abort(grpc.StatusCode[wish["status"]], "100 % µ")
        if "rich" in wish:
            context.abort_with_status(rich(**wish["rich"]))
        result = wish.get("echo")
        if "size" in wish:
            result = "x" * wish["size"]
        if "tell" in wish:
            said = request.context
            result = {"request_id": said.request_id, "attempt": said.attempt, "headers": dict(said.headers),
                      "metadata": dict(said.metadata), "idempotent": said.idempotent if said.HasField("idempotent") else None,
                      "left": context.time_remaining(), "sent": dict(context.invocation_metadata())}
        return messages.ExecuteResponse(payload=json.dumps(result).encode(), metadata={"served-by": "grpcio"})

    def Health(self, request, context):
        return messages.HealthResponse(state=self.state, message="one of two", metadata={"queue": "7"})


def rich(code, reason, metadata=None, after_ms=None):
    """A status with the details of a plugin."""
    details = [error_details_pb2.ErrorInfo(reason=reason, domain="plugin.v1", metadata=metadata or {})]
    if after_ms is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(after_ms)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = [any_pb2.Any() for _ in details]
    for one, detail in zip(packed, details, strict=True):
        one.Pack(detail)
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message="told in full", details=packed)
    return rpc_status.to_status(status)


class Serving:
    """The plugin, served by grpcio."""

    def __init__(self, health_check=True, credentials=None, plugin=None, **more):
        self.plugin = plugin or Plugin()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), **more)
        services.add_PluginServiceServicer_to_server(self.plugin, self.server)
        if health_check:
            self.health = health.HealthServicer()
            health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        if credentials:
            self.port = self.server.add_secure_port("localhost:0", credentials)
        else:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait()

    def ask(self, *asks, timeout_ms=5000, settings=()):
        return ask(f"127.0.0.1:{self.port}", asks, "grpc", timeout_ms, *settings)

    def one(self, payload, **more):
        return self.ask({"payload": payload, **more})[0]


def calls(serving):
    one = serving.one({"echo": [1, "é"]})
    check("a call, and metadata of its answer", one["text"] == '[1, "\\u00e9"]' and one["metadata"] == {"served-by": "grpcio"}, one)
    ends = serving.ask(*({"payload": {"echo": n}} for n in range(1000)), timeout_ms=30_000)
    wrong = [one for one in ends if one["text"] != str(one["call"])]
    check("1,000 calls at once: each has its own answer", not wrong, wrong[:3])
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    one = serving.ask({"payload": {"tell": 1}, "headers": {"x-plugin-tenant": "t"}, "metadata": {"a": "µ"}, "idempotent": True,
                       "traceparent": trace}, settings=["token=s3cret"])[0]
    told = json.loads(one["text"]) if one["ok"] else {}
    right = (told.get("headers"), told.get("metadata"), told.get("attempt"), told.get("idempotent"))
    check("the plugin is told the context", right == ({"x-plugin-tenant": "t"}, {"a": "µ"}, 0, True), one)
    sent = told.get("sent", {})
    check("the trace and the credentials are metadata", (sent.get("traceparent"), sent.get("authorization")) == (trace, "Bearer s3cret"), sent)
    check("the plugin is told the time of the attempt", 4 < told.get("left", 0) <= 5, told)
    one = serving.one({"tell": 1}, deadline_ms=1500)
    left = json.loads(one["text"])["left"] if one["ok"] else 0
    check("and the deadline of the call where that is earlier", 1 < left <= 1.5, one)


def errors(serving):
    """What docs/plugin-over-grpc.md says of each status."""
    says = {"UNKNOWN": ("PLUGIN_1203", False), "INVALID_ARGUMENT": ("PLUGIN_1206", False), "UNAVAILABLE": ("TRANSPORT_1302", True),
            "RESOURCE_EXHAUSTED": ("OVERLOAD_2001", False), "DEADLINE_EXCEEDED": ("PLUGIN_1204", False)}
    for status in grpc.StatusCode:
        if status.name == "OK":
            continue
        wanted = says.get(status.name, ("TRANSPORT_1302", False))
        one = serving.one({"status": status.name})
        found = (one["code"], one["retryable"], one["status"], "100 % µ" in one["text"])
        check(f"{status.name} is {wanted[0]}", found == (*wanted, status.value[0], True), one)
    one = serving.one({"raise": 1})
    check("a handler that raises is PLUGIN_1203", one["code"] == "PLUGIN_1203" and "out of ink" in one["text"], one)
    for wish, wanted in (
        ({"code": "UNKNOWN", "reason": "PLUGIN_1203", "metadata": {"retryable": "true", "detail": "line 7"}, "after_ms": 250},
         ("PLUGIN_1203", True, 250, "line 7")),
        ({"code": "RESOURCE_EXHAUSTED", "reason": "RATELIMIT_1501", "after_ms": 1500}, ("RATELIMIT_1501", False, 1500, None)),
        ({"code": "PERMISSION_DENIED", "reason": "AUTH_1107"}, ("AUTH_1107", False, None, None)),
    ):
        one = serving.one({"rich": wish})
        found = (one["code"], one["retryable"], one["retry_after_ms"], one["detail"])
        check(f"rich details: {wanted[0]}", found == wanted and "told in full" in one["text"], one)
    one = serving.ask({"fill": 5 << 20})[0]
    check("a request that is too large for the server: PLUGIN_1207", one["code"] == "PLUGIN_1207", one)
    one = serving.one({"size": 11 << 20})
    check("an answer that is too large: PLUGIN_1207", one["code"] == "PLUGIN_1207", one)


def time_and_cancelling(serving):
    plugin = serving.plugin
    one = serving.ask({"payload": {"hang": 30}}, timeout_ms=400)[0]
    check("an attempt that takes too long: PLUGIN_1204, in time", one["code"] == "PLUGIN_1204" and 300 < one["ms"] < 2000, one)
    one = serving.one({"hang": 30}, deadline_ms=400)
    check("a deadline that passes: PLUGIN_1204, not retryable", one["code"] == "PLUGIN_1204" and not one["retryable"], one)
    one = serving.one({"hang": 30}, cancel_ms=300)
    wait_for(lambda: plugin.cancelled == 3, lambda: f"{plugin.cancelled} of 3 were told")
    check("the plugin hears of all three", one["text"] == "cancelled", one)


def health_checks(serving):
    probe = lambda: serving.ask({"probe": True})[0]["text"]
    for state, text in (("STATE_HEALTHY", "healthy: one of two"), ("STATE_DEGRADED", "degraded: one of two"),
                        ("STATE_UNHEALTHY", "unhealthy: one of two"), ("STATE_UNSPECIFIED", "healthy: one of two")):
        serving.plugin.state = messages.HealthResponse.State.Value(state)
        check(f"health: {state}", probe() == text, probe())
    serving.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    check("grpc.health.v1 NOT_SERVING, under no name", probe() == "unhealthy: the plugin's health check says NOT_SERVING", probe())
    serving.health.set("plugin.v1.PluginService", health_pb2.HealthCheckResponse.SERVING)
    check("grpc.health.v1 SERVING, under the service's name", probe().startswith("healthy"), probe())


def options(serving):
    one = serving.ask({"payload": {"echo": 1}}, settings=['options={"mode": "fast"}'])[0]
    check("options come by Init, before the call", one["ok"] and serving.plugin.options == [({"mode": "fast"}, "judged")],
          (one, serving.plugin.options))
    one = serving.ask({"payload": {"echo": 1}}, settings=['options={"refuse": 1}'])[0]
    check("options that are refused: nothing is sent", one["sent"] == "Nothing" and "no such mode" in one["text"], one)


def page():
    """The plugin of the page: its code, its command and its part of a configuration, as they stand there."""
    text = (ROOT / "docs/plugin-over-grpc.md").read_text()
    block = lambda kind: text.split(f"```{kind}\n", 1)[1].split("```", 1)[0]
    command = next(line for line in block("console").splitlines() if "grpc_tools.protoc" in line).removeprefix("$ python3 ")
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ROOT / "plugin-transports", f"{folder}/plugin-transports")
        subprocess.run([sys.executable, *command.split()], cwd=folder, check=True)
        pathlib.Path(folder, "shout.py").write_text(block("python"))
        port = free_port()
        settings = block("yaml").replace("50051", str(port))
        with Running(sys.executable, "shout.py", str(port), cwd=folder):
            wait_for(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() is None)
            with Gateway(settings) as gateway:
                command = lambda *args: subprocess.run([GATEWAY, *args], capture_output=True, text=True)
                called = lambda payload: command("call", "--url", f"http://127.0.0.1:{gateway.port}", "shout", payload)
                done = called('"hello"')
                check("the page's plugin, by the page's configuration", done.stdout.strip() == '"HELLO"', done)
                done = called("5")
                check("its error is its caller's fault", "PLUGIN_1206" in done.stderr and "nothing to shout" in done.stderr, done)
                state = lambda: command("health", "--admin", f"http://127.0.0.1:{gateway.admin}").stdout
                wait_for(lambda: " healthy" in state(), state)
                check("it is healthy", " healthy" in state(), state())


with Serving() as serving:
    calls(serving)
    errors(serving)
    time_and_cancelling(serving)
    health_checks(serving)
    options(serving)
with Serving(health_check=False) as serving:
    one = serving.ask({"probe": True})[0]
    check("without grpc.health.v1 it is healthy as long as it answers", one["ok"], one)
with Serving(compression=grpc.Compression.Gzip) as serving:
    one = serving.one({"size": 100_000})
    check("an answer that is compressed with gzip", one["text"] == json.dumps("x" * 100_000), one["code"])
with Serving(options=[("grpc.max_concurrent_streams", 2)]) as serving:
    begun = time.monotonic()
    ends = serving.ask(*[{"payload": {"hang": 0.5}}] * 16, settings=["max_connections=4"])
    took = time.monotonic() - begun
    check("a server of two streams a connection: 16 calls over four connections", all(one["ok"] for one in ends) and took < 4, ends)
with tempfile.TemporaryDirectory() as folder:
    cert, key = certificate(folder)
    pair = (pathlib.Path(key).read_bytes(), pathlib.Path(cert).read_bytes())
    with Serving(credentials=grpc.ssl_server_credentials([pair])) as serving:
        one = ask(f"https://localhost:{serving.port}", [{"payload": {"echo": 1}}], "grpc", 5000, f"ca={cert}")[0]
        check("a call over TLS", one["text"] == "1", one)
# A stop cuts off what is in flight; each of those who call hears of it.
with Serving() as serving:
    threading.Timer(0.5, lambda: serving.server.stop(0)).start()
    ends = serving.ask(*[{"payload": {"hang": 20}}] * 64)
    check("a server that stops: 64 calls, each with an error of its own", all(one["code"] for one in ends) and len(ends) == 64, ends)
page()
end()
