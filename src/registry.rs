//! The compiled-in plugins: one line each.

use confab_plugin::Manifest;

/// What the daemon was built with, by name.
pub fn manifests() -> Vec<Manifest> {
    vec![
        Manifest::of::<confab_audit::Audit>(),
        Manifest::of::<confab_autoreply::AutoReply>(),
        Manifest::of::<confab_filter::Filter>(),
        Manifest::of::<confab_log::Log>(),
        Manifest::of::<confab_metrics::Metrics>(),
        Manifest::of::<confab_ratelimit::RateLimit>(),
        Manifest::of::<confab_redact::Redact>(),
        Manifest::of::<confab_spam::Spam>(),
        Manifest::of::<confab_webhook::Webhook>(),
    ]
}
