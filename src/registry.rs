//! The compiled-in plugins: one line each.

use confab_plugin::Manifest;

/// What the daemon was built with, by name.
///
/// A plugin that is a feature in `Cargo.toml` stands behind its `cfg`; one without a feature is
/// its line alone.
pub fn manifests() -> Vec<Manifest> {
    let manifests: &[Manifest] = &[
        #[cfg(feature = "audit")]
        Manifest::of::<confab_audit::Audit>(),
        #[cfg(feature = "autoreply")]
        Manifest::of::<confab_autoreply::AutoReply>(),
        #[cfg(feature = "filter")]
        Manifest::of::<confab_filter::Filter>(),
        #[cfg(feature = "log")]
        Manifest::of::<confab_log::Log>(),
        #[cfg(feature = "metrics")]
        Manifest::of::<confab_metrics::Metrics>(),
        #[cfg(feature = "ratelimit")]
        Manifest::of::<confab_ratelimit::RateLimit>(),
        #[cfg(feature = "redact")]
        Manifest::of::<confab_redact::Redact>(),
        #[cfg(feature = "spam")]
        Manifest::of::<confab_spam::Spam>(),
        #[cfg(feature = "webhook")]
        Manifest::of::<confab_webhook::Webhook>(),
    ];
    manifests.to_vec()
}
