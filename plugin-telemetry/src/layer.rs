//! The layer.

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{AnyRequest, ByCall, TelemetryHandle, counters::Counters};
use plugin_core::{AtHead, ByErrorType, sync::Striped};

/// Counts every call, its duration and how it ended, and opens one span (level DEBUG) round it.
///
/// Put it outermost, so that refused calls are counted too. Counts are kept in stripes, so that two threads do not
/// meet; [`TelemetryHandle::stats`] adds them up. A future that is dropped counts as cancelled, one that panics as a
/// failure; in either case the call is no longer active. With `.follow::<AtEnd>()` a call lasts until the end of its body.
///
/// ```
/// use plugin_telemetry::{Status, TelemetryLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = TelemetryLayer::new("parser");
/// let handle = layer.handle();
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|text: &'static str| async move { text.parse::<u32>().map_err(BoxError::from) }));
///
/// assert_eq!(service.clone().oneshot("42").await?, 42);
/// assert!(service.oneshot("forty-two").await.is_err());
/// let stats = handle.stats();
/// assert_eq!((stats.ended(Status::Success), stats.ended(Status::Failure)), (1, 1));
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct TelemetryLayer<D = AnyRequest, C = ByErrorType, O = AtHead> {
    pub(super) name: Arc<str>,
    pub(super) counters: Striped<Counters>,
    pub(super) describe: D,
    pub(super) classify: C,
    outcome: PhantomData<fn() -> O>,
    pub(super) takes_end: bool,
}

impl TelemetryLayer {
    /// Counts calls of a service with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::with(name.into(), AnyRequest)
    }
}

impl<D> TelemetryLayer<D> {
    fn with(name: Arc<str>, describe: D) -> Self {
        Self {
            name,
            counters: Striped::new(Counters::new()),
            describe,
            classify: ByErrorType,
            outcome: PhantomData,
            takes_end: false,
        }
    }
}

impl<D, C, O> TelemetryLayer<D, C, O> {
    /// Sets what is recorded of a request besides its outcome. Default: nothing.
    pub fn describe<D2>(self, describe: D2) -> TelemetryLayer<D2, C, O> {
        let Self { name, counters, classify, outcome, takes_end, .. } = self;
        TelemetryLayer { name, counters, describe, classify, outcome, takes_end }
    }

    /// Sets what counts as a failure: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default:
    /// `ByErrorType`.
    pub fn classify<C2>(self, classify: C2) -> TelemetryLayer<D, C2, O> {
        let Self { name, counters, describe, outcome, takes_end, .. } = self;
        TelemetryLayer { name, counters, describe, classify, outcome, takes_end }
    }

    /// Follows a response to this point: [`AtHead`], the default, or the end of its body with `.follow::<AtEnd>()`
    /// ([`AtEnd`](plugin_core::AtEnd)).
    pub fn follow<O2>(self) -> TelemetryLayer<D, C, O2> {
        let Self { name, counters, describe, classify, takes_end, .. } = self;
        TelemetryLayer { name, counters, describe, classify, outcome: PhantomData, takes_end }
    }

    /// For HTTP: a status from 500 is a failure.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> TelemetryLayer<D, plugin_core::ByHttpStatus, O> {
        self.classify(plugin_core::ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: the status decides, also in trailers.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> TelemetryLayer<D, plugin_core::ByGrpcStatus, plugin_core::AtEnd> {
        self.classify(plugin_core::ByGrpcStatus).follow::<plugin_core::AtEnd>()
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: a call is described by its context, and errors are judged by what they are.
    pub fn for_calls(self) -> TelemetryLayer<ByCall> {
        self.describe(ByCall).classify(ByErrorType).follow::<AtHead>()
    }

    /// Takes the moment at which a layer of this family further in saw the call end, where one has read the clock for it
    /// ([`clock::end`](plugin_core::clock::end)), instead of reading it again. For a stack in which no layer of somebody else's
    /// works on the answer between this and them: the time of that work would be missing.
    pub fn take_end_from_within(mut self) -> Self {
        self.takes_end = true;
        self
    }

    /// Reads the counts.
    #[must_use]
    pub fn handle(&self) -> TelemetryHandle {
        TelemetryHandle(self.counters.to_arc())
    }
}

impl<D: Clone, C: Clone, O> Clone for TelemetryLayer<D, C, O> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            counters: self.counters.clone(),
            describe: self.describe.clone(),
            classify: self.classify.clone(),
            outcome: PhantomData,
            takes_end: self.takes_end,
        }
    }
}

impl<D, C, O> fmt::Debug for TelemetryLayer<D, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryLayer").field("name", &self.name).finish_non_exhaustive()
    }
}
