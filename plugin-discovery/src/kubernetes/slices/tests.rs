use serde_json::{Value, json};

use super::*;

fn slices() -> Slices {
    Slices::new(KubernetesPort::Named("http".to_owned()), IpPreference::default())
}

fn slice(name: &str, endpoints: &[Value]) -> Object {
    with_ports(name, &json!([{"name": "http", "port": 80}]), endpoints)
}

fn with_ports(name: &str, ports: &Value, endpoints: &[Value]) -> Object {
    serde_json::from_value(json!({"metadata": {"name": name}, "ports": ports, "endpoints": endpoints}))
        .expect("a slice")
}

fn ready(address: &str) -> Value {
    json!({"addresses": [address], "conditions": {"ready": true}})
}

fn draining(address: &str) -> Value {
    json!({"addresses": [address], "conditions": {"ready": false, "serving": true, "terminating": true}})
}

/// Each name, with a mark where it drains.
fn found(slices: &Slices) -> Vec<String> {
    let set = match slices.found() {
        Found::Set(set) => set,
        Found::NoEndpoint => Vec::new(),
        other => panic!("a set: {other:?}"),
    };
    let mark = |draining| if draining { " drains" } else { "" };
    set.iter().map(|found| format!("{}{}", found.name(), mark(found.is_draining()))).collect()
}

