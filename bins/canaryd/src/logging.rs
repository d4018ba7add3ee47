//! Log lines on standard error, with Flagger's flags.
//!
//! The form of a line is in `logging/line.rs`, what is logged of a panic in the crate `canary-panics`.

mod line;

use std::str::FromStr;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
#[cfg(feature = "otlp")]
use tracing_subscriber::{Layer, Registry};

use self::line::LogLines;
pub(crate) use self::line::with_causes;

/// What is logged and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingFlags {
    /// Least serious lines to log: debug, info, warn (or warning), error, fatal or panic
    #[arg(long, value_name = "LEVEL", default_value = "debug")]
    pub(crate) log_level: LogLevel,
    /// Form of log lines
    #[arg(long, value_name = "FORM", default_value = "json")]
    pub(crate) zap_encoding: Encoding,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// One JSON object a line
    Json,
    /// Text for people
    Console,
}

/// From which level on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLevel(pub(crate) LevelFilter);

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text {
            "debug" => LevelFilter::DEBUG,
            "info" => LevelFilter::INFO,
            "warn" | "warning" => LevelFilter::WARN,
            // There is nothing above an error here: what ends the process is logged as one.
            "error" | "fatal" | "panic" => LevelFilter::ERROR,
            _ => return Err("it takes debug, info, warn, error, fatal or panic".to_owned()),
        }))
    }
}

impl LoggingFlags {
    /// Begins to log. Later calls have no effect.
    pub(crate) fn start(&self) {
        let (filter, lines) = self.lines();
        // Fails only when logging has begun already.
        let _ =
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(lines));
        canary_panics::log();
    }

    /// The same, and hands what it lets through to `traces`.
    #[cfg(feature = "otlp")]
    pub(crate) fn start_with(&self, traces: impl Layer<Registry> + Send + Sync) {
        let (filter, lines) = self.lines();
        let subscriber = tracing_subscriber::registry().with(traces).with(lines.with_filter(filter));
        let _ = tracing::subscriber::set_global_default(subscriber);
        canary_panics::log();
    }

    fn lines(&self) -> (Targets, LogLines<fn() -> std::io::Stderr>) {
        let Self { log_level: LogLevel(level), zap_encoding } = self;
        // Libraries tell too much below a warning for a log about rollouts.
        let libraries = (*level).min(LevelFilter::WARN);
        let filter = Targets::new().with_default(libraries).with_target("canary", *level);
        let out: fn() -> std::io::Stderr = std::io::stderr;
        (filter, LogLines::new(*zap_encoding, Timestamp::now, out))
    }
}
