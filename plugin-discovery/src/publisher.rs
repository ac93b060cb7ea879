//! What a source says what it has found with.

use std::{borrow::Cow, fmt, sync::Arc};

use plugin_core::{clock, on_one_line};
use tokio::sync::watch;

use crate::{FaultKind, FoundInstance, kept::Kept};

/// What a [`Source`](crate::Source) publishes with. Every method returns at once. A clone is the same publisher.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::{Discovery, FaultKind, FoundInstance, Publisher};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let discovery = Discovery::start(|publisher: Publisher| async move {
///     publisher.publish([FoundInstance::new("10.0.0.1:80")]);
///     publisher.fault(FaultKind::Unreachable, "the registry does not answer");
///     std::future::pending().await
/// });
/// assert_eq!(discovery.first(Duration::from_secs(1)).await?.len(), 1);
/// assert!(discovery.is_stale()); // what was found last is kept
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Publisher {
    kept: Arc<watch::Sender<Kept>>,
}

impl Publisher {
    pub(crate) fn new(kept: Arc<watch::Sender<Kept>>) -> Self {
        Self { kept }
    }

    /// These are all instances now. It ends every fault. A set that says the same as the last one is told to nobody.
    ///
    /// Order says nothing: a set is kept sorted by name. Of two instances with one name the first is taken. An empty
    /// set is a fault of the kind [`Empty`](FaultKind::Empty): the last good one is kept at first, and an empty one
    /// that lasts is believed.
    pub fn publish(&self, instances: impl IntoIterator<Item = FoundInstance>) {
        let set = instances.into_iter().collect();
        let now = clock::now();
        self.kept.send_if_modified(|kept| kept.publish(set, now));
    }

    /// These are some of the instances, and why others are missing or old: what there is while a part of the source
    /// fails. With none of them it is a [`fault`](Self::fault).
    ///
    /// `found` are those that were found now. `old` are those that the part which fails now said last: each is kept
    /// beside them for as long as it is [configured](crate::DiscoveryConfig) for this kind of fault, from the first
    /// time that it was told as old. Then it is dropped, however often it is told again: so tell all that the part said
    /// last, each time, and leave the time to this. One that is in both is found.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use plugin_discovery::{Discovery, FaultKind, FoundInstance, Publisher};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let discovery = Discovery::start(|publisher: Publisher| async move {
    ///     let north = FoundInstance::new("10.0.0.1:80");
    ///     let south = FoundInstance::new("10.1.0.1:80");
    ///     publisher.publish([north.clone(), south.clone()]);
    ///     // From here on the registry of the south does not answer.
    ///     publisher.publish_part([north], [south], FaultKind::Unreachable, "south: connection refused");
    ///     std::future::pending().await
    /// });
    /// assert_eq!(discovery.first(Duration::from_secs(1)).await?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_part(
        &self,
        found: impl IntoIterator<Item = FoundInstance>,
        old: impl IntoIterator<Item = FoundInstance>,
        kind: FaultKind,
        message: impl AsRef<str>,
    ) {
        let (found, old) = (found.into_iter().collect(), old.into_iter().collect());
        let message = shown(message.as_ref());
        let now = clock::now();
        self.kept.send_if_modified(|kept| kept.publish_part(found, old, kind, &message, now));
    }

    /// What was published last still holds: for a source that is told of changes alone, and knows that there are none.
    /// It ends a fault, except one that says that there are no instances, and one in part of which something was
    /// dropped meanwhile. Before the first set it does nothing.
    pub fn confirm(&self) {
        let now = clock::now();
        self.kept.send_if_modified(|kept| kept.confirm(now));
    }

    /// Something is wrong; `message` says it to an operator, and what would end a line in it is shown as `\n`. Of one
    /// that is longer than 2 KiB the middle is left out. The last good set is kept, for as long as it is
    /// [configured](crate::DiscoveryConfig) for this kind of fault. It goes on until the next
    /// [`publish`](Self::publish) or [`confirm`](Self::confirm).
    pub fn fault(&self, kind: FaultKind, message: impl AsRef<str>) {
        let message = shown(message.as_ref());
        let now = clock::now();
        self.kept.send_if_modified(|kept| kept.fail(kind, &message, now));
    }
}

/// The most bytes of a message that are kept: sources quote what they were told, and that may be anything.
const LONGEST_MESSAGE: usize = 2048;

/// What is kept of the end of one that is longer: it often says the place.
const END_OF_MESSAGE: usize = 512;

/// On one line, and of bounded length.
fn shown(message: &str) -> Cow<'_, str> {
    const CUT: &str = " … ";
    let line = on_one_line(message);
    if line.len() <= LONGEST_MESSAGE {
        return line;
    }
    let first = line.floor_char_boundary(LONGEST_MESSAGE - END_OF_MESSAGE - CUT.len());
    let last = line.ceil_char_boundary(line.len() - END_OF_MESSAGE);
    let (first, last) = (line.get(..first).unwrap_or_default(), line.get(last..).unwrap_or_default());
    format!("{first}{CUT}{last}").into()
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.borrow();
        f.debug_struct("Publisher")
            .field("instances", &kept.set().len())
            .field("fault", &kept.fault())
            .finish_non_exhaustive()
    }
}
