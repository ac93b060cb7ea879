use std::fs;

use super::*;

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
