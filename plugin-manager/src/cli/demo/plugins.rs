//! The plugins of the demo.

use std::{process::ExitCode, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Plugin, PluginError, Reply, clock::Instant};
use plugin_transports::{inproc::plugin_fn, json, lines};
use serde_json::{Value, json};

use crate::cli::{CommandFault, Outcome};

/// Good weather lasts this long, and so does bad weather.
const SPELL: Duration = Duration::from_secs(8);

/// Greets whoever it is given.
pub(super) fn greeter() -> impl Plugin<Bytes, Bytes> {
    json::serve(plugin_fn(|call: Call<Value>| async move {
        let name = call.into_payload();
        let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
        Ok::<_, PluginError>(Reply::new(json!({ "greeting": format!("Hello, {name}!") })))
    }))
}

/// Tells the weather of a city, except in bad spells, when it fails.
pub(super) fn weather(since: Instant) -> impl Plugin<Bytes, Bytes> {
    json::serve(plugin_fn(move |call: Call<Value>| async move {
        let spell = since.elapsed().as_secs() / SPELL.as_secs();
        if spell % 2 == 1 {
            return Err(PluginError::execution("the station does not answer"));
        }
        Ok(Reply::new(json!({ "city": call.into_payload(), "sky": "clear" })))
    }))
}

/// Converts a temperature.
pub(super) fn fahrenheit() -> impl Plugin<Bytes, Bytes> {
    json::serve(plugin_fn(|call: Call<f64>| async move {
        Ok::<_, PluginError>(Reply::new(json!({ "fahrenheit": call.into_payload() * 1.8 + 32.0 })))
    }))
}

/// Turns a text around.
pub(super) fn reverse() -> impl Plugin<Bytes, Bytes> {
    json::serve(plugin_fn(|call: Call<String>| async move {
        Ok::<_, PluginError>(Reply::new(json!({ "reversed": call.into_payload().chars().rev().collect::<String>() })))
    }))
}

/// Serves a plugin of the demo on standard input and output.
pub(crate) async fn serve_plugin(name: &str) -> Outcome {
    match name {
        "wordcount" => {
            let served = lines::serve_json(|text: String| async move {
                Ok::<_, PluginError>(json!({ "words": text.split_whitespace().count() }))
            });
            match served.await {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(error) => Err(CommandFault::Failed(error.to_string())),
            }
        }
        _ => Err(CommandFault::Wrong(PluginError::not_found(name).to_string())),
    }
}
