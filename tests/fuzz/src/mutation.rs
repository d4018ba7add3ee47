//! Makes inputs from others: of bytes, of words, and of structures that repeat or nest.

use std::ops::Range;

use crate::Dice;

/// Longest input, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most changes to one input.
const CHANGES: usize = 6;

/// What means something to most of what reads text.
const WORDS: &[&str] = &[
    "",
    "0",
    "-1",
    "1",
    "-0",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1e308",
    "1e400",
    "-1e-400",
    "0.1",
    "NaN",
    "Infinity",
    "+Inf",
    "0x10",
    "1_000",
    "null",
    "~",
    "true",
    "false",
    "yes",
    "\"\"",
    "''",
    "{}",
    "[]",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "`",
    "\\",
    "/",
    ":",
    ": ",
    ",",
    "\n",
    "\n---\n",
    "\t",
    "- ",
    "&a",
    "*a",
    "<<: *a",
    "!!binary",
    "|",
    ">",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "ß",
    "\u{1f6a6}",
    "%",
    "$(x)",
    "{{ . }}",
];
/// What can be nested.
const OPENINGS: [&str; 8] = ["[", "{\"a\":", "{a: ", "(", "{{ if true }}", "- ", "!", "\""];

/// Draws inputs.
pub(crate) struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    words: Vec<&'static str>,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(corpus: &'a [Vec<u8>], words: &[&'static str]) -> Self {
        // Words of the target count as often as those of everybody.
        let own = words.iter().cycle().take(if words.is_empty() { 0 } else { WORDS.len().max(words.len()) });
        Self { corpus, words: WORDS.iter().chain(own).copied().collect() }
    }

    pub(crate) fn draw(&self, dice: &mut Dice) -> Vec<u8> {
        let mut input = dice.pick(self.corpus).clone();
        for _ in 0..=dice.below(CHANGES) {
            self.change(&mut input, dice);
            input.truncate(LONGEST);
        }
        input
    }

    fn change(&self, input: &mut Vec<u8>, dice: &mut Dice) {
        match dice.below(14) {
            0 => {
                let at = dice.below(input.len());
                if let Some(byte) = input.get_mut(at) {
                    *byte = if dice.below(2) == 0 { *byte ^ (1 << dice.below(8)) } else { dice.byte() };
                }
            }
            1 => insert(input, dice, |dice| (0..=dice.below(8)).map(|_| dice.byte()).collect()),
            2 => {
                let part = part(input, dice);
                input.drain(part);
            }
            3 => {
                let part = part(input, dice);
                let times = if dice.below(4) == 0 { 1 + dice.below(200) } else { 1 + dice.below(3) };
                let copied = input[part.clone()].repeat(times);
                input.splice(part.end..part.end, copied.into_iter().take(LONGEST));
            }
            4 => {
                let other = dice.pick(self.corpus);
                input.truncate(dice.below(input.len() + 1));
                input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
            }
            5 => insert(input, dice, |dice| dice.pick(&OPENINGS).repeat(1 + dice.below(3000)).into_bytes()),
            6 | 7 => insert(input, dice, |dice| dice.pick(&self.words).as_bytes().to_vec()),
            8..=11 => {
                let place = word(input, dice);
                let new = dice.pick(&self.words).as_bytes().to_vec();
                input.splice(place, new);
            }
            12 => {
                let other = dice.pick(self.corpus);
                let taken = other[word(other, dice)].to_vec();
                let place = word(input, dice);
                input.splice(place, taken);
            }
            _ => {
                // A line of one input in another keeps more of YAML than a word does.
                let other = dice.pick(self.corpus);
                let lines: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
                if !lines.is_empty() {
                    let line = dice.pick(&lines).to_vec();
                    let starts: Vec<usize> = line_starts(input);
                    let at = *dice.pick(&starts);
                    input.splice(at..at, line);
                }
            }
        }
    }
}

fn insert(input: &mut Vec<u8>, dice: &mut Dice, what: impl FnOnce(&mut Dice) -> Vec<u8>) {
    let at = dice.below(input.len() + 1);
    input.splice(at..at, what(dice));
}

/// Some stretch, mostly a short one.
fn part(input: &[u8], dice: &mut Dice) -> Range<usize> {
    let begin = dice.below(input.len() + 1);
    let most = if dice.below(4) == 0 { input.len() } else { 16 };
    begin..(begin + dice.below(most + 1)).min(input.len())
}

/// A word or number that stands somewhere; nothing where there is none.
fn word(input: &[u8], dice: &mut Dice) -> Range<usize> {
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') || *byte >= 0x80;
    let from = dice.below(input.len() + 1);
    let Some(begin) = input[from..].iter().position(is_part).map(|offset| from + offset) else {
        return from..from;
    };
    let begin = begin - input[..begin].iter().rev().take_while(|byte| is_part(byte)).count();
    let length = input[begin..].iter().take_while(|byte| is_part(byte)).count();
    begin..begin + length
}

fn line_starts(input: &[u8]) -> Vec<usize> {
    let after = input.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(n, _)| n + 1);
    std::iter::once(0).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_inputs_which_are_many_and_not_too_long() {
        let corpus = [b"a: 1\nb: [two, 3.5]\n".to_vec(), Vec::new()];
        let mutator = Mutator::new(&corpus, &["threshold"]);
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..500).map(|_| mutator.draw(&mut dice)).collect::<Vec<_>>()
        };
        let drawn = draw(7);
        assert_eq!(drawn, draw(7));
        let different: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert!(different.len() > 400, "only {} of 500 differ", different.len());
        assert!(drawn.iter().all(|input| input.len() <= LONGEST));
        assert!(drawn.iter().any(|input| String::from_utf8_lossy(input).contains("threshold")));
    }
}
