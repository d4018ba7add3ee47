//! Texts that are nobody's business, and taking them out of what is shown.

/// Credentials of one provider.
#[derive(Clone, Default)]
pub(crate) struct Hidden(Vec<String>);

impl Hidden {
    /// Hides these texts.
    pub(crate) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hidden = Self::default();
        for text in texts {
            hidden.add(text);
        }
        hidden
    }

    pub(crate) fn add(&mut self, text: &str) {
        // Shorter ones are no secrets and would cut words to pieces.
        if text.len() >= 4 {
            self.0.push(text.to_owned());
            // Longest first: a header contains the token that it carries.
            self.0.sort_by_key(|hidden| std::cmp::Reverse(hidden.len()));
        }
    }

    /// The text without any of them.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, hidden| text.replace(hidden, "***"))
    }
}
