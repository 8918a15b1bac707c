//! confab plugin: asks an HTTP service about events, or tells it of them.
#![doc = include_str!("../README.md")]

mod answer;
mod connect;
mod http;
mod meter;
mod notify;
mod options;
mod payload;
mod pool;
mod secret;
mod service;
mod target;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{Arc, OnceLock},
};

use confab_plugin::{
    Background, Context, Definition, Event, EventKind, HookError, Host, JobOrder, Outcome, Place,
    Plugin, Problem, Verdict, async_trait,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use connect::Connector;
use http::Client;
use meter::Meter;
use notify::Notification;
use options::Settings;
pub use options::{Mode, Options, Word};
use payload::Parts;
use secret::Key;
pub use secret::Secret;
use service::Service;

/// The most bytes of a file with a secret in it.
const MAX_SECRET_FILE: u64 = 4096;

/// The webhook: one entry's service.
pub struct Webhook {
    settings: Arc<Settings>,
    state: OnceLock<State>,
}

/// What an entry is once it has started.
enum State {
    /// Nothing may be asked, or told.
    Rehearsal,
    Running {
        service: Arc<Service>,
        background: Background,
    },
}

#[async_trait]
impl Plugin for Webhook {
    async fn before(&self, cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        if self.settings.mode != Mode::Moderate {
            return Ok(Verdict::Pass);
        }
        match self.state.get() {
            Some(State::Running { service, .. }) => Ok(service.ask(cx, event).await?),
            Some(State::Rehearsal) => {
                Err(HookError::new("the service is not asked in a rehearsal"))
            }
            None => Err(HookError::new("not started")),
        }
    }

    fn judges(&self, _: EventKind) -> bool {
        self.settings.mode == Mode::Moderate
    }

    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        if self.settings.mode != Mode::Notify || !self.settings.tells(&outcome.decision) {
            return;
        }
        if let Some(State::Running { service, background }) = self.state.get() {
            // The host counts what does not fit in.
            let _ = background.push(Notification::new(Arc::clone(service), cx, event, outcome));
        }
    }

    async fn start(&self, host: &Host) -> Result<(), HookError> {
        let state = if host.is_rehearsal() {
            State::Rehearsal
        } else {
            let settings = Arc::clone(&self.settings);
            let (key, client) =
                spawn_blocking(move || read(&settings)).await?.map_err(HookError::new)?;
            let entry = Arc::clone(host.entry());
            let service = Service {
                meter: Meter::register(&entry),
                entry,
                parts: Parts { content: self.settings.content, address: self.settings.address },
                key,
                client,
                places: Semaphore::new(self.settings.concurrency),
            };
            State::Running {
                service: Arc::new(service),
                background: host.background(JobOrder::Any),
            }
        };
        self.state.set(state).map_err(|_| HookError::new("started twice"))
    }

    async fn stop(&self) {
        if let Some(State::Running { service, .. }) = self.state.get() {
            service.client.close();
        }
    }
}

/// Reads the files that the options name. Blocks meanwhile.
fn read(settings: &Settings) -> Result<(Option<Key>, Client), String> {
    let key = match &settings.secret_file {
        Some(file) => {
            Some(read_key(file).map_err(|why| format!("secret_file {}: {why}", file.display()))?)
        }
        None => settings.key.clone(),
    };
    let ca_file = settings.ca_file.as_deref();
    let connector = Connector::new(&settings.target, ca_file, settings.connect_timeout)?;
    Ok((key, Client::new(&settings.target, connector, settings.max_answer)))
}

fn read_key(file: &Path) -> Result<Key, String> {
    let mut text = String::new();
    let read =
        File::open(file).and_then(|file| file.take(MAX_SECRET_FILE + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MAX_SECRET_FILE => {
            Err(format!("it is longer than {MAX_SECRET_FILE} bytes"))
        }
        Ok(_) => Key::new(text.trim_end_matches(['\r', '\n'])),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err("it is not text: encode it in base64, after whsec_".into())
        }
        Err(error) => Err(error.to_string()),
    }
}

impl Definition for Webhook {
    const NAME: &'static str = "webhook";
    const SUMMARY: &'static str = "asks an HTTP service about events, or tells it of them";
    const MANUAL: &'static str = include_str!("../README.md");
    const ON: &'static [EventKind] = &[EventKind::Message];
    const PLACE: &'static [Place] = &[Place::After {
        plugin: "filter",
        why: "what the filter refuses need not be asked about",
    }];
    type Options = Options;

    fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        Ok(Self { settings: Arc::new(options.check()?), state: OnceLock::new() })
    }
}
