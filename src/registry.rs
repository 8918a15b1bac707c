//! The compiled-in plugins: one line each.

use confab_plugin::Manifest;

/// What the daemon was built with.
pub fn manifests() -> Vec<Manifest> {
    vec![]
}
