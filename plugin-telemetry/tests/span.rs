//! The span of a call: one, entered whenever the call runs, filled in when it ends, however it ends.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use plugin_core::{Call, PluginError, Reply, TraceContext};
use plugin_telemetry::TelemetryLayer;
use tokio_test::task;
use tower::{Layer, Service, service_fn};
use tracing::{
    Event, Id, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};

/// What was seen of one span.
#[derive(Default)]
struct Seen {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
    entered: usize,
    left: usize,
    closed: bool,
    events: usize,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Writes down every span.
#[derive(Clone, Default)]
struct Recorder {
    spans: Arc<Mutex<Vec<Seen>>>,
    current: Arc<AtomicU64>,
}

impl Recorder {
    fn on<T>(&self, id: u64, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(&mut self.spans.lock().expect("not poisoned")[id as usize - 1])
    }

    fn count(&self) -> usize {
        self.spans.lock().expect("not poisoned").len()
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = Seen { name: span.metadata().name(), ..Seen::default() };
        span.record(&mut seen);
        let mut spans = self.spans.lock().expect("not poisoned");
        spans.push(seen);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.on(span.into_u64(), |seen| values.record(seen));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.on(self.current.load(Ordering::SeqCst), |seen| seen.events += 1);
    }

    fn enter(&self, span: &Id) {
        self.current.store(span.into_u64(), Ordering::SeqCst);
        self.on(span.into_u64(), |seen| seen.entered += 1);
    }

    fn exit(&self, span: &Id) {
        self.on(span.into_u64(), |seen| seen.left += 1);
    }

    fn try_close(&self, span: Id) -> bool {
        self.on(span.into_u64(), |seen| seen.closed = true);
        true
    }
}

async fn plugin(call: Call<&'static str>) -> Result<Reply<()>, PluginError> {
    tracing::info!("within the call");
    tokio::task::yield_now().await;
    match call.into_payload() {
        "fail" => Err(PluginError::execution("as asked")),
        _ => Ok(Reply::new(())),
    }
}

/// The span of one call that is polled this often.
fn seen(payload: &'static str, polls: usize) -> Seen {
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || {
        let mut stack = TelemetryLayer::new("demo").for_calls().layer(service_fn(plugin));
        let mut call = Call::new(payload);
        call.context_mut().set_request_id("order-17");
        call.context_mut().set_trace(TraceContext::new(0xabc, 1, 1).expect("valid"));
        let mut call = task::spawn(stack.call(call));
        for _ in 0..polls {
            let _ = call.poll();
        }
    });
    assert_eq!(recorder.count(), 1, "one span per call");
    recorder.spans.lock().expect("not poisoned").pop().expect("one")
}

#[test]
fn a_call_has_one_span_that_names_it_and_says_how_it_ended() {
    let span = seen("", 2);
    assert_eq!(span.name, "plugin call");
    let field = |name| span.fields.get(name).map_or("", String::as_str);
    assert_eq!((field("plugin"), field("request_id")), ("demo", "order-17"));
    assert_eq!(field("trace_id"), format!("{:032x}", 0xabc));
    assert_eq!((field("status"), field("code")), ("success", ""));
    assert_eq!((span.entered, span.left, span.closed), (3, 3, true), "for the call and for each poll");
    assert_eq!(span.events, 1, "what the plugin says is said within its span");
}

#[test]
fn a_failure_leaves_its_code_and_a_dropped_call_its_status() {
    let failed = seen("fail", 2);
    assert_eq!((&*failed.fields["status"], &*failed.fields["code"]), ("failure", "PLUGIN_1203"));
    let dropped = seen("", 1);
    assert_eq!((&*dropped.fields["status"], dropped.closed), ("cancelled", true));
}
