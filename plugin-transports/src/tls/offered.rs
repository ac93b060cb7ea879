//! Settings with the protocols that a connection offers.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};

use super::{
    TlsStatus,
    renewal::{InUse, Renewal},
};

/// One side's settings in rustls.
pub(super) trait Side: Clone + Send + Sync + 'static {
    fn set_protocols(&mut self, names: &[Vec<u8>]);
}

impl Side for ClientConfig {
    fn set_protocols(&mut self, names: &[Vec<u8>]) {
        self.alpn_protocols = names.to_vec();
    }
}

impl Side for ServerConfig {
    fn set_protocols(&mut self, names: &[Vec<u8>]) {
        self.alpn_protocols = names.to_vec();
    }
}

/// Settings that renew themselves, with the protocols that are offered (ALPN). All that come of one have the same files, and
/// the same memory of sessions.
pub(super) struct Offered<C> {
    renewal: Arc<Renewal<C>>,
    protocols: Arc<[Vec<u8>]>,
    /// Made when it is asked for after a change.
    made: Arc<ArcSwap<Made<C>>>,
}

struct Made<C> {
    of: Arc<InUse<C>>,
    config: Arc<C>,
}

impl<C: Side> Offered<C> {
    pub(super) fn new(renewal: Arc<Renewal<C>>) -> Self {
        Self::offering(renewal, Arc::default())
    }

    pub(super) fn with_protocols(self, names: &[&[u8]]) -> Self {
        Self::offering(self.renewal, names.iter().map(|name| name.to_vec()).collect())
    }

    fn offering(renewal: Arc<Renewal<C>>, protocols: Arc<[Vec<u8>]>) -> Self {
        let made = Made::new(renewal.current(), &protocols);
        Self { renewal, protocols, made: Arc::new(ArcSwap::from_pointee(made)) }
    }

    pub(super) fn current(&self) -> Arc<C> {
        self.offer(self.renewal.current())
    }

    pub(super) async fn renewed(&self) -> Arc<C> {
        self.offer(self.renewal.renewed().await)
    }

    fn offer(&self, in_use: Arc<InUse<C>>) -> Arc<C> {
        let made = self.made.load();
        if Arc::ptr_eq(&in_use, &made.of) {
            return Arc::clone(&made.config);
        }
        // Two who do so at once make the same.
        let made = Made::new(in_use, &self.protocols);
        let config = Arc::clone(&made.config);
        self.made.store(Arc::new(made));
        config
    }

    pub(super) fn status(&self) -> TlsStatus {
        self.renewal.status()
    }
}

impl<C: Side> Made<C> {
    fn new(of: Arc<InUse<C>>, protocols: &[Vec<u8>]) -> Self {
        let config = match protocols {
            [] => Arc::clone(&of.config),
            names => {
                let mut config = C::clone(&of.config);
                config.set_protocols(names);
                Arc::new(config)
            }
        };
        Self { of, config }
    }
}

impl<C> Clone for Offered<C> {
    fn clone(&self) -> Self {
        let Self { renewal, protocols, made } = self;
        Self { renewal: Arc::clone(renewal), protocols: Arc::clone(protocols), made: Arc::clone(made) }
    }
}
