//! `confab new-plugin`: writes a plugin that works, in a checkout, and the two lines that make it
//! part of the daemon.

mod lines;
mod name;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory as _};

use super::{FAILURE, output};
use name::Name;

/// The long help.
pub(super) const ABOUT: &str = "\
Write a new plugin: a crate below plugins/ that works, with its manual, its tests and fixtures, and \
the two lines that make it part of the daemon

Runs in a checkout of confab, in any folder of it. Nothing that exists is overwritten. \
docs/write-a-plugin.md goes on from there.";

/// The files of a plugin, and where they go.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.template")),
    ("README.md", include_str!("template/README.md.template")),
    ("src/lib.rs", include_str!("template/lib.rs.template")),
    ("src/tests.rs", include_str!("template/tests.rs.template")),
    ("fixtures.toml", include_str!("template/fixtures.toml.template")),
];

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct NewPlugin {
    /// What operators will write after `use =`: words of a-z 0-9 joined by "-"
    name: String,
}

/// Writes the plugin, and says what to do next.
pub(super) fn run(arguments: &NewPlugin) -> ExitCode {
    let commands = super::Cli::command();
    let commands: Vec<_> =
        commands.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let written = Name::new(&arguments.name, &commands).and_then(|name| {
        let here = std::env::current_dir().map_err(|error| format!("no current folder: {error}"));
        write(&root(&here?)?, &name)?;
        Ok(name)
    });
    match written {
        Ok(name) => output::to_stdout(&next(&name)),
        Err(why) => {
            output::to_stderr(&format!("error: {why}"));
            ExitCode::from(FAILURE)
        }
    }
}

/// The root of the checkout that `here` is in.
fn root(here: &Path) -> Result<PathBuf, String> {
    let is_root = |folder: &&Path| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        let manifest: toml::Table = text.parse().unwrap_or_default();
        let package = manifest.get("package").and_then(|package| package.get("name")?.as_str());
        package == Some("confab") && folder.join("src/registry.rs").is_file()
    };
    here.ancestors().find(is_root).map(Path::to_owned).ok_or_else(|| {
        format!(
            "{} is not in a checkout of confab: plugins are compiled in, so get the source, and \
             run this there",
            here.display()
        )
    })
}

/// Writes all of it, or on an error nothing.
fn write(root: &Path, name: &Name) -> Result<(), String> {
    let folder = root.join("plugins").join(name.as_str());
    let (cargo, registry) = (root.join("Cargo.toml"), root.join("src/registry.rs"));
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| cannot("read", path, &error));
    let (old_cargo, old_registry) = (read(&cargo)?, read(&registry)?);
    let new_cargo = lines::with_dependency(&old_cargo, name)?;
    let new_registry = lines::with_manifest(&old_registry, name)?;

    let mut undo = Undo::default();
    // Fails if there is anything of that name.
    fs::create_dir(&folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{} exists already", folder.display()),
        _ => cannot("make", &folder, &error),
    })?;
    undo.folder = Some(folder.clone());
    fs::create_dir(folder.join("src")).map_err(|error| cannot("make", &folder, &error))?;
    for (path, template) in FILES {
        let path = folder.join(path);
        fs::write(&path, name.fill(template)).map_err(|error| cannot("write", &path, &error))?;
    }
    for (path, old, new) in
        [(&cargo, old_cargo, new_cargo), (&registry, old_registry, new_registry)]
    {
        undo.files.push((path.clone(), old));
        replace(path, &new).map_err(|error| cannot("write", path, &error))?;
    }
    undo.forget();
    Ok(())
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// Replaces a file as a whole.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".confab-new");
    let new = PathBuf::from(new);
    let permissions = fs::metadata(path)?.permissions();
    let result = fs::write(&new, text)
        .and_then(|()| fs::set_permissions(&new, permissions))
        .and_then(|()| fs::rename(&new, path));
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result
}

