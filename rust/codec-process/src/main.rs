//! `sealtone-codecs`: started by the media core, one for each of its workers. Its socket is descriptor 0; descriptor 1
//! is a file in memory in which it notes whose leg it works on; its one argument is the process id of the server, which
//! it never outlives.

use std::process::ExitCode;

use sealtone_codec_process::mark::Mark;
use sealtone_codec_process::{sandbox, service};

fn main() -> ExitCode {
    let parent = std::env::args().nth(1).and_then(|pid| pid.parse().ok());
    let Some(parent) = parent else {
        eprintln!("sealtone-codecs is started by the Sealtone server, not by hand.");
        return ExitCode::from(2);
    };
    let available = service::load();
    let mark = Mark::given();
    let ended = sandbox::close(parent)
        .map_err(|error| error.to_string())
        .and_then(|walls| service::run(&walls, available, mark).map_err(|error| error.to_string()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            service::say_why(&reason);
            ExitCode::FAILURE
        }
    }
}
