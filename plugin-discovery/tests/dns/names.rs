//! The addresses of a host.

use std::time::Duration;

use plugin_discovery::{
    Discovery, FaultKind,
    dns::{DnsSource, IpFamilies},
};

use super::{config, dnsmasq::Dnsmasq, fault, host, keeping, names, until_found, until_well, within};

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_host_is_found_at_all_of_its_addresses_of_both_families() {
    let server = Dnsmasq::start("10.0.0.2 api.test\n10.0.0.1 api.test\nfd00::1 api.test\n", &[]).await;
    let discovery = Discovery::start(host(server.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"]).await;
    assert!(discovery.instances().iter().all(|found| found.socket_addr().is_some() && found.weight() == 1));
    assert_eq!(discovery.fault(), None);
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn the_same_name_with_a_dot_at_its_end_or_in_capitals_is_the_same() {
    let server = Dnsmasq::start("10.0.0.1 api.test\n", &[]).await;
    for name in ["api.test.", "API.Test"] {
        until_found(&Discovery::start(host(server.address(), name)), &["10.0.0.1:80"]).await;
    }
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn addresses_that_come_and_go_are_followed() {
    let server = Dnsmasq::start("10.0.0.1 api.test\n10.0.0.2 api.test\n", &[]).await;
    let discovery = Discovery::start(host(server.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80", "10.0.0.2:80"]).await;
    server.set_hosts("10.0.0.2 api.test\n10.0.0.3 api.test\nfd00::1 api.test\n");
    until_found(&discovery, &["10.0.0.2:80", "10.0.0.3:80", "[fd00::1]:80"]).await;
    server.set_hosts("10.0.0.3 api.test\n");
    until_found(&discovery, &["10.0.0.3:80"]).await;
    assert_eq!(discovery.fault(), None);
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn one_family_alone_is_asked_for_when_told() {
    let server = Dnsmasq::start("10.0.0.1 api.test\nfd00::1 api.test\n", &[]).await;
    for (families, found) in [(IpFamilies::V4, "10.0.0.1:80"), (IpFamilies::V6, "[fd00::1]:80")] {
        let config = config(server.address()).with_families(families).build().expect("in bounds");
        let source = DnsSource::host("api.test", 80).expect("a name").with_config(config);
        until_found(&Discovery::start(source), &[found]).await;
    }
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_chain_of_other_names_is_followed() {
    let chain = ["cname=www.test,web.test", "cname=web.test,api.test"];
    let server = Dnsmasq::start("10.0.0.1 api.test\n", &chain).await;
    until_found(&Discovery::start(host(server.address(), "www.test")), &["10.0.0.1:80"]).await;
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn two_hundred_addresses_are_found_although_they_fit_no_datagram() {
    let hosts: String = (1..=200).map(|last| format!("10.0.0.{last} api.test\n")).collect();
    let server = Dnsmasq::start(&hosts, &[]).await;
    let discovery = Discovery::start(host(server.address(), "api.test"));
    assert_eq!(within(discovery.first(Duration::from_secs(10))).await.expect("found").len(), 200);
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_name_that_is_taken_away_is_kept_for_the_stated_time_and_then_believed() {
    let server = Dnsmasq::start("10.0.0.1 api.test\n", &[]).await;
    let keep = Duration::from_millis(400);
    let mut discovery = Discovery::start_with(keeping(keep), host(server.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    discovery.changed().await;
    server.set_hosts("");
    let (kind, message) = fault(&discovery).await;
    assert_eq!(kind, FaultKind::Absent);
    assert!(message.starts_with("api.test (A") && message.ends_with("there is no such name (NXDOMAIN)"), "{message}");
    let since = discovery.fault().expect("it has one");
    assert!(discovery.is_stale());
    assert!(within(discovery.changed()).await.is_empty());
    assert!(since.age() >= keep, "{:?}", since.age());
    assert_eq!(fault(&discovery).await.0, FaultKind::Absent);

    server.set_hosts("10.0.0.2 api.test\n");
    until_found(&discovery, &["10.0.0.2:80"]).await;
    until_well(&discovery).await;
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_name_that_empties_is_kept_for_the_stated_time_and_then_believed() {
    let server = Dnsmasq::start("10.0.0.1 api.test\n", &["txt-record=api.test,here"]).await;
    let mut discovery = Discovery::start_with(keeping(Duration::from_millis(300)), host(server.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    discovery.changed().await;
    server.set_hosts("");
    let (kind, message) = fault(&discovery).await;
    assert_eq!(kind, FaultKind::Empty);
    assert!(message.ends_with("the name has no such record"), "{message}");
    assert_eq!(names(&discovery), ["10.0.0.1:80"]);
    assert!(within(discovery.changed()).await.is_empty());
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_name_that_never_was_is_said_to_whoever_waits_for_the_first_instance() {
    let server = Dnsmasq::start("", &[]).await;
    let discovery = Discovery::start(host(server.address(), "nobody.test"));
    fault(&discovery).await;
    let error = discovery.first(Duration::from_millis(1)).await.expect_err("there is none").to_string();
    assert!(error.contains("nobody.test (A") && error.contains("NXDOMAIN"), "{error}");
}

#[tokio::test]
async fn an_address_is_found_as_it_is_and_nobody_is_asked() {
    for (address, found) in [("10.0.0.1", "10.0.0.1:80"), ("fd00::1", "[fd00::1]:80")] {
        let discovery = Discovery::start(DnsSource::host(address, 80).expect("an address"));
        until_found(&discovery, &[found]).await;
    }
}

#[tokio::test]
async fn what_is_no_name_is_refused_before_anything_is_asked() {
    let long = "a".repeat(64);
    for text in ["", ".", "two..dots", &long, &"a.".repeat(200)] {
        let error = DnsSource::host(text, 80).expect_err("no name");
        assert_eq!(error.field(), "name", "{text:?}");
        assert!(DnsSource::service(text).is_err());
    }
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_name_server_that_ends_takes_nothing_away_and_one_that_comes_back_is_asked() {
    let mut server = Dnsmasq::start("10.0.0.1 api.test\n", &[]).await;
    let config = config(server.address()).with_timeout(Duration::from_millis(300)).build().expect("in bounds");
    let source = DnsSource::host("api.test", 80).expect("a name").with_config(config);
    let discovery = Discovery::start_with(keeping(Duration::ZERO), source);
    until_found(&discovery, &["10.0.0.1:80"]).await;
    server.kill();
    assert_eq!(fault(&discovery).await.0, FaultKind::Unreachable);
    assert_eq!(names(&discovery), ["10.0.0.1:80"]);
    server.start_again().await;
    until_well(&discovery).await;
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_name_server_that_does_not_want_to_tell_is_not_believed() {
    let server = Dnsmasq::start("", &[]).await;
    // It is asked of others alone, and this one has none.
    let discovery = Discovery::start(host(server.address(), "api.example"));
    let (kind, message) = fault(&discovery).await;
    assert_eq!(kind, FaultKind::Refused);
    assert!(message.ends_with("Query Refused"), "{message}");
}

#[tokio::test]
async fn unless_told_otherwise_the_name_servers_and_hosts_of_the_system_are_asked() {
    let discovery = Discovery::start(DnsSource::host("localhost", 80).expect("a name"));
    let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if resolv_conf.lines().any(|line| line.trim_start().starts_with("nameserver")) {
        let set = within(discovery.first(Duration::from_secs(10))).await.expect("every machine has it");
        assert!(set.iter().all(|found| found.socket_addr().is_some_and(|at| at.ip().is_loopback())), "{set:?}");
    } else {
        let (kind, message) = fault(&discovery).await;
        assert_eq!(kind, FaultKind::Unreadable);
        assert!(message.starts_with("the name servers of the system are not known: "), "{message}");
    }
}
