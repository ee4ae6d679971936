//! Keeps memory to what is in use, however many threads there are.
//!
//! glibc gives threads arenas of their own, eight for each core, and what one thread allocates and another frees
//! stays with the first: buffers of a megabyte, handed from thread to thread, then cost several times what is held
//! at any moment, and more the longer a run takes and the more cores a machine has. Two arenas are as fast here.
//! glibc reads their number from the environment when a program starts, and by a call that needs `unsafe`; so the
//! program starts itself once more, as the same process.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Arenas for all threads.
const ARENAS: &str = "2";

/// What glibc reads; also says that this was done.
const VARIABLE: &str = "MALLOC_ARENA_MAX";

/// Starts this program again, as the same process and with the same arguments, with few arenas. Call it before
/// anything else. Returns where that was done, where somebody has chosen a number, or where it cannot be done:
/// then memory is all that it costs.
pub fn bound_arenas() {
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let mut again = Command::new(&program);
    again.arg0(name.as_deref().unwrap_or(OsStr::new(&program))).args(arguments).env(VARIABLE, ARENAS);
    // It comes back only when it has failed.
    let _ = again.exec();
}
