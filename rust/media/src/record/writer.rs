//! The thread that writes recordings, and the one that syncs the file system while it does.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::{Destination, Intake, Recording, RecordingEnded, SAVE_EVERY, SealedFile};

/// How long octets wait at most before they are taken up.
const ROUND: Duration = Duration::from_millis(50);
/// How often the file system is synced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

type Tell = Box<dyn Fn(RecordingEnded) + Send>;

#[derive(Default)]
struct Shared {
    opened: Mutex<Vec<(Recording, Destination)>>,
    stopping: AtomicBool,
    /// A file on the file system to be synced; None while nothing is recorded.
    to_sync: Mutex<Option<File>>,
    next: AtomicU64,
}

/// Every recording of an engine.
pub struct Recordings {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    writer: Thread,
}

impl Recordings {
    /// Starts the threads. `tell` is called, on one of them, for each recording that ends.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start(tell: impl Fn(RecordingEnded) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            shared: Arc::clone(&shared),
            tell: Box::new(tell),
            active: Vec::new(),
        };
        let writer = std::thread::Builder::new()
            .name("sealtone-record".into())
            .spawn(move || writer.run())?;
        let for_syncing = Arc::clone(&shared);
        let syncing = std::thread::Builder::new()
            .name("sealtone-sync".into())
            .spawn(move || sync(&for_syncing))?;
        Ok(Self {
            shared,
            writer: writer.thread().clone(),
            threads: Mutex::new(vec![writer, syncing]),
        })
    }

    /// Begins a recording. Nothing waits: where its file cannot be made, that is told as its end.
    #[must_use]
    pub fn open(&self, destination: Destination) -> Recording {
        let recording = Recording {
            id: self.shared.next.fetch_add(1, Ordering::Relaxed) + 1,
            intake: Arc::new(Intake::new()),
        };
        lock(&self.shared.opened).push((recording.clone(), destination));
        self.writer.unpark();
        recording
    }

    /// Ends every recording, as it is, and the threads.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            thread.thread().unpark();
            // A panic there has been printed; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Active {
    id: u64,
    intake: Arc<Intake>,
    file: SealedFile,
    begun: Option<Instant>,
    last: Instant,
    saved_at: Instant,
}

impl Active {
    fn seconds(&self) -> f64 {
        self.begun
            .map_or(0.0, |begun| (self.last - begun).as_secs_f64())
    }

    /// Takes up what has come; whether the recording goes on, or why it ends.
    fn go_on(&mut self, now: Instant) -> Result<bool, String> {
        let ended = self.intake.ended.get().is_some(); // asked first: what was put in before counts
        while let Some(octets) = self.intake.take() {
            self.begun.get_or_insert(now);
            self.last = now;
            self.file.write(&octets).map_err(|error| in_words(&error))?;
        }
        if ended {
            return Ok(false);
        }
        if now.duration_since(self.saved_at) >= SAVE_EVERY {
            self.saved_at = now;
            self.file.save().map_err(|error| in_words(&error))?;
        }
        Ok(true)
    }
}

struct Writer {
    shared: Arc<Shared>,
    tell: Tell,
    active: Vec<Active>,
}

impl Writer {
    fn run(mut self) {
        loop {
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            let opened = std::mem::take(&mut *lock(&self.shared.opened));
            for (recording, destination) in opened {
                self.begin(recording, &destination);
            }
            if stopping {
                for active in &self.active {
                    active.intake.end("The server was stopped.");
                }
            }
            self.round(Instant::now());
            if stopping {
                return;
            }
            if self.active.is_empty() {
                *lock(&self.shared.to_sync) = None;
                std::thread::park();
            } else {
                std::thread::park_timeout(ROUND);
            }
        }
    }

    fn begin(&mut self, recording: Recording, destination: &Destination) {
        let now = Instant::now();
        match SealedFile::create(&destination.path, &destination.recipients) {
            Ok(file) => {
                let mut to_sync = lock(&self.shared.to_sync);
                if to_sync.is_none() {
                    *to_sync = file.handle().ok();
                }
                drop(to_sync);
                self.active.push(Active {
                    id: recording.id,
                    intake: recording.intake,
                    file,
                    begun: None,
                    last: now,
                    saved_at: now,
                });
            }
            Err(error) => {
                recording.intake.end(&in_words(&error));
                self.say(recording.id, in_words(&error), 0, 0.0);
            }
        }
    }

    fn round(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.active.len() {
            match self.active[index].go_on(now) {
                Ok(true) => index += 1,
                Ok(false) => {
                    let active = self.active.swap_remove(index);
                    let reason = active.intake.ended.get().cloned().unwrap_or_default();
                    let seconds = active.seconds();
                    match active.file.finish() {
                        Ok(octets) => self.say(active.id, reason, octets, seconds),
                        Err((error, kept)) => self.say(active.id, in_words(&error), kept, seconds),
                    }
                }
                Err(reason) => {
                    let active = self.active.swap_remove(index);
                    active.intake.end(&reason);
                    let seconds = active.seconds();
                    let octets = active.file.give_up();
                    self.say(active.id, reason, octets, seconds);
                }
            }
        }
    }

    fn say(&self, recording: u64, reason: String, octets: u64, seconds: f64) {
        (self.tell)(RecordingEnded {
            recording,
            reason,
            octets,
            seconds,
        });
    }
}

/// Syncs the file system that is recorded to, each second.
fn sync(shared: &Shared) {
    while !shared.stopping.load(Ordering::Acquire) {
        std::thread::park_timeout(SYNC_EVERY);
        let file = lock(&shared.to_sync)
            .as_ref()
            .and_then(|file| file.try_clone().ok());
        if let Some(file) = file {
            // A fault of the disk is seen where a file is finished; here is nobody to tell.
            let _ = rustix::fs::syncfs(&file);
        }
    }
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "The disk is full, so the recording was ended.".into(),
        io::ErrorKind::QuotaExceeded => {
            "The disk quota is used up, so the recording was ended.".into()
        }
        io::ErrorKind::FileTooLarge => {
            "The file may not grow further, so the recording was ended.".into()
        }
        _ => format!("The recording cannot be written: {error}."),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
