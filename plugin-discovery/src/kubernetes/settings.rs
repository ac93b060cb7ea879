//! The keys that configuration files have for a Service of Kubernetes.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use super::{
    IpPreference, KubernetesAccess, KubernetesConfig, KubernetesConfigBuilder as Builder, KubernetesPort,
    access::Place, resolved::Token,
};

/// The API server is told in whole seconds how long a watch lasts.
const SECONDS: Kind = Kind::time_in(Duration::from_secs(1), Duration::from_secs(3600));
const TIME: Kind = Kind::time_in(Duration::from_millis(1), Duration::from_secs(3600));

static TABLE: Table = Table::new(
    "discovery.kubernetes",
    "Which Service of Kubernetes is followed, and how.",
    &[
        Key::new("service", Kind::Text, "The name of the Service.").required(),
        Key::new("namespace", Kind::Text, "Its namespace.")
            .derived_default("that of the service account or of the kubeconfig"),
        Key::new(
            "port",
            Kind::Text,
            "The port by its name in the Service, or by the number that the endpoints listen on.",
        )
        .derived_default("the only one"),
        Key::new(
            "families",
            Kind::Word(IpPreference::NAMES),
            "Which addresses are used of a Service that has both families.",
        )
        .default("v4-first"),
        Key::new("kubeconfig", Kind::Path, "The configuration of `kubectl` that says how the API server is reached.")
            .derived_default("what a pod is given"),
        Key::new("context", Kind::Text, "The context of the kubeconfig.").derived_default("its current one"),
        Key::new("api_server", Kind::Text, "The URL of the API server, in place of a kubeconfig."),
        Key::new("ca_file", Kind::Path, "The authorities that are trusted, PEM, and no other."),
        Key::new("token_file", Kind::Path, "A file with the token that is shown. It is read for each request."),
        Key::new("cert_file", Kind::Path, "The client certificate that is shown, with its chain, PEM."),
        Key::new("key_file", Kind::Path, "Its private key, PEM."),
        Key::new("connect_timeout", TIME, "How long a connection may take to come about, its TLS included.")
            .default("10s"),
        Key::new("request_timeout", TIME, "How long one page of a list may take, and a watch to begin.").default("30s"),
        Key::new(
            "watch_timeout",
            SECONDS,
            "How long a watch lasts at most; each lasts from half of this to all of it.",
        )
        .default("5m"),
        Key::new(
            "silence_timeout",
            SECONDS,
            "How long nothing may come of a watch before its connection counts as lost.",
        )
        .default("2m"),
    ],
);

/// What sets one of the times.
type WithTime = fn(Builder, Duration) -> Builder;

impl Settings for KubernetesConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let mut builder = Self::builder(values.text("service").unwrap_or_default()).with_access(access(values)?);
        if let Some(namespace) = values.text("namespace") {
            builder = builder.with_namespace(namespace);
        }
        if let Some(port) = values.text("port") {
            builder = builder.with_port(port);
        }
        if let Some(family) = values.word("families").and_then(IpPreference::named) {
            builder = builder.with_families(family);
        }
        let times: [(&str, WithTime); 4] = [
            ("connect_timeout", Builder::with_connect_timeout),
            ("request_timeout", Builder::with_request_timeout),
            ("watch_timeout", Builder::with_watch_timeout),
            ("silence_timeout", Builder::with_silence_timeout),
        ];
        for (key, with) in times {
            if let Some(time) = values.time(key) {
                builder = with(builder, time);
            }
        }
        builder.build()
    }

    fn to_values(&self) -> Values {
        let KubernetesAccess { place, ca_file, token, certificate } = &self.access;
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let mut values =
            Values::new(&TABLE).with("service", self.service.clone()).with("namespace", self.namespace.clone());
        values = match &self.port {
            KubernetesPort::Only => values,
            KubernetesPort::Named(name) => values.with("port", name.clone()),
            KubernetesPort::Number(number) => values.with("port", number.to_string()),
        };
        values = values.with("families", self.family.name());
        values = match place {
            Place::InCluster => values,
            Place::Kubeconfig { path, context } => {
                values.with("kubeconfig", text(path)).with("context", context.clone())
            }
            Place::At(url) => values.with("api_server", url.clone()),
        };
        values = values.with("ca_file", ca_file.as_deref().map(text));
        if let Token::File(path) = token {
            values = values.with("token_file", text(path));
        }
        if let Some((cert, key)) = certificate {
            values = values.with("cert_file", text(cert)).with("key_file", text(key));
        }
        values
            .with("connect_timeout", self.connect_timeout)
            .with("request_timeout", self.request_timeout)
            .with("watch_timeout", self.watch_timeout)
            .with("silence_timeout", self.silence_timeout)
    }
}

fn access(values: &Values) -> Result<KubernetesAccess, ConfigError> {
    let mut access = match (values.text("api_server"), values.text("kubeconfig")) {
        (None, None) => KubernetesAccess::in_cluster(),
        (Some(url), None) => KubernetesAccess::at(url),
        (None, Some(path)) => KubernetesAccess::kubeconfig(path),
        (Some(_), Some(_)) => {
            let problem = "must not be there beside `api_server`";
            return Err(ConfigError::new("kubeconfig", problem).with_others(&["api_server"]));
        }
    };
    match (values.text("context"), values.text("kubeconfig")) {
        (Some(context), Some(_)) => access = access.with_context(context),
        (Some(_), None) => {
            return Err(
                ConfigError::new("context", "is that of a kubeconfig, and there is none").with_others(&["kubeconfig"])
            );
        }
        (None, _) => {}
    }
    if let Some(path) = values.text("ca_file") {
        access = access.with_ca_file(path);
    }
    if let Some(path) = values.text("token_file") {
        access = access.with_token_file(path);
    }
    match (values.text("cert_file"), values.text("key_file")) {
        (None, None) => Ok(access),
        (Some(cert), Some(key)) => Ok(access.with_client_certificate(cert, key)),
        (Some(_), None) => Err(ConfigError::new("cert_file", "needs `key_file`").with_others(&["key_file"])),
        (None, Some(_)) => Err(ConfigError::new("key_file", "needs `cert_file`").with_others(&["cert_file"])),
    }
}

plugin_core::serde_by_settings!(KubernetesConfig);
