//! One age file that grows, and the small one beside it with what fills no chunk yet.
//!
//! `NAME.age` gets a chunk of 64 KiB whenever one is full. `NAME.age.tail` is replaced as a whole: an age file of which
//! the first 8 octets (big endian) say where in the recording the others begin. A reader takes of the first file what
//! opens, and of the second what lies behind that. Once the recording is finished there is only the first.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use age::stream::StreamWriter;
use zeroize::{Zeroize, Zeroizing};

use super::Recipient;

/// What is added to a recording's name for what fills no chunk yet.
pub const TAIL_SUFFIX: &str = ".tail";
const NEW_SUFFIX: &str = ".new";
/// Octets of a chunk, in the clear and sealed (age-encryption.org/v1, payload).
const CHUNK: usize = 64 * 1024;
const SEALED_CHUNK: u64 = CHUNK as u64 + 16;
/// Octets sealed at a time.
const PIECE: usize = 4_096;

/// Counts what has reached the file.
#[derive(Debug)]
struct Sink {
    file: File,
    written: Arc<AtomicU64>,
}

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let count = self.file.write(octets)?;
        self.written.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A recording's file. Dropped without [`SealedFile::finish`], it stays as after a crash.
pub struct SealedFile {
    path: PathBuf,
    recipients: Vec<Recipient>,
    stream: StreamWriter<Sink>,
    /// The same file.
    file: File,
    written: Arc<AtomicU64>,
    /// Where the chunks begin.
    header: u64,
    octets: u64,
    /// The octets since the last whole chunk that is in the file.
    open_chunk: Zeroizing<Vec<u8>>,
    /// Octets that a reader would find.
    saved: u64,
    has_tail: bool,
}

impl SealedFile {
    /// Makes the file, which must not exist, for its owner alone.
    ///
    /// # Errors
    /// The system's, or that there is no recipient.
    pub fn create(path: &Path, recipients: &[Recipient]) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let file = create_private(path, true)?;
        let written = Arc::new(AtomicU64::new(0));
        let sink = Sink {
            file: file.try_clone()?,
            written: Arc::clone(&written),
        };
        let stream = sealing(recipients)?.wrap_output(sink)?;
        let header = written.load(Ordering::Relaxed);
        Ok(Self {
            path: path.to_owned(),
            recipients: recipients.to_vec(),
            stream,
            file,
            written,
            header,
            octets: 0,
            // Whole from the start: grown, it would leave copies behind.
            open_chunk: Zeroizing::new(Vec::with_capacity(CHUNK + PIECE)),
            saved: 0,
            has_tail: false,
        })
    }

    /// Seals further octets; whole chunks reach the file.
    ///
    /// # Errors
    /// The system's: the recording is over, and [`SealedFile::give_up`] is next.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        for piece in octets.chunks(PIECE) {
            // First kept, then written: what fails to be written can still be saved.
            self.open_chunk.extend_from_slice(piece);
            self.octets += piece.len() as u64;
            let result = self.stream.write_all(piece);
            self.forget_whole_chunks();
            result?;
        }
        Ok(())
    }

    fn forget_whole_chunks(&mut self) {
        let begins = self.in_chunks() as usize;
        let held_from = self.octets as usize - self.open_chunk.len();
        if begins > held_from {
            let rest = Zeroizing::new(self.open_chunk[begins - held_from..].to_vec());
            self.open_chunk.zeroize(); // and emptied
            self.open_chunk.extend_from_slice(&rest);
        }
    }

    /// Octets in whole chunks in the file.
    fn in_chunks(&self) -> u64 {
        (self.written.load(Ordering::Relaxed) - self.header) / SEALED_CHUNK * CHUNK as u64
    }

    /// Where the file ends, less a chunk that was written in part.
    fn end_of_chunks(&self) -> u64 {
        self.header + self.in_chunks() / CHUNK as u64 * SEALED_CHUNK
    }

    /// Seals what fills no chunk yet beside the file.
    ///
    /// # Errors
    /// The system's; what was saved before is still there.
    pub fn save(&mut self) -> io::Result<()> {
        if self.saved == self.octets {
            return Ok(());
        }
        let (tail, new) = (self.beside(TAIL_SUFFIX), self.beside(NEW_SUFFIX));
        let written = (|| {
            let mut stream = sealing(&self.recipients)?.wrap_output(Vec::new())?;
            stream.write_all(&(self.octets - self.open_chunk.len() as u64).to_be_bytes())?;
            stream.write_all(&self.open_chunk)?;
            create_private(&new, false)?.write_all(&stream.finish()?)?;
            std::fs::rename(&new, &tail)
        })();
        if let Err(error) = written {
            let _ = std::fs::remove_file(&new);
            return Err(error);
        }
        self.has_tail = true;
        self.saved = self.octets;
        Ok(())
    }

    /// Ends the file as age has it, and waits for the disk. Gives the recording's octets.
    ///
    /// # Errors
    /// The system's, and the octets that a reader finds all the same.
    pub fn finish(mut self) -> Result<u64, (io::Error, u64)> {
        // Saved first: if the last chunk cannot be written, this can be read.
        if let Err(error) = self.save() {
            return Err((error, self.give_up()));
        }
        let tail = self.beside(TAIL_SUFFIX);
        let whole = self.end_of_chunks();
        if let Err(error) = self.stream.finish().and_then(|_| self.file.sync_all()) {
            let _ = self.file.set_len(whole);
            return Err((error, self.octets));
        }
        let last = (|| {
            if self.has_tail {
                std::fs::remove_file(&tail)?;
            }
            self.path
                .parent()
                .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        })();
        last.map(|()| self.octets)
            .map_err(|error| (error, self.octets))
    }

    /// Ends without an end: the whole chunks stay, and what could be saved beside them. Gives the octets that a reader
    /// finds.
    pub fn give_up(mut self) -> u64 {
        let whole = self.in_chunks();
        let _ = self.file.set_len(self.end_of_chunks());
        let _ = self.save();
        let _ = self.file.sync_all();
        self.saved.max(whole)
    }

    /// Its file, for syncing.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }
}

fn sealing(recipients: &[Recipient]) -> io::Result<age::Encryptor> {
    age::Encryptor::with_recipients(recipients.iter().map(|one| &one.0 as &dyn age::Recipient))
        .map_err(io::Error::other)
}

fn create_private(path: &Path, is_new: bool) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(!is_new)
        .create_new(is_new)
        .mode(0o600)
        .open(path)
}
