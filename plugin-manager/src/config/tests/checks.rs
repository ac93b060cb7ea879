//! What holds between keys, and what only a look at the machine can tell.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[track_caller]
fn says(text: &str, expected: &str) {
    let found = refused(text);
    assert!(found.contains(expected), "{text}\n{found}\nshould say: {expected}");
    assert_eq!(found.lines().count(), 1, "{found}");
}

fn http(extra: &str) -> String {
    format!("plugins: [{{name: a, transport: http, {extra}}}]")
}

fn exec(extra: &str) -> String {
    format!("plugins: [{{name: a, transport: exec, {extra}}}]")
}

#[test]
fn a_transport_that_is_known_is_not_taken_for_a_slip() {
    for name in ["hashicorp", "wasm", "dylib"] {
        let text = format!("plugins: [{{name: a, transport: {name}, endpoint: x}}]");
        says(
            &text,
            &format!(
                "transport: {name:?} is not available in this version; expected one of http, https, grpc, grpc-tls, unix, unix-h2, unix-grpc, exec, inproc [PLUGIN_1008]"
            ),
        );
    }
    says("plugins: [{name: a, transport: grcp, endpoint: x}]", "did you mean \"grpc\"? [PLUGIN_1002]");
    says(
        "plugins: [{name: a, transport: carrier-pigeon}]",
        "expected one of \"http\", \"https\", \"grpc\", \"grpc-tls\", \"unix\", \"unix-h2\", \"unix-grpc\", \"exec\", \"inproc\"",
    );
    says(
        &exec("executable: sh, mode: oneshot"),
        "mode: \"oneshot\" is not available in this version; expected one of lines",
    );
    says(
        &http("endpoint: 'http://h', codec: msgpack"),
        "codec: \"msgpack\" is not available in this version; expected one of json",
    );
}

#[test]
fn an_endpoint_is_one_url_or_a_list_of_instances() {
    says(&http("timeout: 1s"), "endpoint: the transport http needs `endpoint` or `instances` [PLUGIN_1003]");
    says(&http("endpoint: 'http://h', instances: [{endpoint: 'http://i'}]"), "stands beside `instances`");
    says(&http("instances: []"), "needs at least one instance [PLUGIN_1003]");
    says(&http("endpoint: '127.0.0.1:80'"), "has no scheme, http:// or https://");
    says(
        &http("endpoint: 'https://h'"),
        "needs an endpoint that begins with http://; is it `transport: https`? [PLUGIN_1004]",
    );
    says(&http("endpoint: 'http://h:0'"), "has the port 0");
    let two = "instances: [{endpoint: 'http://h', name: x}, {endpoint: 'http://i:99999', name: y}]";
    says(&http(two), "plugins[0].instances[1].endpoint: ");
    says(&http("instances: [{endpoint: 'http://h'}, {endpoint: 'http://h'}]"), "is that of `instances[0]` too");
    says(&http("endpoint: 'http://h', health_check: {endpoint: '/a b'}"), "plugins[0].health_check.endpoint: ");
    says("plugins: [{name: a, transport: inproc}]", "the transport inproc needs `type`");
}

#[test]
fn a_key_that_does_not_belong_to_the_transport_is_refused() {
    says(&http("endpoint: 'http://h', executable: sh"), "`executable` has no effect with http; it is for exec");
    for strategy in ["maglev", "5"] {
        let balancer = format!("endpoint: 'http://h', load_balancer: {{strategy: {strategy}, slow_start: 10s}}");
        says(&http(&balancer), "load_balancer.slow_start: `slow_start` has no effect with ");
    }
    says(&exec("executable: sh, auth: {method: bearer, token: t}"), "`auth` has no effect with exec");
    says(&exec("executable: sh, connection: {keep_alive: false}"), "connection.keep_alive: `keep_alive` has no effect");
    // A shared default is for those plugins that have a use for it.
    let shared =
        "default_connection: {keep_alive: false, request_timeout: 9s}\ndefault_health_check: {endpoint: /up}\n";
    let config = config(&format!("{shared}{}", exec("executable: sh")));
    assert_eq!(config.plugins()[0].attempt_timeout().as_secs(), 9);
}

