"""grpcio as a client of a plugin that is served here, with its health check, its reflection and its rich details."""

import json
import tempfile
import time

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from common import Served, certificate, check, end
from grpcio_messages import messages, services

NAME = "plugin.v1.PluginService"
LIMIT = 5


def request(wish, context=None):
    return messages.ExecuteRequest(payload=json.dumps(wish).encode(), context=context)


def answer(plugin, wish, context=None, **more):
    return json.loads(plugin.Execute(request(wish, context), timeout=LIMIT, **more).payload)


def fails(method, message, **more):
    """The error of a call, which is to fail."""
    try:
        method(message, **{"timeout": LIMIT, **more})
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")


def details(error):
    """The code, its domain and metadata, and when to come back."""
    info, retry, status = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), rpc_status.from_call(error)
    retry_ms = None
    for one in status.details if status else []:
        one.Unpack(info)
        if one.Unpack(retry):
            retry_ms = retry.retry_delay.ToMilliseconds()
    return info.reason, info.domain, dict(info.metadata), retry_ms


def within(limit, what):
    begun = time.monotonic()
    result = what()
    return result, time.monotonic() - begun < limit


def calls(plugin):
    whole = plugin.Execute(request({"echo": [1, "é"]}), timeout=LIMIT)
    right = json.loads(whole.payload) == [1, "é"] and whole.content_type == "application/json"
    check("a call, and metadata of its answer", right and whole.metadata == {"served-by": "judged"}, whole)
    futures = [plugin.Execute.future(request({"echo": n, "sleep_ms": n % 7}), timeout=30) for n in range(1000)]
    wrong = [n for n, future in enumerate(futures) if json.loads(future.result().payload) != n]
    check("1,000 calls at once: each has its own answer", not wrong, wrong)
    zipped = answer(plugin, {"echo": "x" * 100_000}, compression=grpc.Compression.Gzip)
    check("a request that is compressed with gzip", zipped == "x" * 100_000, len(zipped))
    large = answer(plugin, {"size": 3_000_000})
    check("an answer of 3 MB", large == "x" * 3_000_000, len(large))


def told(plugin):
    context = messages.CallContext(request_id="order-17", attempt=2, max_retries=3, idempotent=True, affinity=7, priority=-5,
                                   headers={"x-plugin-tenant": "t"}, metadata={"a": "µ"})
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    knows = answer(plugin, {"tell": "call"}, context, metadata=[("traceparent", trace), ("tracestate", "a=b")])
    left = knows.pop("left_ms")
    check("the plugin is told the context, and the trace by metadata", knows == {
        "request_id": "order-17", "attempt": 2, "max_retries": 3, "idempotent": True, "has_affinity": True, "priority": -5,
        "headers": {"x-plugin-tenant": "t"}, "metadata": {"a": "µ"}, "traceparent": trace, "tracestate": "a=b"}, knows)
    # gRPC in C rounds up what it tells.
    check("the plugin is told the time that is left", 3000 < left <= 5100, left)
    knows = json.loads(plugin.Execute(request({"tell": "call"})).payload)
    check("without a deadline it is told none", knows["left_ms"] is None, knows)


def errors(plugin):
    for code, status, extra, more, again in (
        ("PLUGIN_1206", "INVALID_ARGUMENT", {}, {}, None),
        ("PLUGIN_1203", "UNKNOWN", {"detail": "line 7"}, {"detail": "line 7"}, None),
        ("RATELIMIT_1501", "RESOURCE_EXHAUSTED", {"retry_after_ms": 1500}, {}, 1500),
        ("AUTH_1107", "PERMISSION_DENIED", {}, {}, None),
        ("PLUGIN_1204", "DEADLINE_EXCEEDED", {}, {}, None),
    ):
        error = fails(plugin.Execute, request({"fail": code, **extra}))
        reason, domain, metadata, retry_ms = details(error)
        metadata.pop("retryable", None)
        found = (error.code().name, error.details(), reason, domain, metadata, retry_ms)
        check(f"an error with its details: {code} is {status}",
              found == (status, "as it was asked to: 100 % µ", code, "plugin.v1", more, again), found)
    error = fails(plugin.Execute, request({"fail": "RATELIMIT_1501", "retry_after_ms": 1500}))
    push_back = dict(error.trailing_metadata()).get("grpc-retry-pushback-ms")
    check("when to come back is in grpc-retry-pushback-ms too", push_back == "1500", push_back)
    error = fails(plugin.Execute, messages.ExecuteRequest(payload=b"{"))
    check("a payload that is not JSON is the caller's fault", details(error)[0] == "PLUGIN_1206", error)
    error = fails(plugin.Execute, messages.ExecuteRequest(payload=b"1", content_type="text/plain"))
    check("so is one of another type", details(error)[0] == "PLUGIN_1206", error)
    for n in range(3):
        error, quick = within(LIMIT, lambda: fails(plugin.Execute, request({"echo": "x" * (11 << 20)})))
        check(f"a request that is too large: RESOURCE_EXHAUSTED, PLUGIN_1207 ({n + 1} of 3)",
              error.code().name == "RESOURCE_EXHAUSTED" and details(error)[0] == "PLUGIN_1207" and quick, error)
    error = fails(plugin.Execute, request({"size": 5_000_000}))
    check("an answer that is too large for the client", error.code().name == "RESOURCE_EXHAUSTED", error)
    check("the connection serves on", answer(plugin, {"echo": 1}) == 1)


