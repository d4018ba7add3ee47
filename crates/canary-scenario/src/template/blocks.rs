//! How long the expressions of a template are. Its parser goes one level deeper with each operator, on the stack of whoever reads a
//! scenario, and a stack that is used up ends the process.

/// Letters between one pair of braces.
pub(super) const MOST: usize = 500;

/// Looks at a template before it is parsed.
///
/// # Errors
/// What is too long, or cannot be judged.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        let close = match rest.as_bytes().first() {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => {
                // Comments end where their end stands first.
                rest = rest.split_once("#}").map_or("", |(_, behind)| behind);
                continue;
            }
            _ => continue,
        };
        let block = &rest[1..];
        if close == "%}" && block.trim_start_matches(['-', '+']).trim_start().starts_with("raw") {
            return Err("raw parts are not read; {{ \"{{\" }} writes braces".to_owned());
        }
        let length = length(block, close);
        if length > MOST {
            return Err(format!("an expression of it has more than {MOST} letters"));
        }
        rest = &block[length..];
    }
    Ok(())
}

/// Bytes up to where a block ends, which is not within quotes.
fn length(block: &str, close: &str) -> usize {
    let mut quote = None;
    let mut letters = block.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(_), '\\') => drop(letters.next()),
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, _) if block[at..].starts_with(close) => return at,
            _ => {}
        }
    }
    block.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_expressions_are_refused_wherever_they_are_hidden_and_long_texts_are_not() {
        let long = "- ".repeat(MOST);
        for text in [
            format!("{{{{ {long}1 }}}}"),
            format!("{{{{ \"}}}}\" {long} }}}}"),
            format!("{{{{ '\\'}}}}' {long} }}}}"),
            format!("{{# {{{{ \" #}}{{{{ \"}}}}\" {long} }}}}"),
            format!("{{% if {long}1 %}}{{% endif %}}"),
            format!("{{{{ {long}"),
            format!("{{%- raw %}}{{{{ \" {{% endraw %}}{{{{ 1 - \"}}}}\" {long} }}}}"),
        ] {
            assert!(check(&text).is_err(), "{text}");
        }
        for text in
            [format!("{long}{{{{ id }}}}{long}{{{{ 'a' | upper }}}}{long}"), "{ {a} { é".to_owned(), long]
        {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
    }
}
