//! When it asks again, seen by the name server.

use std::time::Duration;

use hickory_resolver::proto::rr::{RData, Record, RecordType, rdata};
use plugin_discovery::{
    Discovery,
    dns::{DnsConfig, DnsConfigBuilder, DnsSource, IpFamilies},
};

use super::{
    liar::{Asked, Liar, Says, addresses, name},
    within,
};

/// How long after the first question the second one came.
async fn between(liar: &Liar, config: DnsConfigBuilder) -> Duration {
    let config = config.with_name_servers([liar.address()]).with_families(IpFamilies::V4).with_jitter(0.0);
    let config = config.build().expect("in bounds");
    let source = DnsSource::host("api.test", 80).expect("a name").with_config(config);
    let _discovery = Discovery::start(source);
    within(async {
        loop {
            let asked: Vec<Asked> = liar.asked().into_iter().filter(|asked| asked.name == "api.test.").collect();
            if let [first, second, ..] = asked.as_slice() {
                break second.at - first.at;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

fn living(seconds: u32) -> impl FnMut(&Asked) -> Says + Send + 'static {
    move |asked| addresses(asked, seconds, &["10.0.0.1"])
}

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn it_asks_again_when_the_time_to_live_has_passed_and_not_before() {
    let liar = Liar::start(living(1)).await;
    let wait = between(&liar, DnsConfig::builder().with_min_interval(SHORT).with_max_interval(LONG)).await;
    assert!((950..5_000).contains(&wait.as_millis()), "{wait:?}");
}

#[tokio::test]
async fn a_long_life_is_cut_to_the_longest_interval() {
    for seconds in [86_400, u32::MAX >> 1, u32::MAX] {
        let liar = Liar::start(living(seconds)).await;
        let wait = between(&liar, DnsConfig::builder().with_min_interval(SHORT).with_max_interval(10 * SHORT)).await;
        assert!((190..5_000).contains(&wait.as_millis()), "{seconds}: {wait:?}");
    }
}

#[tokio::test]
async fn no_life_at_all_is_asked_after_the_shortest_interval() {
    let liar = Liar::start(living(0)).await;
    let wait = between(&liar, DnsConfig::builder().with_min_interval(10 * SHORT).with_max_interval(LONG)).await;
    assert!((190..5_000).contains(&wait.as_millis()), "{wait:?}");
}

#[tokio::test]
async fn the_shortest_life_on_the_way_to_the_address_decides() {
    let liar = Liar::start(|asked| {
        let alias = RData::CNAME(rdata::CNAME(name("web.test.")));
        let alias = Record::from_rdata(name(&asked.name), 1, alias);
        let address = RData::A(rdata::A::new(10, 0, 0, 1));
        assert_eq!(asked.of, RecordType::A);
        Says::Records(vec![alias, Record::from_rdata(name("web.test."), 600, address)])
    })
    .await;
    let wait = between(&liar, DnsConfig::builder().with_min_interval(SHORT).with_max_interval(LONG)).await;
    assert!((950..5_000).contains(&wait.as_millis()), "{wait:?}");
}
