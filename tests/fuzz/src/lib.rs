//! Runs code on inputs that are made from a corpus by mutation, on a stable compiler, the same for the same seed.
//!
//! A [`Target`] reads its corpus from `tests/fuzz/corpus/NAME`, gives every file of it to the code as it is, and then as
//! many mutations as the time or the number allows:
//!
//! - `FUZZ_SECONDS`: time for each target; without it, [`INPUTS`] mutations, so that a plain run of the tests always
//!   tries the same ones;
//! - `FUZZ_SEED`: another sequence of mutations.
//!
//! What must not happen: a panic, an input that takes longer than [`LIMIT`], a process that is larger than [`MEMORY`].
//! Each leaves the input below `target/fuzz`; put it into the corpus together with the fix.

mod corpus;
mod dice;
mod guard;
mod mutation;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use dice::Dice;
use guard::Guard;
use mutation::Mutator;

/// Mutations of a run that is not told how long it may take.
pub const INPUTS: usize = 200;
/// Longest time that one input may take, on a busy machine and without optimization.
pub const LIMIT: Duration = Duration::from_secs(10);
/// Most memory that the process may have, in bytes.
pub const MEMORY: u64 = 1 << 30;
/// Different failures that are worth finding in one run.
const FAILURES: usize = 8;

/// Code that reads what others wrote.
pub struct Target {
    name: &'static str,
    corpus: Vec<Vec<u8>>,
    words: Vec<&'static str>,
    mutations: usize,
}

impl Target {
    /// With the corpus of that name.
    ///
    /// # Panics
    /// There is none, or it cannot be read.
    pub fn new(name: &'static str) -> Self {
        let corpus = corpus::folder(&corpus::root().join(name), &[]);
        assert!(!corpus.is_empty(), "there is no corpus {name}");
        Self { name, corpus, words: Vec::new(), mutations: INPUTS }
    }

    /// Under another name, for a second use of one corpus.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// With the files of a folder of the repository, and of those in it, that have one of these extensions.
    ///
    /// # Panics
    /// There are none.
    #[must_use]
    pub fn with_files_of(mut self, folder: &str, extensions: &[&str]) -> Self {
        let files = corpus::folder(&corpus::repository().join(folder), extensions);
        assert!(!files.is_empty(), "there are no files in {folder}");
        self.corpus.extend(files);
        self
    }

    /// Each input takes long, so few are tried where no time is given.
    #[must_use]
    pub fn slow(mut self) -> Self {
        self.mutations = INPUTS / 20;
        self
    }

    /// With words that mean something to this code.
    #[must_use]
    pub fn with_words(mut self, words: &[&'static str]) -> Self {
        self.words.extend(words);
        self
    }

    /// Tries the corpus and mutations of it, and prints how many.
    ///
    /// # Panics
    /// An input made the code panic; the message names the files.
    #[expect(clippy::print_stdout, reason = "the numbers are the result")]
    pub fn run(self, mut code: impl FnMut(&[u8])) {
        let seconds = number("FUZZ_SECONDS");
        let mut dice = Dice::named(self.name, number("FUZZ_SEED").map_or(0, f64::to_bits));
        let mutator = Mutator::new(&self.corpus, &self.words);
        let guard = Guard::start(self.name);
        let (begin, mut tried, mut slowest) = (Instant::now(), 0, Duration::ZERO);
        let mut failures: Vec<(String, PathBuf)> = Vec::new();
        loop {
            let go_on = match seconds {
                _ if tried < self.corpus.len() => true,
                Some(seconds) => begin.elapsed().as_secs_f64() < seconds,
                None => tried < self.corpus.len() + self.mutations,
            };
            if !go_on || failures.len() == FAILURES {
                break;
            }
            let input =
                if let Some(file) = self.corpus.get(tried) { file.clone() } else { mutator.draw(&mut dice) };
            tried += 1;
            let watched = guard.watch(&input);
            let started = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| code(&input)));
            slowest = slowest.max(started.elapsed());
            drop(watched);
            if let Err(cause) = outcome {
                let text = guard::text_of(cause.as_ref());
                if failures.iter().all(|(known, _)| *known != text) {
                    failures.push((text, guard::keep(self.name, &input)));
                }
            }
        }
        let (known, seconds) = (self.corpus.len().min(tried), begin.elapsed().as_secs_f64());
        println!(
            "fuzz {}: {tried} inputs, {known} of them the corpus, in {seconds:.1} s; the slowest took {} ms; \
             the process had {} MiB at most",
            self.name,
            slowest.as_millis(),
            guard::peak() >> 20,
        );
        let told: Vec<String> =
            failures.iter().map(|(text, path)| format!("{}: {text}", path.display())).collect();
        assert!(told.is_empty(), "{} failed on inputs that are kept in\n{}", self.name, told.join("\n"));
    }
}

fn number(variable: &str) -> Option<f64> {
    std::env::var(variable).ok()?.parse().ok()
}
