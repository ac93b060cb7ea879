use secrecy::ExposeSecret as _;

use super::*;

const CONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: staging
preferences: {}
clusters:
- name: east
  cluster:
    server: https://east.example:6443
    certificate-authority-data: Y2E=
- cluster:
    certificate-authority: ca.crt
    server: "https://[fd00::1]:6443/prefix"
    tls-server-name: east.example
    insecure-skip-tls-verify: false
  name: west
users:
- name: me
  user: {token: abc}
- name: kind
  user:
    client-certificate-data: Y2VydA==
    client-key-data: a2V5
- name: cloud
  user:
    exec: {command: get-token, apiVersion: v1}
- name: file
  user: {tokenFile: token}
- name: half
  user: {client-key-data: a2V5}
- name: nobody
  user: ~
contexts:
- {name: staging, context: {cluster: east, user: me, namespace: shop}}
- {name: west, context: {cluster: west, user: kind}}
- {name: cloud, context: {cluster: east, user: cloud}}
- {name: file, context: {cluster: east, user: file}}
- {name: half, context: {cluster: east, user: half}}
- {name: nobody, context: {cluster: east, user: nobody}}
- {name: nowhere, context: {cluster: north, user: me}}
- {name: lost, context: {cluster: east, user: you}}
"#;

fn of(text: &str, context: Option<&str>) -> Result<Resolved, String> {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("ca.crt"), "west").expect("a file");
    resolve(text.as_bytes(), dir.path(), context)
}

#[test]
fn the_current_context_says_the_cluster_the_user_and_the_namespace() {
    let access = of(CONFIG, None).expect("it is whole");
    assert_eq!(access.server.to_string(), "https://east.example:6443");
    assert_eq!((access.authorities.as_deref(), access.namespace.as_deref()), (Some(&b"ca"[..]), Some("shop")));
    let Token::Fixed(token) = access.token else { panic!("a token") };
    assert_eq!(token.expose_secret(), "abc");
}

#[test]
fn a_context_that_is_named_is_taken_with_files_beside_the_configuration() {
    let access = of(CONFIG, Some("west")).expect("it is whole");
    assert_eq!(access.server.to_string(), "https://[fd00::1]:6443/prefix");
    assert_eq!(
        (access.authorities.as_deref(), access.server_name.as_deref()),
        (Some(&b"west"[..]), Some("east.example"))
    );
    assert_eq!(access.identity, Some((b"cert".to_vec(), b"key".to_vec())));
    assert!(access.namespace.is_none() && matches!(access.token, Token::None));
    assert!(
        matches!(of(CONFIG, Some("file")).expect("it is whole").token, Token::File(path) if path.ends_with("token"))
    );
    assert!(of(CONFIG, Some("nobody")).is_ok());
}

#[test]
fn what_is_missing_or_not_supported_is_named() {
    let skip = CONFIG.replace("insecure-skip-tls-verify: false", "insecure-skip-tls-verify: true");
    let proxy = CONFIG.replace("    certificate-authority: ca.crt", "    proxy-url: http://p");
    let broken = CONFIG.replace("Y2E=", "'?'");
    for (text, context, says) in [
        (CONFIG, Some("none"), r#"it has no context "none""#),
        (CONFIG, Some("nowhere"), r#"it has no cluster "north""#),
        (CONFIG, Some("lost"), r#"it has no user "you""#),
        (CONFIG, Some("cloud"), "`exec`"),
        (CONFIG, Some("half"), "one of them is missing"),
        (skip.as_str(), Some("west"), "`insecure-skip-tls-verify` is not taken"),
        (proxy.as_str(), Some("west"), "`proxy-url` is not supported"),
        (broken.as_str(), None, "`certificate-authority-data` is not Base64"),
        ("", None, "it is empty"),
        ("a: [", None, "YAML syntax"),
        ("a: &b 1\nc: *b", None, "anchors and aliases are not supported"),
        ("[1]: 2", None, "a key must be a text"),
        ("users: secret", None, "it is not what `kubectl` writes"),
        ("clusters: []", None, "it has no `current-context`"),
        ("a: 1\n---\nb: 2", None, "a file holds one document"),
    ] {
        let problem = of(text, context).expect_err(says);
        assert!(problem.contains(says), "{problem} does not say {says:?}");
        assert!(!problem.contains("secret"), "{problem}");
    }
}

#[test]
fn a_document_that_is_too_deep_is_refused_and_no_stack_is_used_up() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(of(&deep, None).is_err());
}
