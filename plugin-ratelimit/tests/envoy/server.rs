//! The server, asked without the layer.

use std::time::Duration;

use http::uri::PathAndQuery;
use plugin_ratelimit::envoy::{EnvoyRateLimitServer, EnvoyRule};
use tonic_prost::ProstCodec;

use crate::{
    messages::{Answer, Descriptor, Number, OK, OVER_LIMIT, Override, Question, Status, descriptor, question},
    support::{each_user, limit, server, within, without_refill},
};

const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
const SECOND: i32 = 1;
const MINUTE: i32 = 2;

async fn ask(server: &EnvoyRateLimitServer, question: Question) -> Result<Answer, tonic::Status> {
    let mut client = tonic::client::Grpc::new(server.clone());
    let codec = ProstCodec::<Question, Answer>::default();
    within(client.unary(tonic::Request::new(question), PathAndQuery::from_static(PATH), codec))
        .await
        .map(tonic::Response::into_inner)
}

async fn answer(server: &EnvoyRateLimitServer, descriptors: impl Into<Vec<Descriptor>>) -> Answer {
    ask(server, question("shop", descriptors)).await.expect("an answer")
}

fn ann() -> Descriptor {
    descriptor([("user", "ann")])
}

fn seconds(status: &Status) -> Option<f64> {
    status.duration_until_reset.map(|time| time.seconds as f64 + f64::from(time.nanos) / 1e9)
}

#[tokio::test(start_paused = true)]
async fn a_status_says_the_limit_what_is_left_and_for_how_long() {
    let server = server([each_user(limit(0.5, 2)).with_name("each user")]);
    let first = answer(&server, [ann()]).await;
    assert_eq!((first.overall_code, first.statuses.len()), (OK, 1));
    let status = &first.statuses[0];
    let stated = status.current_limit.as_ref().expect("a limit");
    assert_eq!((stated.requests_per_unit, stated.unit, stated.name.as_str()), (30, MINUTE, "each user"));
    assert_eq!((status.code, status.limit_remaining, seconds(status)), (OK, 1, Some(2.0)));
    let second = answer(&server, [ann()]).await;
    assert_eq!((second.statuses[0].limit_remaining, seconds(&second.statuses[0])), (0, Some(4.0)));
    tokio::time::advance(Duration::from_millis(500)).await;
    let over = answer(&server, [ann()]).await;
    assert_eq!((over.overall_code, over.statuses[0].code), (OVER_LIMIT, OVER_LIMIT));
    assert_eq!((over.statuses[0].limit_remaining, seconds(&over.statuses[0])), (0, Some(1.5)), "until the next fits");
    tokio::time::advance(Duration::from_millis(1_500)).await;
    assert_eq!(answer(&server, [ann()]).await.overall_code, OK, "and then it does");
    let stats = server.stats();
    assert_eq!((stats.asked, stats.over_limit, stats.invalid), (4, 1, 0));
}

#[tokio::test]
async fn each_descriptor_is_decided_by_itself_and_answered_in_its_place() {
    let server =
        server([each_user(without_refill(3)), EnvoyRule::new("shop", without_refill(1)).with_entry("path", "/")]);
    let ask = [descriptor([("path", "/")]), descriptor([("nobody", "x")]), ann()];
    let codes = |answer: &Answer| answer.statuses.iter().map(|status| status.code).collect::<Vec<_>>();
    let first = answer(&server, ask.clone()).await;
    assert_eq!((first.overall_code, codes(&first)), (OK, vec![OK, OK, OK]));
    assert_eq!(first.statuses[1].current_limit, None, "no rule is for it");
    for _ in 0..2 {
        let over = answer(&server, ask.clone()).await;
        assert_eq!((over.overall_code, codes(&over)), (OVER_LIMIT, vec![OVER_LIMIT, OK, OK]));
    }
    // Ann's tokens were taken though the whole was refused.
    assert_eq!(answer(&server, [ann()]).await.overall_code, OVER_LIMIT);
    let other_domain = ask_in(&server, "other", ann()).await;
    assert_eq!((other_domain.overall_code, other_domain.statuses[0].current_limit.clone()), (OK, None));
}

async fn ask_in(server: &EnvoyRateLimitServer, domain: &str, descriptor: Descriptor) -> Answer {
    ask(server, question(domain, [descriptor])).await.expect("an answer")
}

