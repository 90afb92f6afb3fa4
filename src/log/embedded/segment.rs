//! The files of the log: each begins with where all shards stood, and then holds blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::super::Error;
use super::block;
use crate::engine::time::Timestamp;

/// How a file begins whose blocks follow each other without a gap.
const MAGIC_DENSE: &[u8; 8] = b"heedlog1";
/// How a file begins whose blocks begin at multiples of [`ALIGNED_BYTES`], and so does what is
/// behind its head.
const MAGIC: &[u8; 8] = b"heedlog2";
/// Disks write this much or a multiple of it.
pub(super) const ALIGNED_BYTES: usize = 512;
/// Magic and number of shards.
const FIXED_BYTES: usize = 8 + 2;
/// Position and time of a shard.
const START_BYTES: usize = 8 + 8;
/// Sum over the head.
const SUM_BYTES: usize = 8;
/// What the files end with.
const ENDING: &str = "log";

/// Where a shard stands: its last position, and when that was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) position: u64,
    pub(super) appended_at: Timestamp,
}

/// A file that can be read; the last one is also written.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    /// Writes past the cache of the system, where that can be had: nothing is copied, no memory is
    /// taken for what will hardly be read, and a flush has nothing left to write.
    direct: Option<File>,
    /// What blocks begin at multiples of.
    pub(super) aligned: usize,
    /// Where the shards stood before its first block.
    pub(super) starts: Vec<Stand>,
}

impl Segment {
    /// Makes a new file, durably.
    pub(super) fn create(dir: &Path, number: u64, starts: &[Stand]) -> Result<Self, Error> {
        let path = path_of(dir, number);
        let failed = |error: io::Error| storage(&path, &error);
        let mut head = Vec::with_capacity(head_bytes(starts.len()));
        head.extend_from_slice(MAGIC);
        let shards = u16::try_from(starts.len()).unwrap_or(u16::MAX);
        head.extend_from_slice(&shards.to_le_bytes());
        for start in starts {
            head.extend_from_slice(&start.position.to_le_bytes());
            head.extend_from_slice(&start.appended_at.as_millis().to_le_bytes());
        }
        head.extend_from_slice(&block::sum(&head));
        head.resize(head.len().next_multiple_of(ALIGNED_BYTES), 0);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        file.write_all(&head).and_then(|()| file.sync_all()).map_err(failed)?;
        sync_dir(dir)?;
        let direct = open_direct(&path);
        Ok(Self { path, file, direct, aligned: ALIGNED_BYTES, starts: starts.to_vec() })
    }

    /// Opens a file; `None` when it has no whole head, as a crash while it was made leaves it.
    pub(super) fn open(dir: &Path, number: u64, shards: usize) -> Result<Option<Self>, Error> {
        let path = path_of(dir, number);
        let failed = |error: io::Error| storage(&path, &error);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        let mut head = vec![0; head_bytes(shards)];
        let got = read_upto(&file, &mut head, 0).map_err(failed)?;
        if got < head.len() {
            return Ok(None);
        }
        let Some((aligned, starts)) = starts_of(&head, shards) else { return Ok(None) };
        let opened = Self { path, file, direct: None, aligned, starts };
        if opened.bytes()? < opened.head_bytes() {
            return Ok(None);
        }
        let direct = if aligned == ALIGNED_BYTES { open_direct(&opened.path) } else { None };
        Ok(Some(Self { direct, ..opened }))
    }

    /// Bytes before the first block.
    pub(super) fn head_bytes(&self) -> u64 {
        head_bytes(self.starts.len()).next_multiple_of(self.aligned) as u64
    }

    pub(super) fn bytes(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(|error| storage(&self.path, &error))?.len())
    }

    /// Writes at the end, which is a place, and waits until it is on disk.
    pub(super) fn append(&self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let straight = match &self.direct {
            Some(direct) => write_at(direct, bytes, at),
            None => Err(io::ErrorKind::InvalidInput.into()),
        };
        let written = match straight {
            // Not every disk takes blocks of this size; nothing was written then.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                write_at(&self.file, bytes, at)
            }
            other => other,
        };
        let written = written.and_then(|()| self.file.sync_data());
        written.map_err(|error| storage(&self.path, &error))
    }

    /// Reads at most so much from a place.
    pub(super) fn read(&self, at: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        let mut buffer = vec![0; bytes];
        let got = read_upto(&self.file, &mut buffer, at);
        buffer.truncate(got.map_err(|error| storage(&self.path, &error))?);
        Ok(buffer)
    }

    /// Cuts off what is behind a place, durably.
    pub(super) fn cut(&self, at: u64) -> Result<(), Error> {
        let cut = self.file.set_len(at).and_then(|()| self.file.sync_all());
        cut.map_err(|error| storage(&self.path, &error))
    }

    /// Takes the file away. Whoever reads it still can.
    pub(super) fn remove(&self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(|error| storage(&self.path, &error))
    }
}

/// The numbers of all files of a folder, in order; the folder is made when there is none.
pub(super) fn numbers(dir: &Path) -> Result<Vec<u64>, Error> {
    let failed = |error: io::Error| storage(dir, &error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ENDING)?.strip_suffix('.'));
        numbers.extend(number.and_then(|number| u64::from_str_radix(number, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Takes away a file that was never finished.
pub(super) fn discard(dir: &Path, number: u64) -> Result<(), Error> {
    let path = path_of(dir, number);
    std::fs::remove_file(&path).map_err(|error| storage(&path, &error))
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), Error> {
    // Elsewhere a folder cannot be opened, and its entries are durable with the file.
    if cfg!(unix) {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| storage(dir, &error))?;
    }
    Ok(())
}

const fn head_bytes(shards: usize) -> usize {
    FIXED_BYTES + shards * START_BYTES + SUM_BYTES
}

/// What blocks begin at multiples of, and where the shards stood.
fn starts_of(head: &[u8], shards: usize) -> Option<(usize, Vec<Stand>)> {
    let (told, sum) = head.split_at_checked(head.len().checked_sub(SUM_BYTES)?)?;
    let (magic, rest) = told.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let aligned = match magic {
        MAGIC => ALIGNED_BYTES,
        MAGIC_DENSE => 1,
        _ => return None,
    };
    let is_whole = usize::from(u16::from_le_bytes(*count)) == shards && sum == block::sum(told);
    let stand = |bytes: &[u8; START_BYTES]| {
        let (position, rest) = bytes.split_first_chunk()?;
        Some(Stand {
            position: u64::from_le_bytes(*position),
            appended_at: Timestamp::from_millis(i64::from_le_bytes(*rest.first_chunk()?)),
        })
    };
    let stands = rest.as_chunks().0.iter().map(stand).collect::<Option<_>>()?;
    is_whole.then_some((aligned, stands))
}

fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{ENDING}"))
}

fn read_upto(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, at.saturating_add(got as u64)) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// A way into the file that leaves out the cache of the system; `None` where there is none.
#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> Option<File> {
    None
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        at = at.saturating_add(written as u64);
        bytes = bytes.get(written..).filter(|_| written != 0).ok_or(io::ErrorKind::WriteZero)?;
    }
    Ok(())
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

fn storage(path: &Path, error: &io::Error) -> Error {
    Error::Storage(format!("`{}`: {error}", path.display()))
}
