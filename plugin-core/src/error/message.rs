//! An error in words, and what caused it.

use std::{error::Error, fmt, sync::Arc};

use super::PluginError;

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plugin) = &self.0.plugin {
            write!(f, "plugin {plugin:?}: ")?;
        }
        match &self.0.rejected {
            // Its text has the code.
            Some(rejected) if !self.0.told => rejected.fmt(f),
            _ => write!(f, "{} ({})", self.message(), self.0.code),
        }
    }
}

impl fmt::Debug for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("PluginError")
            .field("code", &inner.code.as_str())
            .field("message", &self.message())
            .field("plugin", &inner.plugin)
            .field("detail", &inner.detail)
            .field("retryable", &self.is_retryable())
            .field("sent", &inner.sent)
            .field("source", &inner.source)
            .finish_non_exhaustive()
    }
}

impl Error for PluginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.0.source, &self.0.rejected) {
            (Some(source), _) => Some(&**source),
            (None, Some(rejected)) => Some(rejected),
            (None, None) => None,
        }
    }
}

impl PluginError {
    /// An error that says what this one says, for another caller of the same call. What caused it is shared.
    #[must_use]
    pub fn shared(error: &Arc<Self>) -> Self {
        let mut copy = error.without_source();
        copy.0.source = error.0.source.is_some().then(|| SharedCause(Arc::clone(error)).into());
        copy
    }
}

/// Between a copy of an error and the cause, which only the original owns.
#[derive(Debug)]
struct SharedCause(Arc<PluginError>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an equal call ended so")
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