def time_and_cancelling(plugin):
    error, quick = within(2, lambda: fails(plugin.Execute, request({"sleep_ms": 60_000}), timeout=0.3))
    check("a deadline: DEADLINE_EXCEEDED, in time", error.code().name == "DEADLINE_EXCEEDED" and quick, error)
    dropped = lambda: answer(plugin, {"tell": "dropped"})
    check("the plugin's work ended with it", until(lambda: dropped() == 1), dropped())
    call = plugin.Execute.future(request({"sleep_ms": 60_000}))
    time.sleep(0.3)
    call.cancel()
    check("a call that is cancelled ends the plugin's work", until(lambda: dropped() == 2), dropped())


def until(holds, seconds=5):
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        if holds():
            return True
        time.sleep(0.05)
    return False


def other_methods(channel, plugin):
    info = plugin.Info(messages.InfoRequest(), timeout=LIMIT)
    check("Info", (info.name, info.version) == ("judged", "1.0.0"), info)
    health = plugin.Health(messages.HealthRequest(), timeout=LIMIT)
    check("Health", health.state == messages.HealthResponse.STATE_HEALTHY, health)
    error = fails(plugin.Init, messages.InitRequest(options_json=b"{}"))
    check("Init, where there is none: UNIMPLEMENTED", error.code().name == "UNIMPLEMENTED", error)
    try:
        list(plugin.ExecuteStream(iter([messages.ExecuteStreamRequest(payload=b"1")] * 3), timeout=LIMIT))
        check("ExecuteStream: UNIMPLEMENTED", False, "it was served")
    except grpc.RpcError as error:
        check("ExecuteStream: UNIMPLEMENTED", error.code().name == "UNIMPLEMENTED", error)
    for path in ("/plugin.v1.PluginService/Nothing", "/nothing.v1.Nothing/Execute"):
        error = fails(channel.unary_unary(path), b"")
        check(f"{path}: UNIMPLEMENTED", error.code().name == "UNIMPLEMENTED", error)


def health(channel, plugin):
    stub = health_pb2_grpc.HealthStub(channel)
    asked = lambda name: health_pb2.HealthCheckRequest(service=name)
    for name in ("", NAME):
        status = stub.Check(asked(name), timeout=LIMIT).status
        check(f"grpc.health.v1 Check {name!r}: SERVING", status == health_pb2.HealthCheckResponse.SERVING, status)
    error = fails(stub.Check, asked("other"))
    check("Check of another service: NOT_FOUND", error.code().name == "NOT_FOUND", error)
    error = fails(stub.Check, asked("x" * 1_000_000))
    check("the same of a name of a million letters", error.code().name == "NOT_FOUND", error)
    unknown = stub.Watch(asked("other"), timeout=LIMIT)
    status = next(unknown).status
    unknown.cancel()
    check("Watch of another service: SERVICE_UNKNOWN", status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN, status)
    watch = stub.Watch(asked(NAME), timeout=20)
    seen = [next(watch).status]
    answer(plugin, {"health": "unhealthy"})
    status = stub.Check(asked(NAME), timeout=LIMIT).status
    check("Check of a plugin that is not well: NOT_SERVING", status == health_pb2.HealthCheckResponse.NOT_SERVING, status)
    seen.append(next(watch).status)
    answer(plugin, {"health": "healthy"})
    seen.append(next(watch).status)
    watch.cancel()
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    check("Watch tells of each change", seen == [serving, not_serving, serving], seen)


def reflection(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    listed = set(database.get_services())
    wanted = {NAME, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
    check("reflection lists the services", wanted <= listed, sorted(listed))
    pool = DescriptorPool(database)
    methods = [method.name for method in pool.FindServiceByName(NAME).methods]
    check("and describes them", methods == ["Init", "Execute", "ExecuteStream", "Info", "Health"], methods)
    own = [field.name for field in messages.ExecuteRequest.DESCRIPTOR.fields]
    theirs = [field.name for field in pool.FindMessageTypeByName("plugin.v1.ExecuteRequest").fields]
    check("and their messages", own == theirs, theirs)
    for name in sorted(wanted & listed):
        check(f"{name} can be described", len(pool.FindServiceByName(name).methods) > 0)


with Served(protocol="grpc") as served, grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
    plugin = services.PluginServiceStub(channel)
    calls(plugin)
    told(plugin)
    errors(plugin)
    time_and_cancelling(plugin)
    other_methods(channel, plugin)
    health(channel, plugin)
    reflection(channel)

with tempfile.TemporaryDirectory() as folder:
    cert, key = certificate(folder)
    with open(cert, "rb") as pem:
        trusted = grpc.ssl_channel_credentials(pem.read())
    with Served(cert, key, protocol="grpc") as served, grpc.secure_channel(f"localhost:{served.port}", trusted) as channel:
        check("a call over TLS", answer(services.PluginServiceStub(channel), {"echo": 1}) == 1)
    socket = f"{folder}/p.sock"
    # By itself grpcio writes the path into `:authority`, percent-coded, which servers that stand on the h2 crate do not take.
    named = [("grpc.default_authority", "localhost")]
    with Served(protocol="grpc", address=f"unix:{socket}"), grpc.insecure_channel(f"unix:{socket}", options=named) as channel:
        check("a call over a Unix socket", answer(services.PluginServiceStub(channel), {"echo": 1}) == 1)
end()
