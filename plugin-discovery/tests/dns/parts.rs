//! One question of several that fails.

use std::time::Duration;

use hickory_resolver::proto::{
    op::ResponseCode,
    rr::{RData, Record, RecordType, rdata},
};
use plugin_discovery::{Discovery, DiscoveryConfig, FaultKind};

use super::{
    fault, host,
    liar::{Asked, Liar, Says, addresses, name},
    service, until_found, until_well, within,
};

/// Fails for AAAA, and answers this for A.
fn without_aaaa(ip: &'static str) -> impl FnMut(&Asked) -> Says + Send + 'static {
    move |asked| match asked.of {
        RecordType::A => addresses(asked, 0, &[ip]),
        _ => Says::Code(ResponseCode::ServFail),
    }
}

#[tokio::test]
async fn a_name_server_that_cannot_do_aaaa_keeps_nobody_from_the_other_addresses() {
    let liar = Liar::start(without_aaaa("10.0.0.1")).await;
    let discovery = Discovery::start(host(liar.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    let (kind, message) = fault(&discovery).await;
    assert_eq!((kind, message.as_str()), (FaultKind::Refused, "api.test (AAAA): Server Failure"));
    // And they are followed.
    liar.say(without_aaaa("10.0.0.2"));
    until_found(&discovery, &["10.0.0.2:80"]).await;
}

#[tokio::test]
async fn that_one_question_has_no_record_says_nothing_of_the_one_that_failed() {
    let liar = Liar::start(|asked| match asked.of {
        RecordType::A => Says::Records(Vec::new()),
        _ => Says::Code(ResponseCode::ServFail),
    })
    .await;
    let discovery = Discovery::start(host(liar.address(), "api.test"));
    let (kind, message) = fault(&discovery).await;
    assert_eq!((kind, message.as_str()), (FaultKind::Refused, "api.test (AAAA): Server Failure"));
}

#[tokio::test]
async fn what_one_question_does_not_answer_any_more_is_what_it_answered_last() {
    let liar = Liar::start(|asked| addresses(asked, 0, &["10.0.0.1", "fd00::1"])).await;
    let discovery = Discovery::start(host(liar.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80", "[fd00::1]:80"]).await;
    liar.say(without_aaaa("10.0.0.2"));
    until_found(&discovery, &["10.0.0.2:80", "[fd00::1]:80"]).await;
    assert_eq!(fault(&discovery).await.0, FaultKind::Refused);
    liar.say(|asked| addresses(asked, 0, &["10.0.0.2", "fd00::2"]));
    until_found(&discovery, &["10.0.0.2:80", "[fd00::2]:80"]).await;
    until_well(&discovery).await;
}

/// Two targets, of which the other one has these addresses, or fails.
fn targets(asked: &Asked, other: &[&str]) -> Says {
    match (asked.of, asked.name.as_str()) {
        (RecordType::SRV, _) => {
            let target = |host| RData::SRV(rdata::SRV::new(1, 1, 80, name(host)));
            let hosts = ["one.test.", "two.test."];
            Says::Records(hosts.map(|host| Record::from_rdata(name(&asked.name), 0, target(host))).into())
        }
        (_, "one.test.") => addresses(asked, 0, &["10.0.0.1"]),
        _ if other.is_empty() => Says::Code(ResponseCode::ServFail),
        _ => addresses(asked, 0, other),
    }
}

#[tokio::test]
async fn one_target_that_fails_keeps_its_last_addresses_and_the_others_are_followed() {
    let liar = Liar::start(|asked| targets(asked, &["10.0.0.2"])).await;
    let discovery = Discovery::start(service(liar.address(), "_http._tcp.test"));
    until_found(&discovery, &["10.0.0.1:80", "10.0.0.2:80"]).await;
    liar.say(|asked| targets(asked, &[]));
    let (kind, message) = fault(&discovery).await;
    assert!(kind == FaultKind::Refused && message.starts_with("two.test ("), "{kind:?} {message}");
    assert_eq!(discovery.instances().len(), 2);
    liar.say(|asked| targets(asked, &["10.0.0.3"]));
    until_found(&discovery, &["10.0.0.1:80", "10.0.0.3:80"]).await;
    until_well(&discovery).await;
}

#[tokio::test]
async fn a_target_that_fails_for_longer_than_keep_for_is_dropped_and_comes_back_with_an_answer() {
    let liar = Liar::start(|asked| targets(asked, &["10.0.0.2"])).await;
    let keep = Duration::from_millis(300);
    let config = DiscoveryConfig::builder().with_keep_for(keep).build().expect("in bounds");
    let discovery = Discovery::start_with(config, service(liar.address(), "_http._tcp.test"));
    until_found(&discovery, &["10.0.0.1:80", "10.0.0.2:80"]).await;
    liar.say(|asked| targets(asked, &[]));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    let age = discovery.fault().expect("it goes on").age();
    assert!(age >= keep, "{age:?}");
    // Rounds go on, and none of them brings it back.
    let asked = liar.asked().len();
    within(async {
        while liar.asked().len() < asked + 20 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert_eq!(discovery.instances().len(), 1);
        }
    })
    .await;
    liar.say(|asked| targets(asked, &["10.0.0.2"]));
    until_found(&discovery, &["10.0.0.1:80", "10.0.0.2:80"]).await;
    until_well(&discovery).await;
}
