#!/usr/bin/env python3
"""A plugin in ten lines: one JSON request per line on stdin, one JSON reply per line on stdout."""
import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    if request["method"] == "execute":
        reply = {"id": request["id"], "result": request["payload"]}
    else:
        reply = {"id": request["id"], "error": "unknown method " + request["method"]}
    print(json.dumps(reply), flush=True)
