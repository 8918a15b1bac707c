//! The compiled-in plugins: one line each.

use confab_plugin::Manifest;

/// What the daemon was built with, by name.
///
/// A plugin that is a feature in `Cargo.toml` stands behind its `cfg`; one without a feature is
/// its line alone.
pub fn manifests() -> Vec<Manifest> {
    let manifests: &[Manifest] = &[
        #[cfg(feature = "filter")]
        Manifest::of::<confab_filter::Filter>(),
        #[cfg(feature = "log")]
        Manifest::of::<confab_log::Log>(),
        #[cfg(feature = "metrics")]
        Manifest::of::<confab_metrics::Metrics>(),
    ];
    manifests.to_vec()
}
