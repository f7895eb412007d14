//! The thread that starts codec processes, and starts them again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sealtone_codec_protocol::LegId;

use super::Available;
use super::process::{CodecProcess, Unusable};
use crate::command::{Command, Mailbox};

/// A process that ran for so long before it ended is started again at once.
const STEADY: Duration = Duration::from_secs(10);
/// The first pause after one that did not; each doubles the last.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a worker tells the supervisor.
#[derive(Debug)]
pub enum Notice {
    /// The process of that worker is gone, or to be given up.
    Lost(usize),
    /// The engine ends.
    Stop,
}

/// The thread. The processes die with it.
#[derive(Debug)]
pub struct Supervisor {
    notices: Sender<Notice>,
    thread: Option<JoinHandle<()>>,
    /// What the processes can do.
    pub available: Available,
    /// Landlock stands around them.
    pub landlock: bool,
}

struct Place {
    mailbox: Arc<Mailbox>,
    process: Option<CodecProcess>,
    started: Instant,
    pause: Duration,
    due: Option<Instant>,
    /// Whose leg the last one worked on when it died.
    culprit: Option<LegId>,
}

impl Supervisor {
    /// Starts a process for each worker and waits for their first words.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(program: PathBuf, mailboxes: Vec<Arc<Mailbox>>) -> std::io::Result<Self> {
        let (notices, inbox) = channel();
        let (first, first_words) = channel();
        let thread = std::thread::Builder::new()
            .name("sealtone-codecs".to_owned())
            .spawn(move || supervise(&program, mailboxes, &inbox, &first))?;
        let gone = || {
            Err(Unusable(
                "the thread that starts codec processes ended".to_owned(),
            ))
        };
        let (available, landlock) = first_words.recv().unwrap_or_else(|_| (gone(), false));
        Ok(Self {
            notices,
            thread: Some(thread),
            available,
            landlock,
        })
    }

    /// Where workers tell that their process is gone.
    #[must_use]
    pub fn notices(&self) -> Sender<Notice> {
        self.notices.clone()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.notices.send(Notice::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn supervise(
    program: &Path,
    mailboxes: Vec<Arc<Mailbox>>,
    inbox: &Receiver<Notice>,
    first: &Sender<(Available, bool)>,
) {
    let mut places: Vec<Place> = Vec::with_capacity(mailboxes.len());
    for mailbox in mailboxes {
        let mut place = Place {
            mailbox,
            process: None,
            started: Instant::now(),
            pause: Duration::ZERO,
            due: None,
            culprit: None,
        };
        if let Err(why) = place.start(program) {
            let _ = first.send((Err(why), false));
            return;
        }
        places.push(place);
    }
    let known = places.first().and_then(|place| place.process.as_ref());
    let words = known.map_or((Ok(Vec::new()), false), |process| {
        (Ok(process.codecs.clone()), process.landlock)
    });
    let _ = first.send(words);
    loop {
        let due = places.iter().filter_map(|place| place.due).min();
        let notice = match due {
            Some(due) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match notice {
            Ok(Notice::Lost(worker)) => {
                if let Some(place) = places.get_mut(worker) {
                    place.lose();
                }
            }
            Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        for place in &mut places {
            if place.due.is_some_and(|due| due <= now) && place.start(program).is_err() {
                place.lose();
            }
        }
    }
}

impl Place {
    fn start(&mut self, program: &Path) -> Result<(), Unusable> {
        self.started = Instant::now();
        self.due = None;
        let mut process = CodecProcess::start(program)?;
        if let Some(socket) = process.socket.take()
            && self
                .mailbox
                .post(Command::Codecs(socket, self.culprit.take()))
                .is_err()
        {
            return Err(Unusable(
                "the media worker does not take commands".to_owned(),
            ));
        }
        self.process = Some(process);
        Ok(())
    }

    /// Ends what is left of the process, and sets when the next is started.
    fn lose(&mut self) {
        // One that did not even start says nothing of why the last one died.
        if let Some(process) = self.process.take() {
            self.culprit = process.into_culprit();
        }
        self.pause = if self.started.elapsed() >= STEADY {
            Duration::ZERO
        } else {
            (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE)
        };
        self.due = Some(Instant::now() + self.pause);
    }
}
