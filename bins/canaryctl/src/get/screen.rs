//! One picture of a tree that is drawn again and again on a terminal, without flicker and without scrolling.

use anstream::adapter::strip_str;

/// Width and height where a terminal does not say.
const SIZE: (usize, usize) = (120, 50);

/// Width and height of the terminal, in cells.
pub(super) fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or(SIZE, |(width, height)| (width.0.into(), height.0.into()))
}

/// What puts `drawn` in the place of the picture before: from the top, each line anew, and nothing below.
///
/// What does not fit into `height` lines is counted instead, since a terminal that scrolls shows two pictures at once. The
/// sequences that move the cursor are no colours, and stay where colours are not wanted.
pub(super) fn frame(drawn: &str, height: usize, colours: bool) -> String {
    let lines: Vec<&str> = drawn.lines().collect();
    let room = height.max(2) - 1;
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    let mut text = String::from("\x1b[H");
    for line in &lines[..shown] {
        let plain = || strip_str(line).to_string();
        // Erased before it is written: after a line as wide as the terminal the cursor stands on its last letter.
        text += "\x1b[K";
        text += &if colours { (*line).to_owned() } else { plain() };
        text.push('\n');
    }
    if shown < lines.len() {
        let more = (lines.len() - shown).to_string();
        text.extend(["\x1b[K… ", &more, " more lines: make the window higher\n"]);
    }
    text + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of that size that knows the sequences that are used here.
    struct Terminal {
        rows: Vec<String>,
        at: usize,
        scrolled: bool,
    }

    impl Terminal {
        fn new(height: usize) -> Self {
            Self { rows: vec!["old".repeat(9); height], at: 0, scrolled: false }
        }

        fn show(&mut self, text: &str) {
            let mut rest = text;
            while !rest.is_empty() {
                if let Some(after) = rest.strip_prefix("\x1b[H") {
                    (self.at, rest) = (0, after);
                } else if let Some(after) = rest.strip_prefix("\x1b[J") {
                    self.rows[self.at..].fill(String::new());
                    rest = after;
                } else {
                    let (line, after) = rest.strip_prefix("\x1b[K").unwrap().split_once('\n').unwrap();
                    self.rows[self.at] = line.to_owned();
                    self.at += 1;
                    self.scrolled |= self.at == self.rows.len();
                    rest = after;
                }
            }
        }
    }

    #[test]
    fn a_picture_takes_the_place_of_the_one_before_and_nothing_scrolls() {
        let mut terminal = Terminal::new(6);
        for (drawn, expected) in [
            ("a\nb\nc\nd\n", ["a", "b", "c", "d", "", ""]),
            ("a\n", ["a", "", "", "", "", ""]),
            ("a\nb\nc\nd\ne\n", ["a", "b", "c", "d", "e", ""]),
            ("a\nb\nc\nd\ne\nf\ng\n", ["a", "b", "c", "d", "… 3 more lines: make the window higher", ""]),
        ] {
            terminal.show(&frame(drawn, 6, true));
            assert_eq!(terminal.rows, expected);
            assert!(!terminal.scrolled);
        }
    }

    #[test]
    fn without_colours_the_cursor_still_moves() {
        let drawn = "\x1b[32mgood\x1b[0m\n";
        assert_eq!(frame(drawn, 9, true), "\x1b[H\x1b[K\x1b[32mgood\x1b[0m\n\x1b[J");
        assert_eq!(frame(drawn, 9, false), "\x1b[H\x1b[Kgood\n\x1b[J");
    }
}
