//! The store of the configuration, opened beside the daemons that use it.

use std::{path::Path, sync::Arc, time::Duration};

use super::Failed;
use crate::{
    config::{self, Config},
    store::{
        Store,
        mongo::MongoStore,
        sqlite::{OpenError, SqliteStore},
    },
};

/// How long a change may wait for a busy daemon's: the operator is patient.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the store. An embedded one that is missing is made, if `create` says so.
pub(super) async fn open(config: &Config, create: bool) -> Result<Arc<dyn Store>, Failed> {
    if config.store.mongo.uri.is_some() {
        let store = MongoStore::open(&config.store, 0).map_err(Failed::new)?;
        store.prepare().await?;
        return Ok(Arc::new(store));
    }
    let mut config = config.store.clone();
    config.timeout.0 = config.timeout.0.max(PATIENCE);
    let opened = tokio::task::spawn_blocking(move || open_embedded(&config, create)).await;
    Ok(Arc::new(opened.map_err(Failed::new)??))
}

fn open_embedded(config: &config::Store, create: bool) -> Result<SqliteStore, Failed> {
    match SqliteStore::open_beside(config) {
        Err(OpenError::Missing(_)) if create => {
            let folder = config.path.as_path();
            if let Some(why) = others_folder(folder) {
                return Err(Failed(why));
            }
            SqliteStore::open(config, 0).map_err(Failed::new)
        }
        opened => opened.map_err(Failed::new),
    }
}

/// What the superuser would make in the daemon's folder, the daemon could not write.
fn others_folder(folder: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = std::fs::metadata(folder).ok()?.uid();
    let wrong = rustix::process::geteuid().is_root() && owner != 0;
    wrong.then(|| {
        format!(
            "{} belongs to user {owner} and holds no database yet: start the daemon first, or run \
             this as that user",
            folder.display()
        )
    })
}
