//! Tokens from a file, with their roles and namespaces.

use std::path::Path;

use anyhow::{Context, bail};
use ring::digest::{SHA256, digest};

/// What a caller with a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Start and stop tasks and runs.
    Run,
    /// Open and close gates.
    Gate,
    /// Read results and gates.
    Read,
}

/// All tokens.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Vec<Token>);

/// A token's rights; of the token itself only its hash.
#[derive(Clone, Debug)]
struct Token {
    hash: Vec<u8>,
    rights: Rights,
}

/// What somebody may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) roles: Vec<Role>,
    /// Empty: all.
    pub(crate) namespaces: Vec<String>,
}

impl Tokens {
    /// Reads a file of lines `TOKEN ROLE[,ROLE…] [NAMESPACE …]`; empty lines and those with `#` are left out.
    ///
    /// # Errors
    /// The file cannot be read, or a line is wrong; the message has no token.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// The same from the text of such a file.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut tokens = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(token) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let number = number + 1;
            if token.len() < 16 {
                bail!("line {number}: a token has at least 16 characters");
            }
            let Some(names) = words.next() else { bail!("line {number}: the roles are missing") };
            let roles = roles(names).map_err(|why| anyhow::anyhow!("line {number}: {why}"))?;
            let rights = Rights { roles, namespaces: words.map(str::to_owned).collect() };
            tokens.push(Token { hash: hash(token), rights });
        }
        Ok(Self(tokens))
    }

    /// The rights that go with a token. Hashes are compared, whose bytes tell nothing about how close a guess was.
    pub(crate) fn find(&self, token: &str) -> Option<&Rights> {
        let hash = hash(token);
        self.0.iter().find(|known| known.hash == hash).map(|known| &known.rights)
    }
}

impl Rights {
    /// Whether there is the role in that namespace.
    pub(crate) fn may(&self, role: Role, namespace: &str) -> bool {
        self.roles.contains(&role)
            && (self.namespaces.is_empty() || self.namespaces.iter().any(|known| known == namespace))
    }

    /// Whether there is the role somewhere.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// Reads roles that are separated by commas.
///
/// # Errors
/// The first that is none.
pub(crate) fn roles(text: &str) -> Result<Vec<Role>, String> {
    let role = |name: &str| match name {
        "run" => Ok(Role::Run),
        "gate" => Ok(Role::Gate),
        "read" => Ok(Role::Read),
        _ => Err(format!("{name:?} is no role; known are run, gate and read")),
    };
    text.split(',').map(role).collect()
}

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_roles_in_its_namespaces() {
        let tokens =
            Tokens::parse("# for CI\nabcdefghijklmnop run,read test prod\n\nponmlkjihgfedcba gate\n")
                .unwrap();
        let ci = tokens.find("abcdefghijklmnop").unwrap();
        assert!(ci.may(Role::Run, "prod") && !ci.may(Role::Run, "other") && !ci.may(Role::Gate, "test"));
        assert!(tokens.find("ponmlkjihgfedcba").unwrap().may(Role::Gate, "anywhere"));
        assert!(tokens.find("abcdefghijklmno").is_none());
    }

    #[test]
    fn a_wrong_line_is_named_without_its_token() {
        for (text, why) in [
            ("secret-secret-secret", "line 1: the roles"),
            ("secret-secret-secret walk", "\"walk\" is no role"),
            ("secret run", "16 characters"),
        ] {
            let error = format!("{:#}", Tokens::parse(text).unwrap_err());
            assert!(error.contains(why) && !error.contains("secret"), "{error}");
        }
    }
}