#[tokio::test]
async fn no_hits_are_one_and_a_descriptor_may_have_a_number_of_its_own() {
    let server = server([each_user(without_refill(10))]);
    let left = async |hits_addend: u32, own: Option<u64>| {
        let descriptor = Descriptor { hits_addend: own.map(|value| Number { value }), ..ann() };
        let answer = ask(&server, Question { hits_addend, ..question("shop", [descriptor]) }).await.expect("an answer");
        (answer.overall_code, answer.statuses[0].limit_remaining)
    };
    assert_eq!(left(0, None).await, (OK, 9));
    assert_eq!(left(1, None).await, (OK, 8));
    assert_eq!(left(5, None).await, (OK, 3));
    assert_eq!(left(5, Some(1)).await, (OK, 2));
    assert_eq!(left(5, Some(0)).await, (OK, 2), "only asks");
    assert_eq!(left(3, None).await, (OVER_LIMIT, 2), "takes nothing");
    assert_eq!(left(0, Some(u64::MAX)).await, (OVER_LIMIT, 2));
    assert_eq!(left(2, None).await, (OK, 0));
}

#[tokio::test]
async fn more_hits_than_the_bucket_ever_holds_are_told_no_time() {
    let server = server([each_user(without_refill(10))]);
    let question = Question { hits_addend: 11, ..question("shop", [ann()]) };
    let answer = ask(&server, question).await.expect("an answer");
    assert_eq!((answer.overall_code, answer.statuses[0].duration_until_reset), (OVER_LIMIT, None));
    assert_eq!(answer.statuses[0].limit_remaining, 10);
}

#[tokio::test]
async fn what_is_no_question_is_an_invalid_argument_that_names_what_is_wrong_and_takes_nothing() {
    let server = server([each_user(without_refill(1))]);
    let long = "x".repeat(1_025);
    let many = vec![ann(); 65];
    let deep = descriptor(vec![("user", "ann"); 17]);
    let negative = Descriptor { is_negative_hits: true, ..ann() };
    for (question, what) in [
        (question("", [ann()]), "the domain is empty"),
        (question("shop", []), "there is no descriptor"),
        (question("shop", [ann(), descriptor([])]), "a descriptor has no entry"),
        (question("shop", [ann(), descriptor([("", "ann")])]), "the key of an entry is empty"),
        (question(&long, [ann()]), "the domain has 1025 bytes, and at most 1024 are taken"),
        (question("shop", [descriptor([(long.as_str(), "x")])]), "the key of an entry has 1025 bytes"),
        (question("shop", [ann(), descriptor([("user", long.as_str())])]), "the value of an entry has 1025 bytes"),
        (question("shop", many), "there are 65 descriptors, and at most 64 are taken"),
        (question("shop", [ann(), deep]), "there are 17 entries of a descriptor, and at most 16 are taken"),
        (question("shop", [ann(), negative]), "a descriptor has negative hits"),
    ] {
        let status = ask(&server, question).await.expect_err(what);
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{what}");
        assert!(status.message().contains(what), "{what}: {}", status.message());
    }
    assert_eq!(server.stats().invalid, 10);
    assert_eq!(answer(&server, [ann()]).await.overall_code, OK, "nothing was taken");
}

fn with_limit(requests_per_unit: u32, unit: i32) -> Descriptor {
    Descriptor { limit: Some(Override { requests_per_unit, unit }), ..ann() }
}

#[tokio::test]
async fn a_limit_that_a_descriptor_brings_is_ignored_unless_it_is_allowed() {
    let server = server([each_user(without_refill(1))]);
    assert_eq!(answer(&server, [with_limit(1_000, SECOND)]).await.overall_code, OK);
    assert_eq!(answer(&server, [with_limit(1_000, SECOND)]).await.overall_code, OVER_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn where_it_is_allowed_it_holds_in_place_of_the_rule() {
    let builder = EnvoyRateLimitServer::builder().with_rule(each_user(without_refill(1)));
    let server = builder.with_client_limits(true).build().expect("rules");
    for left in [2, 1, 0] {
        let answer = answer(&server, [with_limit(3, MINUTE)]).await;
        assert_eq!((answer.overall_code, answer.statuses[0].limit_remaining), (OK, left));
        let stated = answer.statuses[0].current_limit.as_ref().expect("a limit");
        assert_eq!((stated.requests_per_unit, stated.unit), (3, MINUTE));
    }
    let over = answer(&server, [with_limit(3, MINUTE)]).await;
    assert_eq!((over.overall_code, seconds(&over.statuses[0])), (OVER_LIMIT, Some(20.0)));
    assert_eq!(answer(&server, [with_limit(0, MINUTE)]).await.overall_code, OVER_LIMIT);
    assert_eq!(answer(&server, [ann()]).await.overall_code, OK, "the rule's bucket is another");
    for (brought, what) in
        [(with_limit(3, 0), "unit"), (with_limit(3, 99), "unit"), (with_limit(u32::MAX, SECOND), "10000000")]
    {
        let status = ask(&server, question("shop", [ann(), brought])).await.expect_err(what);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().contains(what), "{}", status.message());
    }
}
