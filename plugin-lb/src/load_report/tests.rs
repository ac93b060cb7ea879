//! Reports as they are written by others, and what is none.

use proptest::prelude::*;

use super::LoadReport;

fn report(cpu: f64, qps: f64, eps: f64) -> LoadReport {
    LoadReport::new().with_cpu_utilization(cpu).with_requests_per_second(qps).with_errors_per_second(eps)
}

/// `cpu_utilization: 0.5, rps_fractional: 100, eps: 2.5`, with `request_cost`, `utilization` and `rps` (which is of
/// before) in between, as Python's protobuf writes them.
const BY_OTHERS: &[u8] = b"\x09\x00\x00\x00\x00\x00\x00\xe0\x3f\x18\x64\
    \x22\x0d\x0a\x02db\x11\x00\x00\x00\x00\x00\x00\x00\x40\x2a\x0d\x0a\x02db\x11\x9a\x99\x99\x99\x99\x99\xb9\x3f\
    \x31\x00\x00\x00\x00\x00\x00\x59\x40\x39\x00\x00\x00\x00\x00\x00\x04\x40";

const IN_BASE64: &str = "CQAAAAAAAOA/GGQiDQoCZGIRAAAAAAAAAEAqDQoCZGIRmpmZmZmZuT8xAAAAAAAAWUA5AAAAAAAABEA=";

#[test]
fn a_message_with_more_than_is_read_is_read() {
    assert_eq!(LoadReport::from_bytes(BY_OTHERS), Some(report(0.5, 100.0, 2.5)));
    assert_eq!(LoadReport::from_bytes(b""), Some(LoadReport::new()));
}

#[test]
fn binary_metadata_is_base64_with_padding_or_without() {
    for text in [IN_BASE64, IN_BASE64.trim_end_matches('=')] {
        assert_eq!(LoadReport::from_base64(text.as_bytes()), Some(report(0.5, 100.0, 2.5)), "{text}");
        assert_eq!(LoadReport::parse(&format!("BIN {text}")), Some(report(0.5, 100.0, 2.5)));
    }
    for broken in ["CQAAAAAAAOA/ ", "CQAAAAAAAOA/GGQ-", "C", "CQAAAAAAAOA/G===", "====", "CQ=AAAAAAOA/"] {
        assert_eq!(LoadReport::from_base64(broken.as_bytes()), None, "{broken}");
    }
}

