//! The table `[server.tls]`, and the files that it names.

use std::path::PathBuf;

use confab_plugin::{Duration, Segment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    document::Target,
    error::{ConfigError, Place, Warning},
    layers::Layer,
    load::everybody_reads,
    tables,
};
use crate::tls::{Bad, Files, Pair};

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
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate_file: None, key_file: None, check_interval: Duration::from_secs(60) }
    }
}

impl Tls {
    /// The two files; `None` without TLS.
    pub fn files(&self) -> Option<Files> {
        let Self { certificate_file, key_file, .. } = self;
        Some(Files { certificate: certificate_file.clone()?, key: key_file.clone()? })
    }
}

/// The certificate and its key, and what of them should be looked at; `None` without TLS.
pub(super) fn read(
    layers: &[Layer],
    tls: &Tls,
) -> Option<Result<(Pair, Vec<Warning>), ConfigError>> {
    let files = tls.files()?;
    let place = |key| {
        let giver = layers.iter().rfind(|layer| layer.get("server.tls", key).is_some());
        let path: Vec<Segment> = tables::path("server.tls", key);
        giver.map_or(Place::Default, |layer| layer.place(&path, Target::Value))
    };
    let pair = match Pair::read(&files) {
        Ok(pair) => pair,
        Err(Bad::Certificate(why)) => {
            return Some(Err(ConfigError::new(why, place("certificate_file"))));
        }
        Err(Bad::Key(why)) => return Some(Err(ConfigError::new(why, place("key_file")))),
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
    Some(Ok((pair, warnings)))
}
