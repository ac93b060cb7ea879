use super::*;

fn problem(url: &str) -> String {
    Address::parse(url).expect_err(url)
}

#[test]
fn one_server_a_cluster_and_sentinels_are_told_apart() {
    let target = |url: &str| Address::parse(url).expect(url);
    let one = target(" redis://user:secret@host:6380/3 ");
    let Target::One(info) = one.target() else { panic!("{one}") };
    assert_eq!((info.redis_settings().db(), info.redis_settings().password()), (3, Some("secret")));
    let socket = target("unix:///run/redis.sock?db=3&user=gate&pass=secret");
    let Target::One(info) = socket.target() else { panic!("{socket}") };
    assert_eq!((info.redis_settings().db(), info.redis_settings().password()), (3, Some("secret")));
    assert_eq!(
        (socket.to_string(), info.addr().to_string()),
        ("unix:///run/redis.sock".into(), "/run/redis.sock".into())
    );
    let cluster = target("redis-cluster://a:1,b:2,c");
    assert!(matches!(cluster.target(), Target::Cluster(nodes) if nodes.len() == 3));
    let sentinels = target("redis-sentinel://:secret@a,[::1]:5/2?master=main&sentinel_password=hidden");
    let Target::Sentinels { sentinels, master, .. } = sentinels.target() else { panic!("{sentinels}") };
    assert_eq!(master, "main");
    let ports: Vec<_> = sentinels.iter().map(|info| info.addr().to_string()).collect();
    assert_eq!(ports, ["a:26379", "::1:5"]);
    assert_eq!(sentinels[0].redis_settings().password(), Some("hidden"));
}

#[test]
fn a_url_that_cannot_be_is_told_from_one_that_can_without_being_shown() {
    for url in ["", "host:6379", "http://secret@host", "redis-ring://secret@a", "redis://secret@host:port"] {
        assert_eq!(problem(url), FORMS, "{url}");
    }
    assert!(problem("redis://:secret@").contains("names no host"));
    assert!(problem("redis://a,b").contains("`redis-cluster`"));
    assert!(problem("redis-cluster://a,b/4").contains("database"));
    assert!(problem("redis-sentinel://a,b/4").contains("names no `master`"));
    assert!(problem("redis://a?timeout=4").contains("parameter"));
    assert!(problem("rediss://a/#insecure").contains('#'));
    assert!(problem("redis://a:0").contains("port 0"));
    for url in ["unix://user:secret@localhost/a.sock", "unix://secret@/a.sock", "redis+unix://localhost/a.sock"] {
        assert!(problem(url).contains("which a socket has not"), "{url}");
    }
    assert!(problem("unix:///a.sock?password=secret").contains("parameter"));
    assert!(problem("unix:///a.sock?pass=se#cret").contains('#'));
    for url in [
        "redis://:secret@",
        "redis://:secret@a,b",
        "redis://:secret@a?x=secret",
        "redis://se#secret@a",
        "redis://:a?secret@b",
        "unix://user:secret@localhost/a.sock",
        "unix:///a.sock?secret",
    ] {
        assert!(!problem(url).contains("secret"), "{url}");
    }
}

#[test]
fn the_password_is_not_shown() {
    for url in [
        "redis://user:secret@host:6380/3",
        "redis://secret:6@5@host:6380/3",
        "redis-sentinel://:secret@a,b/2?master=main&sentinel_password=secret",
        "unix:///run/redis.sock?pass=secret",
    ] {
        let address = Address::parse(url).expect(url);
        let text = format!("{address} {address:?}");
        assert!(!text.contains("secret") && !text.contains("6@5"), "{text}");
    }
    assert_eq!(
        Address::parse("redis://user:secret@host:6380/3").expect("valid").to_string(),
        "redis://***@host:6380/3"
    );
}

fn is_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|url| Address::parse(url).expect(url));
    assert_eq!(one.is_same_place(&other), other.is_same_place(&one));
    one.is_same_place(&other)
}

#[test]
fn a_place_is_the_same_however_it_is_written_and_whoever_asks() {
    let one = "redis://cache:6379/0";
    for same in ["redis://cache", "redis://CACHE:6379", "redis://user:secret@cache/", " redis://cache/0 "] {
        assert!(is_same(one, same), "{same}");
    }
    assert!(is_same("redis://[::1]", "redis://[0:0::1]:6379"));
    assert!(is_same("unix:///run/redis.sock?db=0", "redis+unix:///run//redis.sock?pass=secret"));
    assert!(is_same("redis-cluster://a,b:7000", "redis-cluster://B:7000,c"));
    let sentinels = "redis-sentinel://a,b/0?master=main";
    for same in ["redis-sentinel://B:26379?master=main", "redis-sentinel://:x@a?sentinel_password=y&master=main"] {
        assert!(is_same(sentinels, same), "{same}");
    }
    for other in ["redis://cache/1", "redis://cache:6380", "redis://cache2", "redis-cluster://cache", sentinels] {
        assert!(!is_same(one, other), "{other}");
    }
    assert!(!is_same("unix:///run/redis.sock", "unix:///run/Redis.sock"));
    assert!(!is_same("unix:///run/redis.sock", "unix:///run/redis.sock?db=1"));
    assert!(!is_same("redis-cluster://a,b", "redis-cluster://c"));
    for other in ["a,b/1?master=main", "a,b?master=other", "c?master=main"] {
        assert!(!is_same(sentinels, &format!("redis-sentinel://{other}")), "{other}");
    }
}

#[test]
fn addresses_are_equal_where_the_same_user_asks_the_same_servers() {
    let equal = |one: &str, other: &str| Address::parse(one).expect(one) == Address::parse(other).expect(other);
    assert!(equal("redis://user:secret@cache", "redis://user:secret@Cache:6379/0"));
    assert!(!equal("redis://user:secret@cache", "redis://user:other@cache"));
    assert!(!equal("redis://cache", "redis://user:secret@cache"));
    assert!(equal("redis-cluster://a,b", "redis-cluster://b,a"));
    assert!(!equal("redis-cluster://a,b", "redis-cluster://a"), "the same place, first asked elsewhere");
    assert!(!equal("redis-sentinel://a?master=m&sentinel_password=x", "redis-sentinel://a?master=m"));
}

#[cfg(feature = "redis-tls")]
#[test]
fn with_tls_it_is_the_same_place_and_another_address() {
    assert!(is_same("rediss://cache", "redis://cache"));
    assert_ne!(Address::parse("rediss://cache"), Address::parse("redis://cache"));
}

#[cfg(not(feature = "redis-tls"))]
#[test]
fn tls_needs_its_feature() {
    assert!(problem("rediss://a").contains("`redis-tls`"));
}
