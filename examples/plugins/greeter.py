#!/usr/bin/env python3
"""A plugin in ten lines: one JSON request per line on stdin, one JSON reply per line on stdout."""
import json, re, sys
from contextlib import suppress

for line in sys.stdin:
    reply = {"error": "this plugin takes a name, as a string", "code": "PLUGIN_1206"}
    with suppress(ValueError, RecursionError):  # such as a number of 5,000 digits
        request = json.loads(line)
        if request["method"] == "execute" and isinstance(request["payload"], str):
            reply = {"result": "hello " + request["payload"]}
    id = re.match('{"id": ?"(.*?)"', line)  # every request begins with it
    print(json.dumps({"id": id and id[1], **reply}), flush=True)
