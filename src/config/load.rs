//! From the layers to a configuration that holds, or to all that is wrong with it.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path as FilePath, PathBuf},
};

use confab_plugin::Manifest;
use serde_json::{Map, Value};

use super::{
    bounds, chain,
    document::{Finding, Path, Target},
    entry::PluginEntry,
    environment::Environment,
    error::{ConfigError, ConfigErrors, Place, Warning},
    files::Files,
    given::{Choice, Found, Kind},
    layers::{Giver, Layer, Merged, Origin, Origins},
    mongo_uri, previous_keys, redis_url,
    rules::Rules,
    schema,
    secret::Secret,
    secret_key,
    sections::Config,
    tables, tls, variables,
};
use crate::tls::Pair;

/// What the command line says of the configuration. Values are text, checked with all else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`: the file to read.
    pub config: Option<PathBuf>,
    /// `--listen`: server.listen.
    pub listen: Option<String>,
    /// `--admin-listen`: server.admin_listen.
    pub admin_listen: Option<String>,
    /// `--data`: store.path.
    pub data: Option<String>,
    /// `--log-level`: log.level.
    pub log_level: Option<String>,
    /// `--no-secrets`: leave the files that hold secrets alone.
    pub no_secrets: bool,
}

impl Flags {
    fn layers(&self, rank: usize) -> impl Iterator<Item = Layer> {
        let flags = [
            ("--listen", "server", "listen", &self.listen),
            ("--admin-listen", "server", "admin_listen", &self.admin_listen),
            ("--data", "store", "path", &self.data),
            ("--log-level", "log", "level", &self.log_level),
        ];
        flags.into_iter().filter_map(move |(flag, section, key, value)| {
            let value = Value::String(value.clone()?);
            Some(Layer::of_key(Giver::Flag(flag), rank, section, key, value))
        })
    }
}

/// All that decides what the configuration is: what a reload goes back to.
#[derive(Clone)]
pub struct Sources {
    /// The process's environment, as it was at the start.
    pub environment: Environment,
    /// What the command line says.
    pub flags: Flags,
    /// The compiled-in plugins.
    pub manifests: Vec<Manifest>,
}

impl Sources {
    /// See [`load`].
    ///
    /// # Errors
    /// See there.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.environment, &self.flags, &self.manifests)
    }
}

/// A configuration that holds, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The effective configuration. `auth.secret_key`, `store.mongo.uri` and `bus.redis.url` are
    /// the secrets themselves, from wherever they came; `None` if none was given, or they were
    /// left alone.
    pub config: Config,
    /// Where each value came from.
    pub origins: Origins,
    /// The files that were read, in their order; empty if there are none.
    pub files: Vec<PathBuf>,
    /// What works, and is probably not meant.
    pub warnings: Vec<Warning>,
    /// The certificate of `server.tls` and its key; `None` without TLS, if they were left alone,
    /// or by ACME as long as there is none.
    pub certificate: Option<Pair>,
    /// Where the entries of the chain stand.
    entries: Vec<Place>,
}

impl Loaded {
    /// An error that only shows when entry `number` of the chain is brought to life, with the
    /// place where that entry stands.
    pub fn entry_error(&self, number: usize, message: impl Into<String>) -> ConfigError {
        let place = self.entries.get(number).cloned().unwrap_or(Place::Default);
        ConfigError::new(message, place)
    }

    /// An error that only shows when what this file holds is used.
    pub fn file_error(&self, file: Option<&FilePath>, message: impl Into<String>) -> ConfigError {
        let place = file.map_or(Place::Default, |file| Place::File(file.to_owned()));
        ConfigError::new(message, place)
    }
}

