// grpc-js as a client of a plugin that is served here, with its health check, its reflection and its rich details.
'use strict';

const fs = require('node:fs');
const healthCheck = require('grpc-health-check');
const {certificate, check, end, grpc, plugin, readDetails, reflection, served, sleep, until} = require('./grpc_js_common.js');

const NAME = 'plugin.v1.PluginService';
const soon = () => ({deadline: Date.now() + 5000});
const plain = grpc.credentials.createInsecure();
const request = (wish, more) => ({payload: Buffer.from(JSON.stringify(wish)), ...more});

// A call as a promise: its answer, or the error that it ended with.
const unary = (client, method, message, options = soon(), metadata = new grpc.Metadata()) =>
  new Promise((resolve) => client[method](message, metadata, options, (error, answer) => resolve(error ?? answer)));
const execute = (client, wish, more, options, metadata) => unary(client, 'Execute', request(wish, more), options, metadata);
const read = (answer) => (answer instanceof Error ? answer : JSON.parse(answer.payload));
const code = (answer) => (answer instanceof Error ? grpc.status[answer.code] : 'OK');

async function calls(client) {
  const one = await execute(client, {echo: [1, 'é']});
  check('a call, and metadata of its answer',
    JSON.stringify(read(one)) === '[1,"é"]' && one.content_type === 'application/json' && one.metadata['served-by'] === 'judged', one);
  const all = await Promise.all(Array.from({length: 1000}, (_, n) =>
    execute(client, {echo: n, sleep_ms: n % 7}, {}, {deadline: Date.now() + 30_000})));
  const wrong = all.findIndex((answer, n) => read(answer) !== n);
  check('1,000 calls at once: each has its own answer', wrong < 0, all[wrong]);
  const large = await execute(client, {size: 3_000_000});
  check('an answer of 3 MB', read(large).length === 3_000_000, large);
}

async function told(client) {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const metadata = new grpc.Metadata();
  metadata.set('traceparent', trace);
  const context = {request_id: 'order-17', attempt: 2, max_retries: 3, idempotent: true, affinity: 7, priority: -5,
    headers: {'x-plugin-tenant': 't'}, metadata: {a: 'µ'}};
  const knows = read(await execute(client, {tell: 'call'}, {context}, soon(), metadata));
  const right = knows.request_id === 'order-17' && knows.attempt === 2 && knows.max_retries === 3 && knows.idempotent &&
    knows.has_affinity && knows.priority === -5 && knows.headers['x-plugin-tenant'] === 't' && knows.metadata.a === 'µ';
  check('the plugin is told the context, and the trace by metadata', right && knows.traceparent === trace, knows);
  check('the plugin is told the time that is left', knows.left_ms > 3000 && knows.left_ms <= 5000, knows);
  const none = read(await execute(client, {tell: 'call'}, {}, {}));
  check('without a deadline it is told none', none.left_ms === null, none);
}

async function errors(client) {
  for (const [reason, status, extra, more, after] of [
    ['PLUGIN_1206', 'INVALID_ARGUMENT', {}, {}],
    ['PLUGIN_1203', 'UNKNOWN', {detail: 'line 7'}, {detail: 'line 7'}],
    ['RATELIMIT_1501', 'RESOURCE_EXHAUSTED', {retry_after_ms: 1500}, {}, {seconds: 1, nanos: 500_000_000}],
    ['AUTH_1107', 'PERMISSION_DENIED', {}, {}],
  ]) {
    const error = await execute(client, {fail: reason, ...extra});
    const {ErrorInfo, RetryInfo} = error instanceof Error ? readDetails(error) : {};
    delete ErrorInfo?.metadata.retryable;
    const right = code(error) === status && error.details === 'as it was asked to: 100 % µ' && ErrorInfo?.reason === reason &&
      ErrorInfo.domain === 'plugin.v1' && JSON.stringify(ErrorInfo.metadata) === JSON.stringify(more);
    check(`an error with its details: ${reason} is ${status}`, right && JSON.stringify(RetryInfo?.retry_delay) === JSON.stringify(after), error);
  }
  for (const [what, message] of [['not JSON', {payload: Buffer.from('{')}], ['of another type', {payload: Buffer.from('1'), content_type: 'text/plain'}]]) {
    const error = await unary(client, 'Execute', message);
    check(`a payload that is ${what} is the caller's fault`, readDetails(error).ErrorInfo?.reason === 'PLUGIN_1206', error);
  }
  for (const n of [1, 2, 3]) {
    const error = await execute(client, {echo: 'x'.repeat(11 << 20)});
    check(`a request that is too large: RESOURCE_EXHAUSTED, PLUGIN_1207 (${n} of 3)`,
      code(error) === 'RESOURCE_EXHAUSTED' && readDetails(error).ErrorInfo?.reason === 'PLUGIN_1207', error);
  }
  const error = await execute(client, {size: 5_000_000});
  check('an answer that is too large for the client', code(error) === 'RESOURCE_EXHAUSTED', error);
  check('the connection serves on', read(await execute(client, {echo: 1})) === 1);
}

