//! Reads the configuration of `kubectl`.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use granit_parser::{Event, Parser};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    failure::Failure,
    files::{read_file, unusable},
    resolved::{Resolved, Token},
    server::Server,
};

/// How deep lists and maps may be in each other.
const DEEPEST: usize = 32;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Kubeconfig {
    current_context: Option<String>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Option<Cluster>,
}

#[derive(Debug, Deserialize)]
struct NamedUser {
    name: String,
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    context: Option<Context>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Cluster {
    server: Option<String>,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    insecure_skip_tls_verify: Option<String>,
    proxy_url: Option<String>,
}

/// No derived `Debug`: it has secrets.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    token: Option<SecretText>,
    /// The one key that is not written with dashes.
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<SecretText>,
    username: Option<String>,
    exec: Option<Value>,
    auth_provider: Option<Value>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct SecretText(String);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: Option<String>,
    user: Option<String>,
    namespace: Option<String>,
}

/// Reads the file, and what its context names. It may block.
pub(super) fn read(path: &Path, context: Option<&str>) -> Result<Resolved, Failure> {
    let bytes = read_file(path)?;
    let dir = path.parent().unwrap_or(Path::new(""));
    resolve(&bytes, dir, context).map_err(|problem| unusable(format!("{}: {problem}", path.display())))
}

/// `dir` is what paths in it are relative to. The error is a sentence about the file.
pub(super) fn resolve(bytes: &[u8], dir: &Path, context: Option<&str>) -> Result<Resolved, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    // What serde says of a value may show it, and it may be a secret.
    let file: Kubeconfig =
        serde_json::from_value(tree(text)?).map_err(|_| "it is not what `kubectl` writes".to_owned())?;
    let current = context.or(file.current_context.as_deref()).filter(|name| !name.is_empty());
    let current = current.ok_or("it has no `current-context`, and none is named")?;
    let context = file.contexts.unwrap_or_default().into_iter().find(|named| named.name == current);
    let context = context.and_then(|named| named.context).ok_or_else(|| format!("it has no context {current:?}"))?;
    let wanted = context.cluster.unwrap_or_default();
    let cluster = file.clusters.unwrap_or_default().into_iter().find(|named| named.name == wanted);
    let cluster = cluster.and_then(|named| named.cluster).ok_or_else(|| format!("it has no cluster {wanted:?}"))?;
    let user = match context.user.filter(|name| !name.is_empty()) {
        None => User::default(),
        Some(wanted) => {
            let user = file.users.unwrap_or_default().into_iter().find(|named| named.name == wanted);
            user.ok_or_else(|| format!("it has no user {wanted:?}"))?.user.unwrap_or_default()
        }
    };
    if cluster.insecure_skip_tls_verify.as_deref() == Some("true") {
        return Err("`insecure-skip-tls-verify` is not taken: name the authority of the server".to_owned());
    }
    if cluster.proxy_url.is_some_and(|url| !url.is_empty()) {
        return Err("`proxy-url` is not supported".to_owned());
    }
    let server = cluster.server.ok_or_else(|| format!("cluster {wanted:?} has no `server`"))?;
    let server = Server::parse(&server).map_err(|problem| format!("`server` {problem}"))?;
    Ok(Resolved {
        server_name: cluster.tls_server_name,
        authorities: content(
            "certificate-authority",
            cluster.certificate_authority_data.as_deref(),
            cluster.certificate_authority.as_deref(),
            dir,
        )?,
        identity: identity(&user, dir)?,
        token: token(user, dir)?,
        namespace: context.namespace.filter(|namespace| !namespace.is_empty()),
        ..Resolved::at(server)
    })
}

/// A certificate with its chain, and its key, PEM.
type Identity = (Vec<u8>, Vec<u8>);

fn identity(user: &User, dir: &Path) -> Result<Option<Identity>, String> {
    let key_data = user.client_key_data.as_ref().map(|SecretText(data)| data.as_str());
    let cert = content(
        "client-certificate",
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_deref(),
        dir,
    )?;
    let key = content("client-key", key_data, user.client_key.as_deref(), dir)?;
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err("a client certificate has a key, and a key a certificate: one of them is missing".to_owned()),
    }
}

/// A token stands before everything else, as it does with `kubectl`.
fn token(user: User, dir: &Path) -> Result<Token, String> {
    if let Some(SecretText(token)) = user.token.filter(|SecretText(token)| !token.is_empty()) {
        return Ok(Token::Fixed(SecretString::from(token)));
    }
    if let Some(path) = user.token_file.filter(|path| !path.is_empty()) {
        return Ok(Token::File(dir.join(path)));
    }
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err(
            "credentials that a program makes (`exec`, `auth-provider`) are not supported: give a token, such as \
                    that of `kubectl create token`"
                .to_owned(),
        );
    }
    if user.username.is_some() {
        return Err("passwords are not supported, and Kubernetes has none since 1.19".to_owned());
    }
    Ok(Token::None)
}

/// What stands in the file itself comes before what stands beside it.
fn content(key: &str, data: Option<&str>, path: Option<&str>, dir: &Path) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        return STANDARD.decode(data.trim()).map(Some).map_err(|_| format!("`{key}-data` is not Base64"));
    }
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
    read_file(&dir.join(path)).map(Some).map_err(|failure| failure.message)
}

/// A list or map that has not ended yet.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// The document with every scalar as a text, and an absent one as null. JSON is YAML. Anchors are not supported: `kubectl`
/// writes none.
fn tree(text: &str) -> Result<Value, String> {
    let options =
        granit_parser::options! { emit_comments: false, flow_nesting_limit: DEEPEST, block_nesting_limit: DEEPEST };
    let (mut open, mut root) = (Vec::new(), None);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| format!("YAML syntax: {}", error.info()))?;
        let value = match event {
            Event::Scalar(text, style, ..) => {
                let bare = span.end.byte_offset() <= span.start.byte_offset();
                let is_null = style == granit_parser::ScalarStyle::Plain && (bare || matches!(&*text, "null" | "~"));
                if is_null { Value::Null } else { Value::String(text.into_owned()) }
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Value::Array(items),
                Some(Open::Map(map, _)) => Value::Object(map),
                None => return Err("YAML syntax".to_owned()),
            },
            Event::Alias(_) => return Err("anchors and aliases are not supported".to_owned()),
            _ => continue,
        };
        match open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(map, key)) => match key.take() {
                Some(key) => {
                    map.insert(key, value);
                }
                None => *key = Some(value.as_str().ok_or("a key must be a text")?.to_owned()),
            },
            None if root.is_none() => root = Some(value),
            None => return Err("a file holds one document".to_owned()),
        }
    }
    root.ok_or_else(|| "it is empty".to_owned())
}

#[cfg(test)]
mod tests;
