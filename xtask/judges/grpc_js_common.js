// What the judges of grpc-js share: the judged program, the descriptions, and a line for each check.
'use strict';

const {execFileSync, spawn} = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const options = {keepCase: true, longs: String, enums: String, defaults: true, oneofs: true};
const loaded = (file, ...includeDirs) => loader.loadSync(file, {...options, includeDirs});
const proto = path.resolve(__dirname, '../../plugin-transports/proto');
const definition = loaded('plugin/v1/plugin.proto', proto);
const plugin = grpc.loadPackageDefinition(definition).plugin.v1;
const reflection = (version) => grpc.loadPackageDefinition(loaded(
  path.join(path.dirname(require.resolve('@grpc/reflection')), `../proto/grpc/reflection/${version}/reflection.proto`),
)).grpc.reflection[version];

let failed = false;
function check(name, holds, found) {
  failed ||= !holds;
  const said = found instanceof Error ? `${found.code} ${found.message}` : JSON.stringify(found);
  console.log(holds ? `ok ${name}` : `not ok ${name}: ${said}`);
}

// However it goes, it comes to an end.
setTimeout(() => {
  check('the judge takes less than five minutes', false);
  process.exit(1);
}, 300_000).unref();

const end = () => process.exit(failed ? 1 : 0);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds, ms = 5000) {
  for (const by = Date.now() + ms; Date.now() < by; await sleep(50)) if (await holds()) return true;
  return false;
}

// A certificate for localhost that is its own authority, and its key: their files.
function certificate() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'judge-'));
  process.on('exit', () => fs.rmSync(folder, {recursive: true}));
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
    '-out', cert, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-addext', 'basicConstraints=critical,CA:FALSE'], {stdio: 'ignore'});
  return {cert, key, folder};
}

// The plugin, served. Without an address it listens on a port that the system chose.
async function served(address = '127.0.0.1:0', ...tls) {
  const child = spawn(process.env.JUDGED, ['serve', 'grpc', address, ...tls], {stdio: ['ignore', 'pipe', 'inherit']});
  process.on('exit', () => child.kill('SIGKILL'));
  const line = await new Promise((resolve) => readline.createInterface(child.stdout).once('line', resolve));
  return {port: Number(line.split(':').pop()), stop: () => child.kill('SIGKILL')};
}

// Calls a peer with all of these at once. Gives how each ended, in the order of the calls.
function ask(endpoint, asks, timeoutMs = 5000, settings = []) {
  const child = spawn(process.env.JUDGED, ['call', 'grpc', endpoint, String(timeoutMs), ...settings], {stdio: ['pipe', 'pipe', 'inherit']});
  const ends = [];
  readline.createInterface(child.stdout).on('line', (line) => ends.push(JSON.parse(line)));
  child.stdin.end(asks.map((one) => `${JSON.stringify(one)}\n`).join(''));
  return new Promise((resolve) => child.on('close', () => resolve(ends.sort((a, b) => a.call - b.call))));
}

// What of google.rpc a plugin's errors have; no package of gRPC for Node.js has it.
const rpc = protobuf.parse(`syntax = "proto3"; package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message RetryInfo { Duration retry_delay = 1; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }`, {keepCase: true}).root.lookup('google.rpc');
const KEY = 'grpc-status-details-bin';

// The details of an error, by their names.
function readDetails(error) {
  const [bytes] = error.metadata.get(KEY);
  const found = {};
  for (const one of bytes ? rpc.Status.decode(bytes).details : []) {
    const name = one.type_url.split('.').pop();
    found[name] = rpc[name].toObject(rpc[name].decode(one.value), {longs: Number, defaults: true});
  }
  return found;
}

// A status with details, by their names.
function withDetails(code, message, fields) {
  const details = Object.entries(fields).map(([name, value]) =>
    ({type_url: `type.googleapis.com/google.rpc.${name}`, value: rpc[name].encode(rpc[name].fromObject(value)).finish()}));
  const metadata = new grpc.Metadata();
  metadata.set(KEY, Buffer.from(rpc.Status.encode(rpc.Status.fromObject({code, message, details})).finish()));
  return {code, details: message, metadata};
}

module.exports = {ask, certificate, check, definition, end, grpc, plugin, readDetails, reflection, served, sleep, until, withDetails};
