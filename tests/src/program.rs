//! Programs of others, started on free ports of the loopback interface and ended with the test.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to come up.
pub const START: Duration = Duration::from_secs(90);

/// The program that the variable names; `None`, said aloud, where the variable is not set.
///
/// # Panics
/// `CI_REQUIRE_PROVIDERS` is set and the variable is not: a run that must not skip would.
pub fn program(variable: &str, how: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|path| !path.is_empty());
    if found.is_none() {
        let required = std::env::var_os("CI_REQUIRE_PROVIDERS").is_some();
        assert!(!required, "CI_REQUIRE_PROVIDERS is set, {variable} is not; {how}");
        eprintln!("SKIPPED: {variable} names no program; {how}");
    }
    found
}

/// A port that nobody uses at the moment.
///
/// # Errors
/// There is none.
pub fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A folder of its own, removed when it is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes one.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(name: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running program, ended when it is dropped.
pub struct Running(Child);

impl Running {
    /// Starts it, without its output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks again until there is something; a server that others wrote tells nobody when it is ready.
///
/// # Panics
/// There is nothing within [`START`].
pub async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < START, "{what}: not within {START:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
