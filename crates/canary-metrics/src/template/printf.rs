//! The format language of Go's `fmt.Sprintf`: flags, width, precision and argument indexes.
//! How one value looks under one verb is the verb module's.

use std::fmt::Write as _;

use super::MAX_TEXT;
use super::value::Value;
use super::verb::{Layout, show, shown_with_type};

pub(super) use super::verb::shortest;

/// Go refuses larger widths and precisions.
const MAX_NUMBER: usize = 1_000_000;

/// The formatted text. What does not fit its verb shows inside the text, as in Go, and is no error.
pub(super) fn sprintf(format: &str, args: &[Value]) -> Result<String, String> {
    let mut directives = Directives { rest: format, args, next: 0, reordered: false, index_is_good: true };
    let mut out = String::new();
    while let Some(percent) = directives.rest.find('%') {
        out.push_str(&directives.rest[..percent]);
        directives.rest = &directives.rest[percent + 1..];
        directives.directive(&mut out)?;
        if out.len() > MAX_TEXT {
            return Err(format!("printf writes more than {MAX_TEXT} bytes"));
        }
    }
    out.push_str(directives.rest);
    directives.extra(&mut out)?;
    Ok(out)
}

struct Directives<'a> {
    /// What follows the percent sign.
    rest: &'a str,
    args: &'a [Value],
    /// The argument that the next verb takes.
    next: usize,
    /// An argument index was used, so unused arguments are no mistake.
    reordered: bool,
    index_is_good: bool,
}

impl Directives<'_> {
    fn directive(&mut self, out: &mut String) -> Result<(), String> {
        self.index_is_good = true;
        let mut layout = self.flags();
        let mut after_index = self.argument_index();
        self.width(&mut layout, &mut after_index, out);
        self.precision(&mut layout, &mut after_index, out);
        if !after_index {
            self.argument_index();
        }
        let Some(verb) = self.rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            return Ok(());
        };
        self.rest = &self.rest[verb.len_utf8()..];
        // Writing to a string does not fail.
        match (verb, self.args.get(self.next)) {
            ('%', _) => out.push('%'),
            (verb, _) if !self.index_is_good => _ = write!(out, "%!{verb}(BADINDEX)"),
            (verb, None) => _ = write!(out, "%!{verb}(MISSING)"),
            (verb, Some(arg)) => {
                self.next += 1;
                if verb == 'v' {
                    // Go: with this verb the two flags mean another form, and not a sign or a prefix.
                    layout.go_syntax = std::mem::take(&mut layout.sharp);
                    layout.plus = false;
                }
                show(arg, verb, layout, out)?;
            }
        }
        Ok(())
    }

    fn flags(&mut self) -> Layout {
        let mut layout = Layout::default();
        loop {
            match self.rest.as_bytes().first() {
                Some(b'#') => layout.sharp = true,
                Some(b'0') => layout.zero = true,
                Some(b'+') => layout.plus = true,
                Some(b'-') => layout.minus = true,
                Some(b' ') => layout.space = true,
                _ => return layout,
            }
            self.rest = &self.rest[1..];
        }
    }

    fn width(&mut self, layout: &mut Layout, after_index: &mut bool, out: &mut String) {
        if self.star() {
            match self.number_argument() {
                Some(width) => {
                    layout.minus |= width < 0;
                    layout.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => out.push_str("%!(BADWIDTH)"),
            }
            *after_index = false;
            return;
        }
        layout.width = self.number();
        if *after_index && layout.width.is_some() {
            // Go: an index stands right before the verb or a star.
            self.index_is_good = false;
        }
    }

    fn precision(&mut self, layout: &mut Layout, after_index: &mut bool, out: &mut String) {
        if !self.rest.starts_with('.') {
            return;
        }
        self.rest = &self.rest[1..];
        if *after_index {
            self.index_is_good = false;
        }
        *after_index = self.argument_index();
        if self.star() {
            match self.number_argument() {
                Some(precision) => layout.precision = usize::try_from(precision).ok(),
                None => out.push_str("%!(BADPREC)"),
            }
            if layout.precision.is_none() && !out.ends_with("%!(BADPREC)") {
                // Go: a negative precision is none, and says so.
                out.push_str("%!(BADPREC)");
            }
            *after_index = false;
        } else {
            layout.precision = Some(self.number().unwrap_or(0));
        }
    }

    fn star(&mut self) -> bool {
        let found = self.rest.starts_with('*');
        self.rest = &self.rest[usize::from(found)..];
        found
    }

    /// A number in the format. One that is too large ends the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return None;
        }
        let number = self.rest[..digits].parse().ok().filter(|number| *number <= MAX_NUMBER);
        self.rest = if number.is_some() { &self.rest[digits..] } else { "" };
        number
    }

    /// The next argument as the number for a star.
    fn number_argument(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        let number = match arg {
            Value::Int(number) => *number,
            Value::Byte(number) => i64::from(*number),
            Value::Nil | Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Map(_) => return None,
        };
        (number.unsigned_abs() <= MAX_NUMBER as u64).then_some(number)
    }

    /// `[n]`; whether there was one.
    fn argument_index(&mut self) -> bool {
        if !self.rest.starts_with('[') {
            return false;
        }
        self.reordered = true;
        let Some(end) = self.rest.find(']') else {
            self.index_is_good = false;
            self.rest = &self.rest[1..];
            return false;
        };
        let number: Option<usize> =
            self.rest[1..end].parse().ok().filter(|_| !self.rest[1..].starts_with('+'));
        self.rest = &self.rest[end + 1..];
        let Some(number) = number else {
            self.index_is_good = false;
            return false;
        };
        if (1..=self.args.len()).contains(&number) {
            self.next = number - 1;
        } else {
            self.index_is_good = false;
        }
        true
    }

    fn extra(&self, out: &mut String) -> Result<(), String> {
        if self.reordered || self.next >= self.args.len() {
            return Ok(());
        }
        out.push_str("%!(EXTRA ");
        for (position, arg) in self.args[self.next..].iter().enumerate() {
            if position > 0 {
                out.push_str(", ");
            }
            shown_with_type(arg, Layout::default(), out)?;
        }
        out.push(')');
        Ok(())
    }
}
