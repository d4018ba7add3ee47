//! Load on one address, and its quantiles as a line of JSON: `once URL SECONDS CONNECTIONS [RATE]`.
//! Without a rate, as many requests as the connections carry.
#![allow(clippy::print_stdout)] // what the user asked for

use std::time::Duration;

use canary_load::{Arrivals, Engine, Plan, Profile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().filter(|argument| !argument.is_empty());
    let Some(url) = next() else {
        // Examples are run without arguments, to see that they still start.
        println!("usage: once URL SECONDS CONNECTIONS [RATE]");
        return Ok(());
    };
    let seconds: f64 = next().unwrap_or("5".into()).parse()?;
    let mut plan = Plan::get(&url)?.lasting(Duration::try_from_secs_f64(seconds)?);
    plan.limits.connections = next().unwrap_or("50".into()).parse()?;
    if let Some(rate) = next() {
        plan = plan.open(Profile::constant(rate.parse()?), Arrivals::Even);
    }
    let run = Engine::start(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let report = runtime.block_on(run.finish()).ok_or("a thread of the load has failed")?;
    eprintln!("{report}");
    let latency = report.latency;
    println!(
        r#"{{"p50": {}, "p99": {}, "p999": {}, "max": {}, "planned": {}, "sent": {}, "not_sent": {}, "lag_p99": {}}}"#,
        latency.p50,
        latency.p99,
        latency.p999,
        latency.max,
        report.planned,
        report.sent,
        report.not_sent.total(),
        report.lag.p99
    );
    Ok(())
}
