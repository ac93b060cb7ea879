//! Who has sent a call.

use std::{net::IpAddr, sync::Arc};

/// Who has sent a call, as far as a gateway knows: it is among the extensions of the call's context, and no transport sends it on.
///
/// ```
/// use plugin_core::Call;
/// use plugin_manager::stack::Caller;
///
/// let mut call = Call::new(());
/// call.context_mut().set_extension(Caller::default().with_name("billing"));
/// assert_eq!(call.context().extension::<Caller>().and_then(Caller::name), Some("billing"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    name: Option<Arc<str>>,
    address: Option<IpAddr>,
}

impl Caller {
    /// Says by which of the names in `server.auth` it is known.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says from which address it comes, as far as that counts: a gateway cuts it to the bits of `server.client_ip`.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The name by which it is known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address, as far as it counts.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The same name without a copy.
    pub(crate) fn shared_name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }
}
