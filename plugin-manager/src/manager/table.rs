//! The table of plugins: read by every call, replaced as a whole by whoever changes it.

use std::{collections::HashMap, sync::Arc};

use plugin_core::{
    Call, Code, PluginError, Rejected, Sent,
    clock::{self, Instant},
};
use plugin_telemetry::Status;

use super::{Registration, execute::Execute, on_demand_health::OnDemandHealth, registration::RegistrationParts};

/// What a caller is told long after.
const DRAINED: &str = "the plugin was drained, and takes no calls until it is switched on again";

/// One name in the table.
pub(super) struct Row<Req, Res> {
    pub(super) name: Arc<str>,
    pub(super) execute: Box<dyn Execute<Req, Res>>,
    pub(super) parts: RegistrationParts,
    pub(super) asked: OnDemandHealth,
}

/// A row, and whether it takes calls. The state is part of the table, so a change of it is a new table.
pub(super) struct TableEntry<Req, Res> {
    pub(super) row: Arc<Row<Req, Res>>,
    pub(super) state: PlaceState,
    /// When the state began.
    pub(super) since: Instant,
}

impl<Req, Res> TableEntry<Req, Res> {
    pub(super) fn new(row: Arc<Row<Req, Res>>, state: PlaceState) -> Self {
        Self { row, state, since: clock::now() }
    }
}

impl<Req, Res> Clone for TableEntry<Req, Res> {
    fn clone(&self) -> Self {
        Self { row: Arc::clone(&self.row), state: self.state, since: self.since }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceState {
    Serving,
    Disabled,
    Draining,
    Drained,
    /// Its transport is being closed, so that nobody can switch it on again.
    Closing,
}

pub(super) struct Table<Req, Res> {
    places: HashMap<Arc<str>, TableEntry<Req, Res>, foldhash::fast::RandomState>,
    pub(super) shutting_down: bool,
}

impl<Req, Res> Table<Req, Res> {
    pub(super) fn new() -> Self {
        Self { places: HashMap::default(), shutting_down: false }
    }

    pub(super) fn get(&self, name: &str) -> Option<&TableEntry<Req, Res>> {
        self.places.get(name)
    }

    /// The state of a plugin; `None` when it was taken out, whoever has its name now.
    pub(super) fn state_of(&self, row: &Arc<Row<Req, Res>>) -> Option<PlaceState> {
        self.get(&row.name).filter(|place| Arc::ptr_eq(&place.row, row)).map(|place| place.state)
    }

    /// The place that a call goes to.
    pub(super) fn serving(&self, name: &str) -> Result<&Row<Req, Res>, PluginError> {
        match self.places.get(name) {
            Some(TableEntry { row, state: PlaceState::Serving, .. }) if !self.shutting_down => Ok(row),
            place => Err(self.why_not(name, place)),
        }
    }

    /// Whether it has a plugin of this name; while it shuts down, names that are gone are not unknown ones.
    pub(super) fn knows(&self, name: &str) -> Result<(), PluginError> {
        match self.places.get(name) {
            Some(_) => Ok(()),
            None => Err(self.why_not(name, None)),
        }
    }

    #[cold]
    fn why_not(&self, name: &str, place: Option<&TableEntry<Req, Res>>) -> PluginError {
        let refused = |code| PluginError::from(Rejected::new(code)).with_sent(Sent::Nothing).with_plugin(name);
        match place {
            _ if self.shutting_down => refused(Code::ShuttingDown),
            None => {
                // A caller's text: shown, and bounded.
                let shown: String = name.chars().take(super::name::MAX_NAME).collect();
                PluginError::not_found(&shown)
            }
            Some(TableEntry { state: PlaceState::Disabled, row, .. }) => match row.parts.off {
                Some(why) => refused(Code::NotEnabled).with_detail(why),
                None => refused(Code::NotEnabled),
            },
            Some(TableEntry { state: PlaceState::Drained, .. }) => {
                PluginError::refused(Rejected::new(Code::Draining), DRAINED).with_sent(Sent::Nothing).with_plugin(name)
            }
            Some(_) => refused(Code::Draining),
        }
    }

    /// Whether it takes in another plugin.
    pub(super) fn takes_in(&self, name: &Arc<str>) -> Result<(), PluginError> {
        if !self.shutting_down {
            return Ok(());
        }
        Err(PluginError::from(Rejected::new(Code::ShuttingDown)).with_plugin(Arc::clone(name)))
    }

    /// The places, sorted by name.
    pub(super) fn places(&self) -> Vec<&TableEntry<Req, Res>> {
        let mut places: Vec<_> = self.places.values().collect();
        places.sort_by(|a, b| a.row.name.cmp(&b.row.name));
        places
    }

    pub(super) fn with(&self, mut place: TableEntry<Req, Res>) -> Self {
        let mut places = self.places.clone();
        if let Some(present) = self.get(&place.row.name)
            && Arc::ptr_eq(&present.row, &place.row)
            && present.state == place.state
        {
            place.since = present.since;
        }
        places.insert(Arc::clone(&place.row.name), place);
        Self { places, shutting_down: self.shutting_down }
    }

    pub(super) fn without(&self, name: &str) -> Self {
        let mut places = self.places.clone();
        places.remove(name);
        Self { places, shutting_down: self.shutting_down }
    }

    pub(super) fn shutting_down(&self) -> Self {
        Self { places: self.places.clone(), shutting_down: true }
    }
}

impl<Req: Send + 'static, Res: Send + 'static> Row<Req, Res> {
    pub(super) fn new(name: Arc<str>, registration: Registration<Req, Res>) -> Self {
        let (execute, mut parts) = registration.build(Arc::clone(&name));
        if parts.info.name.is_empty() {
            parts.info.name = name.to_string();
        }
        Self { name, execute, parts, asked: OnDemandHealth::default() }
    }
}

impl<Req, Res> Row<Req, Res> {
    /// Calls that restarts of its process have cut off so far.
    pub(super) fn cut_calls(&self) -> usize {
        let process = self.parts.controls.process.as_ref();
        process.map_or(0, |process| usize::try_from(process.stats().cut_calls).unwrap_or(usize::MAX))
    }

    /// Counts a call of this plugin that never came to its stack, where anybody counts its calls.
    #[cold]
    pub(super) fn count(&self, status: Status, code: Option<Code>, received: Instant) {
        if let Some(telemetry) = &self.parts.telemetry {
            telemetry.count(status, code, received.elapsed());
        }
    }

    /// Whether anything of it can run, and what to do where that is not so.
    pub(super) fn started(&self) -> Result<(), PluginError> {
        match self.parts.off {
            None => Ok(()),
            Some(why) => Err(PluginError::new(Code::NotEnabled, why)
                .with_plugin(Arc::clone(&self.name))
                .with_retryable(false)
                .with_sent(Sent::Nothing)),
        }
    }

    pub(super) fn call(&self, call: Call<Req>) -> plugin_core::BoxFuture<Result<plugin_core::Reply<Res>, PluginError>> {
        self.execute.execute(call)
    }
}
