//! The Python module of the media core.
