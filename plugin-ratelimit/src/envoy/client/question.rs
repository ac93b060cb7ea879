//! What a rate limit service is asked about a request.

use super::super::{
    proto::{
        RateLimitDescriptor, RateLimitRequest, UInt64Value,
        rate_limit_descriptor::{Entry, RateLimitOverride},
    },
    unit::EnvoyUnit,
};

/// What a request is, from the widest to the narrowest: such as its path, and then its user. The service looks for the
/// rule that has the same keys.
///
/// ```
/// use plugin_ratelimit::envoy::{EnvoyDescriptor, EnvoyUnit};
///
/// let by_user = EnvoyDescriptor::new([("path", "/search"), ("user", "ann")]);
/// // For services that take limits from those who ask.
/// let paid = EnvoyDescriptor::new([("plan", "paid")]).with_limit(100, EnvoyUnit::Minute);
/// assert_ne!(by_user, paid);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvoyDescriptor {
    entries: Vec<(String, String)>,
    limit: Option<(u32, EnvoyUnit)>,
    hits: Option<u64>,
}

impl EnvoyDescriptor {
    /// Keys and their values, in the order of the service's rules. No key may be empty.
    #[must_use]
    pub fn new<K: Into<String>, V: Into<String>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { entries, limit: None, hits: None }
    }

    /// Asks for this limit in place of the one that the service has. A service may ignore it.
    #[must_use]
    pub fn with_limit(mut self, requests: u32, unit: EnvoyUnit) -> Self {
        self.limit = Some((requests, unit));
        self
    }

    /// Sets what the request counts for with this descriptor, in place of the number for all. Only services that know
    /// this newer field heed it.
    #[must_use]
    pub fn with_hits(mut self, hits: u64) -> Self {
        self.hits = Some(hits);
        self
    }

    fn into_message(self) -> RateLimitDescriptor {
        let limit =
            self.limit.map(|(requests_per_unit, unit)| RateLimitOverride { requests_per_unit, unit: unit.number() });
        RateLimitDescriptor {
            entries: self.entries.into_iter().map(|(key, value)| Entry { key, value }).collect(),
            limit,
            hits_addend: self.hits.map(|value| UInt64Value { value }),
            is_negative_hits: false,
        }
    }
}

/// The descriptors of a request, and what it counts for. Made out of one [`EnvoyDescriptor`], or several.
///
/// ```
/// use plugin_ratelimit::envoy::{EnvoyDescriptor, EnvoyQuestion};
///
/// // An upload of five files, which its user and all users together are limited by.
/// let user = EnvoyDescriptor::new([("action", "upload"), ("user", "ann")]);
/// let all = EnvoyDescriptor::new([("action", "upload")]);
/// let question = EnvoyQuestion::from(vec![user, all]).with_hits(5);
/// # drop(question);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvoyQuestion {
    descriptors: Vec<EnvoyDescriptor>,
    hits: u32,
}

impl EnvoyQuestion {
    /// Sets what the request counts for. 0 is 1, which is the default.
    #[must_use]
    pub fn with_hits(mut self, hits: u32) -> Self {
        self.hits = hits;
        self
    }

    /// Whether there is nothing to ask about.
    pub(super) fn is_empty(&self) -> bool {
        self.descriptors.is_empty()
    }

    pub(super) fn into_message(self, domain: String) -> RateLimitRequest {
        let descriptors = self.descriptors.into_iter().map(EnvoyDescriptor::into_message).collect();
        // The default of the field, which then takes no bytes, is one hit.
        let hits_addend = if self.hits == 1 { 0 } else { self.hits };
        RateLimitRequest { domain, descriptors, hits_addend }
    }
}

impl From<EnvoyDescriptor> for EnvoyQuestion {
    fn from(descriptor: EnvoyDescriptor) -> Self {
        Self::from(vec![descriptor])
    }
}

impl From<Vec<EnvoyDescriptor>> for EnvoyQuestion {
    fn from(descriptors: Vec<EnvoyDescriptor>) -> Self {
        Self { descriptors, hits: 1 }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    /// A field whose content has a length, of fewer than 128 bytes: the number of the field with wire type 2, the
    /// length, the content.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short");
        [&[(number << 3) | 2, length], content].concat()
    }

    #[test]
    fn a_question_is_these_bytes() {
        // RateLimitRequest: domain = 1, descriptors = 2, hits_addend = 3.
        // RateLimitDescriptor: entries = 1, limit = 2, hits_addend = 3 (a message with value = 1). Entry: key = 1,
        // value = 2. RateLimitOverride: requests_per_unit = 1, unit = 2. A number has wire type 0.
        let entry = |key: &[u8], value: &[u8]| field(1, &[field(1, key), field(2, value)].concat());
        let first = [entry(b"path", b"/"), entry(b"user", b"ann")].concat();
        // 300 = 0b10_0101100: the lower seven bits with the sign that more come, then the rest. A minute is 2.
        let limit = field(2, &[1 << 3, 0b1010_1100, 0b10, 2 << 3, 2]);
        let hits = field(3, &[1 << 3, 7]);
        let second = [entry(b"plan", b"paid"), limit, hits].concat();
        let expected = [field(1, b"shop"), field(2, &first), field(2, &second), vec![3 << 3, 5]].concat();

        let question = EnvoyQuestion::from(vec![
            EnvoyDescriptor::new([("path", "/"), ("user", "ann")]),
            EnvoyDescriptor::new([("plan", "paid")]).with_limit(300, EnvoyUnit::Minute).with_hits(7),
        ]);
        assert_eq!(question.with_hits(5).into_message("shop".to_owned()).encode_to_vec(), expected);
    }

    #[test]
    fn one_hit_takes_no_bytes() {
        let question = EnvoyQuestion::from(vec![]);
        assert!(question.is_empty());
        // domain = 1 with wire type 2 is the byte 10.
        assert_eq!(question.into_message("a".to_owned()).encode_to_vec(), [10, 1, b'a']);
    }
}
