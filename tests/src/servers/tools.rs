//! Where `tests/run` puts the servers that are not Debian packages.

use std::path::PathBuf;

/// Returns the path of an installed tool below `target/tools` (`LIFEBOAT_TEST_TOOLS` says otherwise).
///
/// # Panics
/// When it is not installed.
pub(super) fn tool(path: &str) -> PathBuf {
    let found = tools_folder().join(path);
    assert!(found.exists(), "{} is not installed: run `tests/run --install`", found.display());
    found
}

/// The databases of real products, as `tests/vendor-schemas` fetched them: SQL in a folder for each system.
///
/// # Panics
/// When they were not fetched.
pub fn vendor_schemas() -> PathBuf {
    tool("vendor-schemas")
}

/// The folder of tools and of other things made once for all tests.
pub(super) fn tools_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("LIFEBOAT_TEST_TOOLS") {
        return folder.into();
    }
    let exe = std::env::current_exe().expect("a running program has a path");
    // Cargo writes this file into every target folder, whoever made the folder.
    let target = exe.ancestors().find(|folder| folder.join(".rustc_info.json").is_file());
    target.expect("tests run from cargo's target folder, or LIFEBOAT_TEST_TOOLS is set").join("tools")
}
