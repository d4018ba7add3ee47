//! How well the load tester fills up a real load that moves, on a server whose requests are really counted.
//!
//! For each shape of the real load and each time between scrapes there is a service on loopback with four pods' counters, users
//! who come as independent ones do, with a rate that moves and 10 % of slow noise, and a run of the load tester, the program,
//! which reads the pods' pages. 3 % of those readings fail. All of them run at the same time, in real time:
//!
//! ```sh
//! cargo run --release -p canary-tests --example top_up -- 30    # minutes
//! ```
//!
//! Printed: the error of the total against the greater of target and real load, in percent of the target, over means of 10 s
//! after the first two minutes: root mean square, share of the time more than 10 % above, and the most.
#![allow(clippy::unwrap_used, reason = "a measurement stops at what it did not expect")]
#![allow(clippy::print_stdout, reason = "what was asked for")]

#[path = "top_up/service.rs"]
mod service;

use std::process::Command;
use std::time::Duration;

use canary_load::{Arrivals, Engine, Plan, Profile};
use canary_tests::{Folder, Running, built, fetch, free_port, wait_for};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use service::Service;

/// Requests a second.
const TARGET: f64 = 100.0;
/// Not judged at the beginning, and the length of the means, in seconds.
const BEGINNING: usize = 120;
const MEAN: usize = 10;
const TOKEN: &str = "top-up-top-up-top-up";

/// Real load as a part of the target, at a second.
type Shape = fn(f64) -> f64;

fn steady(_: f64) -> f64 {
    0.4
}

fn slow_wave(second: f64) -> f64 {
    0.45 - 0.40 * (std::f64::consts::TAU * second / 900.0).cos()
}

fn steps(second: f64) -> f64 {
    let step = (second / 300.0) % 6.0;
    let parts = [0.1, 0.8, 0.3, 1.3, 0.2, 0.6];
    parts.iter().enumerate().rev().find(|(n, _)| step >= as_f64(*n)).map_or(0.1, |(_, part)| *part)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers only")]
fn as_f64(number: usize) -> f64 {
    number as f64
}

/// What was counted in each second: real requests, and all.
type Seconds = Vec<(f64, f64)>;

/// Lets users come for so long, and counts.
async fn play(shape: Shape, scrape: u64, seconds: usize, tester: u16) -> Seconds {
    let service = Service::start().await;
    let plan = Plan::get(&service.address()).unwrap();
    let users =
        Engine::start(plan.open(Profile::constant(TARGET * shape(0.0)), Arrivals::Poisson { seed: scrape }));
    let users = users.unwrap().handle();
    let pods = service.pages().join(",");
    let order = json!({"name": "podinfo", "namespace": "test", "checksum": service.address(), "metadata": {
        "url": service.address(), "target": format!("{TARGET}/s"), "mode": "top-up", "pods": pods,
        "query": "requests_total", "scrape": format!("{scrape}s"), "duration": format!("{seconds}s")}});
    let answer = reqwest::Client::new().post(format!("http://127.0.0.1:{tester}/v1/runs")).bearer_auth(TOKEN);
    let answer = answer.body(order.to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201, "{}", answer.text().await.unwrap());
    let mut random = StdRng::seed_from_u64(scrape);
    let (mut drift, mut before): (f64, _) = (0.0, service.counts());
    let mut counted = Vec::with_capacity(seconds);
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    clock.tick().await;
    for second in 0..seconds {
        drift = 0.97 * drift + 0.1 * (1.0 - 0.97_f64.powi(2)).sqrt() * gauss(&mut random);
        users.set_rate(TARGET * shape(as_f64(second)) * (1.0 + drift).max(0.0));
        clock.tick().await;
        let now = service.counts();
        counted.push((now.0 - before.0, now.1 - before.1));
        before = now;
    }
    users.stop(Duration::ZERO);
    counted
}

fn gauss(random: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Root mean square, share of the time more than 10 % above, and the most; in percent.
fn errors(seconds: &Seconds) -> (f64, f64, f64) {
    let mean = |part: &[(f64, f64)]| {
        let sum = part.iter().fold((0.0, 0.0), |sum, (real, all)| (sum.0 + real, sum.1 + all));
        (sum.0 / as_f64(part.len()), sum.1 / as_f64(part.len()))
    };
    let errors: Vec<f64> = seconds
        .windows(MEAN)
        .skip(BEGINNING)
        .map(|part| {
            let (real, all) = mean(part);
            (all - TARGET.max(real)) / TARGET * 100.0
        })
        .collect();
    let number = as_f64(errors.len().max(1));
    let rms = (errors.iter().map(|error| error * error).sum::<f64>() / number).sqrt();
    let above = as_f64(errors.iter().filter(|error| **error > 10.0).count()) / number * 100.0;
    (rms, above, errors.iter().copied().fold(0.0, f64::max))
}

#[tokio::main]
async fn main() {
    let _ = rustls_provider();
    let minutes: usize = std::env::args().nth(1).map_or(30, |text| text.parse().expect("minutes"));
    let program = built("canary-loadtester").unwrap();
    let (folder, port) = (Folder::new("top-up").unwrap(), free_port().unwrap());
    let tokens = folder.0.join("tokens");
    std::fs::write(&tokens, format!("{TOKEN} run,read\n")).unwrap();
    let _tester = Running::start(Command::new(program).args([
        format!("-port={port}"),
        format!("-token-file={}", tokens.display()),
        "-allow-target=127.0.0.1/32".to_owned(),
        "-log-level=error".to_owned(),
        "-timeout=2h".to_owned(),
    ]))
    .unwrap();
    wait_for("the load tester", async || fetch(port, "/healthz").await).await;
    let shapes: [(&str, Shape); 3] = [("steady 40 %", steady), ("slow wave", slow_wave), ("steps", steps)];
    let all = shapes
        .iter()
        .flat_map(|(_, shape)| [5, 2].map(|scrape| tokio::spawn(play(*shape, scrape, minutes * 60, port))));
    let all: Vec<_> = all.collect();
    let mut results = Vec::new();
    for one in all {
        results.push(errors(&one.await.unwrap()));
    }
    println!("| real load | scrapes each 5 s: rms, > 10 % above, most | each 2 s |\n| --- | --- | --- |");
    for ((name, _), cells) in shapes.iter().zip(results.chunks(2)) {
        let cell = |(rms, above, most): (f64, f64, f64)| format!("{rms:.1}, {above:.1}, {most:.0}");
        println!("| {name} | {} | {} |", cell(cells[0]), cell(cells[1]));
    }
}

fn rustls_provider() -> Result<(), std::sync::Arc<rustls::crypto::CryptoProvider>> {
    rustls::crypto::ring::default_provider().install_default()
}
