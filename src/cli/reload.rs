//! `confab reload`: asks the running daemon to read its configuration again, by its control
//! socket, and tells what came of it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use super::{BAD_CONFIG, FAILURE, output};
use crate::systemd::control;

pub(super) const ABOUT: &str = "\
Have the running daemon read its configuration again.

The daemon itself checks it, with the secrets that it alone can read. When the configuration is \
wrong, that of before goes on, each error is told with its place, and the status is 78. This is \
what `systemctl reload confab` does; SIGHUP and the admin call POST /reload do the same.";

/// The longest answer, in bytes: all that is wrong with a configuration.
const MAX_ANSWER: usize = 16 << 20;

/// A daemon answers within twice the longest `server.reload_timeout`.
const PATIENCE: Duration = Duration::from_secs(11 * 60);

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Reload {
    /// The daemon's control socket: in the folder that the variable RUNTIME_DIRECTORY names, or
    /// else /run/confab/control.sock
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// What the daemon answers, good or bad.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    generation: u64,
    needs_restart: Vec<String>,
    warnings: Vec<Told>,
    code: String,
    message: String,
    errors: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    place: String,
    message: String,
    help: Option<String>,
}

/// Asks, and waits for the answer.
pub(super) fn run(what: &Reload) -> ExitCode {
    let path = what.socket.clone().or_else(control::path).unwrap_or_else(|| control::USUAL.into());
    match ask(&path) {
        Ok((StatusCode::OK, answer)) => {
            for warning in &answer.warnings {
                tell("warning", warning);
            }
            if !answer.needs_restart.is_empty() {
                let keys = answer.needs_restart.join(", ");
                output::to_stderr(&format!("warning: needs a restart: {keys}"));
            }
            output::to_stdout(&format!("reloaded: generation {}\n", answer.generation))
        }
        Ok((_, answer)) => {
            for error in &answer.errors {
                tell("error", error);
            }
            output::to_stderr(&format!("error: not reloaded: {}", answer.message));
            ExitCode::from(if answer.code == "invalid_config" { BAD_CONFIG } else { FAILURE })
        }
        Err(why) => {
            output::to_stderr(&format!("error: {}: {why}", path.display()));
            ExitCode::from(FAILURE)
        }
    }
}

/// One line each, for the journal.
fn tell(kind: &str, Told { place, message, help }: &Told) {
    let help = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    output::to_stderr(&format!("{kind}: {place}: {message}{help}"));
}

fn ask(path: &Path) -> Result<(StatusCode, Answer), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(PATIENCE, call(path)).await;
        answer.map_err(|_| "the daemon does not answer".to_owned())?
    })
}

async fn call(path: &Path) -> Result<(StatusCode, Answer), String> {
    let stream = UnixStream::connect(path).await.map_err(|error| {
        format!("no daemon can be reached there ({error}): is it running, and are you its user?")
    })?;
    let broken = |error: hyper::Error| format!("the daemon did not answer: {error}");
    let (mut sender, connection) =
        handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    let request = Request::post("/reload").header("host", "confab").body(Empty::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    let answer = serde_json::from_slice(&body)
        .map_err(|error| format!("the daemon's answer is not understood: {error}"))?;
    Ok((status, answer))
}
