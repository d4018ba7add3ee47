//! A scenario that lies in several files: a base, and overlays that change it one after another.
//!
//! Mappings are merged; `null` removes what is there. Flows and steps are merged by their names, other lists are
//! replaced. What the files come to is read as one file, and what is wrong with it is said of the file where it stands.

mod tree;

use self::tree::{Place, Tree, What};
use crate::mistake::{Mistake, Mistakes};

/// The field of an overlay that says what becomes of the thing that it stands in, as kustomize calls it.
const PATCH: &str = "$patch";
const METHODS: [(&str, &str); 7] = [
    ("GET", "get"),
    ("POST", "post"),
    ("PUT", "put"),
    ("PATCH", "patch"),
    ("DELETE", "delete"),
    ("HEAD", "head"),
    ("gRPC", "grpc"),
];

/// What several files come to.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    files: Vec<String>,
    tree: Tree,
}

/// What is merged, since not all is merged in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Params,
    Flows,
    Flow,
    Steps,
    Step,
    /// Null is a value there.
    Value,
    Other,
}

impl Kind {
    fn field(self, key: &str) -> Self {
        match (self, key) {
            (Self::File, "flows") => Self::Flows,
            (Self::File, "params") => Self::Params,
            (Self::Flow, "steps" | "cleanup") => Self::Steps,
            (Self::Params | Self::Value, _) | (Self::Step, "json" | "message") => Self::Value,
            _ => Self::Other,
        }
    }

    fn item(self) -> Self {
        match self {
            Self::Flows => Self::Flow,
            Self::Steps => Self::Step,
            Self::Value => Self::Value,
            Self::File | Self::Params | Self::Flow | Self::Step | Self::Other => Self::Other,
        }
    }

    /// What the items are called whose names tell them apart.
    fn thing(self) -> Option<&'static str> {
        match self {
            Self::Flows => Some("flow"),
            Self::Steps => Some("step"),
            Self::File | Self::Params | Self::Flow | Self::Step | Self::Value | Self::Other => None,
        }
    }
}

impl Merged {
    /// Merges files, each with its name and its text, the base first.
    ///
    /// # Errors
    /// What is no YAML, and what an overlay changes that is not there.
    pub(crate) fn of(files: &[(String, String)]) -> Result<Self, Mistakes> {
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        let (mut trees, mut mistakes) = (Vec::new(), Vec::new());
        for (n, (name, text)) in files.iter().enumerate() {
            match Tree::read(n, name, text) {
                Ok(tree) => trees.push(tree),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let mut trees = trees.into_iter();
        let (Some(mut tree), true) = (trees.next(), mistakes.is_empty()) else {
            return Err(Mistakes(mistakes));
        };
        let mut merging = Merging(Vec::new());
        for overlay in trees {
            merging.merge(&mut tree, overlay, Kind::File);
        }
        if merging.0.is_empty() {
            return Ok(Self { files: names, tree });
        }
        let told = |(at, why): (Place, String)| {
            let file = names.get(at.file).cloned().unwrap_or_default();
            Mistake { file, line: at.line, field: at.path.to_string(), why }
        };
        Err(Mistakes(merging.0.into_iter().map(told).collect()))
    }

    /// All as one file.
    pub(crate) fn yaml(&self) -> String {
        self.tree.yaml()
    }

    /// Where a field of it was written: the number and the name of the file, the line, and the field there.
    pub(crate) fn place(&self, field: &str) -> (usize, String, usize, String) {
        let (&Place { file, line, .. }, field) = self.tree.place(field);
        (file, self.files.get(file).cloned().unwrap_or_default(), line, field)
    }

    /// The names of all files.
    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }
}

/// Collects what is wrong while it merges.
struct Merging(Vec<(Place, String)>);

impl Merging {
    fn wrong(&mut self, at: &Place, why: impl Into<String>) {
        self.0.push((at.clone(), why.into()));
    }

    fn merge(&mut self, base: &mut Tree, mut over: Tree, kind: Kind) {
        let is_replaced = self.is_replaced(&mut over);
        match (&mut base.what, over.what) {
            (What::Map(known), What::Map(fields)) if !is_replaced && kind != Kind::Value => {
                for (key, value) in fields {
                    let inner = kind.field(&key);
                    let at = known.iter().position(|(known, _)| *known == key);
                    match (at, &value.what) {
                        (Some(at), What::Null) if inner != Kind::Value => drop(known.remove(at)),
                        (Some(at), _) => {
                            if let Some((_, base)) = known.get_mut(at) {
                                self.merge(base, value, inner);
                            }
                        }
                        (None, _) => {
                            if let Some(value) = self.fresh(value, inner) {
                                known.push((key, value));
                            }
                        }
                    }
                }
            }
            (What::List(known), What::List(items)) if kind.thing().is_some() => {
                if let Some(items) = self.named(known, items, kind) {
                    *known = items;
                    base.at = over.at;
                }
            }
            (_, what) => {
                if let Some(fresh) = self.fresh(Tree { at: over.at, what }, kind) {
                    *base = fresh;
                }
            }
        }
    }

