#!/usr/bin/env python3
"""A plugin in ten lines: one JSON request per line on stdin, one JSON reply per line on stdout."""
import json, sys

for line in sys.stdin:
    request = json.loads(line)
    if request["method"] == "execute" and isinstance(request["payload"], str):
        reply = {"result": "hello " + request["payload"]}
    else:
        reply = {"error": "this plugin takes a name, as a string", "code": "PLUGIN_1206"}
    print(json.dumps({"id": request["id"], **reply}), flush=True)
