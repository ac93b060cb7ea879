//! nginx as a reverse proxy, where it is installed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use super::program::Program;

/// Where packages put it, besides what `PATH` has.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin"];

/// As many as there are cores, as the threads of the others are.
pub(super) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Its file.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(PLACES.map(PathBuf::from));
    dirs.map(|dir| dir.join("nginx")).find(|file| file.is_file())
}

/// Its name and version.
pub(super) fn version() -> Option<String> {
    let said = Command::new(program()?).arg("-v").output().ok()?;
    // `nginx version: nginx/1.22.1`, on standard error.
    let text = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Some(text.rsplit_once(' ')?.1.replace('/', " "))
}

/// Starts it in a directory of its own, on this port, in front of the backend.
pub(super) fn start(
    file: &Path,
    dir: &Path,
    listen: SocketAddr,
    backend: SocketAddr,
    log: &Path,
) -> Result<Program, String> {
    let config = dir.join("nginx.conf");
    fs::write(&config, settings(listen, backend)).map_err(|error| format!("{}: {error}", config.display()))?;
    let command = || {
        let mut command = Command::new(file);
        command.arg("-p").arg(dir).arg("-c").arg(&config).args(["-e", "stderr"]);
        command
    };
    let mut stop = command();
    stop.args(["-s", "stop"]);
    Ok(Program::start(&mut command(), log)?.stopped_by(stop))
}

/// What a proxy for an API has: connections that are kept on both sides, and no line in a log for each request, as the gateway
/// writes none. Nothing that it needs stands outside of its directory.
fn settings(listen: SocketAddr, backend: SocketAddr) -> String {
    let workers = workers();
    format!(
        "daemon off;
worker_processes {workers};
pid nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream backend {{ server {backend}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen {listen};
        keepalive_requests 1000000000;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
        }}
    }}
}}
"
    )
}
