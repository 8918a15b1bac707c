//! The table `[server.tls]`, and the files that it names.

use std::path::PathBuf;

use confab_plugin::{Duration, Segment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    acme::Acme,
    document::Target,
    error::{ConfigError, Place, Warning},
    layers::Layer,
    load::everybody_reads,
    sections::Config,
    tables,
};
use crate::tls::{self, Bad, Files, Pair};

const ACME: &str = "server.tls.acme";

/// `[server.tls]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate of this server, and then those that lead from it to a root: a PEM file.
    #[schemars(example = "/etc/letsencrypt/live/chat.example.org/fullchain.pem")]
    pub certificate_file: Option<PathBuf>,
    /// Its private key, without a passphrase: a PEM file (PKCS#8, PKCS#1 or SEC1).
    #[schemars(example = "/etc/letsencrypt/live/chat.example.org/privkey.pem")]
    pub key_file: Option<PathBuf>,
    /// How often the two files are read again, so that a renewed certificate is taken up. A reload
    /// reads them too. From 1s to 24h.
    pub check_interval: Duration,
    /// Certificates from Let's Encrypt or another server that speaks ACME, without files and
    /// without a proxy. Used when domains are given.
    pub acme: Acme,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate_file: None,
            key_file: None,
            check_interval: Duration::from_secs(60),
            acme: Acme::default(),
        }
    }
}

impl Tls {
    /// Whether TLS is spoken.
    pub fn is_on(&self) -> bool {
        self.files().is_some() || !self.acme.domains.is_empty()
    }

    /// The two files; `None` without them.
    pub fn files(&self) -> Option<Files> {
        let Self { certificate_file, key_file, .. } = self;
        Some(Files { certificate: certificate_file.clone()?, key: key_file.clone()? })
    }
}

impl Config {
    /// Where certificates come from, if by ACME.
    pub fn acme(&self) -> Option<tls::Acme> {
        self.server.tls.acme.settings(&self.store.path)
    }
}

/// The certificate and its key, if there is one, and what of it should be looked at.
pub(super) fn read(
    layers: &[Layer],
    config: &Config,
) -> Result<(Option<Pair>, Vec<Warning>), ConfigError> {
    let place = |table, key| {
        let giver = layers.iter().rfind(|layer| layer.get(table, key).is_some());
        let path: Vec<Segment> = tables::path(table, key);
        giver.map_or(Place::Default, |layer| layer.place(&path, Target::Value))
    };
    let Some(files) = config.server.tls.files() else {
        let Some(acme) = config.acme() else { return Ok((None, Vec::new())) };
        if let Some(Err(why)) = acme.root_file.as_deref().map(tls::trusted_by_acme) {
            return Err(ConfigError::new(why, place(ACME, "root_file")));
        }
        return Ok(match tls::stored_by_acme(&acme) {
            Ok(pair) => (pair, Vec::new()),
            Err(bad) => {
                let error = ConfigError::new(bad.to_string(), place(ACME, "domains"));
                (None, vec![Warning(error.help("the daemon gets a new certificate"))])
            }
        });
    };
    let place = |key| place("server.tls", key);
    let pair = match Pair::read(&files) {
        Ok(pair) => pair,
        Err(Bad::Certificate(why)) => {
            return Err(ConfigError::new(why, place("certificate_file")));
        }
        Err(Bad::Key(why)) => return Err(ConfigError::new(why, place("key_file"))),
    };
    let mut warnings = Vec::new();
    if let Some(expired) = pair.expired() {
        let message = format!("the certificate {expired}: no client will connect");
        let error = ConfigError::new(message, place("certificate_file"));
        warnings.push(Warning(error.help("renew it: the new one is taken up without a restart")));
    }
    if everybody_reads(&files.key).unwrap_or(false) {
        let message = "everybody on this machine can read the private key".to_owned();
        let error = ConfigError::new(message, place("key_file"));
        warnings.push(Warning(error.help("chmod o-r, and give it to the daemon's group")));
    }
    Ok((Some(pair), warnings))
}
