//! Who is trusted, and what is shown.

use server::{Authority, tls};

use super::*;

#[tokio::test]
async fn a_server_of_another_authority_is_refused_and_asked_nothing() {
    let mut server = ApiServer::start().await;
    let other = Authority::new();
    let access = KubernetesAccess::at(server.url()).with_ca_file(other.path("ca.crt")).with_token("abc");
    let mut discovery = start(config(&server).with_access(access));
    let message = fault(&discovery, FaultKind::Unreachable).await;
    assert!(message.contains("invalid peer certificate"), "{message}");
    assert!(server.asked_within(Duration::from_millis(50)).await.is_none());
    // The file is read for each connection: an authority that is put right is trusted.
    other.write("ca.crt", &server.authority.pem());
    server.list().await.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.1")])])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let server = ApiServer::start().await;
    let access = KubernetesAccess::at(format!("https://localhost:{}", server.address.port()))
        .with_ca_file(server.authority.path("ca.crt"));
    let discovery = start(config(&server).with_access(access));
    let message = fault(&discovery, FaultKind::Unreachable).await;
    assert!(message.contains("not valid for name"), "{message}");
}

#[tokio::test]
async fn the_token_of_a_file_is_read_for_each_request() {
    let mut server = ApiServer::start().await;
    let token = server.authority.write("token", "first\n");
    let access =
        KubernetesAccess::at(server.url()).with_ca_file(server.authority.path("ca.crt")).with_token_file(token);
    let discovery = start(config(&server).with_access(access));
    let asked = server.list().await;
    assert_eq!(asked.headers["authorization"], "Bearer first");
    asked.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.1")])])).await;
    let asked = server.watch("10").await;
    server.authority.write("token", "second\n");
    asked.begin().await.end().await;
    let asked = server.watch("10").await;
    assert_eq!((asked.headers["authorization"].as_str(), asked.connection), ("Bearer second", 1));
    // One that is away for a moment is a fault, and what was found is kept.
    std::fs::remove_file(server.authority.path("token")).expect("it is there");
    asked.begin().await.end().await;
    assert!(fault(&discovery, FaultKind::Unreadable).await.contains("token cannot be read"));
    assert_eq!(names(&discovery), ["10.0.0.1:80"]);
    server.authority.write("token", "third");
    let asked = server.watch("10").await;
    assert_eq!(asked.headers["authorization"], "Bearer third");
}

#[tokio::test]
async fn a_client_certificate_of_a_kubeconfig_is_shown() {
    let authority = Authority::new();
    let tls = tls(&authority, true);
    let (cert, key) = authority.leaf("me", &["me"]);
    let mut server = ApiServer::start_with(authority, tls).await;
    let config_file = server.authority.write(
        "config",
        &format!(
            "current-context: a\n\
             contexts: [{{name: a, context: {{cluster: a, user: a, namespace: from-context}}}}]\n\
             clusters: [{{name: a, cluster: {{server: '{}', certificate-authority: ca.crt}}}}]\n\
             users: [{{name: a, user: {{client-certificate: {}, client-key: {}}}}}]\n",
            server.url(),
            cert.display(),
            key.display()
        ),
    );
    let config = KubernetesConfig::builder("payments").with_access(KubernetesAccess::kubeconfig(config_file));
    let mut discovery = start(config.with_connect_timeout(HOUR).with_request_timeout(HOUR));
    let asked = server.list().await;
    assert_eq!(asked.path, "/apis/discovery.k8s.io/v1/namespaces/from-context/endpointslices");
    assert!(!asked.headers.contains_key("authorization"));
    asked.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.1")])])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    let server = ApiServer::start().await;
    let access = KubernetesAccess::at(server.url()).with_ca_file("/no/such/ca.crt");
    let discovery = start(config(&server).with_access(access));
    let message = fault(&discovery, FaultKind::Unreadable).await;
    assert!(message.starts_with("/no/such/ca.crt cannot be read"), "{message}");
}

#[tokio::test]
async fn a_proxy_on_this_machine_is_spoken_to_without_tls_and_shown_nothing() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/proxied/", listener.local_addr().expect("an address"));
    let config = KubernetesConfig::builder("payments").with_access(KubernetesAccess::at(url));
    let mut discovery = start(config);
    let (stream, _) = within(listener.accept()).await.expect("a connection");
    let (mut lines, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        within(lines.read_line(&mut head)).await.expect("a line");
    }
    let path = "/proxied/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=";
    assert!(head.starts_with(&format!("GET {path}")) && !head.contains("authorization"), "{head}");
    let body = list("10", &[slice("a", "9", &[ready("10.0.0.1")])]);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    lines.get_mut().write_all(answer.as_bytes()).await.expect("they listen");
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_is_a_fault_and_waits_for_nobody() {
    let mut server = ApiServer::start().await;
    let token = server.authority.path("token");
    rustix::fs::mkfifoat(rustix::fs::CWD, &token, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).expect("a pipe");
    let access =
        KubernetesAccess::at(server.url()).with_ca_file(server.authority.path("ca.crt")).with_token_file(&token);
    let mut discovery = start(config(&server).with_access(access));
    let fault = fault(&discovery, FaultKind::Unreadable).await;
    assert!(fault.ends_with("token cannot be read: it is no regular file"), "{fault}");
    std::fs::remove_file(token).expect("it is there");
    server.authority.write("token", "abc");
    server.list().await.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.1")])])).await;
    assert_eq!(changed(&mut discovery).await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_kubeconfig_that_is_changed_to_another_place_begins_with_a_list() {
    let mut server = ApiServer::start().await;
    let text = |namespace: &str| {
        format!(
            "{{current-context: a, contexts: [{{name: a, context: {{cluster: a, namespace: {namespace}}}}}], \
             clusters: [{{name: a, cluster: {{server: '{}', certificate-authority: ca.crt}}}}]}}",
            server.url()
        )
    };
    let (first, second) = (text("first"), text("second"));
    let path = server.authority.write("config", &first);
    let config = KubernetesConfig::builder("payments").with_access(KubernetesAccess::kubeconfig(path));
    let mut discovery = start(config.with_connect_timeout(HOUR).with_request_timeout(HOUR));
    server.list().await.answer(200, list("10", &[slice("a", "9", &[ready("10.0.0.1")])])).await;
    let mut watch = server.watch("10").await.begin().await;
    watch.event("ADDED", &slice("b", "11", &[ready("10.0.0.2")])).await;
    within(async { while changed(&mut discovery).await.len() < 2 {} }).await;
    server.authority.write("config", &second);
    drop(watch);
    let asked = server.list().await;
    assert_eq!(asked.path, "/apis/discovery.k8s.io/v1/namespaces/second/endpointslices");
    assert_eq!(names(&discovery), ["10.0.0.1:80", "10.0.0.2:80"]);
}
