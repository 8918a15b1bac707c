//! The rules that hold between keys, once every key is right by itself.

use std::{collections::BTreeMap, net::SocketAddr};

use confab_plugin::Manifest;
use serde_json::Value;

use super::{
    document::{Finding, Path, Target},
    error::{ConfigError, Warning},
    layers::{Layer, Merged},
    network::Network,
    placement,
    sections::{Algorithm, Config},
    tables,
    tls::Tls,
};

/// Checks the merged configuration. A rule is skipped if one of its keys is among `wrong`: what
/// that key should have been is not known.
pub(super) struct Rules<'a> {
    layers: &'a [Layer],
    merged: &'a Merged,
    wrong: &'a [Path],
    errors: Vec<ConfigError>,
    warnings: Vec<Warning>,
}

type Key = (&'static str, &'static str);

impl<'a> Rules<'a> {
    /// All that breaks a rule, and all that should be looked at.
    pub fn check(
        layers: &'a [Layer],
        merged: &'a Merged,
        wrong: &'a [Path],
        manifests: &[Manifest],
    ) -> (Vec<ConfigError>, Vec<Warning>) {
        let mut rules = Self { layers, merged, wrong, errors: Vec::new(), warnings: Vec::new() };
        let config = &merged.config;
        rules.limits(config);
        rules.server(config);
        rules.auth(config);
        rules.chain(config);
        rules.order(config, manifests);
        (rules.errors, rules.warnings)
    }

    fn limits(&mut self, config: &Config) {
        const FRAME: Key = ("limits", "frame");
        let limits = &config.limits;
        let larger = [
            (("limits", "content"), limits.content, FRAME, limits.frame),
            (FRAME, limits.frame, ("limits", "outbox"), limits.outbox),
            (("limits", "sync"), limits.sync, ("limits", "outbox"), limits.outbox),
            (("limits", "outbox"), limits.outbox, ("limits", "outboxes"), limits.outboxes),
            (FRAME, limits.frame, ("limits", "store_queue_bytes"), limits.store_queue_bytes),
        ];
        for (small, small_value, large, large_value) in larger {
            if small_value > large_value {
                let (a, b) = (small.1, large.1);
                let message =
                    format!("{a} ({small_value}) must not be larger than {b} ({large_value})");
                self.error(&[small, large], message);
            }
        }
        if limits.idle_timeout <= limits.ping_interval {
            let message = format!(
                "idle_timeout ({}) must be longer than ping_interval ({})",
                limits.idle_timeout, limits.ping_interval
            );
            self.error(&[("limits", "idle_timeout"), ("limits", "ping_interval")], message);
        }
    }