#[test]
fn an_executable_is_there_and_can_be_executed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tool");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let read = |text: &str| from_text(&dir.path().join("g.yaml"), text, None, &with_path);
    let fault = |text: &str| read(text).unwrap_err().to_string();

    let found = fault(&exec("executable: ./tool"));
    assert!(
        found.contains("is not executable; `chmod +x` makes it so [PLUGIN_1007]") && found.contains("tool"),
        "{found}"
    );
    let found = fault(&exec("executable: tool"));
    assert!(
        found.contains("has a program \"tool\", and ") && found.contains("it is, as \"./tool\" [PLUGIN"),
        "{found}"
    );
    fs::write(dir.path().join("greeter.py"), "print()").unwrap();
    assert!(fault(&exec("executable: ./nothing")).contains("nothing\" is not there [PLUGIN_1007]"));
    for (written, says) in [
        (
            "'sh good.sh'",
            "program \"sh ...\"; its arguments go into `args`: write `executable: \"sh\"`, and each of them",
        ),
        ("'/bin/sh -c \"a b\"'", "is not there; its arguments go into `args`: write `executable: \"/bin/sh\"`"),
        ("'~/good.py'", "is not there; `~` is not expanded here: write the whole path, or begin with ${HOME}"),
        ("'~'", "; `~` is not expanded here"),
        ("$HOME/bin/x", "is not there; a variable has braces here: write ${HOME}"),
        (
            "greeter.py",
            "; a script can be started by its interpreter: write `executable: \"python3\"` and `args: [\"greeter.py\"]`",
        ),
        (
            "./greeter.py",
            "`chmod +x` makes it so; a script can be started by its interpreter: write `executable: \"python3\"`",
        ),
        ("sh, work_dir: '~'", "~\" is not there; `~` is not expanded here"),
        ("sh, work_dir: $DATA/x", "is not there; a variable has braces here: write ${DATA}"),
        (".", "is a directory; name the program in it"),
        ("..", "is a directory; name the program in it"),
    ] {
        let found = fault(&exec(&format!("executable: {written}")));
        let code = if written.contains("work_dir") { "[CONFIG_1805]" } else { "[PLUGIN_1007]" };
        assert!(found.contains(says) && found.contains(code), "{written}: {found}");
    }
    // One run tells all.
    for (written, first) in [("executable: sh, endpoint: bash", "a second time"), ("timeout: 1s", "needs `executable`")]
    {
        let found = fault(&exec(&format!("{written}, work_dir: ./nowhere")));
        assert!(found.contains(first) && found.contains("nowhere\" is not there"), "{found}");
    }
    let found = fault(&exec("executable: ./nothing, work_dir: ./nowhere"));
    for says in ["nothing\" is not there", "nowhere\" is not there"] {
        assert!(found.contains(says), "{found}");
    }
    assert!(fault(&exec("executable: ./")).contains("is a directory [PLUGIN_1007]"));
    assert!(fault(&exec("timeout: 1s")).contains("executable: the transport exec needs `executable` [PLUGIN_1007]"));
    assert!(fault(&exec("executable: sh, endpoint: bash")).contains("names the executable a second time"));
    assert!(fault(&exec("executable: sh, work_dir: ./none")).contains("none\" is not there [CONFIG_1805]"));
    assert!(
        fault(&exec("executable: sh, env: {PLUGIN_NAME: x}")).contains("plugins[0].env: must not set \"PLUGIN_NAME\"")
    );

    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let found = fault(&exec("executable: tool"));
    assert!(found.contains("no directory of PATH has a program \"tool\"; write \"./tool\" for"), "{found}");
    for text in [exec("executable: ./tool"), exec("endpoint: ./tool")] {
        let config = read(&text).unwrap();
        let TransportConfig::Exec(process) = config.plugins()[0].transport() else { panic!("another transport") };
        assert_eq!(process.executable(), dir.path().join("./tool"), "independent of the working directory");
    }
    let config = read(&exec("executable: ./nothing, enabled: false")).unwrap();
    assert!(!config.plugins()[0].enabled(), "a plugin that is not started needs no file yet");
}

