//! The C libraries of the codecs, each behind a safe face of its own file. Only here does this crate call C.
//!
//! Libraries of the system are opened once, by `load` of each module, and never closed: a sandbox may forbid files
//! afterwards. What a file says of a function's type is what the library's header says; the number in its name
//! (`libgsm.so.1`) stands for that interface.
//!
//! Every face keeps three rules: a state is given to C only by the value that owns it, so never twice at once; a buffer
//! goes with its own length, and is as long as the library may write; what C says it wrote is checked before it is
//! believed.

// Calling C is what this module is for.
#![allow(unsafe_code)]

pub(super) mod gsm;
pub(super) mod opus;
pub(super) mod silk;
pub(super) mod speex;

use libloading::Library;

/// Opens a library of the system.
fn open(file: &str, package: &str) -> Result<Library, String> {
    // SAFETY: opening runs the library's initialisers. These libraries have none but those of the C runtime; they come
    // from the system's own folders, whose owner owns this process too.
    let library = unsafe { Library::new(file) };
    library.map_err(|_| format!("{file} is not installed; on Debian: apt-get install {package}"))
}

/// The functions of a library, found once: `load` opens it, `found` says how that went.
macro_rules! functions_of {
    ($file:literal, $package:literal, { $($name:ident: $type:ty,)+ }) => {
        // The names are those of the library.
        #[allow(non_snake_case)]
        struct Functions {
            $($name: $type,)+
            /// Never closed, since the functions are in a static.
            _library: libloading::Library,
        }

        static FUNCTIONS: std::sync::OnceLock<Result<Functions, String>> = std::sync::OnceLock::new();

        /// Opens the library, the first time.
        pub(in crate::codec) fn load() {
            FUNCTIONS.get_or_init(|| {
                let library = super::open($file, $package)?;
                Ok(Functions {
                    $($name: {
                        // SAFETY: the type is that of the header, as the file's own name says which. The library stays
                        // with the pointer.
                        let found = unsafe { library.get::<$type>(concat!(stringify!($name), "\0").as_bytes()) };
                        *found.map_err(|_| concat!($file, " has no function ", stringify!($name)).to_owned())?
                    },)+
                    _library: library,
                })
            });
        }

        /// Whether `load` found everything; else what is missing.
        pub(in crate::codec) fn found() -> Result<(), String> {
            match FUNCTIONS.get() {
                Some(Ok(_)) => Ok(()),
                Some(Err(why)) => Err(why.clone()),
                None => Err(concat!($file, " was not asked for: `load` comes first").to_owned()),
            }
        }

        fn functions() -> Option<&'static Functions> {
            FUNCTIONS.get()?.as_ref().ok()
        }
    };
}
pub(super) use functions_of;

#[cfg(test)]
mod tests {
    #[test]
    fn a_library_that_is_missing_is_named_with_the_way_to_get_it() {
        let why = super::open("libnone.so.9", "libnone9").err();
        assert_eq!(
            why.as_deref(),
            Some("libnone.so.9 is not installed; on Debian: apt-get install libnone9")
        );
    }
}