    fn server(&mut self, config: &Config) {
        let server = &config.server;
        if collide(server.listen, server.admin_listen) {
            let message = format!(
                "listen ({}) and admin_listen ({}) need ports of their own",
                server.listen, server.admin_listen
            );
            self.error(&[("server", "listen"), ("server", "admin_listen")], message);
        }
        let origins = &server.allowed_origins;
        if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
            let message = "\"*\" allows all origins, and the others add nothing";
            self.warn(&[("server", "allowed_origins")], message);
        }
        let pair = [
            ("certificate_file", &server.tls.certificate_file),
            ("key_file", &server.tls.key_file),
        ];
        if let [(given, Some(_)), (other, None)] | [(other, None), (given, Some(_))] = pair {
            let message = format!("{given} is of no use without {other}");
            let help = "TLS needs both: a certificate, and its key";
            self.error_with_help(&[("server.tls", given), ("server.tls", other)], message, help);
        }
        self.acme(&server.tls);
        let networks = server.trusted_proxies.iter().map(|network| network.parse::<Network>());
        if networks.flatten().any(|network| network.is_everything()) {
            let message = "every client is trusted to say what its address is";
            self.warn(&[("server", "trusted_proxies")], message);
        }
    }

    fn acme(&mut self, tls: &Tls) {
        const DOMAINS: Key = ("server.tls.acme", "domains");
        const TERMS: Key = ("server.tls.acme", "accept_terms");
        let acme = &tls.acme;
        if acme.backoff > acme.max_backoff {
            let (backoff, most) = (acme.backoff, acme.max_backoff);
            let message =
                format!("backoff ({backoff}) must not be longer than max_backoff ({most})");
            let keys = [("server.tls.acme", "backoff"), ("server.tls.acme", "max_backoff")];
            self.error(&keys, message);
        }
        if acme.domains.is_empty() {
            if acme.accept_terms {
                self.error(&[TERMS], "accept_terms is of no use without domains".to_owned());
            }
            return;
        }
        for (key, file) in
            [("certificate_file", &tls.certificate_file), ("key_file", &tls.key_file)]
        {
            if file.is_some() {
                let message = format!("{key} and server.tls.acme.domains exclude each other");
                let help = "a certificate comes from files or by ACME: remove one of them";
                self.error_with_help(&[("server.tls", key), DOMAINS], message, help);
            }
        }
        if !acme.accept_terms {
            let message = format!("domains need accept_terms = true, for {}", acme.directory);
            let help = "read the terms of service of the certificate authority, and accept them";
            self.error_with_help(&[TERMS, DOMAINS], message, help);
        }
    }

    fn auth(&mut self, config: &Config) {
        let auth = &config.auth;
        if auth.token_lifetime > auth.max_token_lifetime {
            let message = format!(
                "token_lifetime ({}) must not be longer than max_token_lifetime ({})",
                auth.token_lifetime, auth.max_token_lifetime
            );
            let keys = [("auth", "token_lifetime"), ("auth", "max_token_lifetime")];
            self.error(&keys, message);
        }
        let algorithm = ("auth", "algorithm");
        let name = format!("{:?}", auth.algorithm);
        let files = [
            ("private_key_file", &auth.private_key_file),
            ("public_key_file", &auth.public_key_file),
        ];
        for (key, file) in files {
            let keys = [("auth", key), algorithm];
            match (auth.algorithm.is_symmetric(), file) {
                (true, Some(_)) => {
                    let message = format!("{key} is of no use with the algorithm {name}");
                    let help = "set algorithm to RS256, ES256 or EdDSA, or remove the file";
                    self.error_with_help(&keys, message, help);
                }
                (false, None) => {
                    let message = format!("the algorithm {name} needs {key}");
                    let help = "RS256, ES256 and EdDSA need private_key_file and public_key_file";
                    self.error_with_help(&[algorithm, ("auth", key)], message, help);
                }
                _ => {}
            }
        }
        if auth.algorithm.is_symmetric() && !auth.previous_public_key_files.is_empty() {
            let message = format!("previous_public_key_files are of no use with {name}");
            self.warn(&[("auth", "previous_public_key_files")], message);
        }
        if !auth.algorithm.is_symmetric() {
            for key in ["secret_key", "secret_key_file", "previous_secret_key_files"] {
                let given = |layer: &Layer| layer.get("auth", key).is_some_and(|v| !is_empty(v));
                if self.layers.iter().any(given) {
                    let message = format!("{key} is of no use with the algorithm {name}");
                    self.warn(&[("auth", key)], message);
                }
            }
        }
    }

    /// Entries are told apart by their labels.
    fn chain(&mut self, config: &Config) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (entry, (number, index)) in config.plugins.iter().zip(&self.merged.entries) {
            let count = seen.entry(entry.label()).or_default();
            *count += 1;
            // An entry without a plugin has been told of.
            if *count == 1 || entry.label().is_empty() {
                continue;
            }
            let key = if entry.name.is_some() { "name" } else { "use" };
            let path = ["plugins".into(), (*index).into(), key.into()];
            if let Some(layer) = self.layers.get(*number) {
                let label = entry.label();
                let message = format!("a second entry of the chain is called \"{label}\"");
                let finding = Finding::at(&path, message).help("give it a name of its own");
                self.errors.push(layer.error(&finding));
            }
        }
    }

    /// What plugins say of their place in the chain is advice: the file decides.
    fn order(&mut self, config: &Config, manifests: &[Manifest]) {
        for misplaced in placement::misplaced(&config.plugins, manifests) {
            let Some((number, index)) = self.merged.entries.get(misplaced.entry) else { continue };
            let path = ["plugins".into(), (*index).into(), "use".into()];
            if let Some(layer) = self.layers.get(*number) {
                let error = ConfigError::new(misplaced.message, layer.place(&path, Target::Value));
                self.warnings.push(Warning(error.help(misplaced.help)));
            }
        }
    }

    fn error(&mut self, keys: &[Key], message: String) {
        self.errors.extend(self.located(keys, message));
    }

    fn error_with_help(&mut self, keys: &[Key], message: String, help: &str) {
        let error = self.located(keys, message);
        self.errors.extend(error.map(|error| error.help(help)));
    }

    fn warn(&mut self, keys: &[Key], message: impl Into<String>) {
        let warning = self.located(keys, message.into());
        self.warnings.extend(warning.map(Warning));
    }

    /// An error at that of `keys` which the latest layer gave; of one layer, at the first.
    fn located(&self, keys: &[Key], message: String) -> Option<ConfigError> {
        let mut latest: Option<(usize, Path)> = None;
        for (table, key) in keys {
            let path = tables::path(table, key);
            if self.wrong.iter().any(|wrong| path.starts_with(wrong) || wrong.starts_with(&path)) {
                return None;
            }
            let giver = self.merged.giver(table, key);
            if latest.as_ref().is_none_or(|(number, _)| giver > *number) {
                latest = Some((giver, path));
            }
        }
        let (number, path) = latest?;
        let place = self.layers.get(number)?.place(&path, Target::Value);
        Some(ConfigError::new(message, place))
    }
}

impl Algorithm {
    /// Whether tokens are signed and checked with the same, secret, key.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

/// Whether a list has no items.
fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Whether two addresses can't both be listened on.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let all = |address: SocketAddr| address.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || all(a) || all(b))
}
