//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_settings::conform::Conform;
use plugin_transports::ConnectionConfig;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[cfg(feature = "auth")]
mod auth {
    use plugin_transports::auth::{AuthConfig, ClientConfig};

    use super::*;

    #[test]
    fn every_key_of_the_credentials_is_one_in_every_reader() {
        let conform = Conform::<AuthConfig>::new()
            .around("method=api-key", r#"{"api_key": "k"}"#)
            .around("method=bearer", r#"{"token": "t"}"#)
            .around("method=basic", r#"{"username": "u", "password": "p"}"#)
            .around("method=mtls", r#"{"cert_file": "/c", "key_file": "/k"}"#)
            .around("method=custom", r#"{"headers": {"a": "b"}}"#)
            .around("api_key", r#"{"method": "api-key"}"#)
            .around("token", r#"{"method": "bearer"}"#)
            .around("username", r#"{"method": "basic", "password": "p"}"#)
            .around("password", r#"{"method": "basic", "username": "u"}"#)
            .around("cert_file", r#"{"key_file": "/k"}"#)
            .around("key_file", r#"{"cert_file": "/c"}"#);
        conform.readers();
        conform.page(PAGE);
    }

    #[test]
    fn every_key_of_a_client_is_one_in_every_reader() {
        let conform = Conform::<ClientConfig>::new()
            .around("name", r#"{"method": "bearer", "token": "t"}"#)
            .around("method=api-key", r#"{"name": "ci", "api_key": "k"}"#)
            .around("method=bearer", r#"{"name": "ci", "token": "t"}"#)
            .around("method=basic", r#"{"name": "ci", "username": "u", "password": "p"}"#)
            .around("method", r#"{"name": "ci", "token": "t"}"#)
            .around("api_key", r#"{"name": "ci", "method": "api-key"}"#)
            .around("token", r#"{"name": "ci", "method": "bearer"}"#)
            .around("username", r#"{"name": "ci", "method": "basic", "password": "p"}"#)
            .around("password", r#"{"name": "ci", "method": "basic", "username": "u"}"#);
        conform.readers();
        conform.page(PAGE);
    }
}

#[test]
fn every_key_of_the_connection_is_one_in_every_reader() {
    let conform = Conform::<ConnectionConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[cfg(all(feature = "http", feature = "tls"))]
mod http {
    use plugin_transports::http::HttpConfig;

    use super::*;

    #[test]
    fn every_key_of_a_plugin_over_http_is_one_in_every_reader() {
        let conform = Conform::<HttpConfig>::new()
            .around("", r#"{"name": "a", "endpoint": "https://h/"}"#)
            .around("name", r#"{"endpoint": "https://h/"}"#)
            .around("endpoint", r#"{"name": "a"}"#)
            .around("auth.method=api-key", r#"{"name": "a", "endpoint": "https://h/", "auth": {"api_key": "k"}}"#)
            .around("auth.method=bearer", r#"{"name": "a", "endpoint": "https://h/", "auth": {"token": "t"}}"#)
            .around(
                "auth.method=basic",
                r#"{"name": "a", "endpoint": "https://h/", "auth": {"username": "u", "password": "p"}}"#,
            )
            .around(
                "auth.method=mtls",
                r#"{"name": "a", "endpoint": "https://h/", "auth": {"cert_file": "/c", "key_file": "/k"}}"#,
            )
            .around("auth.method=custom", r#"{"name": "a", "endpoint": "https://h/", "auth": {"headers": {"a": "b"}}}"#)
            .around("auth.api_key", r#"{"name": "a", "endpoint": "https://h/", "auth": {"method": "api-key"}}"#)
            .around("auth.token", r#"{"name": "a", "endpoint": "https://h/", "auth": {"method": "bearer"}}"#)
            .around(
                "auth.username",
                r#"{"name": "a", "endpoint": "https://h/", "auth": {"method": "basic", "password": "p"}}"#,
            )
            .around(
                "auth.password",
                r#"{"name": "a", "endpoint": "https://h/", "auth": {"method": "basic", "username": "u"}}"#,
            )
            .around("auth.cert_file", r#"{"name": "a", "endpoint": "https://h/", "auth": {"key_file": "/k"}}"#)
            .around("auth.key_file", r#"{"name": "a", "endpoint": "https://h/", "auth": {"cert_file": "/c"}}"#)
            .taking("endpoint", &["http://127.0.0.1:1/v1", "https://h"])
            .taking("health_endpoint", &["/up", "up", "https://other/"])
            // It lets something be, and is nothing that is shown: see the test below.
            .silent("allow_plaintext_credentials");
        conform.readers();
        conform.page(PAGE);
    }

    #[test]
    fn what_does_not_hold_between_sections_is_said_at_its_key() {
        for (more, says) in [
            ("version: http2, connection: {keep_alive: false}", "1:77: connection.keep_alive: cannot be false"),
            ("auth: {method: bearer}", "auth.token: is missing; the method bearer needs it [AUTH_1102]"),
            ("auth: {ca_file: /ca.pem}", "auth.ca_file: needs an endpoint with TLS"),
            ("auth: {min_version: '1.3'}", "auth.min_version: needs an endpoint with TLS"),
            (
                "auth: {method: bearer, token: hunter2}",
                "auth.method: would send credentials to http://far in plain text",
            ),
            ("health_endpoint: '/a b'", "health_endpoint: \"/a b\" is neither a URL nor a path"),
        ] {
            let text = format!("{{name: a, endpoint: 'http://far/', {more}}}");
            let faults = plugin_settings::settings_from_text::<HttpConfig>("p.yaml".as_ref(), &text, None, &|_| None);
            let faults = faults.expect_err(more).to_string();
            assert!(faults.contains(says) && !faults.contains("hunter2"), "{faults}");
        }
    }

    #[test]
    fn credentials_travel_in_plain_text_where_a_key_allows_it() {
        for (allow, is_allowed) in [
            ("", false),
            (", allow_plaintext_credentials: false", false),
            (", allow_plaintext_credentials: true", true),
        ] {
            let text = format!("{{name: a, endpoint: 'http://far/', auth: {{method: bearer, token: hunter2}}{allow}}}");
            let read = plugin_settings::settings_from_text::<HttpConfig>("p.yaml".as_ref(), &text, None, &|_| None);
            assert_eq!(read.is_ok(), is_allowed, "{allow}: {read:?}");
        }
    }
}

#[cfg(all(feature = "grpc", feature = "tls"))]
mod grpc {
    use plugin_transports::grpc::GrpcConfig;

    use super::*;

    #[test]
    fn every_key_of_a_plugin_over_grpc_is_one_in_every_reader() {
        let conform = Conform::<GrpcConfig>::new()
            .around("", r#"{"name": "a", "endpoint": "https://h:1"}"#)
            .around("name", r#"{"endpoint": "https://h:1"}"#)
            .around("endpoint", r#"{"name": "a"}"#)
            .around("auth.method=api-key", r#"{"name": "a", "endpoint": "https://h:1", "auth": {"api_key": "k"}}"#)
            .around("auth.method=bearer", r#"{"name": "a", "endpoint": "https://h:1", "auth": {"token": "t"}}"#)
            .around(
                "auth.method=basic",
                r#"{"name": "a", "endpoint": "https://h:1", "auth": {"username": "u", "password": "p"}}"#,
            )
            .around(
                "auth.method=mtls",
                r#"{"name": "a", "endpoint": "https://h:1", "auth": {"cert_file": "/c", "key_file": "/k"}}"#,
            )
            .around(
                "auth.method=custom",
                r#"{"name": "a", "endpoint": "https://h:1", "auth": {"headers": {"a": "b"}}}"#,
            )
            .around("auth.api_key", r#"{"name": "a", "endpoint": "https://h:1", "auth": {"method": "api-key"}}"#)
            .around("auth.token", r#"{"name": "a", "endpoint": "https://h:1", "auth": {"method": "bearer"}}"#)
            .around(
                "auth.username",
                r#"{"name": "a", "endpoint": "https://h:1", "auth": {"method": "basic", "password": "p"}}"#,
            )
            .around(
                "auth.password",
                r#"{"name": "a", "endpoint": "https://h:1", "auth": {"method": "basic", "username": "u"}}"#,
            )
            .around("auth.cert_file", r#"{"name": "a", "endpoint": "https://h:1", "auth": {"key_file": "/k"}}"#)
            .around("auth.key_file", r#"{"name": "a", "endpoint": "https://h:1", "auth": {"cert_file": "/c"}}"#)
            .around("tls", r#"{"name": "a", "endpoint": "h:1"}"#)
            .taking("endpoint", &["127.0.0.1:1", "grpcs://h", "unix:/run/p.sock"])
            .taking("health_service", &["shop.Orders"])
            // They let something be, and are nothing that is shown.
            .silent("allow_plaintext_credentials");
        conform.readers();
        conform.page(PAGE);
    }
}

#[cfg(all(feature = "unix", target_os = "linux"))]
mod unix {
    use plugin_transports::unix::UnixConfig;

    use super::*;

    #[test]
    fn every_key_of_a_plugin_over_a_socket_is_one_in_every_reader() {
        let with = r#"{"name": "a", "endpoint": "/p", "auth": "#;
        let around = |auth: &str| -> &'static str { format!("{with}{auth}}}").leak() };
        let conform = Conform::<UnixConfig>::new()
            .around("", r#"{"name": "a", "endpoint": "/p"}"#)
            .around("name", r#"{"endpoint": "/p"}"#)
            .around("endpoint", r#"{"name": "a"}"#)
            .around("auth.method=api-key", around(r#"{"api_key": "k"}"#))
            .around("auth.method=bearer", around(r#"{"token": "t"}"#))
            .around("auth.method=basic", around(r#"{"username": "u", "password": "p"}"#))
            .around("auth.method=custom", around(r#"{"headers": {"a": "b"}}"#))
            .around("auth.api_key", around(r#"{"method": "api-key"}"#))
            .around("auth.token", around(r#"{"method": "bearer"}"#))
            .around("auth.username", around(r#"{"method": "basic", "password": "p"}"#))
            .around("auth.password", around(r#"{"method": "basic", "username": "u"}"#))
            .taking("endpoint", &["/run/p.sock", "unix:///run/p.sock", "@p"]);
        conform.readers();
        conform.page(PAGE);
    }

    #[test]
    fn what_is_of_tls_or_of_another_transport_is_said_at_its_key() {
        for (more, says) in [
            ("endpoint: 'http://h/'", "endpoint: is to be a socket such as /run/p.sock"),
            ("endpoint: /p, auth: {method: mtls}", "auth.method"),
            ("endpoint: /p, auth: {ca_file: /ca}", "auth.ca_file"),
            ("endpoint: /p, connection: {disable_compression: true}", "connection.disable_compression"),
            ("endpoint: /p, auth: {method: bearer}", "auth.token: is missing; the method bearer needs it [AUTH_1102]"),
        ] {
            let text = format!("{{name: a, {more}}}");
            let faults = plugin_settings::settings_from_text::<UnixConfig>("p.yaml".as_ref(), &text, None, &|_| None);
            let faults = faults.expect_err(more).to_string();
            assert!(faults.contains(says), "{faults}");
        }
    }
}

#[cfg(feature = "process")]
mod process {
    use plugin_transports::process::{ProcessConfig, ResourceLimits, RestartConfig, StderrConfig};

    use super::*;

    #[test]
    fn every_key_of_a_process_is_one_in_every_reader() {
        let conform = Conform::<ProcessConfig>::new()
            .around("", r#"{"name": "echo", "executable": "./echo"}"#)
            .around("name", r#"{"executable": "./echo"}"#)
            .around("executable", r#"{"name": "echo"}"#)
            .around(
                "restart.initial",
                r#"{"name": "echo", "executable": "e", "restart": {"max": "9223372036854775807ns"}}"#,
            )
            .around("restart.max", r#"{"name": "echo", "executable": "e", "restart": {"initial": "1ns"}}"#);
        conform.readers();
        conform.page(PAGE);
    }

    #[test]
    fn what_does_not_hold_in_a_section_is_said_there() {
        let text = "name: a\nexecutable: b\nrestart:\n  initial: 5s\n  max: 1s\n";
        let faults = plugin_settings::settings_from_text::<ProcessConfig>("p.yaml".as_ref(), text, None, &|_| None);
        let faults = faults.expect_err("max is below initial").to_string();
        assert!(faults.starts_with("p.yaml:5:8: restart.max: must be at least `initial`"), "{faults}");
        let json = r#"{"name": "a", "executable": "b", "restart": {"initial": "5s", "max": "1s"}}"#;
        let error = serde_json::from_str::<ProcessConfig>(json).expect_err("the same").to_string();
        assert!(error.starts_with("`restart.max` must be at least `initial`"), "{error}");
    }

    #[test]
    fn every_key_of_a_restart_is_one_in_every_reader() {
        let conform = Conform::<RestartConfig>::new()
            .around("initial", r#"{"max": "9223372036854775807ns"}"#)
            .around("max", r#"{"initial": "1ns"}"#);
        conform.readers();
        conform.written();
        conform.page(PAGE);
    }

    #[test]
    fn every_key_of_the_stderr_is_one_in_every_reader() {
        let conform = Conform::<StderrConfig>::new();
        conform.readers();
        conform.written();
        conform.page(PAGE);
    }

    #[test]
    fn every_key_of_the_limits_is_one_in_every_reader() {
        let conform = Conform::<ResourceLimits>::new();
        conform.readers();
        conform.written();
        conform.page(PAGE);
    }
}
