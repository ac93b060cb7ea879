//! An error in words, and what caused it.

use std::{error::Error, fmt, sync::Arc};

use super::PluginError;
use crate::BoxError;

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

impl PluginError {
    /// Says each of its texts in other words where `other` has some: what it says to operators and to callers, what the plugin said
    /// besides, each of which stays for whom it is, and what its causes say. A text that quotes a secret needs that.
    ///
    /// Where a cause needs other words, the causes are texts from then on, and no `downcast_ref` finds them.
    ///
    /// ```
    /// use plugin_core::PluginError;
    ///
    /// let error = PluginError::execution("no user hunter2").with_detail_for_operators("hunter2 is not there");
    /// let error = error.with_texts(|text| text.contains("hunter2").then(|| text.replace("hunter2", "***")));
    /// assert_eq!((error.message(), error.detail()), ("no user ***", Some("*** is not there")));
    /// assert_eq!(error.detail_for_callers(), None);
    /// ```
    #[must_use]
    pub fn with_texts(mut self, other: impl Fn(&str) -> Option<String>) -> Self {
        let inner = &mut *self.0;
        for text in [&mut inner.for_callers, &mut inner.detail] {
            if let Some(words) = text.as_deref().and_then(&other) {
                *text = Some(words.into());
            }
        }
        if let Some(words) = inner.source.as_deref().and_then(|source| CauseInWords::of(source, &other)) {
            inner.source = Some(words);
        }
        match other(self.message()) {
            Some(message) => self.with_message(message),
            None => self,
        }
    }
}

/// What an error said that caused another, in other words.
struct CauseInWords {
    text: String,
    cause: Option<Box<Self>>,
}

impl CauseInWords {
    /// `None` where no cause needs other words.
    fn of(error: &(dyn Error + 'static), other: impl Fn(&str) -> Option<String>) -> Option<BoxError> {
        let mut is_other = false;
        let causes = std::iter::successors(Some(error), |&error| error.source());
        let texts: Vec<_> = causes
            .map(|error| {
                let text = error.to_string();
                other(&text).inspect(|_| is_other = true).unwrap_or(text)
            })
            .collect();
        let chain = texts.into_iter().rev().fold(None, |cause, text| Some(Box::new(Self { text, cause })));
        chain.filter(|_| is_other).map(Into::into)
    }
}

impl fmt::Display for CauseInWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CauseInWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Error for CauseInWords {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn other_words_are_for_whom_the_words_were() {
        let secret = "hunter2 was asked for";
        let hide = |text: &str| text.contains("hunter2").then(|| text.replace("hunter2", "***"));
        let whole = PluginError::execution(secret).with_message_for_callers(secret).with_detail_for_operators(secret);
        let error = whole.with_texts(hide);
        assert_eq!((error.message(), error.message_for_callers()), ("*** was asked for", "*** was asked for"));
        assert_eq!((error.detail(), error.detail_for_callers()), (Some("*** was asked for"), None));
        let error = PluginError::execution("nothing").with_detail(secret).with_texts(hide);
        assert_eq!((error.message(), error.message_for_callers()), ("nothing", "nothing"));
        assert_eq!(error.detail_for_callers(), Some("*** was asked for"));
        let cause = io::Error::other(PluginError::execution(secret).with_source(io::Error::other("the end")));
        let error = PluginError::execution("nothing").with_source(cause).with_texts(hide);
        let causes = std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string);
        let causes: Vec<_> = causes.collect();
        assert!(causes.len() > 1 && causes.iter().all(|text| !text.contains("hunter2")), "{causes:?}");
        assert_eq!(causes.last().map(String::as_str), Some("the end"));
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let error = PluginError::execution("nothing").with_source(io::Error::other("the end")).with_texts(hide);
        assert!(error.source().is_some_and(|source| source.is::<io::Error>()), "as it was");
    }
}
