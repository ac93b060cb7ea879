//! In which order those who wait are served.

use plugin_core::Code;
use plugin_ratelimit::concurrency::{ConcurrencyLimit, QueueOrder};
use tokio_test::{assert_pending, assert_ready};

use crate::support::{MS, code, counts, in_order, refused, take, waits};

/// Serves the line one by one, and says who it was.
fn served(
    limit: &ConcurrencyLimit,
    line: Vec<tokio_test::task::Spawn<plugin_ratelimit::concurrency::Acquire>>,
) -> Vec<usize> {
    let mut line: Vec<_> = line.into_iter().map(Some).collect();
    let mut order = Vec::new();
    while let Some(index) = line
        .iter_mut()
        .position(|waiter| waiter.as_mut().is_some_and(|waiter| waiter.is_woken() && waiter.poll().is_ready()))
    {
        // What it was handed is dropped with it, and goes to the next.
        order.push(index);
        line[index] = None;
    }
    assert_eq!(counts(limit), (0, 0));
    order
}

#[tokio::test(start_paused = true)]
async fn the_newest_is_served_first_in_the_order_lifo_and_the_oldest_gives_way_to_it() {
    let limit = in_order(1, 3, QueueOrder::Lifo);
    let permit = take(&limit, 1);
    let mut line: Vec<_> = (0..4).map(|_| waits(&limit, 0)).collect();
    assert_eq!(code(assert_ready!(line.remove(0).poll())), Code::Shed, "three may wait");
    drop(permit);
    assert_eq!(served(&limit, line), [2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_call_of_lower_priority_takes_no_place_in_the_order_lifo() {
    let limit = in_order(1, 1, QueueOrder::Lifo);
    let _permit = take(&limit, 1);
    let _waiter = waits(&limit, 1);
    assert_eq!(refused(&limit, 0), Code::QueueFull);
    let _newer = waits(&limit, 1);
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_served_in_order_by_codel() {
    let limit = in_order(1, 10, QueueOrder::Codel);
    let permit = take(&limit, 1);
    let line: Vec<_> = (0..4).map(|_| waits(&limit, 0)).collect();
    tokio::time::advance(50 * MS).await;
    drop(permit);
    assert_eq!(served(&limit, line), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn in_a_lasting_overload_codel_serves_the_newest_and_lets_nobody_new_wait_for_long() {
    let limit = in_order(1, 10, QueueOrder::Codel);
    let mut permit = take(&limit, 1);
    // The line is not empty for 101 ms, though nobody stays in it for longer than 60.
    let mut first = waits(&limit, 0);
    tokio::time::advance(60 * MS).await;
    let mut second = waits(&limit, 0);
    permit.clear();
    permit.extend(assert_ready!(first.poll()));
    tokio::time::advance(41 * MS).await;
    let mut third = waits(&limit, 0);
    permit.clear();
    assert_pending!(second.poll());
    permit.extend(assert_ready!(third.poll()));
    // Who came before the overload may wait for 100 ms, who comes in it for five.
    let mut fourth = waits(&limit, 0);
    tokio::time::advance(4 * MS).await;
    assert_pending!(fourth.poll());
    tokio::time::advance(2 * MS).await;
    assert_eq!(code(assert_ready!(fourth.poll())), Code::Shed);
    assert_pending!(second.poll());
    tokio::time::advance(55 * MS).await;
    assert_eq!(code(assert_ready!(second.poll())), Code::Shed);
    // The line was empty: the overload is over.
    let mut fifth = waits(&limit, 0);
    tokio::time::advance(50 * MS).await;
    assert_pending!(fifth.poll());
}
