//! One entry of a chain, on one message, without a daemon.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context as Task, Poll, Waker},
};

use confab::registry;
use confab_plugin::{Event, Plugin, Problem, Verdict, testkit};
use serde_json::Value;

/// The plugin of this name with these options, as the daemon builds it.
///
/// # Errors
/// What the daemon says of the options.
pub fn build(plugin: &str, options: Value) -> Result<Arc<dyn Plugin>, Vec<Problem>> {
    let manifests = registry::manifests();
    let manifest = manifests.iter().find(|manifest| manifest.name == plugin);
    (manifest.expect("a plugin that is compiled in").build)(plugin, options)
}

/// What the plugin decides on a message with this text, and the text afterwards.
pub fn message(plugin: &dyn Plugin, text: &str) -> (Verdict, String) {
    let mut event = testkit::message(text);
    let verdict = before(plugin, &mut event);
    let Event::Message(message) = &event else { panic!("a message became something else") };
    (verdict, message.content().to_owned())
}

/// What the plugin decides on an event. It must not wait.
pub fn before(plugin: &dyn Plugin, event: &mut Event) -> Verdict {
    let context = testkit::context();
    let mut hook = pin!(plugin.before(&context, event));
    match hook.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict.expect("no error"),
        Poll::Pending => panic!("a hook without I/O waits"),
    }
}
