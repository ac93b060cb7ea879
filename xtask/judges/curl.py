"""curl as a client, over HTTP/1.1 and HTTP/2, on a port and on a Unix socket: of a plugin, and of the gateway."""

import json
import subprocess
import tempfile

from common import Gateway, Served, check, end


def curl(url, body, *args):
    command = ["curl", "-sS", "--max-time", "10", "-w", "\n%{http_version} %{http_code}", "--json", body, *args, url]
    done = subprocess.run(command, capture_output=True, text=True)
    answer, _, said = done.stdout.rpartition("\n")
    return answer, said or done.stderr


def plugin(where, url, *args):
    for name, version_args, version in VERSIONS:
        name, args_of = f"{where}, {name}", (*version_args, *args)
        answer, said = curl(url, '{"data":{"echo":[1,"\u00e9"]}}', *args_of)
        right = said == f"{version} 200" and json.loads(answer)["data"] == [1, "\u00e9"]
        check(f"{name}: a call", right, f"{said} {answer}")
        answer, said = curl(url, '{"data":{"fail":"PLUGIN_1206"}}', *args_of)
        check(f"{name}: an error with its code", "PLUGIN_1206" in answer and not said.endswith("200"), f"{said} {answer}")
        answer, said = curl(url, '{"data":', *args_of)
        check(f"{name}: half a body is the caller's fault", said == f"{version} 400", f"{said} {answer}")
        answer, said = curl(url, '{"data":{"sleep_ms":5000},"timeout":"200ms"}', *args_of)
        check(f"{name}: the timeout of the envelope holds", "PLUGIN_1204" in answer, f"{said} {answer}")


def gateway(where, origin, *args):
    for name, version_args, version in VERSIONS:
        name, args_of = f"{where}, {name}", (*version_args, *args)
        answer, said = curl(f"{origin}/v1/plugins/echo", '{"echo":[1,"\u00e9"]}', *args_of)
        check(f"{name}: a call", said == f"{version} 200" and json.loads(answer) == [1, "\u00e9"], f"{said} {answer}")
        answer, said = curl(f"{origin}/v1/plugins/echo", '{"fail":"PLUGIN_1206"}', *args_of)
        check(f"{name}: an error with its code", said == f"{version} 400" and "PLUGIN_1206" in answer, f"{said} {answer}")
        # Without a body: the curl of Debian 12 drops an answer that comes before it has sent one (RFC 9113, 8.1, forbids that).
        answer, said = curl(f"{origin}/v1/plugins/nobody", "", *args_of)
        check(f"{name}: a plugin that is not there", said == f"{version} 404" and "PLUGIN_1201" in answer, f"{said} {answer}")
        answer, said = curl(f"{origin}/v1/plugins/echo", '{"sleep_ms":5000}', "-H", "X-Request-Timeout: 200ms", *args_of)
        check(f"{name}: the timeout of a header holds", said == f"{version} 504" and "PLUGIN_1204" in answer, f"{said} {answer}")


VERSIONS = (("HTTP/1.1", ["--http1.1"], "1.1"), ("HTTP/2", ["--http2-prior-knowledge"], "2"))

with tempfile.TemporaryDirectory() as folder, Served() as served:
    plugin("a plugin", f"http://127.0.0.1:{served.port}/")
    socket = f"{folder}/plugin.sock"
    with Served(address=f"unix:{socket}"):
        plugin("a plugin on a socket", "http://localhost/", "--unix-socket", socket)
    socket = f"{folder}/gateway.sock"
    plugins = f"plugins: [{{name: echo, transport: http, endpoint: 'http://127.0.0.1:{served.port}/'}}]\n"
    with Gateway(plugins, f", unix: {{path: {socket}}}") as served_by:
        gateway("the gateway", f"http://127.0.0.1:{served_by.port}")
        gateway("the gateway on a socket", "http://localhost", "--unix-socket", socket)
end()
