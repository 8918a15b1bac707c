//! What is in the files that an entry's options name: a secret, a certificate. An entry whose file
//! has other contents is another one, though its options are the same.

use std::{fs::File, io::Read, path::Path};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Options whose names end so name files that a plugin reads when it starts.
const ENDING: &str = "_file";

/// No more of a file is looked at.
const MAX_BYTES: u64 = 1024 * 1024;

/// A hash over the contents of all files that these options name. Reads files: not for an async
/// thread.
pub fn digest(options: &Map<String, Value>) -> [u8; 32] {
    let mut hash = Sha256::new();
    options.iter().for_each(|(name, value)| add(&mut hash, name, value));
    hash.finalize().into()
}

fn add(hash: &mut Sha256, name: &str, value: &Value) {
    match value {
        Value::Object(table) => table.iter().for_each(|(name, value)| add(hash, name, value)),
        Value::Array(items) => items.iter().for_each(|item| add(hash, name, item)),
        Value::String(path) if name.ends_with(ENDING) => {
            // What can't be read is told by the plugin, when it starts.
            let contents = read(Path::new(path)).unwrap_or_default();
            hash.update((contents.len() as u64).to_be_bytes());
            hash.update(contents);
        }
        _ => {}
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    // Opening a pipe would wait for its other end.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut contents = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut contents).ok()?;
    Some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contents_of_named_files_count_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        let options = serde_json::json!({
            "secret_file": one, "endpoints": [{ "ca_file": two }], "path": folder.path(), "n": 5,
        });
        let options = options.as_object().unwrap().clone();
        let missing = digest(&options);
        write(&one, "a");
        write(&two, "bc");
        let first = digest(&options);
        assert_ne!(first, missing);
        write(&folder.path().join("three"), "not named");
        assert_eq!(digest(&options), first);
        write(&one, "ab");
        write(&two, "c");
        assert_ne!(digest(&options), first, "the same bytes, in other files");
        write(&one, "a");
        write(&two, "bc");
        assert_eq!(digest(&options), first);
    }
}
