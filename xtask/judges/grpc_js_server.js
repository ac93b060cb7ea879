// grpc-js as a server of a plugin that does what it is asked to, with its health check and its reflection.
'use strict';

const fs = require('node:fs');
const {HealthImplementation} = require('grpc-health-check');
const {ReflectionService} = require('@grpc/reflection');
const {ask, certificate, check, definition, end, grpc, plugin, sleep, until, withDetails} = require('./grpc_js_common.js');

class Plugin {
  options = [];
  cancelled = 0;
  state = 'STATE_HEALTHY';

  Init = ({request}, answer) => {
    const options = JSON.parse(request.options_json);
    this.options.push([options, request.plugin_name]);
    answer(options.refuse ? {code: grpc.status.FAILED_PRECONDITION, details: 'no such mode'} : null, {});
  };

  Execute = async (call, answer) => {
    const wish = JSON.parse(call.request.payload);
    if (typeof wish === 'string') return answer(null, {payload: Buffer.from(String(wish.length))});
    if (wish.hang) {
      call.once('cancelled', () => { this.cancelled += 1; });
      await sleep(wish.hang);
    }
    if (wish.status) return answer({code: grpc.status[wish.status], details: '100 % µ'});
    if (wish.rich) return answer(withDetails(...wish.rich));
    let result = wish.size ? 'x'.repeat(wish.size) : wish.echo ?? null;
    if (wish.tell) {
      const {context} = call.request;
      result = {headers: context.headers, metadata: context.metadata, attempt: context.attempt, idempotent: context.idempotent,
        left: call.getDeadline() - Date.now(), sent: call.metadata.getMap()};
    }
    return answer(null, {payload: Buffer.from(JSON.stringify(result)), metadata: {'served-by': 'grpc-js'}});
  };

  Health = (_, answer) => answer(null, {state: this.state, message: 'one of two', metadata: {queue: '7'}});
}

// The plugin, served by grpc-js.
async function serving(options = {}, credentials = grpc.ServerCredentials.createInsecure(), healthCheck = true) {
  const [server, served] = [new grpc.Server(options), new Plugin()];
  server.addService(plugin.PluginService.service, served);
  const health = new HealthImplementation({'': 'SERVING'});
  if (healthCheck) health.addToServer(server);
  new ReflectionService(definition).addToServer(server);
  const bound = (resolve, reject) => server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)));
  const port = await new Promise(bound);
  const asked = (asks, timeoutMs, settings) => ask(`127.0.0.1:${port}`, asks, timeoutMs, settings);
  const one = async (payload, more, settings) => (await asked([{payload, ...more}], 5000, settings))[0];
  return {server, plugin: served, health, port, ask: asked, one};
}

async function calls({ask, one}) {
  const first = await one({echo: [1, 'é']});
  check('a call, and metadata of its answer', first.text === '[1,"é"]' && first.metadata['served-by'] === 'grpc-js', first);
  const ends = await ask(Array.from({length: 1000}, (_, n) => ({payload: {echo: n}})), 30_000);
  const wrong = ends.filter(({text, call}) => text !== String(call));
  check('1,000 calls at once: each has its own answer', ends.length === 1000 && !wrong.length, wrong.slice(0, 3));
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const knows = await one({tell: 1}, {headers: {'x-plugin-tenant': 't'}, metadata: {a: 'µ'}, idempotent: true, traceparent}, ['token=s3cret']);
  const told = knows.ok ? JSON.parse(knows.text) : {};
  check('the plugin is told the context',
    told.headers?.['x-plugin-tenant'] === 't' && told.metadata.a === 'µ' && told.attempt === 0 && told.idempotent === true, knows);
  check('the trace and the credentials are metadata', told.sent?.traceparent === traceparent && told.sent.authorization === 'Bearer s3cret', told);
  check('the plugin is told the time of the attempt', told.left > 4000 && told.left <= 5000, told);
  const short = await one({tell: 1}, {deadline_ms: 1500});
  const {left} = JSON.parse(short.text);
  check('and the deadline of the call where that is earlier', left > 1000 && left <= 1500, short);
  const large = await one({size: 3_000_000});
  check('an answer of 3 MB', large.text.length === 3_000_002, large.code);
}

