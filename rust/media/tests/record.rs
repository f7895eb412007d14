//! Recordings as they are on the disk: sealed, whole, and readable after whatever happened.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sealtone_media::record::{
    Destination, Recipient, RecordingEnded, Recordings, SealedFile, TAIL_SUFFIX,
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sealtone-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("1/2026/11").join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key() -> (age::x25519::Identity, Recipient) {
    let identity = age::x25519::Identity::generate();
    let recipient = Recipient::parse(&identity.to_public().to_string()).unwrap();
    (identity, recipient)
}

/// What opens of a file, and whether that is all of it.
fn open(path: &Path, identity: &age::x25519::Identity) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let whole = age::Decryptor::new(fs::File::open(path).unwrap())
        .and_then(|sealed| sealed.decrypt(std::iter::once(identity as &dyn age::Identity)))
        .is_ok_and(|mut stream| stream.read_to_end(&mut out).is_ok());
    (out, whole)
}

fn tail_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}{TAIL_SUFFIX}", path.display()))
}

/// What a reader finds: the file's whole chunks, and what lies behind them in the tail.
fn read(path: &Path, identity: &age::x25519::Identity) -> Vec<u8> {
    let (mut found, _) = open(path, identity);
    if tail_of(path).exists() {
        let (tail, whole) = open(&tail_of(path), identity);
        assert!(whole);
        let begins = u64::from_be_bytes(tail[..8].try_into().unwrap()) as usize;
        if found.len() < begins + tail.len() - 8 {
            found.extend_from_slice(&tail[8 + found.len() - begins..]);
        }
    }
    found
}

fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index / 7 + index) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_recording_can_be_read_up_to_the_last_save_wherever_its_process_was_killed(
        pieces in proptest::collection::vec((1_usize..70_000, any::<bool>()), 1..12)
    ) {
        let folder = Folder::new("killed");
        let (identity, recipient) = key();
        let path = folder.file("a.age");
        let mut file = SealedFile::create(&path, std::slice::from_ref(&recipient)).unwrap();
        let (mut written, mut saved) = (Vec::new(), 0);
        for (length, saves) in pieces {
            let piece = octets(length);
            file.write(&piece).unwrap();
            written.extend_from_slice(&piece);
            if saves {
                file.save().unwrap();
                saved = written.len();
            }
            // What the disk holds now is what a kill at this moment would leave.
            let found = read(&path, &identity);
            prop_assert!(found.len() >= saved);
            prop_assert_eq!(&found[..], &written[..found.len()]);
        }
        prop_assert_eq!(file.finish().unwrap(), written.len() as u64);
        prop_assert_eq!(open(&path, &identity), (written, true));
        prop_assert!(!tail_of(&path).exists());
    }
}

fn started() -> (Recordings, Receiver<RecordingEnded>) {
    let (sender, told) = channel();
    let recordings = Recordings::start(move |ended| drop(sender.send(ended))).unwrap();
    (recordings, told)
}

fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_put_in_comes_out_and_the_end_is_told() {
    let folder = Folder::new("whole");
    let (identity, recipient) = key();
    let (recordings, told) = started();
    let path = folder.file("a.age");
    let recording = recordings.open(Destination {
        path: path.clone(),
        recipients: vec![recipient],
    });
    let all = octets(300_000);
    for piece in all.chunks(10_000) {
        assert!(recording.intake.put(piece.to_vec()));
    }
    recording.intake.end("");
    let ended = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (ended.recording, ended.reason.as_str(), ended.octets),
        (recording.id, "", 300_000)
    );
    assert_eq!(open(&path, &identity), (all, true));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let folder = fs::metadata(path.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_recording_is_on_the_disk_half_a_second_later_and_opens_with_no_other_key() {
    let folder = Folder::new("soon");
    let (identity, recipient) = key();
    let (recordings, _told) = started();
    let path = folder.file("a.age");
    let recording = recordings.open(Destination {
        path: path.clone(),
        recipients: vec![recipient],
    });
    recording.intake.put(octets(500));
    let begun = Instant::now();
    until(|| tail_of(&path).exists());
    assert!(begun.elapsed() < Duration::from_millis(900));
    assert_eq!(read(&path, &identity), octets(500));
    for file in [&path, &tail_of(&path)] {
        assert_eq!(open(file, &key().0), (vec![], false));
    }
}

#[test]
fn an_intake_that_is_full_ends_its_recording_and_never_waits() {
    let folder = Folder::new("full");
    let (_, recipient) = key();
    let (recordings, told) = started();
    let recording = recordings.open(Destination {
        path: folder.file("a.age"),
        recipients: vec![recipient],
    });
    let begun = Instant::now();
    let mut taken = 0;
    while recording.intake.put(vec![1; 200_000]) {
        taken += 200_000;
        assert!(taken < 1 << 30);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    let ended = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(ended.reason.contains("too slow"), "{}", ended.reason);
    assert_eq!(ended.octets, taken);
    assert!(!recording.intake.put(vec![1]));
}

#[test]
fn a_folder_that_cannot_be_made_is_told_and_nothing_else_happens() {
    let folder = Folder::new("none");
    fs::write(folder.0.join("1"), "a file where the folder should be").unwrap();
    let (_, recipient) = key();
    let (recordings, told) = started();
    let recording = recordings.open(Destination {
        path: folder.file("a.age"),
        recipients: vec![recipient],
    });
    let ended = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(
        ended.reason.contains("cannot be written"),
        "{}",
        ended.reason
    );
    assert!(!recording.intake.put(vec![1]));
}

#[test]
fn a_file_that_is_there_already_is_not_touched() {
    let folder = Folder::new("there");
    let path = folder.0.join("a.age");
    fs::write(&path, "precious").unwrap();
    let (_, recipient) = key();
    assert!(SealedFile::create(&path, &[recipient]).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn stopping_finishes_what_runs() {
    let folder = Folder::new("stop");
    let (identity, recipient) = key();
    let (recordings, told) = started();
    let path = folder.file("a.age");
    let recording = recordings.open(Destination {
        path: path.clone(),
        recipients: vec![recipient],
    });
    recording.intake.put(octets(1_000));
    recordings.stop();
    let ended = told.try_recv().unwrap();
    assert!(ended.reason.contains("stopped"), "{}", ended.reason);
    assert_eq!(open(&path, &identity), (octets(1_000), true));
}