#[test]
fn credentials_are_complete_and_do_not_travel_in_plain_text() {
    let auth = |host: &str, auth: &str| http(&format!("endpoint: 'http://{host}/', auth: {{{auth}}}"));
    says(&auth("127.0.0.1", "method: api-key"), "auth.api_key: is missing; the method api-key needs it [AUTH_1101]");
    says(
        &auth("127.0.0.1", "method: basic, username: u"),
        "auth.password: is missing; the method basic needs it [AUTH_1103]",
    );
    says(
        &auth("127.0.0.1", "method: mtls"),
        "auth.method: is mtls, which needs `cert_file` and `key_file` [AUTH_1104]",
    );
    says(&auth("127.0.0.1", "method: api_key, api_key: k"), "did you mean \"api-key\"? [AUTH_1105]");
    says(&auth("127.0.0.1", "method: custom"), "sends `headers`, and there are none [AUTH_1105]");
    says(
        &auth("127.0.0.1", "method: bearer, token: t, api_key: k"),
        "auth.api_key: has no effect with the method bearer",
    );
    says(&auth("127.0.0.1", "headers: {host: x}"), "auth.headers: ");
    says(
        &auth("10.0.0.1", "method: bearer, token: t"),
        "auth.method: would send credentials to http://10.0.0.1 in plain text; use TLS [AUTH_1105]",
    );
    assert!(try_read(&auth("127.0.0.1", "method: bearer, token: t")).is_ok());
    assert!(try_read(&auth("10.0.0.1", "method: none")).is_ok());
    let https =
        |auth: &str| format!("plugins: [{{name: a, transport: https, endpoint: 'https://h/', auth: {{{auth}}}}}]");
    says(&https("ca_file: absent.pem"), "absent.pem\" is not there [AUTH_1104]");
    says(&https("method: mtls, cert_file: absent.pem"), "auth.cert_file: needs `key_file` beside it [AUTH_1104]");
}

#[test]
fn nothing_listens_for_other_machines_without_tls_and_knowing_who_calls() {
    let server = |extra: &str| format!("{{plugins: [{PLAIN}], server: {{listen: '0.0.0.0:80', {extra}}}}}");
    says(&server(""), "server.listen: other machines reach 0.0.0.0:80, and there is no `server.tls` nor `server.auth`");
    says(&server("auth: [{name: a, method: bearer, token: t}]"), "there is no `server.tls`, so that secrets");
    assert!(try_read(&server("insecure: true")).is_ok());
    for listen in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(try_read(&format!("{{plugins: [{PLAIN}], server: {{listen: '{listen}'}}}}")).is_ok(), "{listen}");
    }
    let admin = |listen: &str| format!("{{plugins: [{PLAIN}], admin: {{listen: '{listen}'}}}}");
    says(&admin("10.0.0.1:9090"), "the admin plane has no TLS in this version");
    says(&admin("127.0.0.1:0"), "port 0 means any free port");
    says(&admin("localhost"), "expected an address such as \"127.0.0.1:8080\"");
    says(
        &format!("{{plugins: [{PLAIN}], admin: {{listen: '127.0.0.1:1'}}, metrics_port: 2}}"),
        "no effect beside `admin.listen`",
    );
    says(
        &format!("{{plugins: [{PLAIN}], log_level: info, logging: {{level: warn}}}}"),
        "no effect beside `logging.level`",
    );
}

