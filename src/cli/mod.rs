//! The command line: one file a subcommand.

mod backup;
mod bench;
mod check;
mod completions;
mod config;
mod diff;
mod explain;
mod man;
mod migrate;
mod new_plugin;
mod online;
mod option_rows;
mod output;
mod plugin;
mod plugins;
mod reload;
mod schema;
mod serve;
mod stage;
mod test;
mod ticker;
mod user;
mod verify;

pub use test::check_fixtures;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use confab_plugin::Manifest;

use crate::{
    config::{Environment, Flags, Loaded, Sources, load},
    shutdown,
};

/// The exit status of a command that failed.
pub const FAILURE: u8 = 1;

/// The exit status of a command that found the configuration wrong: `EX_CONFIG` of sysexits(3).
pub const BAD_CONFIG: u8 = 78;

const ABOUT: &str = "A self-hosted chat daemon that hosts plugins.

Without a command it serves. Without any configuration it listens on 127.0.0.1:8080, keeps its \
data in ./confab-data, and needs nothing else.";

const AFTER: &str = "\
Configuration, later layers win:
  1. the defaults
  2. the file that --config names, else the variable CONFAB_CONFIG, else
     /etc/confab/confab.toml if it exists
  3. the files conf.d/*.toml beside it, by name
  4. the variables SECRET_KEY (auth.secret_key), ALGORITHM (auth.algorithm), MONGO_URI
     (store.mongo.uri), MONGO_DB (store.mongo.database), REDIS_URL (bus.redis.url) and RUST_LOG
     (log.level); SECRET_KEY_FILE, MONGO_URI_FILE and REDIS_URL_FILE name files that hold them
  5. the variables CONFAB_SECTION__KEY, such as CONFAB_SERVER__LISTEN=0.0.0.0:8080; lists are
     written a,b or [\"a\", \"b\"]
  6. the options above
The [[plugins]] of the files follow each other in one chain. Secrets may also be
the systemd credentials secret_key, mongo_uri and redis_url. NO_COLOR turns colours off.

Exit status:
  0   done
  1   failed: the message says why
  2   wrong arguments
  78  the configuration is wrong: each error says where";

/// The arguments.
#[derive(Debug, Parser)]
#[command(name = "confab", version, about = "A self-hosted chat daemon that hosts plugins")]
#[command(long_about = ABOUT, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon; what is done without a command
    Serve,
    /// Have the running daemon read its configuration again; fails when it is wrong, and tells all
    /// that is
    #[command(long_about = reload::ABOUT)]
    Reload(reload::Reload),
    /// Check the configuration and tell all that is wrong with it
    Check {
        /// Also ask the store and the bus that it names whether the daemon could use them. Changes
        /// nothing there
        #[arg(long, conflicts_with = "no_secrets")]
        online: bool,
        /// Leave the files that hold secrets alone: for a check without access to them
        #[arg(long)]
        no_secrets: bool,
    },
    /// Show the effective configuration as TOML, each value with its origin; secrets are not shown
    Config,
    /// Show the plugins that are compiled in; with a NAME, its options, defaults and manual
    #[command(long_about = plugins::ABOUT)]
    Plugins(plugins::Plugins),
    /// Print the JSON Schema of the configuration, for editors: with every plugin's options
    Schema,
    /// Try events on the chain of a configuration, and compare what becomes of them with what is
    /// expected
    #[command(long_about = test::ABOUT)]
    Test(test::Test),
    /// Play one event on the chain of the configuration, and tell what each entry does with it
    /// and why
    #[command(long_about = explain::ABOUT)]
    Explain(explain::Explain),
    /// Write a new plugin, in a checkout of confab
    #[command(long_about = new_plugin::ABOUT)]
    NewPlugin(new_plugin::NewPlugin),
    /// Copy what the embedded store keeps to MongoDB, or adopt a database of an earlier backend
    #[command(long_about = migrate::ABOUT)]
    Migrate(migrate::Migrate),
    /// Make, list, disable and delete accounts, set passwords and end sessions, also beside a
    /// running daemon
    #[command(long_about = user::ABOUT)]
    User(user::User),
    /// Copy what the embedded store keeps to one file, also while the daemon runs
    #[command(long_about = backup::ABOUT)]
    Backup(backup::Backup),
    /// Put a backup in the place of the embedded store of a daemon that is stopped
    #[command(long_about = backup::restore::ABOUT)]
    Restore(backup::restore::Restore),
    /// Measure a running server from the outside
    #[command(long_about = bench::ABOUT)]
    Bench(bench::Bench),
    /// Print the completions of the command line for a shell
    #[command(long_about = completions::ABOUT)]
    Completions(completions::Completions),
    /// Write the manual pages to a folder
    #[command(long_about = man::ABOUT)]
    Man(man::Man),
}

/// What every command takes.
#[derive(Debug, Args)]
struct Options {
    /// The configuration file
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where apps and browsers connect (server.listen)
    #[arg(long, value_name = "ADDRESS", global = true)]
    listen: Option<String>,
    /// Where Prometheus and health checks connect (server.admin_listen)
    #[arg(long, value_name = "ADDRESS", global = true)]
    admin_listen: Option<String>,
    /// The folder of the embedded store (store.path)
    #[arg(long, value_name = "FOLDER", global = true)]
    data: Option<String>,
    /// What to log (log.level)
    #[arg(long, value_name = "LEVEL", global = true)]
    log_level: Option<String>,
}

/// Runs the command that the process's arguments ask for.
///
/// Exits with status 2 when they are wrong, with 0 when they ask for help or the version.
pub fn run(manifests: &[Manifest]) -> ExitCode {
    let program = Cli::command().long_version(plugins::version(manifests));
    let program = plugin::with_commands(program, manifests);
    let matches = program.clone().get_matches();
    if let Some(status) = plugin::run(&matches, manifests) {
        return status;
    }
    let Cli { options, command } =
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let mut flags = Flags {
        config: options.config,
        listen: options.listen,
        admin_listen: options.admin_listen,
        data: options.data,
        log_level: options.log_level,
        no_secrets: false,
    };
    let environment = Environment::of_process();
    match command.unwrap_or(Command::Serve) {
        Command::Serve => {
            shutdown::survive_hangups();
            let manifests = manifests.to_vec();
            let sources = Sources { environment, flags, manifests };
            with_config(&sources.environment, &sources.flags, &sources.manifests, |loaded| {
                serve::run(loaded, sources.clone())
            })
        }
        Command::Reload(what) => reload::run(&what),
        Command::Check { online, no_secrets } => {
            flags.no_secrets = no_secrets;
            with_config(&environment, &flags, manifests, |loaded| check::run(&loaded, online))
        }
        Command::Config => {
            with_config(&environment, &flags, manifests, |loaded| config::run(&loaded, manifests))
        }
        Command::Plugins(what) => plugins::run(&what, manifests),
        Command::Schema => schema::run(manifests),
        Command::Test(what) => test::run(&what, &environment, &flags, manifests),
        Command::Explain(what) => {
            flags.no_secrets = true;
            with_config(&environment, &flags, manifests, |loaded| {
                explain::run(&what, &loaded, manifests)
            })
        }
        Command::NewPlugin(what) => new_plugin::run(&what),
        Command::Migrate(what) => {
            with_config(&environment, &flags, manifests, |loaded| migrate::run(&loaded, &what))
        }
        Command::User(what) => {
            with_config(&environment, &flags, manifests, |loaded| user::run(&loaded, what))
        }
        Command::Backup(what) => with_config(&environment, &flags, manifests, |loaded| {
            backup::run(&loaded.config, &what)
        }),
        Command::Restore(what) => with_config(&environment, &flags, manifests, |loaded| {
            backup::restore::run(&loaded.config, &what)
        }),
        Command::Bench(what) => bench::run(what),
        Command::Completions(what) => completions::run(&what, program),
        Command::Man(what) => man::run(&what, &program, manifests),
    }
}

/// Runs `then` on the configuration, or tells what is wrong with it.
fn with_config(
    environment: &Environment,
    flags: &Flags,
    manifests: &[Manifest],
    then: impl FnOnce(Loaded) -> ExitCode,
) -> ExitCode {
    match load(environment, flags, manifests) {
        Ok(loaded) => then(loaded),
        Err(errors) => {
            output::to_stderr(&errors.render(output::coloured()));
            ExitCode::from(BAD_CONFIG)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_what_is_done_without_a_command() {
        let cli = Cli::try_parse_from(["confab", "--listen", "[::]:80"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.options.listen.as_deref(), Some("[::]:80"));
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for arguments in
            [["confab", "--config", "a", "check"], ["confab", "check", "--config", "a"]]
        {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert!(matches!(
                cli.command,
                Some(Command::Check { online: false, no_secrets: false })
            ));
            assert_eq!(cli.options.config, Some("a".into()));
        }
    }
}
