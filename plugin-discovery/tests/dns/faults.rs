//! What no real name server does in a test.

use std::time::Duration;

use hickory_resolver::proto::{
    op::ResponseCode,
    rr::{RData, Record, rdata},
};
use plugin_discovery::{Discovery, FaultKind, dns::DnsSource};

use super::{
    config, fault, host,
    liar::{Asked, Liar, Says, addresses, name},
    names, until_found, until_well,
};

/// Answers well, then in this way, and then well again: what was found is kept meanwhile.
async fn found_then(says: impl FnMut(&Asked) -> Says + Send + 'static, timeout: Duration) -> (FaultKind, String) {
    let well = |asked: &Asked| addresses(asked, 0, &["10.0.0.1"]);
    let liar = Liar::start(well).await;
    let config = config(liar.address()).with_timeout(timeout).build().expect("in bounds");
    let discovery = Discovery::start(DnsSource::host("api.test", 80).expect("a name").with_config(config));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    liar.say(says);
    let fault = fault(&discovery).await;
    assert!(discovery.is_stale());
    assert_eq!(names(&discovery), ["10.0.0.1:80"]);
    liar.say(well);
    until_well(&discovery).await;
    fault
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let liar =
        Liar::start(
            |asked| {
                if asked.over_tcp { addresses(asked, 0, &["10.0.0.1", "fd00::1"]) } else { Says::Truncated }
            },
        )
        .await;
    let discovery = Discovery::start(host(liar.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80", "[fd00::1]:80"]).await;
    assert_eq!(discovery.fault(), None);
}

#[tokio::test]
async fn one_that_is_truncated_over_tcp_too_is_unreadable() {
    let (kind, message) = found_then(|_| Says::Truncated, LONG).await;
    assert_eq!(kind, FaultKind::Unreadable, "{message}");
    assert!(message.ends_with("the answer is truncated, over TCP too"), "{message}");
}

#[tokio::test]
async fn a_server_failure_is_no_answer() {
    let (kind, message) = found_then(|_| Says::Code(ResponseCode::ServFail), LONG).await;
    assert_eq!(kind, FaultKind::Refused);
    assert!(message.ends_with("Server Failure"), "{message}");
}

#[tokio::test]
async fn to_be_sent_to_another_name_server_is_no_answer() {
    let (kind, message) = found_then(|_| Says::Referral, LONG).await;
    assert_eq!(kind, FaultKind::Refused, "{message}");
}

#[tokio::test]
async fn bytes_that_are_no_answer_are_unreadable() {
    // The number of the question, the flags of an answer, five records, and an end before the first.
    let (kind, message) = found_then(|_| Says::Bytes(&[0x84, 0, 0, 1, 0, 5, 0, 0, 0, 0]), LONG).await;
    assert_eq!(kind, FaultKind::Unreadable, "{message}");
}

#[tokio::test]
async fn silence_is_no_answer_after_the_timeout() {
    let began = plugin_core::clock::now();
    let timeout = Duration::from_millis(300);
    let (kind, message) = found_then(|_| Says::Nothing, timeout).await;
    assert_eq!(kind, FaultKind::Unreachable);
    assert!(message.ends_with("no answer in time"), "{message}");
    assert!(began.elapsed() >= timeout, "{:?}", began.elapsed());
}

#[tokio::test]
async fn names_that_stand_for_each_other_end_as_a_fault() {
    let circle = |asked: &Asked| {
        let other = if asked.name == "api.test." { "web.test." } else { "api.test." };
        let alias = RData::CNAME(rdata::CNAME(name(other)));
        Says::Records(vec![Record::from_rdata(name(&asked.name), 0, alias)])
    };
    let (kind, message) = found_then(circle, LONG).await;
    assert!(!message.is_empty(), "{kind:?}");
}

#[tokio::test]
async fn a_chain_of_names_without_an_end_ends_as_a_fault() {
    let longer = |asked: &Asked| {
        let alias = RData::CNAME(rdata::CNAME(name(&format!("x{}.test.", asked.at.elapsed().as_nanos()))));
        Says::Records(vec![Record::from_rdata(name(&asked.name), 0, alias)])
    };
    let (kind, message) = found_then(longer, LONG).await;
    assert!(!message.is_empty(), "{kind:?}");
}

#[tokio::test]
async fn nobody_asks_any_more_once_the_discovery_is_dropped() {
    let liar = Liar::start(|asked| addresses(asked, 0, &["10.0.0.1"])).await;
    let discovery = Discovery::start(host(liar.address(), "api.test"));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    drop(discovery);
    // What was under way when it was dropped may still come.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = liar.asked().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(liar.asked().len(), asked);
}

#[tokio::test]
async fn each_question_is_asked_twice_when_the_first_is_lost() {
    let liar = Liar::start({
        let mut lost = 0;
        move |asked| {
            lost += 1;
            if lost <= 2 { Says::Nothing } else { addresses(asked, 0, &["10.0.0.1", "fd00::1"]) }
        }
    })
    .await;
    let config = config(liar.address()).with_timeout(Duration::from_secs(4)).build().expect("in bounds");
    let discovery = Discovery::start(DnsSource::host("api.test", 80).expect("a name").with_config(config));
    until_found(&discovery, &["10.0.0.1:80", "[fd00::1]:80"]).await;
    assert_eq!(discovery.fault(), None);
}
