//! What the instances of a plugin have in common.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::*;
use crate::config;

#[path = "../../../../plugin-transports/src/tls/test_files.rs"]
#[allow(dead_code, reason = "a part of it is of use here")]
mod test_files;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The side of TLS of each instance.
fn sides(connected: Connected) -> Vec<ClientTls> {
    let found = Mutex::new(Vec::new());
    for instance in connected.instances {
        drop(instance.map(|transport| {
            let tls = match &transport {
                Transport::Http(http) => http.tls(),
                Transport::Grpc(grpc) => grpc.tls(),
                _ => None,
            };
            found.lock().expect("no panic").extend(tls);
        }));
    }
    found.into_inner().expect("no panic")
}

/// Each read and told of them for itself, and the first alone was seen.
#[tokio::test(start_paused = true)]
async fn the_instances_of_a_plugin_have_one_side_of_tls_which_is_told_of_once_by_the_plugins_name() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _logs = tracing::subscriber::set_default(subscriber);
    for (transport, scheme) in [("https", "https"), ("grpc-tls", "grpcs")] {
        let files = test_files::Files::new();
        let ca = files.ca();
        let text = format!(
            "plugins: [{{name: three, transport: {transport}, auth: {{ca_file: '{}'}}, instances: [{{endpoint: \
             '{scheme}://127.0.0.1:1'}}, {{endpoint: '{scheme}://127.0.0.1:2'}}, {{endpoint: '{scheme}://127.0.0.1:3'}}]}}]",
            ca.display()
        );
        let read = config::from_text(Path::new("test.yaml"), &text, None, &|_| None).expect("no faults");
        let TransportConfig::Network(_, instances) = read.plugins()[0].transport() else { panic!("no network") };
        let connected = over_network(instances, Limits::new()).expect("good files");
        let shown = connected.tls.clone().expect("it speaks TLS");
        let sides = sides(connected);
        // The service of each is in its endpoint, and in what closes it.
        assert_eq!(sides.len(), 2 * 3);

        std::fs::rename(test_files::Files::new().ca(), &ca).expect("it is moved");
        for side in &sides {
            tokio::time::advance(Duration::from_secs(2)).await;
            side.renewed().await;
        }
        assert_eq!(shown.status().renewals(), 1);
        assert!(sides.iter().all(|side| side.status().renewals() == 1));
        let said = String::from_utf8(std::mem::take(&mut *log.0.lock().expect("no panic"))).expect("text");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("plugin=\"three\""), "{said}");
    }
}
