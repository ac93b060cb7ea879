#!/usr/bin/env node
// A plugin in ten lines: one JSON request per line on stdin, one JSON reply per line on stdout.
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, payload } = JSON.parse(line);
  const reply = method === "execute" && typeof payload === "string"
    ? { result: "hello " + payload }
    : { error: "this plugin takes a name, as a string", code: "PLUGIN_1206" };
  console.log(JSON.stringify({ id, ...reply }));
});
