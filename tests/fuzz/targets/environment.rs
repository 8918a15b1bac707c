//! Variables of the environment, as the only layer beside the defaults.

use confab::{
    config::{Environment, Flags, load},
    registry,
};

use super::{config, text};

/// Each line is `NAME=value`, the value perhaps with the canary of a secret.
pub fn run(data: &[u8]) {
    let text = text(data);
    let variables: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        // It names a file, which may be any of this machine.
        .filter(|(name, _)| *name != "CONFAB_CONFIG" && *name != "CREDENTIALS_DIRECTORY")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let secrets = ["SECRET_KEY", "MONGO_URI", "REDIS_URL"];
    let with = |name: &str, value: &str| name.contains(CANARY) || value.contains(CANARY);
    let told = variables.iter().filter(|(name, value)| with(name, value));
    let all_secret = told.clone().all(|(name, value)| {
        // In the password of an address, not in its host.
        let hidden = name == secrets[0] || value.contains(":CANARY@");
        secrets.contains(&&**name) && hidden && value.matches(CANARY).count() == 1
    });
    let secret = (all_secret && told.count() > 0).then_some(CANARY);
    let flags = Flags { no_secrets: true, ..Flags::default() };
    let result = load(&Environment::new(variables, ""), &flags, &registry::manifests());
    config::check(&result, std::path::Path::new("nowhere"), secret);
}

const CANARY: &str = "CANARY";
