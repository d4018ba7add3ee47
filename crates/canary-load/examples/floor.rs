//! What exact arrivals cost at least on this machine: `floor SECONDS RATE [URL]`.
//!
//! Whoever sends each request at its own time wakes for each. Without a URL this wakes and does nothing; with one it sends a
//! prepared request at each waking, on one connection, and takes what came since the last: the system calls without which
//! there is no load, and nothing else. Measure it beside a load generator before judging that one. Linux only, which tells
//! how long a thread was on a processor.
#![allow(clippy::print_stdout)] // what the user asked for
#![allow(clippy::disallowed_methods)] // sleeping is what is measured

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use canary_load::Target;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(seconds), Some(rate)) = (arguments.next(), arguments.next()) else {
        // Examples are run without arguments, to see that they still start.
        println!("usage: floor SECONDS RATE [URL]");
        return Ok(());
    };
    let (seconds, rate): (u32, u32) = (seconds.parse()?, rate.parse()?);
    let gap = Duration::from_secs(1).checked_div(rate).ok_or("RATE is 0; it takes wakings per second")?;
    let mut connection = arguments.next().map(|url| Bare::open(&url)).transpose()?;
    let before = on_processor()?;
    let start = Instant::now();
    for number in 1..=seconds * rate {
        std::thread::sleep((start + gap * number).saturating_duration_since(Instant::now()));
        if let Some(connection) = &mut connection {
            connection.exchange()?;
        }
    }
    let used = on_processor()?.saturating_sub(before);
    let per_thousand = used.as_secs_f64() * 1000.0 / f64::from(seconds * rate);
    println!(
        "{per_thousand:.3} CPU seconds per 1,000 {}",
        if connection.is_some() { "requests" } else { "wakings" }
    );
    Ok(())
}

/// A connection on which bytes are sent, and thrown away as they come.
struct Bare {
    stream: TcpStream,
    request: String,
    answer: [u8; 4096],
}

impl Bare {
    fn open(url: &str) -> Result<Self, Box<dyn Error>> {
        let target: Target = url.parse()?;
        let stream = TcpStream::connect((target.host(), target.port()))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", target.authority());
        Ok(Self { stream, request, answer: [0; 4096] })
    }

    fn exchange(&mut self) -> std::io::Result<()> {
        match self.stream.read(&mut self.answer) {
            Ok(0) => return Err(ErrorKind::ConnectionAborted.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        self.stream.write_all(self.request.as_bytes())
    }
}

/// How long this thread has been running.
fn on_processor() -> Result<Duration, Box<dyn Error>> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = told.split_whitespace().next().ok_or("/proc/thread-self/schedstat is empty")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}
