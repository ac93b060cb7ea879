use std::fs;

use super::*;

fn server(url: &str) -> Result<(String, u16, String, bool), String> {
    Server::parse(url).map(|server| (server.host, server.port, server.path, server.is_tls))
}

#[test]
fn a_url_says_where_and_whether_with_tls() {
    let read = |url| server(url).expect("a URL");
    assert_eq!(read("https://10.0.0.1:6443"), ("10.0.0.1".to_owned(), 6443, String::new(), true));
    assert_eq!(read(" https://[fd00::1]/ "), ("fd00::1".to_owned(), 443, String::new(), true));
    assert_eq!(
        read("https://a.example/k8s/clusters/c-1/"),
        ("a.example".to_owned(), 443, "/k8s/clusters/c-1".to_owned(), true)
    );
    assert_eq!(read("http://127.0.0.1:8001"), ("127.0.0.1".to_owned(), 8001, String::new(), false));
    let six = Server::parse("https://[fd00::1]:6443/x").expect("a URL");
    assert_eq!(
        (six.authority(), six.to_string()),
        ("[fd00::1]:6443".to_owned(), "https://[fd00::1]:6443/x".to_owned())
    );
}

#[test]
fn a_url_that_cannot_be_used_is_refused_with_the_reason() {
    for (url, says) in [
        ("", "must be a URL"),
        ("10.0.0.1:6443", "must begin with `https://`"),
        ("/x", "must begin with `https://`"),
        ("ftp://a", "must begin with `https://`"),
        ("https://me:secret@a", "must have no user in it"),
        ("https://a?b=c", "must have no query"),
        ("https://a:99999", "must "),
        ("https://", "must "),
    ] {
        let problem = server(url).expect_err(url);
        assert!(problem.starts_with(says), "{url}: {problem}");
        assert!(!problem.contains("secret"), "{problem}");
    }
}

#[test]
fn a_pod_has_it_from_its_environment_and_its_service_account() {
    let dir = tempfile::tempdir().expect("a directory");
    let env = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
        "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
        _ => None,
    };
    let failed = |env: &dyn Fn(&str) -> Option<String>| in_cluster(env, dir.path()).expect_err("no pod").message;
    assert!(failed(&|_| None).starts_with("`KUBERNETES_SERVICE_HOST` is not set: this is no pod"));
    assert!(failed(&env).contains("namespace cannot be read"), "{}", failed(&env));
    fs::write(dir.path().join("namespace"), "shop\n").expect("a file");
    fs::write(dir.path().join("ca.crt"), "authority").expect("a file");
    let access = in_cluster(env, dir.path()).expect("a pod");
    assert_eq!(access.server.to_string(), "https://[fd00::1]:443");
    assert_eq!((access.namespace.as_deref(), access.authorities.as_deref()), (Some("shop"), Some(&b"authority"[..])));
    let Token::File(path) = access.token else { panic!("a file") };
    assert_eq!(path, dir.path().join("token"));
}

#[test]
fn what_is_given_besides_takes_the_place_of_what_was_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    };
    let kubeconfig = write(
        "config",
        "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n\
         clusters: [{name: a, cluster: {server: 'https://a', certificate-authority-data: b2xk}}]",
    );
    let access = KubernetesAccess::kubeconfig(&kubeconfig);
    assert_eq!(access.resolve().expect("it is whole").authorities.as_deref(), Some(&b"old"[..]));
    let access = access.with_ca_file(write("ca", "new")).with_token("t");
    let resolved = access.resolve().expect("it is whole");
    assert_eq!(resolved.authorities.as_deref(), Some(&b"new"[..]));
    assert!(matches!(resolved.token, Token::Fixed(_)));
    let missing =
        KubernetesAccess::at("https://a").with_ca_file(dir.path().join("none")).resolve().expect_err("no file");
    assert!(missing.message.contains("none cannot be read"), "{}", missing.message);
}

#[test]
fn nothing_is_shown_to_a_server_that_is_not_on_tls_though_a_kubeconfig_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config");
    let text = "{\"current-context\":\"a\",\"contexts\":[{\"name\":\"a\",\"context\":{\"cluster\":\"a\",\"user\":\"a\"}}],\
                \"clusters\":[{\"name\":\"a\",\"cluster\":{\"server\":\"http://a\"}}],\
                \"users\":[{\"name\":\"a\",\"user\":{\"token\":\"secret\"}}]}";
    fs::write(&path, text).expect("a file");
    let failure = KubernetesAccess::kubeconfig(&path).resolve().expect_err("no TLS");
    assert!(failure.message.starts_with("http://a:80 is shown no token"), "{}", failure.message);
}

#[test]
fn a_file_of_one_word_is_that_word_and_an_empty_one_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("token");
    for (bytes, read) in [(&b"abc\n"[..], Some("abc")), (b" \n", None), (b"\xff", None)] {
        fs::write(&path, bytes).expect("a file");
        assert_eq!(read_text(&path).ok().as_deref(), read);
    }
}
