//! How arrivals are spaced around the rate. What the rate is, is the profile's.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The spacing of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Each arrival comes where the integral of the rate reaches the next whole number: best for comparing runs.
    Even,
    /// Independent users: gaps are exponential, and bursts happen. The same seed gives the same arrivals.
    Poisson {
        /// Seed of the random numbers.
        seed: u64,
    },
}

/// The sequence of integrals at which one share of the arrivals happens.
#[derive(Debug)]
pub(crate) enum Spacing {
    Even { next: f64, step: f64 },
    Poisson { next: f64, mean: f64, random: Box<StdRng> },
}

impl Spacing {
    /// Share number `index` of `of`. Even shares take turns; Poisson shares are independent, each with its part of the rate.
    pub(crate) fn new(arrivals: Arrivals, index: u32, of: u32) -> Self {
        let of = of.max(1);
        match arrivals {
            Arrivals::Even => Self::Even { next: f64::from(index), step: f64::from(of) },
            Arrivals::Poisson { seed } => {
                let mut spacing = Self::Poisson {
                    next: 0.0,
                    mean: f64::from(of),
                    random: Box::new(StdRng::seed_from_u64(seed.wrapping_add(u64::from(index)))),
                };
                spacing.advance();
                spacing
            }
        }
    }

    /// The integral of the next arrival.
    pub(crate) fn next(&self) -> f64 {
        match self {
            Self::Even { next, .. } | Self::Poisson { next, .. } => *next,
        }
    }

    pub(crate) fn advance(&mut self) {
        match self {
            Self::Even { next, step } => *next += *step,
            Self::Poisson { next, mean, random } => {
                let uniform: f64 = random.random();
                *next -= *mean * (1.0 - uniform).ln();
            }
        }
    }
}
