//! What a configuration limits, through a gateway on real sockets: clients, plugins, keys, calls in flight; alone and over Redis.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use plugin_core::{Call, PluginError, Reply, clock};
use plugin_manager::launch::Factories;
use serde_json::Value;
use tempfile::TempDir;
use tower::service_fn;

use crate::one_plugin::{LIMIT, OnePlugin, work};

/// A limit of two at once that gives back one in a quarter of an hour.
const TWO: &str = "requests_per_second: 0.001, burst_size: 2";

#[tokio::test]
async fn each_client_has_a_limit_of_its_own_by_the_name_under_which_it_is_known() {
    let auth = "auth: [{name: a, method: bearer, token: one}, {name: b, method: bearer, token: two}]";
    let gateway = OnePlugin::start("", &format!("{auth}, client_rate_limit: {{{TWO}}}")).await;
    let (a, b) = ([("authorization", "Bearer one")], [("authorization", "Bearer two")]);
    assert_eq!(gateway.passing(4, &a).await, 2);
    assert_eq!(gateway.passing(4, &b).await, 2);
    let refused = gateway.call("{}", &a).await;
    assert_eq!((refused.status.as_u16(), &*refused.code()), (429, "RATELIMIT_1501"));
    for header in ["retry-after", "ratelimit", "ratelimit-policy", "x-request-id"] {
        assert!(refused.headers.contains_key(header), "{header}: {:?}", refused.headers);
    }
    let said = String::from_utf8_lossy(&refused.body);
    assert!(said.contains("the rate limit of this client is used up"), "{said}");
    assert_eq!(gateway.detail().await["calls"]["total"], 4, "what never became a call is not counted as one");
    let status: Value = serde_json::from_str(&gateway.admin("/admin/v1/status").await).expect("JSON");
    let clients = &status["client_rate_limit"];
    assert_eq!(
        (&clients["allowed"], &clients["refused"], &clients["clients"]),
        (&4.into(), &5.into(), &2.into()),
        "{clients}"
    );
    let mut top: Vec<_> =
        clients["top_clients"].as_array().expect("a list").iter().map(|top| top["key"].clone()).collect();
    top.sort_by_key(ToString::to_string);
    assert_eq!(top, ["name:a", "name:b"], "{clients}");
    let metrics = gateway.admin("/metrics").await;
    let counted = "plugin_manager_rejected_requests_total{http_status=\"429\",code=\"RATELIMIT_1501\"} 5";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn who_is_not_known_is_told_apart_by_the_address_that_trusted_proxies_name() {
    let limit = format!("client_rate_limit: {{{TWO}}}");
    let behind = OnePlugin::start("", &format!("{limit}, client_ip: {{trusted_proxies: [127.0.0.1]}}")).await;
    for client in ["203.0.113.7", "203.0.113.8", "2001:db8::1"] {
        assert_eq!(behind.passing(3, &[("x-forwarded-for", client)]).await, 2, "{client}");
    }
    assert_eq!(behind.passing(1, &[("x-forwarded-for", "2001:db8::2")]).await, 0, "one network of IPv6 is one client");
    let open = OnePlugin::start("", &limit).await;
    assert_eq!(open.passing(2, &[("x-forwarded-for", "203.0.113.7")]).await, 2);
    assert_eq!(open.passing(1, &[("x-forwarded-for", "203.0.113.8")]).await, 0, "anybody can write a header");
}

#[tokio::test]
async fn a_plugin_has_a_limit_for_each_key_and_says_who_owes_the_most() {
    let gateway = OnePlugin::start(&format!("rate_limit: {{{TWO}, key: 'header:X-Plugin-Tenant'}}"), "").await;
    assert_eq!(gateway.passing(3, &[("x-plugin-tenant", "acme")]).await, 2);
    assert_eq!(gateway.passing(1, &[("x-plugin-tenant", "globex")]).await, 1);
    let refused = gateway.call("{}", &[("x-plugin-tenant", "acme")]).await;
    assert!(refused.headers.contains_key("retry-after") && refused.headers.contains_key("ratelimit"), "{refused:?}");
    assert_eq!(
        refused.headers["ratelimit-policy"], "\"default\";q=1;w=1000",
        "a plugin's limit says as much as a client's"
    );
    assert_eq!(gateway.passing(3, &[]).await, 2, "those without a key share one");
    let limit = &gateway.detail().await["rate_limit"];
    assert_eq!((&limit["top_keys"][0]["key"], &limit["top_keys"][0]["owed"]), (&"acme".into(), &2.into()), "{limit}");
    assert_eq!(
        (&limit["refused"], &limit["keys"], &limit["without_key"]),
        (&3.into(), &2.into(), &3.into()),
        "{limit}"
    );
    let metrics = gateway.admin("/metrics").await;
    assert!(metrics.contains("plugin_rate_limit_keys{plugin=\"work\"} 2"), "{metrics}");

    let strict =
        OnePlugin::start(&format!("rate_limit: {{{TWO}, key: 'header:X-Plugin-Tenant', without_key: refuse}}"), "")
            .await;
    assert_eq!(strict.passing(2, &[]).await, 0, "whose they are nobody says");
    let by_ip = OnePlugin::start(
        &format!("rate_limit: {{{TWO}, key: ip}}"),
        "client_ip: {trusted_proxies: [127.0.0.1], forwarded_by: forwarded}",
    )
    .await;
    for client in ["for=203.0.113.7", "for=203.0.113.8"] {
        assert_eq!(by_ip.passing(3, &[("forwarded", client)]).await, 2, "{client}");
    }
    let known = OnePlugin::start(
        &format!("rate_limit: {{{TWO}, key: client, without_key: refuse}}"),
        "auth: [{name: a, method: bearer, token: one}]",
    )
    .await;
    assert_eq!(known.passing(3, &[("authorization", "Bearer one")]).await, 2);
}

#[tokio::test]
async fn a_plan_holds_for_those_whom_it_names_and_the_limit_for_all_others() {
    let auth = "auth: [{name: a, method: bearer, token: one}, {name: b, method: bearer, token: two}, \
                {name: c, method: bearer, token: three}]";
    let plans = "plans: [{for: [a, b], requests_per_second: 0.001, burst_size: 5}]";
    let (a, b) = ([("authorization", "Bearer one")], [("authorization", "Bearer two")]);
    let c = [("authorization", "Bearer three")];
    let clients = OnePlugin::start("", &format!("{auth}, client_rate_limit: {{{TWO}, {plans}}}")).await;
    let plugin = OnePlugin::start(&format!("rate_limit: {{{TWO}, key: client, {plans}}}"), auth).await;
    let plan = serde_json::json!([{"for": ["a", "b"], "requests_per_second": 0.001, "burst": 5}]);
    let status: Value = serde_json::from_str(&clients.admin("/admin/v1/status").await).expect("JSON");
    assert_eq!(status["client_rate_limit"]["plans"], plan);
    let detail = plugin.detail().await;
    assert_eq!((&detail["rate_limit"]["plans"], &detail["rate_limit"]["key"]), (&plan, &"client".into()));
    for gateway in [clients, plugin] {
        for (who, most) in [(a, 5), (b, 5), (c, 2)] {
            assert_eq!(gateway.passing(7, &who).await, most, "{who:?}");
        }
        let refused = gateway.call("{}", &a).await;
        assert_eq!((refused.status.as_u16(), &*refused.code()), (429, "RATELIMIT_1501"));
    }
}

#[tokio::test]
async fn a_plan_holds_over_redis_too_and_while_it_is_away() {
    let mut redis = Redis::start();
    let auth = "auth: [{name: a, method: bearer, token: one}, {name: b, method: bearer, token: two}]";
    let plan = |of: &str| format!("plans: [{{for: [{of}], requests_per_second: 0.001, burst_size: 5}}]");
    let shared = redis.keys();
    let clients = format!("client_rate_limit: {{requests_per_second: 0.001, burst_size: 40, {}, {shared}}}", plan("a"));
    let plugin = format!("rate_limit: {{{TWO}, key: 'header:X-Plugin-Tenant', {}, {shared}}}", plan("acme, umbrella"));
    let gateway = OnePlugin::start(&plugin, &format!("{auth}, {clients}")).await;
    until_redis_decides(&[&gateway]).await;
    let call = |token: &'static str, tenant: &'static str| [("authorization", token), ("x-plugin-tenant", tenant)];
    assert_eq!(gateway.passing(7, &call("Bearer two", "acme")).await, 5, "the plan of the tenant");
    assert_eq!(gateway.passing(7, &call("Bearer two", "globex")).await, 2);
    let a = [("authorization", "Bearer one")];
    let asked = [gateway.passing(1, &a).await, gateway.passing(6, &call("Bearer one", "initech")).await];
    assert_eq!(asked, [1, 2], "of the client's five calls one had no tenant, and two were more than the tenant's two");
    assert_eq!(gateway.call("{}", &call("Bearer one", "hooli")).await.status, StatusCode::TOO_MANY_REQUESTS);
    redis.kill();
    assert_eq!(gateway.passing(7, &call("Bearer two", "umbrella")).await, 5, "the share of one is all of its plan");
    assert_eq!(gateway.passing(3, &call("Bearer two", "hooli")).await, 2);
}

#[tokio::test]
async fn a_call_with_little_time_passes_while_redis_hangs() {
    let redis = Redis::start();
    let shared = redis.keys();
    let limit = |burst: u32| format!("{{requests_per_second: 0.001, burst_size: {burst}, {shared}}}");
    let plugin = format!("rate_limit: {}, timeout: 400ms", limit(20));
    let gateway = OnePlugin::start(&plugin, &format!("client_rate_limit: {}", limit(20))).await;
    until_redis_decides(&[&gateway]).await;
    assert_eq!(gateway.passing(1, &[]).await, 1);
    redis.signal("STOP");
    let call = gateway.call("{}", &[("x-request-timeout", "400ms")]).await;
    redis.signal("CONT");
    assert_eq!(call.status, StatusCode::OK, "{call:?}");
}

#[tokio::test]
async fn a_client_that_fills_its_share_of_the_places_leaves_the_others_theirs() {
    let auth = "auth: [{name: a, method: bearer, token: one}, {name: b, method: bearer, token: two}]";
    let keys = "concurrency: {max: 4, queue: 0}, concurrency_per_key: {key: client, max: 3}";
    let gateway = OnePlugin::start(keys, auth).await;
    let (a, b) = ([("authorization", "Bearer one")], [("authorization", "Bearer two")]);
    let greedy = futures_util::future::join_all((0..10).map(|_| gateway.call("1000", &a)));
    let modest = async {
        while gateway.detail().await["concurrency_per_key"]["in_flight"] != 3 {
            tokio::task::yield_now().await;
        }
        let detail = gateway.detail().await;
        (gateway.call("{}", &b).await, detail)
    };
    let (greedy, (modest, detail)) = tokio::join!(greedy, modest);
    assert_eq!(modest.status, StatusCode::OK, "a place was left for it");
    let passed = greedy.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(passed, 3);
    let refused = greedy.iter().find(|answer| answer.status != StatusCode::OK).expect("seven");
    assert_eq!((refused.status.as_u16(), &*refused.code()), (503, "OVERLOAD_2001"));
    let limit = &detail["concurrency_per_key"];
    assert_eq!(
        (&limit["limit"], &limit["keys"], &limit["max_keys"]),
        (&3.into(), &1.into(), &100_000.into()),
        "{limit}"
    );
    assert_eq!((&limit["top_keys"][0]["key"], &limit["top_keys"][0]["in_flight"]), (&"a".into(), &3.into()), "{limit}");
    let detail = gateway.detail().await;
    assert_eq!(detail["concurrency"]["refused"], 0, "what one has too many takes no place of the limit for all");
    assert_eq!(detail["breaker"], "closed");
    let metrics = gateway.admin("/metrics").await;
    assert!(metrics.contains("plugin_concurrency_per_key_refusals_total{plugin=\"work\"} 7"), "{metrics}");
}

#[tokio::test]
async fn an_attempt_that_an_instance_has_no_place_for_is_tried_at_another_one() {
    let serve = |delay: Duration| async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = move |body: Bytes| async move {
            tokio::time::sleep(delay).await;
            ([("content-type", "application/json")], body)
        };
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    };
    let (slow, idle) = (serve(Duration::from_millis(500)).await, serve(Duration::ZERO).await);
    // All attempts go to the slow one first, which has one place.
    let keys = format!(
        "transport: http, load_balancer: {{strategy: priority}}, health_check: {{enabled: false}}, \
         retry: {{initial_interval: 1ms}}, instances: [\
         {{name: slow, endpoint: 'http://{slow}/', priority: 2, concurrency: {{max: 1, queue: 0}}}}, \
         {{name: idle, endpoint: 'http://{idle}/', priority: 1}}]"
    );
    let gateway = OnePlugin::of(&keys, "", &Factories::new()).await;
    let answers = futures_util::future::join_all((0..4).map(|_| gateway.call("{}", &[]))).await;
    let said: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(said, [200; 4]);
    let detail = gateway.detail().await;
    let of = |name: &str| {
        let instances = detail["instances"].as_array().expect("a list");
        instances.iter().find(|instance| instance["name"] == name).expect(name).clone()
    };
    assert_eq!(of("slow")["concurrency"]["admitted"], 1, "{detail}");
    assert_eq!((&of("slow")["concurrency"]["refused"], &of("idle")["ok"]), (&3.into(), &3.into()), "{detail}");
    assert_eq!(detail["breaker"], "closed");
}

