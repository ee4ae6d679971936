//! restore
fn main() {}
