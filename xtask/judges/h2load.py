"""h2load of nghttp2: no call fails, however many streams a connection carries."""

import re
import subprocess
import tempfile

from common import Served, check, end

with Served() as served, tempfile.NamedTemporaryFile("w", suffix=".json") as body:
    body.write('{"data":{"echo":1}}')
    body.flush()
    for clients, streams in ((1, 1), (4, 32), (16, 100)):
        command = ["h2load", "-n", "2000", "-c", str(clients), "-m", str(streams), "-d", body.name]
        command += ["-H", "content-type: application/json", f"http://127.0.0.1:{served.port}/"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        line = next((line for line in done.stdout.splitlines() if line.startswith("requests:")), done.stderr)
        right = re.search(r"2000 succeeded, 0 failed, 0 errored, 0 timeout", line) and "2000 2xx" in done.stdout
        check(f"2,000 calls over {clients} connections of {streams} streams", right, line)
end()
