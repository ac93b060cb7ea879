//! The certificates that the gateway shows, at its listeners and to plugins, for those who have to renew them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use metrics::{Key, Label, Level, Metadata, Recorder, Unit};
use plugin_core::{clock, in_days};
use plugin_transports::tls::{ClientTls, ServerTls, TlsStatus};
use tokio::task::AbortHandle;

use super::metrics::{CertificateFigure, PageRecorder};
use crate::manager::Manager;

static METADATA: Metadata<'static> = Metadata::new("plugin_manager", Level::INFO, Some("plugin_manager"));

/// So often somebody looks whether a certificate ends soon. With it new files are found where nobody connects.
const LOOK_EVERY: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(86_400);

/// Who shows a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CertificateOwner {
    /// A listener, by the section of the configuration that is about it.
    Listener(&'static str),
    /// The client of a plugin.
    Plugin(String),
}

/// All of them.
#[derive(Clone)]
pub(super) struct Certificates {
    listeners: Vec<(&'static str, ServerTls)>,
    manager: Manager<Bytes, Bytes>,
    told: Arc<Mutex<BTreeMap<CertificateOwner, Told>>>,
}

/// What was told last of a certificate that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    ends: SystemTime,
    at: SystemTime,
}

impl Told {
    /// Whether it is to be told `now` that it ends: once, once more when it has ended, and each day until it is another one.
    fn is_due(last: Option<Self>, ends: SystemTime, now: SystemTime) -> bool {
        let Some(last) = last.filter(|last| last.ends == ends) else { return true };
        let has_ended_since = last.at < ends && now >= ends;
        // A clock that was set back has nobody wait for longer.
        has_ended_since || now.duration_since(last.at).map_or(true, |since| since >= DAY)
    }
}

impl Certificates {
    pub(super) fn new(listeners: Vec<(&'static str, ServerTls)>, manager: Manager<Bytes, Bytes>) -> Self {
        Self { listeners, manager, told: Arc::default() }
    }

    /// What is known of each now: those of the listeners first, then those of plugins in the order of their names.
    pub(super) fn all(&self) -> Vec<(CertificateOwner, TlsStatus)> {
        let listeners = self.listeners.iter().map(|(name, tls)| (CertificateOwner::Listener(name), tls.status()));
        let plugins = self.manager.list().into_iter().filter_map(|plugin| {
            let status = plugin.controls.tls.as_ref().map(ClientTls::status)?;
            Some((CertificateOwner::Plugin(plugin.name), status))
        });
        listeners.chain(plugins).collect()
    }

    /// Writes the figures of the listeners, for a page that is about to be rendered. Those of plugins are among the plugins' own.
    pub(super) fn record(&self, recorder: &PageRecorder) {
        for (name, tls) in &self.listeners {
            let status = tls.status();
            for figure in CertificateFigure::ALL {
                let key = Key::from_parts(figure.of_listeners, vec![Label::new("listener", *name)]);
                let Some(value) = (figure.read)(&status) else { continue };
                match figure.is_count {
                    true => recorder.register_counter(&key, &METADATA).absolute(value),
                    false => recorder.register_gauge(&key, &METADATA).set(value as f64),
                }
            }
        }
    }

    fn describe(&self, recorder: &PageRecorder) {
        for figure in CertificateFigure::ALL.iter().filter(|_| !self.listeners.is_empty()) {
            let (name, unit) = (figure.of_listeners.into(), Some(Unit::Count));
            match figure.is_count {
                true => recorder.describe_counter(name, unit, figure.help.into()),
                false => recorder.describe_gauge(name, unit, figure.help.into()),
            }
        }
    }

    /// Says of which it is time that somebody renews them.
    pub(super) fn tell(&self) {
        self.tell_at(clock::wall());
    }

    fn tell_at(&self, now: SystemTime) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ending = BTreeMap::new();
        for (owner, status) in self.all() {
            let Some(ends) = status.valid_until().filter(|_| status.ends_soon(now)) else { continue };
            let last = told.get(&owner).copied();
            let is_due = Told::is_due(last, ends, now);
            if is_due {
                log(&owner, &status, ends, now);
            }
            ending.insert(owner, last.filter(|_| !is_due).unwrap_or(Told { ends, at: now }));
        }
        *told = ending;
    }

    /// Looks after them until what this returns is dropped.
    pub(super) fn watch(&self, recorder: &PageRecorder) -> Watch {
        self.describe(recorder);
        let certificates = self.clone();
        let task = tokio::spawn(async move {
            loop {
                certificates.tell();
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Watch(task.abort_handle())
    }
}

/// Somebody looks after certificates. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn log(owner: &CertificateOwner, status: &TlsStatus, ends: SystemTime, now: SystemTime) {
    let (listener, plugin) = match owner {
        CertificateOwner::Listener(name) => (Some(*name), None),
        CertificateOwner::Plugin(name) => (None, Some(name.as_str())),
    };
    let refused = status.refused().map(tracing::field::display);
    match ends.duration_since(now) {
        Ok(left) if !left.is_zero() => tracing::warn!(
            listener,
            plugin,
            certificate = %status,
            left = in_days(left),
            refused,
            "a certificate ends soon and has not been renewed"
        ),
        _ => tracing::warn!(
            listener,
            plugin,
            certificate = %status,
            refused,
            "a certificate has ended: whoever checks it does not connect any more"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_once_each_day_when_it_has_come_and_of_another_certificate_anew() {
        let start = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let ends = start + 3 * DAY + DAY / 2;
        let (mut last, mut told) = (None, Vec::new());
        for minute in 0..6 * 24 * 60 {
            let now = start + Duration::from_secs(minute * 60);
            if Told::is_due(last, ends, now) {
                told.push(minute / 60);
                last = Some(Told { ends, at: now });
            }
        }
        // It ends at hour 84, and each day is counted from what was told last.
        assert_eq!(told, [0, 24, 48, 72, 84, 108, 132]);
        assert!(Told::is_due(last, ends + DAY, start), "another one");
        assert!(Told::is_due(last, ends, start - DAY), "the clock was set back");
    }
}