#[test]
fn a_plan_of_a_key_that_nobody_can_have_is_a_fault() {
    let limit = |keys: &str| http(&format!("endpoint: 'http://h', rate_limit: {{{keys}}}"));
    says(&limit("plans: [{for: [a]}]"), "rate_limit.plans: `plans` has no effect without `key`");
    says(&limit("key: ip, plans: [{burst_size: 5}]"), "rate_limit.plans[0].for: required key is missing");
    says(&limit("key: ip, plans: [{for: []}]"), "rate_limit.plans[0].for: names nobody");
    says(&limit("key: ip, plans: [{for: [10.0.0.1], burst_size: 0}]"), "rate_limit.plans[0].burst_size: ");
    let twice = "key: ip, plans: [{for: [10.0.0.1]}, {for: [10.0.0.2, 10.0.0.1]}]";
    says(&limit(twice), "rate_limit.plans[1].for[1]: \"10.0.0.1\" is in `plans[0]` already");
    says(&limit("key: ip, plans: [{for: [acme]}]"), "rate_limit.plans[0].for[0]: \"acme\" is no IP address");
    says(
        &limit("key: ip, plans: [{for: ['2001:db8::7']}]"),
        "by `server.client_ip` a call from there has the key \"2001:db8::\"",
    );
    let header = |value: &str| limit(&format!("key: 'header:X-Plugin-Tenant', plans: [{{for: [{value}]}}]"));
    for value in ["' acme'", "zürich", "''", "\"a\\tb\\u0001\""] {
        says(&header(value), "is not what a header can be that is a key");
    }
    assert!(try_read(&header("acme, globex, a b")).is_ok());
    let server = |auth: &str, plugin: &str, keys: &str| {
        format!("{{plugins: [{{name: a, transport: inproc, type: x{plugin}}}], server: {{{auth}{keys}}}}}")
    };
    let auth = "auth: [{name: billing, method: bearer, token: t}, {name: ops, method: bearer, token: u}], ";
    let plan = |name: &str| format!("client_rate_limit: {{plans: [{{for: [{name}]}}]}}");
    let at = "server.client_rate_limit.plans[0].for[0]: \"biling\" is nobody";
    says(&server(auth, "", &plan("biling")), &format!("{at} of `server.auth`, which has billing, ops"));
    says(&server("", "", &plan("biling")), &format!("{at}: there is no `server.auth`"));
    assert!(try_read(&server(auth, "", &plan("billing"))).is_ok());
    says(&server(auth, "", &plan("10.0.0.1")), "for[0]: \"10.0.0.1\" is an address, and plans are of names");
    says(&limit("key: ip, plans: [{for: 10.0.0.1}]"), "rate_limit.plans[0].for: ");
    let of_plugin = |name: &str| format!(", rate_limit: {{key: client, plans: [{{for: [{name}]}}]}}");
    says(&server(auth, &of_plugin("biling"), ""), "plugins[0].rate_limit.plans[0].for[0]: \"biling\" is nobody");
    assert!(try_read(&server(auth, &of_plugin("ops"), "")).is_ok());
}