async function timeAndCancelling(client) {
  const begun = Date.now();
  const error = await execute(client, {sleep_ms: 60_000}, {}, {deadline: begun + 300});
  check('a deadline: DEADLINE_EXCEEDED, in time', code(error) === 'DEADLINE_EXCEEDED' && Date.now() - begun < 2000, error);
  const dropped = async () => read(await execute(client, {tell: 'dropped'}));
  check("the plugin's work ended with it", await until(async () => (await dropped()) === 1));
  const call = client.Execute(request({sleep_ms: 60_000}), () => {});
  await sleep(300);
  call.cancel();
  check("a call that is cancelled ends the plugin's work", await until(async () => (await dropped()) === 2));
}

async function otherMethods(client) {
  const info = await unary(client, 'Info', {});
  check('Info', info.name === 'judged' && info.version === '1.0.0', info);
  const health = await unary(client, 'Health', {});
  check('Health', health.state === 'STATE_HEALTHY', health);
  const init = await unary(client, 'Init', {options_json: Buffer.from('{}')});
  check('Init, where there is none: UNIMPLEMENTED', code(init) === 'UNIMPLEMENTED', init);
  const stream = client.ExecuteStream(soon());
  const ended = new Promise((resolve) => stream.on('error', resolve).on('end', resolve));
  stream.on('data', () => {});
  stream.write({payload: Buffer.from('1')});
  stream.end();
  const error = await ended;
  check('ExecuteStream: UNIMPLEMENTED', code(error) === 'UNIMPLEMENTED', error);
}

async function health(port, client) {
  const Health = grpc.makeGenericClientConstructor(healthCheck.service, 'Health');
  const stub = new Health(`127.0.0.1:${port}`, plain);
  const checked = (service) => unary(stub, 'check', {service});
  for (const name of ['', NAME]) {
    const {status} = await checked(name);
    check(`grpc.health.v1 Check "${name}": SERVING`, status === 'SERVING', status);
  }
  const error = await checked('other');
  check('Check of another service: NOT_FOUND', code(error) === 'NOT_FOUND', error);
  const seen = [];
  const watch = stub.watch({service: NAME}).on('data', ({status}) => seen.push(status)).on('error', () => {});
  await until(() => seen.length === 1);
  await execute(client, {health: 'unhealthy'});
  const {status} = await checked(NAME);
  check('Check of a plugin that is not well: NOT_SERVING', status === 'NOT_SERVING', status);
  await until(() => seen.length === 2, 10_000);
  await execute(client, {health: 'healthy'});
  await until(() => seen.length === 3, 10_000);
  watch.cancel();
  check('Watch tells of each change', seen.join() === 'SERVING,NOT_SERVING,SERVING', seen);
}

async function reflected(port, version) {
  const stub = new (reflection(version).ServerReflection)(`127.0.0.1:${port}`, plain);
  const asked = (question) => new Promise((resolve) => {
    const stream = stub.ServerReflectionInfo(soon()).on('data', resolve).on('error', resolve);
    stream.write(question);
    stream.end();
  });
  const list = await asked({list_services: ''});
  const names = list.list_services_response?.service.map(({name}) => name).sort().join();
  check(`reflection ${version} lists the services`, names ===
    `grpc.health.v1.Health,grpc.reflection.v1.ServerReflection,grpc.reflection.v1alpha.ServerReflection,${NAME}`, list);
  const file = await asked({file_containing_symbol: `${NAME}.Execute`});
  const [described] = file.file_descriptor_response?.file_descriptor_proto ?? [];
  check(`reflection ${version} describes them`, described?.includes('plugin/v1/plugin.proto'), file);
  const unknown = await asked({file_containing_symbol: 'nothing.at.All'});
  const is = unknown.error_response?.error_code ?? unknown.code;
  check(`reflection ${version} says what it does not know: NOT_FOUND`, is === grpc.status.NOT_FOUND, unknown);
}

(async () => {
  const {port} = await served();
  const client = new plugin.PluginService(`127.0.0.1:${port}`, plain);
  await calls(client);
  await told(client);
  await errors(client);
  await timeAndCancelling(client);
  await otherMethods(client);
  await health(port, client);
  await reflected(port, 'v1');
  await reflected(port, 'v1alpha');
  const gzip = new plugin.PluginService(`127.0.0.1:${port}`, plain, {'grpc.default_compression_algorithm': 2});
  check('a request that is compressed with gzip', read(await execute(gzip, {echo: 'x'.repeat(100_000)})).length === 100_000);
  const {cert, key, folder} = certificate();
  const secure = await served('127.0.0.1:0', cert, key);
  const overTls = new plugin.PluginService(`localhost:${secure.port}`, grpc.credentials.createSsl(fs.readFileSync(cert)));
  const one = await execute(overTls, {echo: 1});
  check('a call over TLS', read(one) === 1, one);
  const socket = `unix:${folder}/p.sock`;
  await served(socket);
  const local = await execute(new plugin.PluginService(socket, plain), {echo: 1});
  check('a call over a Unix socket', read(local) === 1, local);
  end();
})();