#[test]
fn a_message_that_breaks_off_is_none() {
    for end in 1..BY_OTHERS.len() {
        let read = LoadReport::from_bytes(&BY_OTHERS[..end]);
        let whole = [9, 11, 26, 41, 50].contains(&end);
        assert_eq!(read.is_some(), whole, "after {end} bytes: {read:?}");
    }
    let broken: [&[u8]; 5] =
        [b"\x00\x01", b"\x0b\x0c", b"\x0f", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", &[0x80; 11]];
    for message in broken {
        assert_eq!(LoadReport::from_bytes(message), None, "{message:?}");
    }
    let longest = b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_eq!(LoadReport::from_bytes(longest), Some(LoadReport::new()), "the largest number of 64 bits is one");
    let endless = b"\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_eq!(LoadReport::from_bytes(endless), None);
}

#[test]
fn text_has_names_and_values() {
    for text in [
        "TEXT cpu_utilization=0.5,rps_fractional=100,eps=2.5",
        "TEXT eps:2.5, cpu_utilization:0.5 ,rps_fractional:1e2",
        "TEXT cpu_utilization=0.5,named_metrics.queue=7,rps_fractional=100.0,eps=2.5,utilization.db=0.1",
        r#"JSON {"cpu_utilization":0.5,"rps_fractional":100,"eps":2.5}"#,
        r#" JSON  { "eps" : "2.5", "cpuUtilization" : 0.5 , "named_metrics":{"}\"":[{"eps":9}]}, "rpsFractional":1e2 } "#,
    ] {
        assert_eq!(LoadReport::parse(text), Some(report(0.5, 100.0, 2.5)), "{text}");
    }
    let both = LoadReport::parse("TEXT mem_utilization=0.25,application_utilization=1.5").expect("a report");
    assert_eq!((both.memory_utilization(), both.application_utilization()), (0.25, 1.5));
    assert_eq!(both.to_header_value(), "TEXT mem_utilization=0.25,application_utilization=1.5");
    assert_eq!(LoadReport::parse("JSON {}"), Some(LoadReport::new()));
}

#[test]
fn what_cannot_be_is_no_report() {
    for text in [
        "",
        "TEXT",
        "TEXT ",
        "cpu_utilization=0.5",
        "text cpu_utilization=0.5",
        "TEXT cpu_utilization",
        "TEXT cpu_utilization=",
        "TEXT cpu_utilization=half",
        "TEXT cpu_utilization=-0.1",
        "TEXT cpu_utilization=NaN",
        "TEXT cpu_utilization=inf",
        "TEXT cpu_utilization=0.5,eps=1e13",
        "JSON",
        "JSON [0.5]",
        "JSON {",
        r#"JSON {"eps":}"#,
        r#"JSON {"eps":-1}"#,
        r#"JSON {"eps":"NaN"}"#,
        r#"JSON {"eps":{}}"#,
        r#"JSON {"eps":1,}"#,
        r#"JSON {"eps":1} x"#,
        r#"JSON {"eps" 1}"#,
        r#"JSON {"a":[1}"#,
        r#"JSON {"a\":1}"#,
        "BIN",
        "BIN !",
    ] {
        assert_eq!(LoadReport::parse(text), None, "{text}");
    }
    for value in [f64::NAN, f64::INFINITY, -1.0, 1e13] {
        let message = LoadReport::new().with_cpu_utilization(value).to_bytes();
        assert_eq!(LoadReport::from_bytes(&message), None, "{value}");
        assert_eq!(report(0.5, 100.0, value).weight(1.0), None, "{value}");
        assert_eq!(report(value, 100.0, 0.0).weight(1.0), None, "{value}");
        assert_eq!(report(0.5, value, 0.0).weight(1.0), None, "{value}");
    }
}

#[test]
fn a_weight_is_requests_by_what_is_busy_and_errors_make_it_less() {
    let of = |report: LoadReport, penalty| report.weight(penalty);
    assert_eq!(of(report(0.5, 100.0, 0.0), 1.0), Some(200.0));
    assert_eq!(of(report(0.5, 100.0, 50.0), 1.0), Some(100.0), "a half of them fail");
    assert_eq!(of(report(0.5, 100.0, 50.0), 3.0), Some(50.0));
    assert_eq!(of(report(0.5, 100.0, 50.0), 0.0), Some(200.0), "without a penalty errors count for nothing");
    assert_eq!(of(report(2.0, 100.0, 0.0), 1.0), Some(50.0), "a processor may be more than busy");
    assert_eq!(
        of(report(0.5, 100.0, 0.0).with_application_utilization(0.25), 1.0),
        Some(400.0),
        "its own measure is first"
    );
    assert_eq!(of(report(0.0, 100.0, 0.0).with_application_utilization(0.25), 1.0), Some(400.0));
    for nothing in [report(0.0, 100.0, 0.0), report(0.5, 0.0, 0.0), report(0.0, 0.0, 9.0), report(1e-12, 1e-50, 0.0)] {
        assert_eq!(of(nothing, 1.0), None, "{nothing:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_report_reads_back_as_it_is_written(
        cpu in 0.0_f64..2.0, memory in 0.0_f64..1.0, own in 0.0_f64..2.0, qps in 1e-3_f64..1e9, eps in 0.0_f64..1e9,
    ) {
        let report = report(cpu, qps, eps).with_memory_utilization(memory).with_application_utilization(own);
        prop_assert_eq!(LoadReport::from_bytes(&report.to_bytes()), Some(report));
        prop_assert_eq!(LoadReport::parse(&report.to_header_value()), Some(report));
    }

    #[test]
    fn no_text_and_no_message_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
        super::fuzzing::load_report(&bytes);
        for form in ["TEXT ", "JSON {", "BIN "] {
            super::fuzzing::load_report(format!("{form}{text}").as_bytes());
        }
    }
}