// What docs/plugin-over-grpc.md says of each status.
async function errors({ask, one}) {
  const says = {UNKNOWN: ['PLUGIN_1203', false], INVALID_ARGUMENT: ['PLUGIN_1206', false], UNAVAILABLE: ['TRANSPORT_1302', true],
    RESOURCE_EXHAUSTED: ['OVERLOAD_2001', false], DEADLINE_EXCEEDED: ['PLUGIN_1204', false]};
  for (const [status, number] of Object.entries(grpc.status).filter(([name, number]) => isNaN(name) && number !== 0)) {
    const [code, retryable] = says[status] ?? ['TRANSPORT_1302', false];
    const found = await one({status});
    check(`${status} is ${code}`, found.code === code && found.retryable === retryable && found.status === number && found.text.includes('100 % µ'), found);
  }
  const info = (reason, metadata = {}) => ({ErrorInfo: {reason, domain: 'plugin.v1', metadata}});
  for (const [rich, code, retryable, after, detail] of [
    [[2, 'told in full', {...info('PLUGIN_1203', {retryable: 'true', detail: 'line 7'}), RetryInfo: {retry_delay: {nanos: 250_000_000}}}],
      'PLUGIN_1203', true, 250, 'line 7'],
    [[8, 'told in full', {...info('RATELIMIT_1501'), RetryInfo: {retry_delay: {seconds: 1, nanos: 500_000_000}}}], 'RATELIMIT_1501', false, 1500, null],
    [[7, 'told in full', info('AUTH_1107')], 'AUTH_1107', false, null, null],
  ]) {
    const found = await one({rich});
    const right = found.code === code && found.retryable === retryable && found.retry_after_ms === after && found.detail === detail;
    check(`rich details: ${code}`, right && found.text.includes('told in full'), found);
  }
  const [large] = await ask([{fill: 5 << 20}]);
  check('a request that is too large for the server: PLUGIN_1207', large.code === 'PLUGIN_1207', large);
  const answer = await one({size: 11 << 20});
  check('an answer that is too large: PLUGIN_1207', answer.code === 'PLUGIN_1207', answer);
}

async function timeAndCancelling({ask, one, plugin}) {
  const [late] = await ask([{payload: {hang: 30_000}}], 400);
  check('an attempt that takes too long: PLUGIN_1204, in time', late.code === 'PLUGIN_1204' && late.ms > 300 && late.ms < 2000, late);
  const passed = await one({hang: 30_000}, {deadline_ms: 400});
  check('a deadline that passes: PLUGIN_1204, not retryable', passed.code === 'PLUGIN_1204' && !passed.retryable, passed);
  const cancelled = await one({hang: 30_000}, {cancel_ms: 300});
  await until(() => plugin.cancelled === 3);
  check('the plugin hears of all three', plugin.cancelled === 3 && cancelled.text === 'cancelled', plugin.cancelled);
}

async function healthChecks({ask, plugin, health}) {
  const probe = async () => (await ask([{probe: true}]))[0].text;
  for (const [state, text] of [['STATE_HEALTHY', 'healthy: one of two'], ['STATE_DEGRADED', 'degraded: one of two'],
    ['STATE_UNHEALTHY', 'unhealthy: one of two'], ['STATE_UNSPECIFIED', 'healthy: one of two']]) {
    plugin.state = state;
    const found = await probe();
    check(`health: ${state}`, found === text, found);
  }
  health.setStatus('', 'NOT_SERVING');
  let found = await probe();
  check('grpc.health.v1 NOT_SERVING, under no name', found === "unhealthy: the plugin's health check says NOT_SERVING", found);
  health.setStatus('plugin.v1.PluginService', 'SERVING');
  found = await probe();
  check("grpc.health.v1 SERVING, under the service's name", found.startsWith('healthy'), found);
}

async function options({one, plugin}) {
  const first = await one({echo: 1}, {}, ['options={"mode": "fast"}']);
  check('options come by Init, before the call', first.ok && JSON.stringify(plugin.options) === '[[{"mode":"fast"},"judged"]]', plugin.options);
  const refused = await one({echo: 1}, {}, ['options={"refuse": 1}']);
  check('options that are refused: nothing is sent', refused.sent === 'Nothing' && refused.text.includes('no such mode'), refused);
}

(async () => {
  const first = await serving();
  await calls(first);
  await errors(first);
  await timeAndCancelling(first);
  await healthChecks(first);
  await options(first);
  const [bare] = await (await serving({}, undefined, false)).ask([{probe: true}]);
  check('without grpc.health.v1 it is healthy as long as it answers', bare.ok, bare);
  const gzip = await (await serving({'grpc.default_compression_algorithm': 2})).one({size: 100_000});
  check('an answer that is compressed with gzip', gzip.text.length === 100_002, gzip.code);
  const narrow = await serving({'grpc.max_concurrent_streams': 2});
  const begun = Date.now();
  const ends = await narrow.ask(Array(16).fill({payload: {hang: 500}}), 5000, ['max_connections=4']);
  check('a server of two streams a connection: 16 calls over four connections', ends.every(({ok}) => ok) && Date.now() - begun < 4000, ends);
  const {cert, key} = certificate();
  const pair = {cert_chain: fs.readFileSync(cert), private_key: fs.readFileSync(key)};
  const secure = await serving({}, grpc.ServerCredentials.createSsl(null, [pair]));
  const [overTls] = await ask(`https://localhost:${secure.port}`, [{payload: {echo: 1}}], 5000, [`ca=${cert}`]);
  check('a call over TLS', overTls.text === '1', overTls);
  // A stop cuts off what is in flight; each of those who call hears of it.
  const stopped = await serving();
  setTimeout(() => stopped.server.forceShutdown(), 500);
  const cut = await stopped.ask(Array(64).fill({payload: {hang: 20_000}}));
  check('a server that stops: 64 calls, each with an error of its own', cut.length === 64 && cut.every(({code}) => code), cut);
  end();
})();
