//! From the bytes of a file to the instances that it names.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::FoundInstance;

/// The instances, or what is wrong and where: the line and the column.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<FoundInstance>, String> {
    serde_json::from_slice::<List>(bytes).map(|list| list.0).map_err(|error| error.to_string())
}

struct List(Vec<FoundInstance>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Instances)
    }
}

struct Instances;

impl<'de> Visitor<'de> for Instances {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of instances")
    }

    /// One at a time, so that the second of one name is told at its place.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List, A::Error> {
        let mut instances: Vec<FoundInstance> = Vec::new();
        let mut names = HashSet::new();
        while let Some(instance) = list.next_element::<Instance>()? {
            let found = FoundInstance::from(instance);
            if !names.insert(found.name().to_owned()) {
                return Err(A::Error::custom(format_args!("a second instance is named {:?}", found.name())));
            }
            instances.push(found);
        }
        Ok(List(instances))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an instance, such as {\"address\": \"10.0.0.1:8080\"}")]
struct Instance {
    address: Address,
    name: Option<Word>,
    weight: Option<Weight>,
    priority: Option<i32>,
    zone: Option<Word>,
    #[serde(default)]
    draining: bool,
}

impl From<Instance> for FoundInstance {
    fn from(instance: Instance) -> Self {
        let Instance { address, name, weight, priority, zone, draining } = instance;
        let mut found = Self::new(address.0).with_draining(draining).with_priority(priority.unwrap_or(0));
        if let Some(Word(name)) = name {
            found = found.with_name(name);
        }
        if let Some(Weight(weight)) = weight {
            found = found.with_weight(weight);
        }
        if let Some(Word(zone)) = zone {
            found = found.with_zone(zone);
        }
        found
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Address(String);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if has_port(&text) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no address with a port, such as 10.0.0.1:8080, [fd00::1]:8080 or host:8080"))
    }
}

/// Whether it is a host and a port that a socket can connect to.
fn has_port(text: &str) -> bool {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return address.port() > 0;
    }
    let is_host = |host: &str| {
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        // What has digits and dots alone is meant for an address, and is none.
        !host.is_empty() && host.bytes().all(may_be) && host.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    // A sign is read by `parse` too.
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port))
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Word(String);

impl TryFrom<String> for Word {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.is_empty() { Err("the text is empty") } else { Ok(Self(text)) }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "u64")]
struct Weight(u32);

impl TryFrom<u64> for Weight {
    type Error = String;

    fn try_from(weight: u64) -> Result<Self, String> {
        match u32::try_from(weight) {
            Ok(weight @ 1..=FoundInstance::MAX_WEIGHT) => Ok(Self(weight)),
            _ => Err(format!("a weight is from 1 to {}, and is {weight}", FoundInstance::MAX_WEIGHT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        parse(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn every_key_is_read_and_all_but_the_address_have_defaults() {
        let text = r#"[{"address": "a:1"},
            {"address": "b:2", "name": "n", "weight": 7, "priority": -3, "zone": "z", "draining": true}]"#;
        let all = FoundInstance::new("b:2").with_name("n").with_weight(7).with_priority(-3).with_zone("z");
        assert_eq!(parse(text.as_bytes()), Ok(vec![FoundInstance::new("a:1"), all.with_draining(true)]));
        assert_eq!(parse(b" [ ] "), Ok(Vec::new()));
    }

    #[test]
    fn a_fault_says_what_and_where() {
        let unknown = fault("[\n {\"address\": \"a:1\", \"weigth\": 3}]");
        assert!(unknown.starts_with("unknown field `weigth`, expected one of `address`, `name`"), "{unknown}");
        assert!(unknown.ends_with("at line 2 column 28"), "{unknown}");
        let weight = "a weight is from 1 to 1000000, and is 0 at line 1 column 33";
        assert_eq!(fault(r#"[{"address": "a:1", "weight": 0 }]"#), weight);
        let twice = fault("[{\"address\": \"a:1\"},\n{\"address\": \"a:1\"}]");
        assert_eq!(twice, "a second instance is named \"a:1\" at line 2 column 19");
        let address = fault(r#"[{"address": "10.0.0.1"}]"#);
        assert!(address.starts_with("\"10.0.0.1\" is no address with a port, such as"), "{address}");
        assert!(address.ends_with("at line 1 column 24"), "{address}");
        assert!(fault("{}").starts_with("invalid type: map, expected a list of instances at line 1"));
        assert!(fault(r#"["a:1"]"#).contains("expected an instance, such as {\"address\": "));
        assert!(fault("[{}]").starts_with("missing field `address` at line 1"));
        assert!(fault(r#"[{"address": "a:1", "address": "a:2"}]"#).starts_with("duplicate field `address`"));
        assert!(fault(r#"[{"address": "a:1", "zone": ""}]"#).starts_with("the text is empty"));
        assert!(fault("[] 1").starts_with("trailing characters"));
        assert!(fault("").starts_with("EOF while parsing a value"));
    }

    #[test]
    fn no_beginning_of_a_list_is_a_list() {
        let text = r#"[{"address": "a:1", "weight": 12}, {"address": "[fd00::1]:2"}]"#;
        for end in 0..text.len() {
            fault(&text[..end]);
        }
        assert!(parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["10.0.0.1:1", "[::1]:65535", "host:80", "a-b.c_d.example:8080", "4you.example:80"] {
            assert!(has_port(good), "{good}");
        }
        let bad = [
            "",
            ":80",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+80",
            "10.0.0.1:0",
            "10.0.0.256:80",
            "::1:80",
            "a b:80",
            "1.2:80",
        ];
        for bad in bad.into_iter().chain(["http://host:80", "host:80/", "[host]:80", "[::1]", "/run/a.sock"]) {
            assert!(!has_port(bad), "{bad}");
        }
    }
}
