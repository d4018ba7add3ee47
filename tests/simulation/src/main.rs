//! Plays rollouts of the real controller on the sandbox while all goes wrong that a seed draws. What went wrong in a run
//! goes wrong in every run of its seed.
#![allow(clippy::print_stdout, reason = "it is a program")]

mod command;
mod dice;
mod edit;
mod ending;
mod fault;
mod ledger;
mod process;
mod scene;
mod setting;
mod shrink;
mod stage;
mod told;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;

use stage::{Outcome, play};
use world::lock;

/// Simulates rollouts under faults.
#[derive(Debug, Parser)]
struct Arguments {
    /// Play only this seed and show its faults and requests.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to play.
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Play new seeds for so many hours instead.
    #[arg(long)]
    hours: Option<f64>,
    /// How many runs at a time; as many as there are processors unless given.
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    process::watch_panics();
    match arguments.seed {
        Some(seed) => replay(seed),
        None => farm(&arguments),
    }
}

fn replay(seed: u64) -> Result<ExitCode> {
    let outcome = play(seed, None, true)?;
    println!("{}", outcome.log.as_deref().unwrap_or_default());
    println!("{:#?}", outcome.setting);
    describe(seed, &outcome);
    if outcome.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("with the fewest faults:");
    let shrunk = shrink::shrink(seed, outcome, true)?;
    println!("{}", shrunk.log.as_deref().unwrap_or_default());
    describe(seed, &shrunk);
    Ok(ExitCode::FAILURE)
}

fn describe(seed: u64, outcome: &Outcome) {
    println!("seed {seed}: {} requests, {} s, ends {:?}", outcome.requests, outcome.seconds, outcome.phase);
    for fault in &outcome.faults {
        println!("  {fault}");
    }
    for problem in &outcome.problems {
        println!("  PROBLEM {problem}");
    }
}

#[derive(Default)]
struct Totals {
    runs: u64,
    requests: u64,
    seconds: i64,
    digest: u64,
    fired: BTreeMap<&'static str, u64>,
    phases: BTreeMap<String, u64>,
    commands: (u64, u64),
    failed: Vec<u64>,
}

impl Totals {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        self.requests += outcome.requests;
        self.seconds += outcome.seconds;
        // The order of the runs does not matter, and each counts.
        self.digest = self.digest.wrapping_add(outcome.digest.wrapping_mul(seed.wrapping_mul(2) + 1));
        for (name, count) in &outcome.fired {
            *self.fired.entry(name).or_default() += count;
        }
        *self.phases.entry(outcome.phase.clone()).or_default() += 1;
        self.commands.0 += outcome.commands.0;
        self.commands.1 += outcome.commands.1;
        if !outcome.problems.is_empty() {
            self.failed.push(seed);
        }
    }
}

fn farm(arguments: &Arguments) -> Result<ExitCode> {
    let begin = Instant::now();
    let until = arguments.hours.map(|hours| begin + Duration::from_secs_f64(hours * 3600.0));
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, Into::into));
    let (next, totals) = (AtomicU64::new(arguments.from), Mutex::new(Totals::default()));
    let work = || -> Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let over = until.map_or(seed >= arguments.from + arguments.runs, |until| Instant::now() >= until);
            if over || lock(&totals).failed.len() >= 20 {
                return Ok(());
            }
            let outcome = play(seed, None, false)?;
            lock(&totals).add(seed, &outcome);
            if !outcome.problems.is_empty() {
                let shrunk = shrink::shrink(seed, outcome, false)?;
                let _one_at_a_time = lock(&totals);
                describe(seed, &shrunk);
            }
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })?;
    let mut totals = lock(&totals);
    totals.failed.sort_unstable();
    let faults: u64 = totals.fired.values().sum();
    println!(
        "sim: {} rollouts, {faults} faults, {} requests, {} simulated hours, {:.1} s",
        totals.runs,
        totals.requests,
        totals.seconds / 3600,
        begin.elapsed().as_secs_f64()
    );
    println!("  faults {:?}", totals.fired);
    println!("  ends   {:?}", totals.phases);
    println!("  commands taken: {} carried out, {} refused", totals.commands.0, totals.commands.1);
    println!("  digest {:016x}", totals.digest);
    if totals.failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("  FAILED seeds {:?}", totals.failed);
    Ok(ExitCode::FAILURE)
}
