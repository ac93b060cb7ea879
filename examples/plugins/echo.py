#!/usr/bin/env python3
"""A plugin in ten lines: one JSON request per line on stdin, one JSON reply per line on stdout."""
import json
import re
import sys

for line in sys.stdin:
    try:
        request = json.loads(line)
        if request["method"] == "execute":
            reply = {"result": request["payload"]}
        else:
            reply = {"error": "unknown method " + request["method"]}
    except (ValueError, RecursionError) as fault:  # such as a number of 5,000 digits
        reply = {"error": str(fault), "code": "PLUGIN_1206"}
    id = re.match('{"id": ?"(.*?)"', line)  # every request begins with it
    print(json.dumps({"id": id and id[1], **reply}), flush=True)