#[test]
fn the_set_is_that_of_all_slices_and_a_change_of_one_leaves_the_others() {
    let mut slices = slices();
    assert_eq!(slices.found(), Found::NoSlice);
    assert_eq!(slices.apply(&slice("a", &[ready("10.0.0.2"), ready("10.0.0.1")])), Ok(true));
    assert_eq!(slices.apply(&slice("b", &[ready("10.0.0.3")])), Ok(true));
    assert_eq!(found(&slices), ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
    assert_eq!(slices.apply(&slice("a", &[ready("10.0.0.1")])), Ok(true));
    assert_eq!(slices.apply(&slice("a", &[ready("10.0.0.1")])), Ok(false), "it says the same");
    assert_eq!(found(&slices), ["10.0.0.1:80", "10.0.0.3:80"]);
    assert!(slices.remove("b") && !slices.remove("b"));
    assert_eq!(found(&slices), ["10.0.0.1:80"]);
    assert_eq!(slices.apply(&slice("a", &[])), Ok(true));
    assert_eq!(slices.found(), Found::NoEndpoint, "a slice without endpoints is not the same as no slice");
}

#[test]
fn an_endpoint_in_two_slices_is_one_and_stays_while_either_has_it() {
    let mut slices = slices();
    for name in ["a", "b"] {
        slices.apply(&slice(name, &[ready("10.0.0.1"), ready("10.0.0.1")])).expect("few");
    }
    assert_eq!(found(&slices), ["10.0.0.1:80"]);
    slices.remove("a");
    assert_eq!(found(&slices), ["10.0.0.1:80"]);
    slices.remove("b");
    assert_eq!((slices.found(), slices.endpoints), (Found::NoSlice, 0));
}

#[test]
fn of_two_slices_the_one_that_says_ready_is_right_and_else_the_newer_one() {
    let mut slices = slices();
    let zoned = |zone: &str| json!({"addresses": ["10.0.0.1"], "zone": zone});
    slices.apply(&slice("a", &[ready("10.0.0.9"), draining("10.0.0.1")])).expect("few");
    slices.apply(&slice("b", &[zoned("north")])).expect("few");
    slices.apply(&slice("c", &[draining("10.0.0.1")])).expect("few");
    assert_eq!(found(&slices), ["10.0.0.1:80", "10.0.0.9:80"]);
    let zone = |slices: &Slices| match slices.found() {
        Found::Set(set) => set[0].zone().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    assert_eq!(zone(&slices).as_deref(), Some("north"));
    slices.apply(&slice("d", &[zoned("south")])).expect("few");
    assert_eq!(zone(&slices).as_deref(), Some("south"));
    slices.apply(&slice("b", &[zoned("west")])).expect("few");
    assert_eq!(zone(&slices).as_deref(), Some("west"), "one that has changed is newer");
}

#[test]
fn who_drains_is_used_as_ready_where_nobody_is() {
    let mut slices = slices();
    let not_ready = json!({"addresses": ["10.0.0.3"], "conditions": {"ready": false}});
    slices.apply(&slice("a", &[ready("10.0.0.1"), draining("10.0.0.2"), not_ready.clone()])).expect("few");
    assert_eq!(found(&slices), ["10.0.0.1:80", "10.0.0.2:80 drains"]);
    slices.apply(&slice("a", &[draining("10.0.0.1"), draining("10.0.0.2"), not_ready.clone()])).expect("few");
    assert_eq!(found(&slices), ["10.0.0.1:80", "10.0.0.2:80"]);
    slices.apply(&slice("a", &[not_ready])).expect("few");
    assert!(found(&slices).is_empty());
}

#[test]
fn of_two_families_one_is_used_and_the_other_where_that_has_nobody_ready() {
    let families = |first: &[Value], second: &[Value], family| {
        let mut slices = Slices::new("http".into(), family);
        slices.apply(&slice("v4", first)).expect("few");
        slices.apply(&slice("v6", second)).expect("few");
        found(&slices)
    };
    let (v4, v6) = ([ready("10.0.0.1")], [ready("fd00::1")]);
    let both = |family| families(&v4, &v6, family);
    assert_eq!(both(IpPreference::V4First), ["10.0.0.1:80"]);
    assert_eq!(both(IpPreference::V6First), ["[fd00::1]:80"]);
    assert_eq!(families(&[], &v6, IpPreference::V4First), ["[fd00::1]:80"]);
    assert_eq!(families(&[draining("10.0.0.1")], &v6, IpPreference::V4First), ["[fd00::1]:80"]);
    assert_eq!(families(&[draining("10.0.0.1")], &[draining("fd00::1")], IpPreference::V4First), ["10.0.0.1:80"]);
    assert!(families(&[], &v6, IpPreference::V4).is_empty());
    assert!(families(&v4, &[], IpPreference::V6).is_empty());
}

#[test]
fn one_name_of_a_port_may_be_another_number_in_another_slice() {
    let mut slices = slices();
    slices.apply(&slice("a", &[ready("10.0.0.1")])).expect("few");
    let ports = json!([{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}]);
    slices.apply(&with_ports("b", &ports, &[ready("10.0.0.2")])).expect("few");
    assert_eq!(found(&slices), ["10.0.0.1:80", "10.0.0.2:8080"]);
}

#[test]
fn a_port_that_no_endpoint_has_is_told_with_those_that_they_have() {
    let mut slices = slices();
    let ports = json!([{"name": "grpc", "port": 50051}, {"port": 53, "protocol": "UDP"}]);
    slices.apply(&with_ports("a", &ports, &[])).expect("few");
    assert_eq!(slices.found(), Found::NoEndpoint, "without endpoints nothing is missed");
    slices.apply(&with_ports("a", &ports, &[ready("10.0.0.1")])).expect("few");
    assert_eq!(slices.found(), Found::NoPort("`grpc` 50051, one without a name 53 (UDP)".to_owned()));
    slices.apply(&with_ports("b", &Value::Null, &[ready("10.0.0.2")])).expect("few");
    slices.remove("a");
    assert_eq!(slices.found(), Found::NoPort("no port".to_owned()));
}

#[test]
fn an_endpoint_whose_address_is_a_name_or_is_missing_is_left_out_alone() {
    let mut slices = slices();
    let endpoints = [
        json!({"addresses": ["one.example"]}),
        json!({"addresses": []}),
        json!({}),
        json!({"addresses": ["10.0.0.1", "10.0.0.2"]}),
        json!({"addresses": ["::ffff:10.0.0.3"], "zone": "", "conditions": null}),
    ];
    slices.apply(&slice("a", &endpoints)).expect("few");
    assert_eq!(found(&slices), ["10.0.0.1:80", "10.0.0.3:80"]);
}

#[test]
fn more_endpoints_than_the_bound_are_refused_and_what_was_there_stays() {
    let mut slices = slices();
    let many = |from: usize, count: usize| {
        let endpoint = |at: usize| Endpoint {
            addresses: Some(vec![std::net::Ipv4Addr::from(u32::try_from(at).expect("small")).to_string()]),
            ..Endpoint::default()
        };
        let mut slice = slice("", &[]);
        slice.endpoints = Some((from..from + count).map(endpoint).collect());
        slice
    };
    let mut first = many(0, MOST_ENDPOINTS);
    first.metadata.name = Some("a".to_owned());
    assert_eq!(slices.apply(&first), Ok(true));
    assert_eq!(slices.apply(&slice("b", &[ready("10.0.0.1")])), Err(TooMany));
    assert_eq!(slices.endpoints, MOST_ENDPOINTS);
}
