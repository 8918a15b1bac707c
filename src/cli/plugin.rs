//! `confab <plugin> <command> [ARGUMENT…]`: the commands that plugins add. They run without a
//! configuration.

use std::{ffi::OsString, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use confab_plugin::Manifest;

use super::{FAILURE, output};

/// What follows a command's name.
const ARGUMENTS: &str = "ARGUMENT";

/// What help says of a plugin: the daemon's own options mean nothing to it.
const HELP_OF_PLUGIN: &str = "{about}\n\n{usage-heading} {usage}\n\nCommands:\n{subcommands}\n";

/// What help says of a plugin's command.
const HELP_OF_COMMAND: &str = "{about}\n\n{usage-heading} {usage}\n";

/// The command line with the commands of these plugins. A plugin named as one of the daemon's own
/// commands adds nothing.
pub(super) fn with_commands(mut cli: Command, manifests: &[Manifest]) -> Command {
    for manifest in manifests.iter().filter(|manifest| !manifest.commands.is_empty()) {
        if cli.find_subcommand(manifest.name).is_none() {
            cli = cli.subcommand(of_plugin(manifest));
        }
    }
    cli
}

fn of_plugin(manifest: &Manifest) -> Command {
    let commands = manifest.commands.iter().map(|command| {
        let arguments = Arg::new(ARGUMENTS)
            .action(ArgAction::Append)
            .num_args(0..)
            .value_parser(value_parser!(OsString))
            .allow_hyphen_values(true)
            .trailing_var_arg(true);
        Command::new(command.name)
            .about(command.about)
            .override_usage(format!(
                "confab {} {} {}",
                manifest.name, command.name, command.arguments
            ))
            .help_template(HELP_OF_COMMAND)
            // The command knows its own options, and explains them.
            .disable_help_flag(true)
            .arg(arguments)
    });
    Command::new(manifest.name)
        .about(format!("Commands of the plugin {}: {}", manifest.name, manifest.summary))
        .override_usage(format!("confab {} COMMAND [ARGUMENT…]", manifest.name))
        .help_template(HELP_OF_PLUGIN)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(commands)
}

/// Runs the command of a plugin that the arguments name; `None` if they name none.
pub(super) fn run(matches: &ArgMatches, manifests: &[Manifest]) -> Option<ExitCode> {
    let (plugin, matches) = matches.subcommand()?;
    let manifest = manifests.iter().find(|manifest| manifest.name == plugin)?;
    let (name, matches) = matches.subcommand()?;
    let command = manifest.commands.iter().find(|command| command.name == name)?;
    let arguments: Vec<OsString> =
        matches.get_many(ARGUMENTS).into_iter().flatten().cloned().collect();
    Some(match (command.run)(&arguments) {
        Ok(told) => output::to_stdout(&told),
        Err(why) => {
            output::to_stderr(&format!("error: {why}"));
            ExitCode::from(FAILURE)
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};
    use confab_plugin::{Definition, EventKind, Plugin, Problem};

    use super::*;
    use crate::cli::Cli;

    macro_rules! plugin {
        ($type:ident, $name:literal) => {
            struct $type;
            impl Plugin for $type {}
            impl Definition for $type {
                const NAME: &'static str = $name;
                const SUMMARY: &'static str = "a sample";
                const MANUAL: &'static str = "";
                const ON: &'static [EventKind] = &[EventKind::Message];
                const COMMANDS: &'static [confab_plugin::Command] = &[confab_plugin::Command {
                    name: "count",
                    arguments: "[--at-most N] THING…",
                    about: "Count things",
                    run: |things| match things.len() {
                        0 => Err("nothing to count".into()),
                        _ => Ok(String::new()),
                    },
                }];
                type Options = Options;

                fn new(_: &str, _: Options) -> Result<Self, Vec<Problem>> {
                    Ok($type)
                }
            }
        };
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Options {}

    plugin!(Sample, "sample");
    plugin!(Config, "config");

    fn manifests() -> Vec<Manifest> {
        vec![Manifest::of::<Sample>(), Manifest::of::<Config>()]
    }

    fn parse(arguments: &[&str]) -> Result<ArgMatches, clap::Error> {
        let arguments = ["confab"].iter().chain(arguments);
        with_commands(Cli::command(), &manifests()).try_get_matches_from(arguments)
    }

    #[test]
    fn the_arguments_make_sense() {
        with_commands(Cli::command(), &manifests()).debug_assert();
        with_commands(Cli::command(), &crate::registry::manifests()).debug_assert();
    }

    #[test]
    fn arguments_are_handed_over_as_they_are() {
        let status = |arguments: &[&str]| {
            run(&parse(arguments).unwrap(), &manifests()).map(|status| format!("{status:?}"))
        };
        let (good, bad) = (ExitCode::SUCCESS, ExitCode::from(FAILURE));
        for arguments in [&["--at-most", "3", "a"][..], &["a", "--help"], &["-h"], &["--", "-x"]] {
            let all: Vec<_> = ["sample", "count"].iter().chain(arguments).copied().collect();
            assert_eq!(status(&all), Some(format!("{good:?}")), "{arguments:?}");
        }
        assert_eq!(status(&["sample", "count"]), Some(format!("{bad:?}")));
        // The daemon's own word goes first.
        assert_eq!(status(&["config"]), None);
        assert_eq!(status(&[]), None);
    }

    #[test]
    fn help_names_what_there_is() {
        let help = parse(&["--help"]).unwrap_err().to_string();
        assert!(help.contains("Commands of the plugin sample: a sample"), "{help}");
        let alone = parse(&["sample"]).unwrap_err();
        assert_eq!(alone.exit_code(), 2);
        let help = parse(&["sample", "--help"]).unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
        for told in [alone.to_string(), help.to_string()] {
            assert!(told.contains("Usage: confab sample COMMAND"), "{told}");
            assert!(told.contains("count  Count things"), "{told}");
            assert!(!told.contains("--config"), "{told}");
        }
    }

    #[test]
    fn an_unknown_word_gets_a_suggestion() {
        for (arguments, meant) in [
            (&["smaple"][..], "'sample'"),
            (&["chekc"], "'check'"),
            (&["sample", "cuont"], "'count'"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::InvalidSubcommand, 2));
            let told = error.to_string();
            assert!(told.contains("unrecognized subcommand") && told.contains(meant), "{told}");
        }
    }
}
