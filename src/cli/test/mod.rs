//! `confab test`: plays the events of fixtures on the chain of a configuration, and compares what
//! becomes of them with what is expected.

mod check;
mod fixtures;
mod report;
mod run;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use confab_plugin::{Manifest, Problem};

use super::{BAD_CONFIG, FAILURE, output, stage};
use crate::config::{
    Config, ConfigErrors, Environment, Flags, PluginEntry, load, strict::StrictFile,
};
use fixtures::Fixtures;
use report::Report;
use run::Ground;

/// The long help.
pub(super) const ABOUT: &str = "\
Try events on the chain of a configuration, and compare what becomes of them with what is expected

A file of fixtures is TOML:

  config = \"../confab.toml\"      # relative to this file
  [[tests]]
  name = \"links are refused\"
  event = { kind = \"message\", from = \"ann\", to = \"bob\", content = \"see http://x\" }
  expect = { verdict = \"deny\", by = \"no-links\", code = \"no_links\" }

Instead of `config` a file may hold the [[plugins]] of a chain. Without either, or with --config, \
the chain is that of the usual configuration. Each test runs on a fresh chain, in which plugins \
touch nothing that others see. docs/testing.md tells all keys.

Exit status: 0 if all is as expected, 1 if not, 78 if a file or the configuration is wrong.";

/// What each hook has at least: fixtures say what is decided, and not how fast, so that they hold
/// on a busy machine too.
const PATIENCE: confab_plugin::Duration = confab_plugin::Duration::from_secs(5);

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The files of fixtures
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only run tests whose names hold this text
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// Tell the results as one JSON document
    #[arg(long)]
    json: bool,
}

/// Reads a file of fixtures and checks all that can be known without the configuration it names.
///
/// # Errors
/// All that is wrong with it.
pub fn check_fixtures(path: &Path, manifests: &[Manifest]) -> Result<(), ConfigErrors> {
    let (file, fixtures) = Fixtures::read(path, manifests)?;
    let problems = fixtures.plugins.as_deref().map(|chain| fixtures.check_names(chain));
    match problems {
        Some(problems) if !problems.is_empty() => Err(file.errors(problems)),
        _ => Ok(()),
    }
}

/// A file whose tests can be run.
struct Ready {
    file: StrictFile,
    fixtures: Fixtures,
    plugins: Vec<PluginEntry>,
    max_content: usize,
}

/// Runs the tests of all files. Nothing runs if one of the files is wrong.
pub(super) fn run(
    arguments: &Test,
    environment: &Environment,
    flags: &Flags,
    manifests: &[Manifest],
) -> ExitCode {
    let (mut ready, mut wrong) = (Vec::new(), false);
    for path in &arguments.files {
        match prepare(path, environment, flags, manifests) {
            Ok(file) => ready.push(file),
            Err(errors) => {
                output::to_stderr(&errors.render(output::coloured()));
                wrong = true;
            }
        }
    }
    if wrong {
        return ExitCode::from(BAD_CONFIG);
    }
    match stage::block_on(run_all(arguments, &ready, manifests)) {
        Ok(code) => code,
        Err(error) => {
            output::to_stderr(&format!("error: cannot start: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}

/// Reads a file and its chain.
fn prepare(
    path: &Path,
    environment: &Environment,
    flags: &Flags,
    manifests: &[Manifest],
) -> Result<Ready, ConfigErrors> {
    let (file, mut fixtures) = Fixtures::read(path, manifests)?;
    // What a fixture names is the same for everybody: no variable and no flag adds to it.
    let (plugins, config) = match (fixtures.plugins.take(), &fixtures.config, &flags.config) {
        (Some(plugins), _, _) => (plugins, Config::default()),
        (None, Some(config), None) => {
            let config = path.parent().unwrap_or(Path::new("")).join(config);
            if let Err(error) = std::fs::metadata(&config) {
                let message = format!("cannot read {}: {error}", config.display());
                return Err(file.errors(vec![Problem::at("config", message)]));
            }
            let flags = Flags { config: Some(config), no_secrets: true, ..Flags::default() };
            let nothing: [(&str, &str); 0] = [];
            let config = load(&Environment::new(nothing, ""), &flags, manifests)?.config;
            (config.plugins.clone(), config)
        }
        _ => {
            let flags = Flags { no_secrets: true, ..flags.clone() };
            let config = load(environment, &flags, manifests)?.config;
            (config.plugins.clone(), config)
        }
    };
    let plugins = patient(plugins);
    let problems = fixtures.check_names(&plugins);
    if !problems.is_empty() {
        return Err(file.errors(problems));
    }
    Ok(Ready { file, fixtures, plugins, max_content: config.limits.content.as_usize() })
}

/// The same entries with no time limit below [`PATIENCE`].
fn patient(mut plugins: Vec<PluginEntry>) -> Vec<PluginEntry> {
    for entry in &mut plugins {
        entry.timeout = entry.timeout.max(PATIENCE);
    }
    plugins
}

async fn run_all(arguments: &Test, ready: &[Ready], manifests: &[Manifest]) -> ExitCode {
    let colour = output::coloured_out();
    let (mut reports, mut left_out) = (Vec::new(), 0);
    for Ready { file, fixtures, plugins, max_content } in ready {
        let ground = Ground { plugins, manifests, max_content: *max_content, skip: &fixtures.skip };
        for (number, test) in fixtures.tests.iter().enumerate() {
            if arguments.filter.as_ref().is_some_and(|filter| !test.name.contains(filter)) {
                left_out += 1;
                continue;
            }
            let mut path = vec!["tests".into(), number.into()];
            let line = file.line(&path);
            let failure = run::run(test, &ground).await.map(|failure| {
                path.extend(test.step_path(failure.step));
                (file.line(&path), failure)
            });
            let (file, name) = (file.path().display().to_string(), test.name.clone());
            let report = Report { file, line, name, failure };
            if !arguments.json {
                output::to_stdout(&report::line(&report, colour));
            }
            reports.push(report);
        }
    }
    let told = output::to_stdout(&if arguments.json {
        report::json(&reports, left_out)
    } else {
        report::summary(&reports, left_out, colour)
    });
    if let (true, Some(filter)) = (reports.is_empty(), &arguments.filter) {
        output::to_stderr(&format!("error: no test has {filter:?} in its name"));
        return ExitCode::from(FAILURE);
    }
    if report::failed(&reports) > 0 { ExitCode::from(FAILURE) } else { told }
}
