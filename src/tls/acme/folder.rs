//! What is kept of an ACME server: the account there, and the certificate with its key.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use instant_acme::AccountCredentials;

use crate::tls::{Bad, Files, Pair};

/// The name of the directory's own folder is not longer, in bytes: file systems take 255.
const MAX_NAME: usize = 200;

/// The folder of one ACME server.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// That of this server: what one has issued is of no use with another.
    pub fn of(parent: &Path, directory: &str) -> Self {
        let name = directory.strip_prefix("https://").unwrap_or(directory);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = name.chars().take(MAX_NAME).map(plain).collect();
        // Never `.` or `..`.
        Self(parent.join(format!("{}-", name.trim_end_matches('-'))))
    }

    /// Makes it, unless it is there. Fails where nothing can be kept, before a server is asked.
    pub fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let draft = self.0.join("writable");
        create(&draft)?;
        fs::remove_file(draft)
    }

    /// The account that was made there, if any. One that is broken is none.
    pub fn account(&self) -> io::Result<Option<AccountCredentials>> {
        match fs::read(self.account_file()) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps an account.
    pub fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        let text = serde_json::to_vec(account).map_err(io::Error::other)?;
        self.write(&self.account_file(), &text)
    }

    /// The certificate that was got, and its key; `None` if there is none.
    ///
    /// # Errors
    /// When it is no good.
    pub fn pair(&self) -> Result<Option<Pair>, Bad> {
        let files = self.files();
        match fs::symlink_metadata(&files.key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Pair::read(&files).map(Some),
        }
    }

    /// What a text in PEM holds, both the certificate and its key.
    ///
    /// # Errors
    /// When it is no good.
    pub fn read_pair(&self, pem: &str) -> Result<Pair, Bad> {
        Pair::of(&self.files(), pem.as_bytes(), pem.as_bytes())
    }

    /// Keeps such a text.
    pub fn keep_pair(&self, pem: &str) -> io::Result<()> {
        self.write(&self.files().key, pem.as_bytes())
    }

    /// Where it is, for people.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn account_file(&self) -> PathBuf {
        self.0.join("account.json")
    }

    /// One file is both, so that they change in one step.
    fn files(&self) -> Files {
        let file = self.0.join("certificate.pem");
        Files { certificate: file.clone(), key: file }
    }

    /// Writes a file that only the daemon can read, in one step.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let draft = self.0.join("draft");
        let mut file = create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(&self.0)?.sync_all()
    }
}

fn create(path: &Path) -> io::Result<File> {
    // What a crash left may have other permissions.
    let _ = fs::remove_file(path);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn each_server_has_a_folder_of_its_own() {
        let name = |directory: &str| {
            let Folder(path) = Folder::of(Path::new("/x"), directory);
            path.strip_prefix("/x").unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(
            name("https://acme-v02.api.letsencrypt.org/directory"),
            "acme-v02.api.letsencrypt.org-directory-"
        );
        assert_eq!(name("https://../.."), "..-..-");
        assert_eq!(name("https://localhost:14000/dir"), "localhost-14000-dir-");
        assert!(name(&format!("https://{}", "ä".repeat(5000))).len() <= MAX_NAME + 1);
    }

    #[test]
    fn what_is_kept_is_for_the_daemon_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::of(&parent.path().join("a/b"), "https://localhost/dir");
        folder.prepare().unwrap();
        folder.keep_pair("nonsense").unwrap();
        folder.keep_pair("more nonsense").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.files().key), 0o600);
        assert!(folder.pair().is_err());
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["certificate.pem"]);
        assert!(folder.account().unwrap().is_none());
        fs::write(folder.account_file(), "{").unwrap();
        assert!(folder.account().unwrap().is_none());
    }
}
