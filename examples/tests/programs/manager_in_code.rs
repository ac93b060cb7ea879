use crate::program::Program;

const PATH: &str = env!("CARGO_BIN_EXE_manager-in-code");

#[tokio::test]
async fn an_application_registers_calls_drains_and_shuts_down() {
    let (lines, code) = Program::start::<&str>(PATH, []).finish().await;
    let expected = [
        "hello world",
        "hello early",
        "plugin \"greeter\": the plugin is being drained (LIFECYCLE_2101)",
        "hello others",
        "drained: true",
        "other closed: true",
    ];
    assert_eq!((lines, code), (expected.map(String::from).to_vec(), Some(0)));
}