/// Reads the configuration in all its layers and checks it whole. Reads files; opens no
/// address and no store.
///
/// # Errors
/// All that is wrong, each with its place.
pub fn load(
    environment: &Environment,
    flags: &Flags,
    manifests: &[Manifest],
) -> Result<Loaded, ConfigErrors> {
    let Gathered { mut layers, files, unreadable: mut errors, unknown, mut warnings } =
        gather(environment, flags, manifests);
    // What an unreadable file would have said is not known, so no rule between keys can be held
    // against the rest.
    let complete = errors.is_empty();

    let mut wrong: Vec<Path> = Vec::new();
    for (layer, known) in &mut layers {
        let findings = check_layer(layer, std::mem::take(known), &schema::CONFIG, manifests);
        let mut found: Vec<ConfigError> = findings.iter().map(|f| layer.error(f)).collect();
        found.sort_by_key(ConfigError::order);
        errors.extend(found);
        wrong.extend(findings.into_iter().map(|finding| finding.path));
    }
    errors.extend(unknown);
    let layers: Vec<Layer> = layers.into_iter().map(|(layer, _)| layer).collect();

    let merged = match Merged::of(&layers) {
        Ok(merged) => merged,
        Err(message) => {
            errors.push(ConfigError::new(message, Place::Default));
            return Err(ConfigErrors::new(errors));
        }
    };
    if complete {
        let (broken, odd) = Rules::check(&layers, &merged, &wrong, manifests);
        errors.extend(broken);
        warnings.extend(odd);
    }
    let mut origins = Origins::collect(&merged, &layers);
    let entries = merged.entries.iter().filter_map(|(layer, index)| {
        let path = ["plugins".into(), (*index).into(), "use".into()];
        Some(layers.get(*layer)?.place(&path, Target::Value))
    });
    let entries = entries.collect();
    let mut config = merged.config;
    for secret in Secrets::ALL {
        match secret.take(&layers, &mut config, environment, !flags.no_secrets) {
            Ok(Some((origin, warning))) => {
                origins.set(&secret.kind.full_name(), origin);
                warnings.extend(warning);
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    // A credential may give what was left alone.
    if complete && !flags.no_secrets {
        errors.extend(mongo_uri::without_key(&config, &layers, environment));
        errors.extend(redis_url::without_mongo(&config, &layers, environment));
    }
    match config.auth.algorithm.is_symmetric() {
        _ if flags.no_secrets => {}
        true => errors.extend(previous_keys::read(&mut config.auth, &layers, environment)),
        false => errors.extend(previous_keys::pem_files(&config.auth, &layers)),
    }
    let mut certificate = None;
    if !flags.no_secrets {
        match tls::read(&layers, &config) {
            Ok((pair, odd)) => {
                certificate = pair;
                warnings.extend(odd);
            }
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(ConfigErrors::new(errors));
    }
    Ok(Loaded { config, origins, files, warnings, entries, certificate })
}

/// The layers, each with what is already known to be wrong in it.
struct Gathered {
    layers: Vec<(Layer, Vec<Finding>)>,
    files: Vec<PathBuf>,
    /// Files that can't be read, or are not TOML.
    unreadable: Vec<ConfigError>,
    /// Variables that mean nothing.
    unknown: Vec<ConfigError>,
    warnings: Vec<Warning>,
}

fn gather(environment: &Environment, flags: &Flags, manifests: &[Manifest]) -> Gathered {
    let Files { paths, layers: read, errors, warnings } =
        Files::read(environment, flags.config.as_deref(), 1);
    let defaults = Config { plugins: PluginEntry::default_chain(manifests), ..Config::default() };
    let mut defaults = match serde_json::to_value(defaults) {
        Ok(Value::Object(tree)) => tree,
        _ => Map::new(),
    };
    // The entries of files follow each other, but replace those of the defaults.
    if read.iter().any(|(layer, _)| layer.entries().is_some()) {
        defaults.remove("plugins");
    }
    defaults.values_mut().for_each(remove_nulls);
    let defaults = Layer { giver: Giver::Defaults, rank: 0, tree: defaults };
    let mut unknown = Vec::new();
    let rank = 1 + read.len();
    let mut layers = vec![(defaults, Vec::new())];
    layers.extend(read);
    let mut add =
        |more: Vec<Layer>| layers.extend(more.into_iter().map(|layer| (layer, Vec::new())));
    add(variables::named(environment, rank, &mut unknown));
    add(variables::prefixed(environment, rank + 1, &mut unknown));
    add(flags.layers(rank + 2).collect());
    Gathered { layers, files: paths, unreadable: errors, unknown, warnings }
}

/// A key without a value is a key that is not there.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        Value::Object(table) => {
            table.retain(|_, value| !value.is_null());
            table.values_mut().for_each(remove_nulls);
        }
        _ => {}
    }
}

/// All that is wrong with the values of one layer, by this schema; they are then gone from it.
pub(super) fn check_layer(
    layer: &mut Layer,
    known: Vec<Finding>,
    shape: &Value,
    manifests: &[Manifest],
) -> Vec<Finding> {
    let mut findings = known;
    let prune = |layer: &mut Layer, wrong: &[Finding]| {
        for finding in wrong {
            layer.prune(&finding.path);
        }
    };
    prune(layer, &findings);
    let tree = Value::Object(std::mem::take(&mut layer.tree));
    let shape = schema::check(shape, shape, &tree, &[]);
    if let Value::Object(tree) = tree {
        layer.tree = tree;
    }
    prune(layer, &shape);
    findings.extend(shape);

    let mut more = bounds::check(&layer.tree);
    if let Some(entries) = layer.entries() {
        more.extend(chain::check(entries, &findings, manifests));
    }
    prune(layer, &more);
    findings.extend(more);
    // The typed entry can't be without a plugin.
    let entries = layer.tree.get_mut("plugins").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
        entry.entry("use").or_insert_with(|| "".into());
    }
    findings
}

