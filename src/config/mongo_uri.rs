//! The URI of MongoDB: where it comes from, whether it is one, and what it needs.

use super::{
    environment::Environment,
    error::ConfigError,
    given::{Found, Kind},
    layers::Layer,
    secret_key,
    sections::Config,
};

/// Where it is given.
pub(super) const KIND: Kind = Kind {
    table: "store.mongo",
    key: "uri",
    file: "uri_file",
    credential: "mongo_uri",
    name: "URI of MongoDB",
};

/// Refuses what is not such a URI. Connects to nothing.
pub(super) fn check(found: &Found) -> Result<(), ConfigError> {
    crate::store::mongo::check_uri(found.secret.expose()).map_err(|why| {
        let message = format!("this is not a URI of MongoDB: {why}");
        ConfigError::new(message, found.place.clone())
            .help("such as mongodb://user:password@host:27017/?replicaSet=rs0&tls=true")
    })
}

/// Whether messages are kept in MongoDB, which several nodes can share.
pub(super) fn is_given(config: &Config) -> bool {
    let mongo = &config.store.mongo;
    mongo.uri.is_some() || mongo.uri_file.is_some()
}

/// MongoDB without a secret key: the embedded store makes one and keeps it beside its data, but
/// nodes must be given the same. For the configuration with its secrets.
pub(super) fn without_key(
    config: &Config,
    layers: &[Layer],
    environment: &Environment,
) -> Option<ConfigError> {
    let auth = &config.auth;
    if !is_given(config) || !auth.algorithm.is_symmetric() {
        return None;
    }
    // A key that was given and refused has been told of.
    if auth.secret_key.is_some() || auth.secret_key_file.is_some() {
        return None;
    }
    let message = "with MongoDB the secret key must be given: all nodes sign and check tokens \
                   with the same, and none is made beside the data";
    let place = KIND.place(layers, environment);
    Some(ConfigError::new(message, place).help(secret_key::HINT))
}
