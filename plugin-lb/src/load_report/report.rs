//! The numbers of a report, and the weight that they come to.

/// What a backend says of its load: a report after
/// [ORCA](https://github.com/cncf/xds/blob/main/xds/data/orca/v3/orca_load_report.proto), the "open request cost
/// aggregation" of gRPC and Envoy.
///
/// A balancer with the strategy `reported-weights` reads it from responses; see the [page of the
/// crate](crate#weights-that-backends-report). A backend in Rust says it with
/// [`to_header_value`](Self::to_header_value) in a header of its HTTP responses, or with [`to_bytes`](Self::to_bytes)
/// in the trailing metadata of its gRPC answers. Each number is 0.0 until it is set, which says nothing.
///
/// ```
/// use plugin_lb::LoadReport;
///
/// let report = LoadReport::new().with_cpu_utilization(0.3).with_requests_per_second(120.0);
/// assert_eq!(report.to_header_value(), "TEXT cpu_utilization=0.3,rps_fractional=120");
/// assert_eq!(LoadReport::parse("TEXT cpu_utilization=0.3,rps_fractional=120"), Some(report));
/// assert_eq!(LoadReport::parse(r#"JSON {"cpu_utilization": 0.3, "rps_fractional": 120}"#), Some(report));
/// assert_eq!(LoadReport::from_bytes(&report.to_bytes()), Some(report));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadReport {
    cpu_utilization: f64,
    memory_utilization: f64,
    application_utilization: f64,
    requests_per_second: f64,
    errors_per_second: f64,
}

/// The largest number that is believed.
const MOST: f64 = 1e12;

/// The numbers of a report that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Cpu,
    Memory,
    Requests,
    Errors,
    Application,
}

impl Field {
    pub(super) const ALL: [Self; 5] = [Self::Cpu, Self::Memory, Self::Application, Self::Requests, Self::Errors];

    /// Its name, and that in JSON of Protocol Buffers.
    pub(super) const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Cpu => ["cpu_utilization", "cpuUtilization"],
            Self::Memory => ["mem_utilization", "memUtilization"],
            Self::Application => ["application_utilization", "applicationUtilization"],
            Self::Requests => ["rps_fractional", "rpsFractional"],
            Self::Errors => ["eps", "eps"],
        }
    }

    /// Its number in `xds.data.orca.v3.OrcaLoadReport`.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Cpu => 1,
            Self::Memory => 2,
            Self::Requests => 6,
            Self::Errors => 7,
            Self::Application => 9,
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.names().contains(&name))
    }
}

impl LoadReport {
    /// The header of an HTTP response in which [`to_header_value`](Self::to_header_value) stands.
    pub const HEADER: &'static str = "endpoint-load-metrics";

    /// The trailing metadata of a gRPC answer, or the header of a response, in which [`to_bytes`](Self::to_bytes)
    /// stand, in base64 as all binary metadata.
    pub const BINARY_HEADER: &'static str = "endpoint-load-metrics-bin";

    /// A report that says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how busy its processors are, where 1.0 is all that it was given. May be more than that.
    #[must_use]
    pub fn with_cpu_utilization(mut self, utilization: f64) -> Self {
        self.cpu_utilization = utilization;
        self
    }

    /// Sets how full its memory is, from 0.0 to 1.0. No weight depends on it.
    #[must_use]
    pub fn with_memory_utilization(mut self, utilization: f64) -> Self {
        self.memory_utilization = utilization;
        self
    }

    /// Sets how busy it is by a measure of its own, where 1.0 is all that it can do. Stands for that of the processors.
    #[must_use]
    pub fn with_application_utilization(mut self, utilization: f64) -> Self {
        self.application_utilization = utilization;
        self
    }

    /// Sets how many requests it answers in a second.
    #[must_use]
    pub fn with_requests_per_second(mut self, requests: f64) -> Self {
        self.requests_per_second = requests;
        self
    }

    /// Sets how many requests fail in a second.
    #[must_use]
    pub fn with_errors_per_second(mut self, errors: f64) -> Self {
        self.errors_per_second = errors;
        self
    }

    /// How busy its processors are.
    #[must_use]
    pub fn cpu_utilization(&self) -> f64 {
        self.cpu_utilization
    }

    /// How full its memory is.
    #[must_use]
    pub fn memory_utilization(&self) -> f64 {
        self.memory_utilization
    }

    /// How busy it is by a measure of its own.
    #[must_use]
    pub fn application_utilization(&self) -> f64 {
        self.application_utilization
    }

    /// Requests in a second.
    #[must_use]
    pub fn requests_per_second(&self) -> f64 {
        self.requests_per_second
    }

    /// Failures in a second.
    #[must_use]
    pub fn errors_per_second(&self) -> f64 {
        self.errors_per_second
    }

    /// The weight of a backend with this load: requests for each share of it that is busy, where an error counts as if
    /// it made the backend `penalty` times as busy. `None` where the report does not say enough, or cannot be.
    ///
    /// After gRPC's
    /// [A58](https://github.com/grpc/proposal/blob/master/A58-client-side-weighted-round-robin-lb-policy.md).
    #[expect(clippy::cast_possible_truncation, reason = "a weight is compared, and six digits are enough for that")]
    pub(crate) fn weight(&self, penalty: f64) -> Option<f32> {
        if !Field::ALL.into_iter().all(|field| can_be(self.get(field))) {
            return None;
        }
        let own = self.application_utilization;
        let utilization = if own > 0.0 { own } else { self.cpu_utilization };
        if utilization <= 0.0 || self.requests_per_second <= 0.0 {
            return None;
        }
        let errors = self.errors_per_second / self.requests_per_second * penalty;
        let weight = (self.requests_per_second / (utilization + errors)) as f32;
        weight.is_normal().then_some(weight)
    }

    pub(super) fn get(&self, field: Field) -> f64 {
        match field {
            Field::Cpu => self.cpu_utilization,
            Field::Memory => self.memory_utilization,
            Field::Requests => self.requests_per_second,
            Field::Errors => self.errors_per_second,
            Field::Application => self.application_utilization,
        }
    }

    /// The report with this number in it, where that can be.
    pub(super) fn with(self, field: Field, value: f64) -> Option<Self> {
        can_be(value).then(|| match field {
            Field::Cpu => self.with_cpu_utilization(value),
            Field::Memory => self.with_memory_utilization(value),
            Field::Requests => self.with_requests_per_second(value),
            Field::Errors => self.with_errors_per_second(value),
            Field::Application => self.with_application_utilization(value),
        })
    }
}

/// Whether a number of a report can be: not where it is none.
fn can_be(value: f64) -> bool {
    (0.0..=MOST).contains(&value)
}
