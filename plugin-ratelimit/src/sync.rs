//! The atomics and the lock of a bucket: those of `std`, or of `loom` where its models run.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

/// Takes the lock whether or not somebody panicked under it: nothing that runs under these locks leaves a half-made
/// change behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(all(test, not(loom)))]
    counted::LOCKS.set(counted::LOCKS.get() + 1);
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How often this thread takes a lock, for the tests of what takes none.
#[cfg(all(test, not(loom)))]
mod counted {
    use std::{cell::Cell, time::Duration};

    use crate::{KeyedTokenBucket, RateLimitConfig, TokenBucket};

    thread_local!(pub(super) static LOCKS: Cell<u64> = const { Cell::new(0) });

    fn locks(work: impl FnOnce()) -> u64 {
        let before = LOCKS.get();
        work();
        LOCKS.get() - before
    }

    #[test]
    fn neither_a_token_nor_a_refusal_takes_a_lock() {
        let config = RateLimitConfig::builder().with_requests_per_second(1e-3).with_burst_size(100);
        let bucket = TokenBucket::new(config.with_time_window(Duration::from_secs(1)).build().expect("in bounds"));
        let mut taken = 0;
        let calls = || (0..300).for_each(|_| taken += u32::from(bucket.try_acquire(1).is_ok()));
        assert_eq!((locks(calls), taken), (0, 100));
        assert_eq!(locks(|| bucket.disable()), 1, "what takes one is counted");
    }

    #[test]
    fn a_key_takes_the_lock_of_its_part_of_the_table_and_no_other() {
        let bucket = KeyedTokenBucket::<u64>::new(RateLimitConfig::default());
        let calls = |keys: u64| move || (0..keys).for_each(|key| assert!(bucket.try_acquire(&key, 1).is_ok()));
        assert_eq!(locks(calls(300)), 300);
    }
}