#[test]
fn a_limit_says_what_of_it_would_have_no_effect() {
    let limit = |keys: &str| http(&format!("endpoint: 'http://h', rate_limit: {{{keys}}}"));
    says(&limit("key: tenant"), "rate_limit.key: found the string \"tenant\"; expected client, ip, or header:");
    says(&limit("key: 'header:X-Tenant'"), "a header that begins with X-Plugin-, which are those that are handed on");
    says(&limit("max_keys: 5"), "rate_limit.max_keys: `max_keys` has no effect without `key`");
    says(&limit("without_key: pass"), "`without_key` has no effect without `key`");
    says(&limit("wait: 1s, key: ip"), "rate_limit.wait: `wait` has no effect beside `key`");
    says(&limit("wait: 1s, shared: {redis: {url: 'redis://h'}}"), "`wait` has no effect beside `shared`");
    says(&limit("wait: 0s"), "rate_limit.wait: ");
    says(&limit("shared: {}"), "rate_limit.shared.redis: says where the limit is kept, and is missing");
    says(&limit("shared: {redis: {url: 'h:6379'}}"), "rate_limit.shared.redis.url: ");
    says(&limit("shared: {redis: {batch: 2}}"), "rate_limit.shared.redis.url: required key is missing");
    for fine in ["key: ip, max_keys: 5, without_key: pass", "wait: 1s", "key: ip, shared: {redis: {url: 'redis://h'}}"]
    {
        assert!(try_read(&limit(fine)).is_ok(), "{fine}");
    }
    says(&http("endpoint: 'http://h', concurrency: {max: 0}"), "concurrency.max: ");
    says(&http("endpoint: 'http://h', concurrency: {min: 3}"), "concurrency.min: ");
    for (keys, problem) in [
        ("queue: 0, max_wait: 2s", "max_wait: `max_wait` has no effect with `queue: 0`"),
        ("queue: 0, order: lifo", "order: `order` has no effect with `queue: 0`"),
        ("target: 1ms", "target: `target` has no effect without `order: codel`"),
        ("order: lifo, interval: 1s", "interval: `interval` has no effect without `order: codel`"),
    ] {
        says(&http(&format!("endpoint: 'http://h', concurrency: {{{keys}}}")), &format!("concurrency.{problem}"));
    }
    let faults = try_read(&http("endpoint: 'http://h', concurrency: {max: 3, min: 2, queue: 0, max_wait: 2s}"));
    let faults = faults.expect_err("two").to_string();
    assert!(faults.contains("concurrency.min: ") && faults.contains("concurrency.max_wait: "), "{faults}");
    for fine in [
        "queue: 0",
        "queue: 0, max_wait: 1s, order: fifo",
        "order: codel, target: 1ms",
        "queue: 5, max_wait: 1s, order: lifo",
    ] {
        assert!(try_read(&http(&format!("endpoint: 'http://h', concurrency: {{{fine}}}"))).is_ok(), "{fine}");
    }
    says(&http("instances: [{endpoint: 'http://h', concurrency: {max: 0}}]"), "instances[0].concurrency.max: ");
    says(&http("endpoint: 'http://h', adaptive_throttle: {multiplier: 0.5}"), "adaptive_throttle.multiplier: ");
    says(
        &http("endpoint: 'http://h', adaptive_throttle: {}, concurrency: {adaptive: aimd}"),
        "adaptive_throttle: stands beside `concurrency.adaptive`",
    );
    assert!(try_read(&http("endpoint: 'http://h', adaptive_throttle: {}, concurrency: {max: 5}")).is_ok());
    let one = |keys: &str| http(&format!("instances: [{{endpoint: 'http://h', concurrency: {{max: 2}}}}], {keys}"));
    says(&one("adaptive_throttle: {}"), "adaptive_throttle: stands beside `instances[].concurrency`");
    says(&one("concurrency: {adaptive: aimd}"), "concurrency: stands beside `instances[].concurrency`");
    assert!(try_read(&one("concurrency: {max: 5}")).is_ok());
    says(&limit("key: client"), "rate_limit.key: is the name under which a caller is known, and nobody is");
    says(&limit("key: ip, max_keys: 50000000"), "max_keys: ");
    let redis = "shared: {redis: {url: 'redis://h'}}";
    says(&limit(&format!("key: ip, max_keys: 5, {redis}")), "`max_keys` has no effect beside `shared`");
    let two = |other: &str| {
        format!(
            "plugins: [{{name: a, transport: inproc, type: x, rate_limit: {{{redis}}}}}, \
             {{name: b, transport: inproc, type: x, rate_limit: {{shared: {{redis: {{url: 'redis://h', {other}}}}}}}}}]"
        )
    };
    says(
        &two("timeout: 20ms"),
        "rate_limit.shared.redis: is the Redis and the prefix of `plugins[0].rate_limit` with other settings",
    );
    let clients = |other: &str| {
        format!(
            "{{plugins: [{{name: a, transport: inproc, type: x, rate_limit: {{{redis}}}}}], \
             server: {{client_rate_limit: {{shared: {{redis: {{url: 'redis://h', {other}}}}}}}}}}}"
        )
    };
    says(
        &clients("timeout: 20ms"),
        "plugins[0].rate_limit.shared.redis: is the Redis and the prefix of `server.client_rate_limit` with other settings",
    );
    assert!(try_read(&clients("timeout: 50ms")).is_ok());
    assert!(try_read(&two("timeout: 20ms, prefix: b")).is_ok() && try_read(&two("timeout: 50ms")).is_ok());
    let per_key = |keys: &str| http(&format!("endpoint: 'http://h', concurrency_per_key: {{{keys}}}"));
    says(&per_key("max: 2"), "concurrency_per_key.key: required key is missing");
    says(&per_key("key: client"), "concurrency_per_key.key: is the name under which a caller is known, and nobody is");
    says(&per_key("key: ip, queue: 3"), "concurrency_per_key.queue: ");
    assert!(try_read(&per_key("key: ip, max: 2, without_key: refuse")).is_ok());
    let server = |keys: &str| format!("{{plugins: [{PLAIN}], server: {{{keys}}}}}");
    says(&server("client_rate_limit: {burst_size: 0}"), "server.client_rate_limit.burst_size: ");
    says(&server("client_ip: {trusted_proxies: [10.0.0.0/33]}"), "server.client_ip.trusted_proxies: ");
}

