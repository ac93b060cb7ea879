//! A future that is polled after it has ended panics, and says which it was.

#[path = "../../plugin-core/tests/support/polled_again.rs"]
mod support;

mod common;

use common::*;
use plugin_lb::Strategy;
use support::{polled_again, says};

#[tokio::test(start_paused = true)]
async fn the_future_of_a_balancer_says_so_whatever_it_answered() {
    let instances = [
        vec![Instance::new("well", Does::Answer)],
        vec![Instance::new("ill", Does::Fail)],
        vec![Instance::new("not ready", Does::Answer).failing_readiness()],
        vec![Instance::new("refuses", Does::RefuseConnection), Instance::new("refuses too", Does::RefuseConnection)],
        vec![],
    ];
    for instances in instances {
        let mut balance = balance(Strategy::RoundRobin, &instances);
        assert_eq!(polled_again(call(&mut balance)), says("plugin_lb::ResponseFuture"), "{instances:?}");
    }
}