    /// Merges items by their names. Those of the overlay alone, when they replace the others.
    fn named(&mut self, known: &mut Vec<Tree>, items: Vec<Tree>, kind: Kind) -> Option<Vec<Tree>> {
        let thing = kind.thing().unwrap_or_default();
        let is_marker = |item: &Tree| {
            matches!(&item.what, What::Map(fields) if fields.len() == 1)
                && item.text(PATCH) == Some("replace")
        };
        let is_replaced = items.iter().any(is_marker) || items.iter().all(|item| item.text("name").is_none());
        if is_replaced {
            let items = items.into_iter().filter(|item| !is_marker(item));
            return Some(items.filter_map(|item| self.fresh(item, kind.item())).collect());
        }
        for mut item in items {
            let Some(name) = item.text("name").map(str::to_owned) else {
                self.wrong(
                    &item.at,
                    format!(
                        "it has no name, and others beside it do; with names they change the {thing}s of the file before, \
                         and with {{$patch: replace}} among them they take their place"
                    ),
                );
                continue;
            };
            let same: Vec<usize> = (0..known.len())
                .filter(|n| known.get(*n).is_some_and(|item| is_called(item, &name)))
                .collect();
            let is_deleted = item.text(PATCH) == Some("delete");
            match (same.as_slice(), is_deleted) {
                ([], true) => {
                    let names: Vec<String> = known.iter().filter_map(called).collect();
                    let why =
                        format!("there is no {thing} {name:?} to delete; known are {}", names.join(", "));
                    self.wrong(&item.at, why);
                }
                ([at], true) => drop(known.remove(*at)),
                ([], false) => known.extend(self.fresh(item, kind.item())),
                ([at], false) => {
                    if let Some(base) = known.get_mut(*at) {
                        // A name that is method and path goes on being that.
                        if base.text("name").is_none()
                            && let What::Map(fields) = &mut item.what
                        {
                            fields.retain(|(key, _)| key != "name");
                        }
                        self.merge(base, item, kind.item());
                    }
                }
                (several, _) => {
                    let why = format!("{} {thing}s are called {name:?}; one has to be meant", several.len());
                    self.wrong(&item.at, why);
                }
            }
        }
        None
    }

    /// What an overlay brings where nothing was: nulls have nothing to remove.
    fn fresh(&mut self, mut tree: Tree, kind: Kind) -> Option<Tree> {
        if kind == Kind::Value {
            return Some(tree);
        }
        if tree.text(PATCH) == Some("delete") {
            self.wrong(&tree.at, "there is nothing to delete");
            return None;
        }
        self.is_replaced(&mut tree);
        tree.what = match tree.what {
            What::Null => return None,
            What::Map(fields) => What::Map(
                fields
                    .into_iter()
                    .filter_map(|(key, value)| {
                        let inner = kind.field(&key);
                        Some((key, self.fresh(value, inner)?))
                    })
                    .collect(),
            ),
            What::List(items) => {
                What::List(items.into_iter().filter_map(|item| self.fresh(item, kind.item())).collect())
            }
            other @ (What::Text(_) | What::Plain(_)) => other,
        };
        Some(tree)
    }

    /// Whether it says that it takes the place of what was there; that word is taken out of it.
    fn is_replaced(&mut self, tree: &mut Tree) -> bool {
        let Some(patch) = tree.get(PATCH) else { return false };
        let (at, word) = (patch.at.clone(), tree.text(PATCH).unwrap_or_default().to_owned());
        if word != "replace" {
            let why = match word.as_str() {
                "delete" => {
                    "only flows and steps are deleted so; of anything else null removes it".to_owned()
                }
                _ => format!("{word:?} is not known; known are replace and delete"),
            };
            self.wrong(&at, why);
        }
        if let What::Map(fields) = &mut tree.what {
            fields.retain(|(key, _)| key != PATCH);
        }
        true
    }
}

/// What a flow or a step is called: a step without a name by its method and path.
fn called(item: &Tree) -> Option<String> {
    let by_path = || METHODS.iter().find_map(|(method, key)| Some(format!("{method} {}", item.text(key)?)));
    item.text("name").map(str::to_owned).or_else(by_path)
}

fn is_called(item: &Tree, name: &str) -> bool {
    called(item).is_some_and(|known| known == name)
}

#[cfg(test)]
mod tests;