#[test]
fn a_secret_in_the_address_of_redis_is_not_shown() {
    let text = http("endpoint: 'http://h', rate_limit: {shared: {redis: {url: 'redis://:hunter2@h'}}}");
    let config = config(&text);
    assert!(!all_of(&config).contains("hunter2"), "{}", all_of(&config));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("g.yaml");
    fs::write(&file, &text).unwrap();
    let shown = show(&file, None, &no_env).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn certificates_are_looked_at() {
    let tls = |keys: &str| format!("{{plugins: [{PLAIN}], server: {{tls: {{{keys}}}}}}}");
    let both = tls("cert_file: a.pem, key_file: b.pem");
    let found = super::refused(&both);
    assert!(found.contains("server.tls.cert_file: ") && found.contains("server.tls.key_file: "), "{found}");
    says(&tls("cert_file: a.pem"), "server.tls.key_file: required key is missing");
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(dir.path().join("a.pem"), made.cert.pem()).unwrap();
    fs::write(dir.path().join("b.pem"), made.signing_key.serialize_pem()).unwrap();
    let read = |text: &str| from_text(&dir.path().join("g.yaml"), text, None, &no_env);
    let settings = |extra: &str| {
        let config = read(&tls(&format!("cert_file: a.pem, key_file: b.pem{extra}"))).unwrap();
        format!("{:?}", config.server().tls().unwrap())
    };
    let plain = settings("");
    assert!(plain.contains("a.pem") && plain.contains("b.pem"), "{plain}");
    assert_ne!(plain, settings(", min_version: '1.3'"));
    assert_ne!(plain, settings(", client_ca_file: a.pem"));
    let listen = "listen: '0.0.0.0:80'";
    let server = |keys: &str| {
        format!("{{plugins: [{PLAIN}], server: {{{listen}, tls: {{cert_file: a.pem, key_file: b.pem{keys}}}}}}}")
    };
    assert!(read(&server("")).unwrap_err().to_string().contains("by which it would know who calls"));
    assert!(read(&server(", client_ca_file: a.pem")).is_ok());
    let found = read(&tls("cert_file: b.pem, key_file: b.pem")).unwrap_err().to_string();
    assert!(found.contains("holds no certificate") && found.ends_with("[CONFIG_1805]"), "{found}");
}

#[test]
fn a_listener_does_not_cut_off_everybody() {
    for key in ["header_timeout", "idle_timeout", "body_timeout", "write_timeout"] {
        let server = |time: &str| format!("{{plugins: [{PLAIN}], server: {{{key}: {time}}}}}");
        says(&server("1ns"), &format!("server.{key}: found the string \"1ns\"; expected a duration of at least 1ms"));
        assert!(try_read(&server("1ms")).is_ok());
        let admin = |time: &str| format!("{{plugins: [{PLAIN}], admin: {{{key}: {time}}}}}");
        if key != "body_timeout" {
            says(&admin("1ns"), &format!("admin.{key}: found the string \"1ns\"; expected a duration of at least 1ms"));
            assert!(try_read(&admin("1ms")).is_ok());
        }
    }
}

#[test]
fn names_are_given_once() {
    says(
        &format!("plugins: [{PLAIN}, {PLAIN}]"),
        "plugins[1].name: the plugin \"a\" is there already, at 1:18; each needs a name of its own [PLUGIN_1010]",
    );
    let tokens = format!("{{plugins: [{PLAIN}], admin: {{tokens: [{{name: a, token: t}}, {{name: a, token: u}}]}}}}");
    says(&tokens, "another token has the name \"a\"");
    says(&http("endpoint: 'http://h', version: 'one'"), "version: \"one\" is no version such as \"1.2.3\"");
    says(
        &http("endpoint: 'http://h', retry: {jitter: full, random_jitter: false}"),
        "no effect beside `random_jitter: false`",
    );
    says(&http("endpoint: 'http://h', retry: {on: [teapot]}"), "expected a code such as \"PLUGIN_1205\"");
    says(
        &http("endpoint: 'http://h', circuit_breaker: {on: [teapot]}"),
        "circuit_breaker.on[0]: found the string \"teapot\"; expected a code such as \"PLUGIN_1205\", or a range",
    );
    says(&http("endpoint: 'http://h', circuit_breaker: {cancelled: slow}"), "circuit_breaker.cancelled: ");
    says(
        &http("endpoint: 'http://h', circuit_breaker: {failure_rate: {ratio: 0.5, window: 20, min_calls: 30}}"),
        "circuit_breaker.failure_rate.min_calls: ",
    );
    says(&exec("executable: sh, restart: {initial: 9s, max: 1s}"), "restart.max: ");
}
