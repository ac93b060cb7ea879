"""dnsmasq as the name server of discovery: the tests that start one, each as a check."""

import pathlib
import re
import subprocess

from common import check, end

command = ["cargo", "test", "--package", "plugin-discovery", "--all-features", "--test", "dns", "--", "--ignored"]
root = pathlib.Path(__file__).resolve().parents[2]
done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=900)
results = re.findall(r"^test (\S+) \.\.\. (\w+)$", done.stdout, re.MULTILINE)
for name, result in results:
    check(name.rpartition("::")[2].replace("_", " "), result == "ok", result)
if not results:
    check("the tests are run", False, (done.stderr.splitlines() or ["no output"])[-1])
end()
