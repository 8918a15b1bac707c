//! Where the URI of MongoDB comes from: a key, a file or a systemd credential.

use std::path::Path;

use super::{
    document::Target,
    environment::Environment,
    error::{ConfigError, Place},
    layers::{Layer, Origin},
    secret_key::{Choice, Found, choose, read_secret},
    sections::Mongo,
    tables,
};
use crate::store::mongo::check_uri;

/// The table.
pub(super) const TABLE: &str = "store.mongo";

/// The systemd credential that holds the URI.
const CREDENTIAL: &str = "mongo_uri";

/// What the layers say of MongoDB.
pub(super) enum Given<'a> {
    /// Nothing: the embedded store is used.
    Nothing,
    /// A URI, which was not read.
    Unread(Place),
    /// A URI, and the layer that stands it in the open.
    Uri(Found, Option<&'a Layer>),
}

/// Puts the URI in its place. `mongo` then says what holds; without `read`, files are left alone.
///
/// # Errors
/// It can't be read, or is none.
pub(super) fn resolve<'a>(
    layers: &'a [Layer],
    mongo: &mut Mongo,
    environment: &Environment,
    read: bool,
) -> Result<Given<'a>, ConfigError> {
    let given = match choose(layers, TABLE, "uri", "uri_file")? {
        Choice::Key(layer) => {
            mongo.uri_file = None;
            let path = tables::path(TABLE, "uri");
            let Some(secret) = mongo.uri.clone() else {
                return Ok(Given::Nothing);
            };
            let place = layer.place(&path, Target::Value);
            Given::Uri(Found { secret, origin: layer.origin(&path), place }, Some(layer))
        }
        Choice::File(layer) => {
            mongo.uri = None;
            let place = layer.place(&tables::path(TABLE, "uri_file"), Target::Value);
            let Some(file) = mongo.uri_file.clone() else {
                return Ok(Given::Nothing);
            };
            if !read {
                return Ok(Given::Unread(place));
            }
            let origin = Origin::Contents(file.clone());
            Given::Uri(read_secret("the URI from", &file, origin, place)?, None)
        }
        Choice::Nothing => {
            let folder = environment.get("CREDENTIALS_DIRECTORY").filter(|_| read);
            let file = folder.map(|folder| Path::new(folder).join(CREDENTIAL));
            let Some(file) = file.filter(|file| file.exists()) else {
                return Ok(Given::Nothing);
            };
            let place = Place::File(file.clone());
            let origin = Origin::Credential(CREDENTIAL);
            Given::Uri(read_secret("the URI from", &file, origin, place)?, None)
        }
    };
    if let Given::Uri(found, _) = &given {
        check_uri(found.secret.expose()).map_err(|why| {
            let message = format!("this is not a URI of MongoDB: {why}");
            ConfigError::new(message, found.place.clone())
                .help("such as mongodb://user:password@host:27017/?replicaSet=rs0&tls=true")
        })?;
        mongo.uri = Some(found.secret.clone());
    }
    Ok(given)
}
