//! Breakers on a machine whose counter is set back, jumps or stands still.
#![cfg(not(loom))]

mod common;

use std::time::Duration;

use common::{SECOND, Will, call, calls, config, layer, over};
use plugin_breaker::CircuitState;
use plugin_core::clock::fake::Machine;

const HOURS: Duration = Duration::from_secs(7 * 3600);

/// Opens for 30 s, lets this happen, and asserts that the way is closed for 30 s and not longer.
async fn open_for_thirty_seconds(happens: impl Fn(&Machine), passes: impl Fn(&Machine, Duration)) {
    let machine = Machine::install();
    let layer = layer(config().with_recovery_timeout(30 * SECOND).with_half_open_max(1).with_success_threshold(1));
    let (handle, stack) = (layer.handle(), over(&layer));
    calls(&stack, Will::Fail, 5).await;
    assert_eq!(handle.state(), CircuitState::Open);
    happens(&machine);
    for _ in 0..29 {
        passes(&machine, SECOND);
        assert!(call(&stack, Will::Succeed).await.is_err(), "it is open");
    }
    passes(&machine, SECOND + Duration::from_millis(1));
    call(&stack, Will::Succeed).await.expect("the probe is let through");
    assert_eq!(handle.state(), CircuitState::Closed);
}

#[tokio::test]
async fn a_breaker_is_half_open_in_time_after_the_counter_was_set_back() {
    for back in [SECOND / 1000, SECOND, HOURS] {
        open_for_thirty_seconds(|machine| machine.set_back(back), Machine::pass).await;
    }
}

#[tokio::test]
async fn a_breaker_is_half_open_in_time_while_the_counter_stands_still() {
    open_for_thirty_seconds(|_| (), Machine::stand_still).await;
}

#[tokio::test]
async fn a_counter_that_jumps_makes_no_breaker_half_open() {
    open_for_thirty_seconds(|machine| machine.jump(HOURS), Machine::pass).await;
}
