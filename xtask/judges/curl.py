"""curl as a client, over HTTP/1.1 and HTTP/2."""

import json
import subprocess

from common import Served, check, end


def curl(port, body, *args):
    command = ["curl", "-sS", "--max-time", "10", "-w", "\n%{http_version} %{http_code}", "--json", body, *args]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True)
    answer, _, said = done.stdout.rpartition("\n")
    return answer, said


with Served() as served:
    for name, args, version in (("HTTP/1.1", ["--http1.1"], "1.1"), ("HTTP/2", ["--http2-prior-knowledge"], "2")):
        answer, said = curl(served.port, '{"data":{"echo":[1,"\u00e9"]}}', *args)
        right = said == f"{version} 200" and json.loads(answer)["data"] == [1, "\u00e9"]
        check(f"{name}: a call", right, f"{said} {answer}")
        answer, said = curl(served.port, '{"data":{"fail":"PLUGIN_1206"}}', *args)
        check(f"{name}: an error with its code", "PLUGIN_1206" in answer and not said.endswith("200"), f"{said} {answer}")
        answer, said = curl(served.port, '{"data":', *args)
        check(f"{name}: half a body is the caller's fault", said == f"{version} 400", f"{said} {answer}")
        answer, said = curl(served.port, '{"data":{"sleep_ms":5000},"timeout":"200ms"}', *args)
        check(f"{name}: the timeout of the envelope holds", "PLUGIN_1204" in answer, f"{said} {answer}")
end()
