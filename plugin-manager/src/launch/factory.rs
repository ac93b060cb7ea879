//! Plugins that live in this process, made by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use plugin_core::{BoxFuture, BoxPlugin, Plugin, PluginError, PluginInfo, PluginInstance};
use serde_json::{Map, Value};

/// Makes plugins of one kind. A configuration names it by `type`; what `transport` says has then no effect, as in go-plugins.
pub trait Factory: Send + Sync {
    /// What is wrong with these options. Asked before anything is started of any plugin. Unless overridden, nothing.
    ///
    /// # Errors
    ///
    /// A fault that says which option is wrong and what would be right.
    fn validate(&self, options: &Map<String, Value>) -> Result<(), PluginError> {
        let _ = options;
        Ok(())
    }

    /// Makes the plugin `name` with these options.
    fn create(
        &self,
        name: &str,
        options: &Map<String, Value>,
    ) -> BoxFuture<Result<PluginInstance<BoxPlugin<Bytes, Bytes>>, PluginError>>;
}

/// The factories that a configuration can name.
///
/// ```
/// use plugin_core::{Call, PluginError, Reply};
/// use plugin_manager::launch::Factories;
/// use plugin_transports::{inproc::plugin_fn, json};
///
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// // A plugin of the configuration that says `type: double` is this one.
/// let factories = Factories::new().with_plugin("double", json::serve(double));
/// # drop(factories);
/// ```
#[derive(Clone, Default)]
#[must_use = "factories do nothing until a gateway is started with them"]
pub struct Factories(BTreeMap<String, Arc<dyn Factory>>);

impl Factories {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a factory under the name that `type` gives. One that was there under this name is replaced.
    pub fn with(mut self, kind: impl Into<String>, factory: impl Factory + 'static) -> Self {
        self.0.insert(kind.into(), Arc::new(factory));
        self
    }

    /// Adds a plugin that takes no options; every plugin of this type is a clone of it.
    pub fn with_plugin(self, kind: impl Into<String>, plugin: impl Plugin<Bytes, Bytes>) -> Self {
        self.with(kind, Always(BoxPlugin::new(plugin)))
    }

    pub(super) fn get(&self, kind: &str) -> Option<&dyn Factory> {
        self.0.get(kind).map(|factory| &**factory)
    }

    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.0.keys().map(String::as_str).collect();
        if names.is_empty() { "none are registered".to_owned() } else { names.join(", ") }
    }
}

impl fmt::Debug for Factories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

struct Always(BoxPlugin<Bytes, Bytes>);

impl Factory for Always {
    fn validate(&self, options: &Map<String, Value>) -> Result<(), PluginError> {
        match options.keys().next() {
            None => Ok(()),
            Some(option) => {
                let problem = format!("this type of plugin takes no options, and `options.{option}` is set");
                Err(PluginError::new(plugin_core::Code::ConfigValue, problem))
            }
        }
    }

    fn create(
        &self,
        name: &str,
        _: &Map<String, Value>,
    ) -> BoxFuture<Result<PluginInstance<BoxPlugin<Bytes, Bytes>>, PluginError>> {
        let info = PluginInfo::new(name, "").with_transport("inproc");
        let instance = PluginInstance::new(self.0.clone(), info);
        Box::pin(std::future::ready(Ok(instance)))
    }
}
