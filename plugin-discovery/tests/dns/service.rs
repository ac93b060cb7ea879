//! The targets of a service.

use std::{collections::HashSet, time::Duration};

use hickory_resolver::proto::rr::{RData, Record, RecordType, rdata};
use plugin_discovery::{Discovery, FaultKind, dns::DnsSource};

use super::{
    config,
    dnsmasq::Dnsmasq,
    fault,
    liar::{Asked, Liar, Says, addresses, name},
    service, until_found, within,
};

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn targets_are_found_with_their_ports_weights_and_priorities() {
    let records = [
        "srv-host=_http._tcp.test,one.test,8080,10,70",
        "srv-host=_http._tcp.test,two.test,8081,10,30",
        "srv-host=_http._tcp.test,three.test,8082,20,0",
    ];
    let hosts = "10.0.0.1 one.test\nfd00::1 one.test\n10.0.0.2 two.test\n10.0.0.3 three.test\n";
    let server = Dnsmasq::start(hosts, &records).await;
    let discovery = Discovery::start(service(server.address(), "_http._tcp.test"));
    until_found(&discovery, &["10.0.0.1:8080", "10.0.0.2:8081", "10.0.0.3:8082", "[fd00::1]:8080"]).await;
    let set = discovery.instances();
    let numbers: Vec<_> = set.iter().map(|found| (found.weight(), found.priority())).collect();
    // The lower priority of the records is the preferred one, and here the larger; no weight is 0.
    assert_eq!(numbers, [(70, -10), (30, -10), (1, -20), (70, -10)]);
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_target_that_is_no_name_is_missing_and_the_others_are_there() {
    let records = ["srv-host=_http._tcp.test,one.test,80,1,1", "srv-host=_http._tcp.test,gone.test,80,1,1"];
    let server = Dnsmasq::start("10.0.0.1 one.test\n", &records).await;
    let discovery = Discovery::start(service(server.address(), "_http._tcp.test"));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    assert_eq!(discovery.fault(), None);
    server.set_hosts("10.0.0.1 one.test\n10.0.0.2 gone.test\n");
    until_found(&discovery, &["10.0.0.1:80", "10.0.0.2:80"]).await;
}

#[tokio::test]
#[ignore = "judge: dnsmasq"]
async fn a_service_that_is_no_name_and_one_whose_targets_are_none() {
    let server = Dnsmasq::start("", &["srv-host=_http._tcp.test,gone.test,80,1,1"]).await;
    let nobody = Discovery::start(service(server.address(), "_ftp._tcp.test"));
    assert_eq!(fault(&nobody).await.0, FaultKind::Absent);
    let empty = Discovery::start(service(server.address(), "_http._tcp.test"));
    let (kind, message) = fault(&empty).await;
    assert!(kind.says_there_are_none() && message.starts_with("gone.test (A"), "{kind:?} {message}");
}

#[tokio::test]
async fn a_target_of_a_dot_says_that_there_is_no_such_service() {
    let liar = Liar::start(|asked| {
        let none = RData::SRV(rdata::SRV::new(0, 0, 0, name(".")));
        Says::Records(vec![Record::from_rdata(name(&asked.name), 60, none)])
    })
    .await;
    let discovery = Discovery::start(service(liar.address(), "_http._tcp.test"));
    assert_eq!(fault(&discovery).await, (FaultKind::Empty, "the service has no target".to_owned()));
    assert!(liar.asked().iter().all(|asked| asked.of == RecordType::SRV), "nobody asks for the address of a dot");
}

#[tokio::test]
async fn of_two_records_with_one_address_it_is_always_the_same_that_counts() {
    let liar = Liar::start({
        let mut turns = 0;
        move |asked| match asked.of {
            RecordType::SRV => {
                let target = |weight| RData::SRV(rdata::SRV::new(1, weight, 80, name("one.test.")));
                let mut records = [5, 9].map(|weight| Record::from_rdata(name(&asked.name), 0, target(weight)));
                turns += 1;
                if turns % 2 == 0 {
                    records.reverse();
                }
                Says::Records(records.into())
            }
            _ => addresses(asked, 0, &["10.0.0.1"]),
        }
    })
    .await;
    let discovery = Discovery::start(service(liar.address(), "_http._tcp.test"));
    until_found(&discovery, &["10.0.0.1:80"]).await;
    let first = discovery.instances();
    within(async {
        while liar.asked().iter().filter(|asked| asked.of == RecordType::SRV).count() < 6 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let asked = liar.asked();
    let count = |of| asked.iter().filter(|asked| asked.of == of).count();
    assert!(count(RecordType::A) <= count(RecordType::SRV), "one target is asked for once");
    assert!(std::sync::Arc::ptr_eq(&first, &discovery.instances()));
    assert_eq!(first[0].weight(), 9);
}

/// Forty targets that nobody answers for.
fn many(asked: &Asked) -> Says {
    match asked.of {
        RecordType::SRV => {
            let target = |host: usize| RData::SRV(rdata::SRV::new(1, 1, 80, name(&format!("h{host}.test."))));
            Says::Records((0..40).map(|host| Record::from_rdata(name(&asked.name), 0, target(host))).collect())
        }
        _ => Says::Nothing,
    }
}

#[tokio::test]
async fn a_service_of_many_targets_that_are_silent_is_a_fault_after_one_time_for_all() {
    let liar = Liar::start(many).await;
    let config = config(liar.address()).with_timeout(Duration::from_secs(2)).build().expect("in bounds");
    let source = DnsSource::service("_http._tcp.test").expect("a name").with_config(config);
    let discovery = Discovery::start(source);
    let began = plugin_core::clock::now();
    let (kind, message) = fault(&discovery).await;
    assert_eq!((kind, message.as_str()), (FaultKind::Unreachable, "h0.test (A): no answer in time"));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_more_than_sixteen_questions_are_asked_at_once() {
    let liar = Liar::start(many).await;
    let _discovery = Discovery::start(service(liar.address(), "_http._tcp.test"));
    let asked = || {
        let asked = liar.asked().into_iter().filter(|asked| asked.of != RecordType::SRV);
        asked.map(|asked| (asked.name, asked.of)).collect::<HashSet<_>>().len()
    };
    within(async {
        while asked() < 16 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(asked(), 16);
}
