//! Finding the server that takes writes, and why it cannot be found.

use mongodb::{
    bson::Document,
    error::{Error, ErrorKind},
    event::{
        EventHandler,
        sdam::{SdamEvent, TopologyDescription},
    },
    options::ClientOptions,
    {ServerType, TopologyType},
};
use tokio::{sync::watch, time::timeout};

use super::{hello, primary};
use crate::{
    probe::{Report, network_advice},
    store::mongo::{
        connect::{Settings, Space},
        errors::one_line,
    },
};

const REACHED: &str = "reached";
const SIGN_IN: &str = "sign-in";

/// Connects and signs in; what the primary says of itself.
pub(super) async fn reach(
    report: &mut Report,
    settings: &Settings,
    mut options: ClientOptions,
) -> Option<(Space, Document)> {
    let (known, seen) = watch::channel(None);
    options.sdam_event_handler = Some(EventHandler::callback(move |event| {
        if let SdamEvent::TopologyDescriptionChanged(change) = event {
            known.send_replace(Some(change.new_description));
        }
    }));
    // Connecting can take one more limit than finding the server.
    let limit = [options.server_selection_timeout, options.connect_timeout];
    let limit = limit.into_iter().flatten().fold(settings.operation_timeout, |a, b| a + b);
    let set_name = options.repl_set_name.clone();
    let space = match settings.connect_with(options) {
        Ok(space) => space,
        Err(error) => {
            report.fail("settings", one_line(&error), "correct store.mongo.uri");
            return None;
        }
    };
    let ask = space.database.run_command(hello()).selection_criteria(primary());
    match timeout(limit, ask).await {
        Ok(Ok(answer)) => {
            if matches!(answer.get_bool("isWritablePrimary"), Ok(false)) {
                report.fail(
                    REACHED,
                    "the server that answers is no primary, and takes no writes",
                    "remove directConnection=true from the URI, and name the replica set",
                );
                space.close().await;
                return None;
            }
            let me = answer.get_str("me").map(|me| format!("{me} answers")).ok();
            report.ok(REACHED, me.as_deref().unwrap_or("it answers"));
            return Some((space, answer));
        }
        Ok(Err(error)) => {
            let description = seen.borrow().clone();
            failed(report, &error, description.as_ref(), set_name.as_deref());
        }
        Err(_) => {
            let why = "no answer in time (store.mongo.server_selection_timeout)";
            report.fail(REACHED, why, network_advice(why));
        }
    }
    space.close().await;
    None
}

fn failed(
    report: &mut Report,
    error: &Error,
    seen: Option<&TopologyDescription>,
    set_name: Option<&str>,
) {
    match &*error.kind {
        ErrorKind::Authentication { .. } => {
            report.ok(REACHED, "it answers");
            report.fail(
                SIGN_IN,
                one_line(error),
                "check user, password and authSource in the URI: special characters are written \
                 as %XX, and authSource is the database that knows the user, often admin",
            );
        }
        ErrorKind::ServerSelection { .. } => match seen {
            Some(seen) => no_primary(report, seen, set_name),
            None => report.fail(REACHED, one_line(error), "check hosts and ports"),
        },
        _ => {
            let why = one_line(error);
            report.fail(REACHED, &why, network_advice(&why));
        }
    }
}

/// Why none of the servers takes writes.
fn no_primary(report: &mut Report, seen: &TopologyDescription, set_name: Option<&str>) {
    if let Some(why) = seen.compatibility_error() {
        report.fail(REACHED, why, "upgrade to MongoDB 7.0 or newer");
        return;
    }
    let mut servers: Vec<_> = seen
        .servers()
        .into_iter()
        .map(|(address, server)| {
            let error = server.error().map(|error| match &*error.kind {
                ErrorKind::Io(error) => error.to_string(),
                _ => one_line(error),
            });
            (address.to_string(), server.server_type(), error)
        })
        .collect();
    servers.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    if servers.is_empty() {
        let name = set_name.unwrap_or_default();
        report.fail(
            REACHED,
            format!("no server belongs to a replica set with the name {name}"),
            "correct replicaSet in the URI: rs.conf()._id in mongosh says its name",
        );
        return;
    }
    for (address, kind, error) in &servers {
        let (text, advice) = match (kind, error) {
            (_, Some(why)) => (format!("{address}: {why}"), network_advice(why)),
            (ServerType::RsSecondary, _) => (
                format!("{address}: a secondary, and there is no primary"),
                "a majority of the members must run and see each other; rs.status() in mongosh \
                 says more",
            ),
            (ServerType::RsGhost, _) => (
                format!("{address}: a member of a replica set that was never initiated"),
                "run rs.initiate() there once, in mongosh",
            ),
            (ServerType::Standalone, _) => (
                format!("{address}: not a member of a replica set"),
                "remove replicaSet from the URI",
            ),
            (ServerType::Unknown, _) if seen.topology_type() == TopologyType::Unknown => {
                (format!("{address}: no answer in time"), network_advice("no answer in time"))
            }
            (ServerType::Unknown, _) => (
                format!("{address}: no answer in time, or of another replica set"),
                "check the host, and replicaSet in the URI",
            ),
            (kind, _) => (format!("{address}: takes no writes ({kind})"), "wait until it does"),
        };
        report.fail(REACHED, text, advice);
    }
}
