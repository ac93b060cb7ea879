//! Reads a plugin's answer to `info`.

use plugin_core::PluginInfo;
use serde_json::Value;

use crate::wire::introduction;

/// The methods that the host calls only when the plugin says that it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Methods {
    pub(super) health: bool,
    pub(super) init: bool,
    pub(super) shutdown: bool,
}

/// Reads the answer to `info`. A plugin that answers with something else, or with an error, is one that knows only
/// `execute`.
pub(super) fn info(json: &[u8], name: &str) -> (PluginInfo, Methods) {
    let Ok(Value::Object(object)) = serde_json::from_slice(json) else {
        return (PluginInfo::new(name, "").with_transport(TRANSPORT), Methods::default());
    };
    let info = introduction::info(&object, name, TRANSPORT);
    let listed = match object.contains_key("methods") {
        true => introduction::texts(&object, "methods"),
        false => info.capabilities.clone(),
    };
    let has = |method: &str| listed.iter().any(|listed| listed == method);
    let methods = Methods { health: has("health"), init: has("init"), shutdown: has("shutdown") };
    (info, methods)
}

pub(super) const TRANSPORT: &str = "exec";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_those_that_the_plugin_lists() {
        let read = |text: &str| info(text.as_bytes(), "configured");
        let (known, methods) =
            read(r#"{"name":"echo","version":"1.2.0","methods":["execute","health"],"metadata":{"n":1}}"#);
        assert_eq!((known.name.as_str(), known.version.as_str()), ("echo", "1.2.0"));
        assert_eq!(known.metadata["n"], "1");
        assert_eq!(methods, Methods { health: true, ..Methods::default() });
        assert!(read(r#"{"capabilities":["shutdown"]}"#).1.shutdown);
        for silent in ["null", "7", "[]", "{}", r#"{"name":null,"methods":"all"}"#, "not json"] {
            let (info, methods) = read(silent);
            assert_eq!((info.name.as_str(), methods), ("configured", Methods::default()), "{silent}");
        }
    }
}
