//! The URL of Redis: where it comes from, whether it is one, and what it needs.

use super::{
    environment::Environment,
    error::ConfigError,
    given::{Found, Kind},
    layers::Layer,
    mongo_uri,
    sections::Config,
};

/// Where it is given.
pub(super) const KIND: Kind = Kind {
    table: "bus.redis",
    key: "url",
    file: "url_file",
    credential: "redis_url",
    name: "URL of Redis",
};

/// Refuses what is not such a URL. Connects to nothing.
pub(super) fn check(found: &Found) -> Result<(), ConfigError> {
    let checked = crate::bus::redis::check_url(found.secret.expose());
    checked.map_err(|wrong| ConfigError::new(format!("this {wrong}"), found.place.clone()))
}

/// Redis without MongoDB: nodes that hear each other, and each keep their own messages. For the
/// configuration with its secrets, of which a credential may have given some.
pub(super) fn without_mongo(
    config: &Config,
    layers: &[Layer],
    environment: &Environment,
) -> Option<ConfigError> {
    let redis = &config.bus.redis;
    if redis.url.is_none() && redis.url_file.is_none() || mongo_uri::is_given(config) {
        return None;
    }
    let message = "Redis needs MongoDB: the embedded store belongs to one node";
    let help = "give MongoDB with store.mongo.uri, or remove the URL of Redis";
    Some(ConfigError::new(message, KIND.place(layers, environment)).help(help))
}
