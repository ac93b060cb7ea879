use crate::{
    program::{Nobody, Program},
    upstream::Upstream,
};

const PATH: &str = env!("CARGO_BIN_EXE_discovered-client");

#[tokio::test]
async fn requests_go_to_what_the_file_lists_by_weight_and_to_nobody_who_is_not_there() {
    let (one, two, nobody) = (Upstream::start(0).await, Upstream::start(0).await, Nobody::new());
    let list = serde_json::json!([
        {"address": one.address.to_string()},
        {"address": two.address.to_string(), "weight": 2},
        {"address": nobody.address.to_string()},
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("instances.json");
    std::fs::write(&file, list.to_string()).expect("written");
    let arguments = [file.as_os_str(), "8".as_ref()];
    let (lines, code) = Program::start(PATH, arguments).finish().await;
    assert_eq!((lines, code), (vec!["200 OK: a quote".to_owned(); 8], Some(0)));
    let (one, two) = (one.requests(), two.requests());
    assert!(one >= 2 && two >= 4 && one + two == 8, "{one} and {two}");
}

#[tokio::test]
async fn without_a_file_there_is_nobody_and_the_reason_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("absent.json");
    let (lines, code) = Program::start(PATH, [file.as_os_str(), "1".as_ref()]).finish().await;
    assert_eq!((lines.len(), code), (0, Some(1)));
}
