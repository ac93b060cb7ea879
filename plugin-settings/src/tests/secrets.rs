//! What is secret: what a declaration says is, and elsewhere what a key's name says.

use plugin_core::ConfigError;
use plugin_core::settings::{Key, Kind, Settings, Table, Values};

use super::*;

#[derive(Debug)]
struct Lock {
    pin: Option<String>,
    keys: Vec<Option<String>>,
}

static KEY: Table = Table::new("key", "A key of the lock.", &[Key::new("shape", Kind::Secret, "How it is cut.")]);
static LOCK: Table = Table::new(
    "lock",
    "A lock, whose secrets have no telling names.",
    &[
        Key::new("pin", Kind::Secret, "What opens it."),
        Key::new("keys", Kind::List(&KEY), "What opens it too."),
        Key::new("options", Kind::Object, "What no table declares."),
    ],
);

impl Settings for Lock {
    const TABLE: &'static Table = &LOCK;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let shape = |key: &Values| key.text("shape").map(str::to_owned);
        Ok(Self {
            pin: values.text("pin").map(str::to_owned),
            keys: values.list("keys").unwrap_or_default().iter().map(shape).collect(),
        })
    }

    fn to_values(&self) -> Values {
        Values::new(&LOCK)
    }
}

#[test]
fn a_file_holds_every_secret_that_is_declared_whatever_its_key_is_called() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pin"), "1234\n").unwrap();
    let path = folder.path().join("lock.yaml");
    let text = "pin: 'file:pin'\nkeys: [{shape: 'file:pin'}, {shape: zigzag}]\n";
    let lock: Lock = settings_from_text(&path, text, None, &|_| None).unwrap();
    assert_eq!(lock.pin.as_deref(), Some("1234"));
    assert_eq!(lock.keys, [Some("1234".to_owned()), Some("zigzag".to_owned())]);
    let fault = settings_from_text::<Lock>(&path, "pin: 'file:none'", None, &|_| None).unwrap_err().to_string();
    assert!(fault.contains("pin: the secret's file"), "{fault}");
}

#[test]
fn a_secret_that_looks_like_a_variable_is_hidden_whole() {
    let node = yaml(
        "token: JBSWY3DPEHPK3PXP=\npasswords: [A=b]\nenv: {DB_URL: X=y}\nadmin: {tokens: [{token: 'ABCD=='}]}\n\
         auth: {secret: [QUJD=]}\n",
    );
    let shown = to_yaml(&redact(&node, &["passwords"]));
    for part in ["JBSWY", "A=", "X=", "ABCD", "QUJD"] {
        assert!(!shown.contains(part), "{part} of {shown}");
    }
    let variables = to_yaml(&redact(&yaml("env: [DB_URL=secret, ODD]\n"), &[]));
    assert_eq!(variables, "env:\n  - \"DB_URL=***\"\n  - \"***\"\n");
}
