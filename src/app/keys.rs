//! The keys of the data folder, made once.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::Error;
use crate::config::Config;
use crate::links::Links;
use crate::store::Store;
use crate::store::listed::AddressKey;

/// The file of the key that signs links, inside the data folder.
const FILE: &str = "links.key";
/// The file of the key with which addresses are hashed. Without it the list is of no use: back it up.
const ADDRESSES_FILE: &str = "addresses.key";
/// Length of the key.
const KEY_BYTES: usize = 32;

/// The links as configured.
pub(super) fn links(config: &Config) -> Result<Links, Error> {
    let said = &config.unsubscribe;
    let key = match &said.key {
        Some(key) => key.expose_secret().as_bytes().to_vec(),
        None => kept(&config.data, FILE)
            .map_err(|error| Error::Data { path: config.data.join(FILE), error })?,
    };
    Links::new(&key, said.url.as_deref(), said.life).map_err(Error::Asked)
}

/// What addresses of the suppression list are hashed with; `None` among several nodes that were not given
/// one: each would make its own, and find nothing of the others.
fn addresses(config: &Config) -> Result<Option<AddressKey>, Error> {
    let key = match (&config.suppressions_key, &config.kafka) {
        (Some(key), _) => key.expose_secret().as_bytes().to_vec(),
        (None, Some(_)) => return Ok(None),
        (None, None) => kept(&config.data, ADDRESSES_FILE)
            .map_err(|error| Error::Data { path: config.data.join(ADDRESSES_FILE), error })?,
    };
    Ok(AddressKey::new(&key))
}

/// Tells the store what addresses are hashed with, before anything is committed.
pub(super) fn hash_addresses(config: &Config, store: &Store) -> Result<(), Error> {
    match addresses(config)? {
        Some(key) => store.hash_addresses_with(key),
        None => tracing::warn!(
            "no suppression list is kept: set `suppressions: {{key: ...}}`, the same on every node"
        ),
    }
    Ok(())
}

/// The key in the folder; a new one where there is none.
fn kept(folder: &Path, file: &str) -> io::Result<Vec<u8>> {
    let path = folder.join(file);
    match fs::read(&path) {
        Ok(key) if key.len() == KEY_BYTES => return Ok(key),
        Ok(_) => {
            let what = format!("it does not have {KEY_BYTES} bytes: restore it, or take it away");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(folder)?;
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let key = kept(&data, FILE).unwrap();
        assert_eq!((key.len(), &kept(&data, FILE).unwrap()), (KEY_BYTES, &key));
        assert_ne!(key, kept(&folder.path().join("other"), FILE).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(data.join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(data.join(FILE), "short").unwrap();
        assert!(kept(&data, FILE).is_err(), "a key that was damaged is not replaced");
    }
}
