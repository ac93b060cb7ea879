//! Requests of the data plane that never became a call of a plugin, and those whose reply is not passed on, counted.

use axum::http::Response;
use metrics::{Key, Label, Level, Metadata, Recorder, Unit};
use plugin_core::{Code, Rejected};

use super::{metrics::PageRecorder, problem::ToldProblem};

/// How many there were, by what they were answered.
const REJECTED: &str = "plugin_manager_rejected_requests_total";
static METADATA: Metadata<'static> = Metadata::new("plugin_manager", Level::INFO, Some("plugin_manager"));

/// What is answered without a plugin by all that there is on the way to one. Their series are there from the start, so that
/// the first of a kind shows as one more.
const KNOWN: [(u16, Code); 8] = [
    (400, Code::InvalidName),
    (400, Code::InvalidPayload),
    (401, Code::Unauthenticated),
    (403, Code::Forbidden),
    (404, Code::NotFound),
    (404, Code::InvalidPayload),
    (405, Code::InvalidPayload),
    (429, Code::RateLimited),
];

/// Counts them. No label is of the client's choosing: the statuses and codes are those that this program answers with.
#[derive(Clone, Debug)]
pub(super) struct Rejections(PageRecorder);

impl Rejections {
    pub(super) fn new(recorder: PageRecorder) -> Self {
        let help = "Requests of the data plane that were answered without a plugin's answer to a call of it.";
        recorder.describe_counter(REJECTED.into(), Some(Unit::Count), help.into());
        let this = Self(recorder);
        KNOWN.iter().for_each(|(status, code)| this.add(*status, code.as_str(), 0));
        this
    }

    /// Counts an answer, unless the plugin that was asked for has counted it.
    pub(super) fn see<B>(&self, response: &Response<B>) {
        if !response.status().is_success() {
            self.see_fault(response);
        }
    }

    #[cold]
    fn see_fault<B>(&self, response: &Response<B>) {
        let told = response.extensions().get::<ToldProblem>();
        if told.is_some_and(|told| told.is_counted) {
            return;
        }
        let rejected = response.extensions().get::<Rejected>().map(Rejected::code);
        let code = told.map(|told| told.code).or(rejected).map_or("", Code::as_str);
        self.add(response.status().as_u16(), code, 1);
    }

    fn add(&self, status: u16, code: &'static str, times: u64) {
        let status = Label::new("http_status", status.to_string());
        let key = Key::from_parts(REJECTED, vec![status, Label::from_static_parts("code", code)]);
        self.0.register_counter(&key, &METADATA).increment(times);
    }
}
