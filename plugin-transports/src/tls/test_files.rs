//! An authority and certificates of it, as files, for tests.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

pub(crate) struct Files {
    dir: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let files = Self { dir: tempfile::tempdir().expect("a directory"), authority };
        files.write("ca.pem", files.authority.pem().as_bytes());
        files
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// A certificate for 127.0.0.1 and localhost, and its key.
    pub(crate) fn leaf(&self, name: &str) -> (PathBuf, PathBuf) {
        self.leaf_valid(name, -1, 30)
    }

    /// The same with its time, in days from now.
    pub(crate) fn leaf_valid(&self, name: &str, from: i64, until: i64) -> (PathBuf, PathBuf) {
        self.leaf_with(name, &["localhost", "127.0.0.1"], from, until)
    }

    /// The same for these hosts.
    pub(crate) fn leaf_with(&self, name: &str, hosts: &[&str], from: i64, until: i64) -> (PathBuf, PathBuf) {
        let hosts = hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut params = CertificateParams::new(hosts).expect("names");
        let moment = |days: i64| {
            let distance = Duration::from_secs(days.unsigned_abs() * 86_400);
            let now = plugin_core::clock::wall();
            if days < 0 { now - distance } else { now + distance }
        };
        params.not_before = moment(from).into();
        params.not_after = moment(until).into();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        let cert_file = self.write(&format!("{name}.pem"), certificate.pem().as_bytes());
        let key_file = self.write(&format!("{name}.key"), key.serialize_pem().as_bytes());
        (cert_file, key_file)
    }
}