/// What to take back, unless it is forgotten.
#[derive(Default)]
struct Undo {
    folder: Option<PathBuf>,
    files: Vec<(PathBuf, String)>,
}

impl Undo {
    fn forget(mut self) {
        self.folder = None;
        self.files.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        // The error that led here is told; of this one, nothing better could be done.
        for (path, text) in self.files.drain(..) {
            if fs::read_to_string(&path).is_ok_and(|now| now != text) {
                let _ = replace(&path, &text);
            }
        }
        if let Some(folder) = self.folder.take() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn next(name: &Name) -> String {
    let (package, crate_name, ty) = (name.package(), name.crate_name(), name.type_name());
    let name = name.as_str();
    format!(
        "\
plugins/{name}/        Cargo.toml, README.md (the manual), src/lib.rs, src/tests.rs, fixtures.toml
Cargo.toml       + {package} = {{ path = \"plugins/{name}\" }}
src/registry.rs  + Manifest::of::<{crate_name}::{ty}>(),

What to do next:

  its own tests:              cargo test -p {package}
  events on a chain with it:  cargo run -- test plugins/{name}/fixtures.toml
  the schema for editors:     CONFAB_BLESS=1 cargo test --lib config

To try it in the daemon, put this into a configuration, and start it with
cargo run -- --config FILE:

  [[plugins]]
  use = \"{name}\"
  [plugins.options]
  max_chars = 280

docs/write-a-plugin.md goes on from here.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARGO: &str = "[package]\nname = \"confab\"\n[dependencies]\n";
    const REGISTRY: &str = "&[\n]\n";

    fn checkout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for made in ["src/cli", "plugins"] {
            fs::create_dir_all(folder.path().join(made)).unwrap();
        }
        fs::write(folder.path().join("Cargo.toml"), CARGO).unwrap();
        fs::write(folder.path().join("src/registry.rs"), REGISTRY).unwrap();
        folder
    }

    fn name() -> Name {
        Name::new("quiet-hours", &[]).unwrap()
    }

    #[test]
    fn the_root_is_found_from_below_and_nowhere_else() {
        let checkout = checkout();
        assert_eq!(root(&checkout.path().join("src/cli")).unwrap(), checkout.path());
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(root(elsewhere.path()).unwrap_err().contains("not in a checkout of confab"));
    }

    #[test]
    fn all_is_written_and_nothing_twice() {
        let checkout = checkout();
        write(checkout.path(), &name()).unwrap();
        let folder = checkout.path().join("plugins/quiet-hours");
        for (file, _) in FILES {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(!text.contains('@'), "{file}: a name is not filled in");
        }
        let again = write(checkout.path(), &name()).unwrap_err();
        assert!(again.contains("already"), "{again}");
    }

    #[test]
    fn a_folder_that_exists_is_left_alone() {
        let checkout = checkout();
        let folder = checkout.path().join("plugins/quiet-hours");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("mine"), "").unwrap();
        assert!(write(checkout.path(), &name()).unwrap_err().contains("exists already"));
        assert!(folder.join("mine").exists() && !folder.join("Cargo.toml").exists());
        assert_eq!(fs::read_to_string(checkout.path().join("Cargo.toml")).unwrap(), CARGO);
    }

    #[test]
    fn after_a_failure_nothing_is_left() {
        let checkout = checkout();
        // In the way of the last file that is written.
        fs::create_dir(checkout.path().join("src/registry.rs.confab-new")).unwrap();
        assert!(write(checkout.path(), &name()).unwrap_err().contains("registry.rs"));
        assert!(!checkout.path().join("plugins/quiet-hours").exists());
        assert_eq!(fs::read_to_string(checkout.path().join("Cargo.toml")).unwrap(), CARGO);
        let registry = fs::read_to_string(checkout.path().join("src/registry.rs")).unwrap();
        assert_eq!(registry, REGISTRY);
    }
}
