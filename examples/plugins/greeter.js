#!/usr/bin/env node
// A plugin in ten lines: one JSON request per line on stdin, one JSON reply per line on stdout.
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  let reply = { error: "this plugin takes a name, as a string", code: "PLUGIN_1206" };
  try {
    const { method, payload } = JSON.parse(line);
    if (method === "execute" && typeof payload === "string") reply = { result: "hello " + payload };
  } catch (fault) {
    reply.error = fault.message;
  }
  const id = /^{"id": ?"(.*?)"/.exec(line)?.[1] ?? null; // every request begins with it
  console.log(JSON.stringify({ id, ...reply }));
});