#[tokio::test]
async fn calls_wait_for_their_tokens_where_that_is_allowed() {
    let gateway = OnePlugin::start("rate_limit: {requests_per_second: 50, burst_size: 1, wait: 10s}", "").await;
    let begin = clock::now();
    let calls = (0..6).map(|_| gateway.call("{}", &[]));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert!(begin.elapsed() >= Duration::from_millis(100), "five had to wait 20 ms after each other");
    let hurried =
        OnePlugin::start("rate_limit: {requests_per_second: 0.05, burst_size: 1, wait: 1m}, timeout: 1m", "").await;
    assert_eq!(hurried.passing(1, &[]).await, 1);
    let late = hurried.call("{}", &[("x-request-timeout", "1s")]).await;
    assert_eq!((late.status.as_u16(), &*late.code()), (429, "RATELIMIT_1501"));
}

#[tokio::test]
async fn so_many_calls_are_in_flight_and_others_wait_or_are_refused() {
    let gateway = OnePlugin::start("concurrency: {max: 1, queue: 1}", "").await;
    let calls = futures_util::future::join_all((0..3).map(|_| gateway.call("300", &[]))).await;
    let mut said: Vec<_> = calls.iter().map(|answer| answer.status.as_u16()).collect();
    said.sort_unstable();
    assert_eq!(said, [200, 200, 503]);
    let refused = calls.iter().find(|answer| answer.status != StatusCode::OK).expect("one");
    assert_eq!(refused.code(), "OVERLOAD_2002");
    let detail = gateway.detail().await;
    let limit = &detail["concurrency"];
    assert_eq!((&limit["limit"], &limit["admitted"], &limit["refused"]), (&1.into(), &2.into(), &1.into()), "{limit}");
    assert_eq!(detail["breaker"], "closed", "a refusal here is no evidence against the plugin");
    let metrics = gateway.admin("/metrics").await;
    assert!(metrics.contains("plugin_concurrency_refusals_total{plugin=\"work\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_plugin_that_turns_calls_away_is_spared_a_share_of_them() {
    let asked = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&asked);
    let full = service_fn(move |_: Call<Bytes>| {
        counts.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<Reply<Bytes>, _>(PluginError::from(plugin_core::Rejected::overloaded())))
    });
    let factories = Factories::new().with_plugin("work", full);
    let keys = "adaptive_throttle: {multiplier: 1.5}, retry: {max_retries: 0}, circuit_breaker: {enabled: false}";
    let gateway = OnePlugin::with(keys, "", &factories).await;
    let begin = clock::now();
    while begin.elapsed() < LIMIT && gateway.detail().await["adaptive_throttle"]["refused"] == 0 {
        for _ in 0..20 {
            assert_eq!(gateway.call("{}", &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    let throttle = &gateway.detail().await["adaptive_throttle"];
    assert!(throttle["refused"].as_u64().is_some_and(|refused| refused > 0), "{throttle}");
    assert_eq!(throttle["accepts"], 0);
}

/// Twice what the plugin can do for some seconds: its places are taken for nine tenths of the time at least, and what is important is all
/// done. The places are counted by the time that their calls took, so that a machine on which everything takes longer says nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_twice_the_load_as_much_is_done_as_can_be_and_what_is_important_first() {
    const PLACES: u32 = 10;
    let busy = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&busy);
    let work = service_fn(move |call: Call<Bytes>| {
        let counts = Arc::clone(&counts);
        async move {
            let begin = clock::now();
            let reply = work(call).await;
            counts.fetch_add(begin.elapsed().as_micros() as u64, Ordering::Relaxed);
            reply
        }
    });
    let keys = format!("concurrency: {{max: {PLACES}, queue: 20, max_wait: 200ms}}");
    // Ten at once, 20 ms each: 500 a second.
    let gateway = Arc::new(OnePlugin::with(&keys, "", &Factories::new().with_plugin("work", work)).await);
    let (mut usual, mut important) = (Vec::new(), Vec::new());
    let begin = tokio::time::Instant::now();
    let length = Duration::from_secs(3);
    let mut every = tokio::time::interval(Duration::from_millis(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut sent = 0_u32;
    while begin.elapsed() < length {
        every.tick().await;
        sent += 1;
        let (gateway, is_important) = (Arc::clone(&gateway), sent.is_multiple_of(10));
        let priority = if is_important { "10" } else { "0" };
        let call = tokio::spawn(async move { gateway.call("20", &[("x-priority", priority)]).await.status });
        if is_important { important.push(call) } else { usual.push(call) }
    }
    let share = busy.load(Ordering::Relaxed) as f64 / (begin.elapsed().as_micros() as f64 * f64::from(PLACES));
    assert!(share >= 0.9, "the plugin was at work for {share:.3} of what it could");
    let mut done = [0_usize; 2];
    let counts = [usual.len(), important.len()];
    for (group, calls) in [usual, important].into_iter().enumerate() {
        for call in calls {
            done[group] += usize::from(call.await.expect("no panic") == StatusCode::OK);
        }
    }
    assert!(done[1] * 100 >= counts[1] * 97, "{} of {} that were important", done[1], counts[1]);
    assert!(done[0] < counts[0], "not all could be done");
}

/// A Redis of its own, on a socket.
struct Redis {
    child: Child,
    dir: TempDir,
}

impl Redis {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let child = Self::spawn(&dir);
        Self { child, dir }
    }

    fn spawn(dir: &TempDir) -> Child {
        let mut command = Command::new("redis-server");
        command.current_dir(dir).args(["--port", "0", "--save", "", "--unixsocket"]).arg(dir.path().join("redis.sock"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("`redis-server` is installed")
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let sent = kill.arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "it runs");
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// The keys of a configuration.
    fn keys(&self) -> String {
        format!(
            "shared: {{redis: {{url: 'unix://{}', heartbeat: 100ms, recover_after: 100ms, timeout: 1s}}}}",
            self.dir.path().join("redis.sock").display()
        )
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn until_redis_decides(gateways: &[&OnePlugin]) {
    let decides = async {
        for gateway in gateways {
            while gateway.detail().await["rate_limit"]["shared"]["mode"] != "shared" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    tokio::time::timeout(LIMIT, decides).await.expect("Redis is found");
}

#[tokio::test]
async fn two_gateways_over_one_redis_let_through_what_one_would_and_none_fails_when_it_is_killed() {
    let mut redis = Redis::start();
    let shared = redis.keys();
    let plugin = format!("rate_limit: {{requests_per_second: 0.001, burst_size: 20, {shared}}}");
    let clients = format!("client_rate_limit: {{requests_per_second: 0.001, burst_size: 200, {shared}}}");
    let (one, other) = (OnePlugin::start(&plugin, &clients).await, OnePlugin::start(&plugin, &clients).await);
    until_redis_decides(&[&one, &other]).await;
    let mut passed = 0;
    for _ in 0..15 {
        passed += one.passing(1, &[]).await + other.passing(1, &[]).await;
    }
    assert_eq!(passed, 20, "as many as of one");
    assert_eq!(one.passing(4, &[]).await + other.passing(4, &[]).await, 0);

    // Others, of which nothing is used up, lose their Redis: each lets its share through, and whatever is answered is a decision.
    let plugin = format!(
        "rate_limit: {{requests_per_second: 0.001, burst_size: 20, {}}}",
        shared.replace("url:", "prefix: two, url:")
    );
    let (one, other) = (OnePlugin::start(&plugin, "").await, OnePlugin::start(&plugin, "").await);
    until_redis_decides(&[&one, &other]).await;
    assert_eq!(one.passing(4, &[]).await + other.passing(4, &[]).await, 8);
    redis.kill();
    passed = one.passing(30, &[]).await + other.passing(30, &[]).await;
    assert!(8 + passed <= 2 * 20, "{passed}: an outage lets one burst more through at its beginning, as the page says");
    assert!(passed > 0, "what each has of its share is let through");
    let shared = &one.detail().await["rate_limit"]["shared"];
    assert_eq!(shared["mode"], "local", "{shared}");
    assert!(one.admin("/metrics").await.contains("plugin_rate_limit_shared{plugin=\"work\"} 0"));
    let status: Value = serde_json::from_str(&one.admin("/admin/v1/status").await).expect("JSON");
    let stores = status["shared_limits"].as_array().expect("a list");
    assert_eq!(
        (stores.len(), &stores[0]["mode"], &stores[0]["prefix"]),
        (1, &"local".into(), &"two".into()),
        "{status}"
    );
    redis.child = Redis::spawn(&redis.dir);
    until_redis_decides(&[&one, &other]).await;
    assert!(one.admin("/metrics").await.contains("plugin_rate_limit_shared{plugin=\"work\"} 1"));
}
