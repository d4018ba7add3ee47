//! What the controller says of itself while it is simulated, for those who wonder why it does something.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

/// Logs the crates of this project to the standard error: nothing at 0, what happens at 1, why at 2 and above.
///
/// Without times: those of a simulation are not the machine's.
pub(crate) fn log_to_stderr(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => Level::INFO,
        _ => Level::DEBUG,
    };
    let ours =
        ["canary_controller", "canary_routers", "canary_metrics", "canary_webhooks", "canary_notifiers"];
    let only_ours = Targets::new().with_targets(ours.map(|name| (name, level)));
    let lines = tracing_subscriber::fmt::layer().without_time().with_writer(std::io::stderr);
    // A second call changes nothing: the first one holds for the process.
    let _ =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(only_ours).with(lines));
}
