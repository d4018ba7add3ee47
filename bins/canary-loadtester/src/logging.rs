//! Log lines on standard error.

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingFlags {
    /// Least serious lines to log: debug, info, warn (or warning) or error; anything else means info
    #[arg(long, value_name = "LEVEL", default_value = "debug")]
    log_level: String,
    /// Form of log lines
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Encoding::Json)]
    zap_encoding: Encoding,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encoding {
    /// One JSON object a line
    Json,
    /// Text for people
    Console,
}

impl LoggingFlags {
    /// Begins to log. Later calls have no effect.
    pub(crate) fn start(&self) {
        let level = match self.log_level.as_str() {
            "debug" => LevelFilter::DEBUG,
            "warn" | "warning" => LevelFilter::WARN,
            "error" => LevelFilter::ERROR,
            // Flagger: a level that is not known is info.
            _ => LevelFilter::INFO,
        };
        let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("canary", level);
        let registry = tracing_subscriber::registry().with(filter);
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        // Fails only when logging has begun already.
        let _ = match self.zap_encoding {
            Encoding::Json => registry.with(lines.json().flatten_event(true)).try_init(),
            Encoding::Console => registry.with(lines).try_init(),
        };
        canary_panics::log();
    }
}
