//! A Service with ten thousand endpoints.

use super::*;

const SLICES: usize = 100;

fn of_slice(slice: usize, version: usize, first_ready: bool) -> Value {
    let endpoint = |at: usize| {
        json!({
            "addresses": [format!("10.{}.{}.{}", slice / 250, slice % 250, at + 1)],
            "conditions": {"ready": at > 0 || first_ready, "serving": true, "terminating": false},
            "nodeName": format!("node-{at}"),
            "targetRef": {"kind": "Pod", "name": format!("payments-{slice}-{at}"), "namespace": "shop", "uid": "0b9"},
            "zone": format!("zone-{}", at % 3),
        })
    };
    super::slice(&format!("payments-{slice:03}"), &version.to_string(), &(0..100).map(endpoint).collect::<Vec<_>>())
}

/// How long this thread has worked, on which both sides run: that others are at work on the machine does not count.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).expect("seconds"), u32::try_from(time.tv_nsec).expect("nanoseconds"))
}

#[tokio::test]
async fn of_ten_thousand_endpoints_a_change_of_one_slice_takes_less_than_ten_milliseconds_of_the_processor() {
    let mut server = ApiServer::start().await;
    let mut discovery = start(config(&server));
    let items: Vec<_> = (0..SLICES).map(|at| of_slice(at, 1, true)).collect();
    server.list().await.answer(200, list("10", &items)).await;
    assert_eq!(changed(&mut discovery).await.len(), 10_000);
    let mut watch = server.watch("10").await.begin().await;
    let mut times = Vec::new();
    for turn in 0..20 {
        let line = json!({"type": "MODIFIED", "object": of_slice(turn * 5, 11 + turn, false)}).to_string() + "\n";
        let began = worked();
        watch.bytes(line.as_bytes()).await;
        let set = within(discovery.changed()).await;
        times.push(worked() - began);
        assert_eq!(set.len(), 10_000 - turn - 1);
    }
    times.sort();
    let [best, middle, worst] = [0, 10, 19].map(|at| times[at]);
    println!(
        "of 10,000 endpoints a change of one, from a socket to the set: {best:?} to {worst:?}, half of them {middle:?}"
    );
    assert!(middle < Duration::from_millis(10), "{times:?}");
}
