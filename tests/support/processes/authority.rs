//! A private certificate authority, made by the command `openssl`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::process::scratch;

/// What the certificates say, by what they are for.
const PROFILES: &str = "
    [req]
    distinguished_name = nothing
    [nothing]
    [authority]
    basicConstraints = critical, CA:TRUE
    keyUsage = critical, keyCertSign
    [server]
    basicConstraints = critical, CA:FALSE
    extendedKeyUsage = serverAuth
    subjectAltName = DNS:";

/// An authority that signs the certificates of servers.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes an authority; the name is that of its folder.
    pub fn create(name: &str) -> Self {
        let folder = scratch().join(format!("authority-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let authority = Self { folder };
        authority.issue("authority", "authority", "-", &[]);
        authority
    }

    /// Returns the file with the certificate of the authority itself.
    pub fn file(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// Returns a certificate for a server of this name, and its key.
    pub fn certificate(&self, host: &str) -> (String, String) {
        let (certificate, key) = (self.file(), self.folder.join("authority.key"));
        let signed_by = [
            "-CA",
            certificate.to_str().unwrap(),
            "-CAkey",
            key.to_str().unwrap(),
        ];
        self.issue("server", "server", host, &signed_by);
        let read = |file: &str| fs::read_to_string(self.folder.join(file)).unwrap();
        (read("server.pem"), read("server.key"))
    }

    /// Writes a certificate of a profile, with its key.
    fn issue(&self, name: &str, profile: &str, host: &str, signed_by: &[&str]) {
        let profiles = self.folder.join(format!("{name}.conf"));
        fs::write(&profiles, format!("{PROFILES}{host}\n")).unwrap();
        let file = |kind: &str| self.folder.join(format!("{name}.{kind}"));
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-days", "2", "-nodes", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj"])
            .arg(format!("/CN={name} of a test"))
            .args(["-extensions", profile])
            .args([Path::new("-config"), &profiles])
            .args([Path::new("-keyout"), &file("key")])
            .args([Path::new("-out"), &file("pem")])
            .args(signed_by);
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("openssl is missing, .ci/run installs it: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}:\n{said}");
    }
}
