//! One question of several that fails.

use hickory_resolver::proto::{
    op::ResponseCode,
    rr::{RData, Record, RecordType, rdata},
};
use plugin_discovery::{Discovery, FaultKind};

use super::{
    fault, host,
    liar::{Asked, Liar, Says, addresses, name},
    service, until_found, until_well,
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

#[tokio::test]
async fn one_target_that_fails_keeps_its_last_addresses_and_the_others_are_followed() {
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
