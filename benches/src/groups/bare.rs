//! What a row costs before any layer is in it.

use std::convert::Infallible;

use tower::ServiceBuilder;
use tower::layer::util::Identity;

use super::GroupEntry;
use crate::harness::{Group, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "bare",
    about: "A service that answers at once, alone and under layers that do nothing: the share of every other row that is \
            the harness.",
    peers: &[],
    rows,
};

fn rows(group: &mut Group) {
    group.service("bare service", echo::<Infallible>(), || ());
    group.service(
        "ServiceBuilder with an identity layer",
        ServiceBuilder::new().layer(Identity::new()).service(echo::<Infallible>()),
        || (),
    );
}
