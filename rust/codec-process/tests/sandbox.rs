//! Behind its walls the process can do nothing but what it is for.
fn main() {}
