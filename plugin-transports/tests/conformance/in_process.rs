//! A function call.

use plugin_core::{BoxError, PluginInfo, PluginInstance};
use plugin_transports::{
    conformance::{Ability, Fault, Scripted, ServedPlugin, Settings, Subject},
    inproc,
};

use crate::all;

pub(crate) struct Here;

pub(crate) struct Plugin(Scripted);

impl ServedPlugin for Plugin {
    async fn kill(&self) {}

    async fn restart(&self) -> Result<(), BoxError> {
        Ok(())
    }

    fn held(&self) -> Option<usize> {
        None
    }
}

impl Subject for Here {
    type Service = Scripted;
    type Server = Plugin;

    fn name(&self) -> &str {
        "in-process"
    }

    fn lacks(&self) -> Vec<(Ability, &'static str)> {
        let own = "it is a function of this process, which ends with it";
        let lacks = [Ability::Restart, Ability::TriesWhileDown, Ability::Probe, Ability::Addresses];
        let layers = [Ability::Line, Ability::Bounds, Ability::Close];
        [
            all(lacks, own),
            all(layers, "a layer's or the manager's: a function call has no connection"),
            all([Ability::Status], "an error has a code, and the protocol no status beside it"),
            all([Ability::Panics], "it goes through to the caller, and the layers round the call count it"),
            all(Fault::ALL.map(Ability::Fault), "there is no peer"),
        ]
        .concat()
    }

    async fn serve(&self, plugin: Scripted, _: &Settings) -> Result<Plugin, BoxError> {
        Ok(Plugin(plugin))
    }

    async fn connect(&self, server: &Plugin, _: &Settings) -> Result<PluginInstance<Scripted>, BoxError> {
        Ok(inproc::instance(server.0.clone(), PluginInfo::new("scripted", "1.0.0")))
    }
}
