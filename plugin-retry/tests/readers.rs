//! Several readers of one body, each polled by hand with a waker of its own.
#![cfg(all(not(loom), feature = "http"))]

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use plugin_core::BoxError;
use plugin_retry::{RepeatBody, ReplayBody};
use tokio_test::task::{self, Spawn};

#[derive(Clone, Copy)]
enum Comes {
    Data(&'static str),
    Trailers,
    End,
    Error,
    Panic,
}

/// A body that gives what the test puts in, and knows the waker of its last poll alone.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<(VecDeque<Comes>, Option<Waker>)>>);

impl Given {
    fn put(&self, comes: Comes) {
        let mut inbox = self.0.lock().expect("nothing panics under the lock");
        inbox.0.push_back(comes);
        let waker = inbox.1.take();
        drop(inbox);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Body for Given {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut inbox = self.0.lock().expect("nothing panics under the lock");
        let Some(comes) = inbox.0.pop_front() else {
            inbox.1 = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(inbox);
        Poll::Ready(match comes {
            Comes::Data(text) => Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))),
            Comes::Trailers => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Comes::End => None,
            Comes::Error => Some(Err("the source is gone".into())),
            Comes::Panic => panic!("as it was told"),
        })
    }
}

type Reader = Spawn<ReplayBody<Given>>;
type Kept = <ReplayBody<Given> as RepeatBody>::Kept;

/// The source, its first reader, and what others are made of.
fn body(max: usize) -> (Given, Reader, Kept) {
    let given = Given::default();
    let mut first = ReplayBody::new(given.clone());
    let kept = first.keep(max).expect("its size is not known");
    (given, task::spawn(first), kept)
}

fn again(kept: &Kept, beside: bool) -> Reader {
    task::spawn(ReplayBody::again(kept, beside).expect("it can be sent again"))
}

/// What a reader finds now: the data, `trailers`, `end`, an error, or `nothing yet`.
fn read(reader: &mut Reader) -> String {
    match reader.enter(|cx, body| body.poll_frame(cx)) {
        Poll::Pending => "nothing yet".into(),
        Poll::Ready(None) => "end".into(),
        Poll::Ready(Some(Err(error))) => error.to_string(),
        Poll::Ready(Some(Ok(frame))) => {
            frame.into_data().map_or("trailers".into(), |data| String::from_utf8(data.to_vec()).expect("a text"))
        }
    }
}

#[test]
fn who_waits_is_woken_whoever_polled_the_source_last() {
    let (source, mut first, kept) = body(1024);
    let mut second = again(&kept, true);
    assert_eq!((read(&mut first), read(&mut second)), ("nothing yet".into(), "nothing yet".into()));
    source.put(Comes::Data("a"));
    assert_eq!(read(&mut second), "a");
    assert!(first.is_woken(), "another one has read what it waits for");
    assert_eq!(read(&mut first), "a");
    assert_eq!((read(&mut second), read(&mut first)), ("nothing yet".into(), "nothing yet".into()));
    drop(first);
    assert!(second.is_woken(), "the source knew the one that is gone");
    assert_eq!(read(&mut second), "nothing yet");
    source.put(Comes::Data("b"));
    assert!(second.is_woken());
    assert_eq!(read(&mut second), "b");
}

#[test]
fn every_reader_is_at_the_end_when_it_has_read_all_and_has_the_trailers_once() {
    let (source, mut first, kept) = body(1024);
    [Comes::Data("a"), Comes::Trailers].into_iter().for_each(|comes| source.put(comes));
    assert_eq!(["a", "trailers", "end"].map(|_| read(&mut first)), ["a", "trailers", "end"]);
    let mut second = again(&kept, true);
    for expected in ["a", "trailers"] {
        assert!(!second.enter(|_, body| body.is_end_stream()), "before {expected}");
        assert_eq!(read(&mut second), expected);
    }
    assert!(second.enter(|_, body| body.is_end_stream()));
    assert_eq!(read(&mut second), "end");

    let (source, mut first, kept) = body(1024);
    [Comes::Data("a"), Comes::End].into_iter().for_each(|comes| source.put(comes));
    assert_eq!(["a", "end"].map(|_| read(&mut first)), ["a", "end"]);
    let mut second = again(&kept, true);
    assert!(!second.enter(|_, body| body.is_end_stream()), "it has read nothing");
    assert_eq!(["a", "end"].map(|_| read(&mut second)), ["a", "end"]);
}

#[test]
fn a_source_that_failed_or_panicked_under_one_reader_looks_complete_to_none() {
    let (source, mut first, kept) = body(1024);
    let mut second = again(&kept, true);
    [Comes::Data("a"), Comes::Error].into_iter().for_each(|comes| source.put(comes));
    assert_eq!(["a", "the source is gone"].map(|_| read(&mut first)), ["a", "the source is gone"]);
    assert_eq!(read(&mut second), "a");
    for _ in 0..2 {
        assert_eq!(read(&mut second), "the body failed while another attempt read it");
    }
    assert!(ReplayBody::again(&kept, true).is_none());

    let (source, mut first, kept) = body(1024);
    let mut second = again(&kept, true);
    [Comes::Panic, Comes::Data("a")].into_iter().for_each(|comes| source.put(comes));
    assert!(catch_unwind(AssertUnwindSafe(|| read(&mut first))).is_err());
    assert_eq!(read(&mut second), "a", "it polls the source itself");
}

#[test]
fn past_the_cap_the_oldest_that_began_goes_on_where_it_was() {
    const TOO_LARGE: &str = "the body is larger than what is kept for another attempt";
    let (source, mut first, kept) = body(130);
    let mut second = again(&kept, true);
    source.put(Comes::Data("a"));
    assert_eq!((read(&mut first), read(&mut second)), ("a".into(), "a".into()));
    ["b", "c", "d"].into_iter().for_each(|text| source.put(Comes::Data(text)));
    assert_eq!(["b", "c"].map(|_| read(&mut second)), ["b", "c"], "one, 64 and 64");
    for _ in 0..2 {
        assert_eq!(read(&mut second), TOO_LARGE, "it was ahead");
    }
    for (expected, left) in [("b", 2), ("c", 1), ("d", 0)] {
        assert_eq!(read(&mut first), expected);
        assert_eq!(first.enter(|_, body| body.size_hint().lower()), left, "after {expected}");
    }
    source.put(Comes::Data("e"));
    assert_eq!(read(&mut first), "e");
    assert!(ReplayBody::again(&kept, true).is_none());
}

#[test]
fn past_the_cap_one_that_is_gone_or_was_cut_off_keeps_nobody_from_going_on() {
    for beside in [true, false] {
        let (source, mut first, kept) = body(10);
        assert_eq!(read(&mut first), "nothing yet", "it has begun");
        let mut second = again(&kept, beside);
        if beside {
            drop(first);
        }
        ["12345678901", "2"].into_iter().for_each(|text| source.put(Comes::Data(text)));
        assert_eq!(["12345678901", "2"].map(|_| read(&mut second)), ["12345678901", "2"]);
    }
}