/// A secret, and what must hold for it.
struct Secrets {
    kind: Kind,
    keys: fn(&mut Config) -> (&mut Option<Secret>, &mut Option<PathBuf>),
    check: fn(&Found) -> Result<(), ConfigError>,
    needed: fn(&Config) -> bool,
}

impl Secrets {
    const ALL: [Self; 3] = [
        Self {
            kind: secret_key::KIND,
            keys: |config| (&mut config.auth.secret_key, &mut config.auth.secret_key_file),
            check: secret_key::check,
            needed: |config| config.auth.algorithm.is_symmetric(),
        },
        Self {
            kind: mongo_uri::KIND,
            keys: |config| (&mut config.store.mongo.uri, &mut config.store.mongo.uri_file),
            check: mongo_uri::check,
            needed: |_| true,
        },
        Self {
            kind: redis_url::KIND,
            keys: |config| (&mut config.bus.redis.url, &mut config.bus.redis.url_file),
            check: redis_url::check,
            needed: |_| true,
        },
    ];

    /// Puts the secret in its place: where it came from, and whether that is too open.
    fn take(
        &self,
        layers: &[Layer],
        config: &mut Config,
        environment: &Environment,
        read: bool,
    ) -> Result<Option<(Origin, Option<Warning>)>, ConfigError> {
        let Kind { table, key, file, name, .. } = self.kind;
        let choice = self.kind.choose(layers)?;
        if !(self.needed)(config) {
            return Ok(None);
        }
        let found = self.kind.resolve((self.keys)(config), &choice, environment, read)?;
        let Some(found) = found else {
            return Ok(None);
        };
        (self.check)(&found)?;
        let open = match &choice {
            Choice::Key(Layer { giver: Giver::File(document), .. })
                if everybody_reads(document.path()).unwrap_or(false) =>
            {
                let message =
                    format!("the {name} stands in a file that everybody on this machine can read");
                let place = document.place(&tables::path(table, key), Target::Key);
                let help =
                    format!("chmod o-r, or give it in a file of its own with {table}.{file}");
                Some(Warning(ConfigError::new(message, place).help(help)))
            }
            _ => None,
        };
        *(self.keys)(config).0 = Some(found.secret);
        Ok(Some((found.origin, open)))
    }
}

pub(super) fn everybody_reads(file: &FilePath) -> io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & 0o004 != 0)
}
