//! The judges.

/// A script, and what it is made with.
pub(super) struct Judge {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) with: Maker,
}

/// The program, or the packages, without which a judge is not run.
pub(super) enum Maker {
    Program(&'static str),
    Python(&'static [&'static str]),
    Node(&'static [&'static str]),
}

const GRPCIO: Maker =
    Maker::Python(&["grpcio", "grpcio-tools", "grpcio-status", "grpcio-health-checking", "grpcio-reflection"]);
const GRPC_JS: Maker = Maker::Node(&["@grpc/grpc-js", "@grpc/proto-loader", "grpc-health-check", "@grpc/reflection"]);

pub(super) const JUDGES: [Judge; 10] = [
    Judge { name: "curl", about: "curl as a client", with: Maker::Program("curl") },
    Judge { name: "dnsmasq", about: "a name server", with: Maker::Program("dnsmasq") },
    Judge { name: "grpcio_client", about: "gRPC of Python as a client", with: GRPCIO },
    Judge { name: "grpcio_server", about: "gRPC of Python as a server of plugins", with: GRPCIO },
    Judge { name: "grpc_js_client", about: "gRPC of Node.js as a client", with: GRPC_JS },
    Judge { name: "grpc_js_server", about: "gRPC of Node.js as a server of plugins", with: GRPC_JS },
    Judge { name: "h2load", about: "h2load as a client, many calls at once", with: Maker::Program("h2load") },
    Judge { name: "hostile_frames", about: "frames that no client should send", with: Maker::Python(&["h2"]) },
    Judge { name: "hostile_peers", about: "servers that do what none should", with: Maker::Python(&["h2"]) },
    Judge { name: "tls", about: "sslyze on each listener of TLS", with: Maker::Python(&["sslyze"]) },
];
