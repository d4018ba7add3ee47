//! Rows of data, and which one comes next.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::spec::{FormatSpec, OrderSpec};
use crate::template::value_of;

/// Most rows of one feed.
pub(crate) const MOST_ROWS: usize = 1_000_000;

/// The rows of a feed; shared by all threads.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) name: Arc<str>,
    rows: Vec<Value>,
    order: OrderSpec,
    next: AtomicUsize,
    random: Mutex<Shuffled>,
    /// A queue has given its last row.
    exhausted: AtomicBool,
}

#[derive(Debug)]
struct Shuffled {
    random: StdRng,
    left: Vec<usize>,
}

impl Feed {
    pub(crate) fn new(name: &str, rows: Vec<Value>, order: OrderSpec, seed: u64) -> Self {
        Self {
            name: name.into(),
            rows,
            order,
            next: AtomicUsize::new(0),
            random: Mutex::new(Shuffled { random: StdRng::seed_from_u64(seed), left: Vec::new() }),
            exhausted: AtomicBool::new(false),
        }
    }

    /// The next row; `None`: a queue is empty.
    pub(crate) fn next(&self) -> Option<Value> {
        let at = match self.order {
            OrderSpec::Circular => self.next.fetch_add(1, Ordering::Relaxed) % self.rows.len(),
            OrderSpec::Queue => {
                let at = self.next.fetch_add(1, Ordering::Relaxed);
                if at + 1 >= self.rows.len() {
                    self.exhausted.store(true, Ordering::Relaxed);
                }
                at
            }
            OrderSpec::Random => {
                let mut shuffled = self.random.lock().unwrap_or_else(PoisonError::into_inner);
                shuffled.random.random_range(0..self.rows.len())
            }
            OrderSpec::Shuffle => {
                let mut shuffled = self.random.lock().unwrap_or_else(PoisonError::into_inner);
                if shuffled.left.is_empty() {
                    let mut all: Vec<usize> = (0..self.rows.len()).collect();
                    all.shuffle(&mut shuffled.random);
                    shuffled.left = all;
                }
                shuffled.left.pop()?
            }
        };
        self.rows.get(at).cloned()
    }

    /// A queue has given its last row: the run is to end.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }
}

/// The format that the name of a file tells.
pub(crate) fn format_of(file: &str) -> Option<FormatSpec> {
    let is = |ending: &str| file.to_ascii_lowercase().ends_with(ending);
    if is(".csv") {
        Some(FormatSpec::Csv)
    } else if is(".json") {
        Some(FormatSpec::Json)
    } else if is(".txt") || is(".lines") {
        Some(FormatSpec::Lines)
    } else {
        None
    }
}

/// Reads rows.
///
/// # Errors
/// Where it is malformed, or that there are none, or too many.
pub(crate) fn rows(data: &[u8], format: FormatSpec) -> Result<Vec<Value>, String> {
    let rows = match format {
        FormatSpec::Csv => csv_rows(data)?,
        FormatSpec::Json => match serde_json::from_slice(data) {
            Ok(serde_json::Value::Array(rows)) => rows.iter().map(value_of).collect(),
            Ok(_) => {
                return Err(
                    "it is no list; a feed of JSON is a list, of objects or of plain values".to_owned()
                );
            }
            Err(error) => return Err(format!("it is no JSON: {error}")),
        },
        FormatSpec::Lines => {
            let text = std::str::from_utf8(data).map_err(|_| "it is no text in UTF-8".to_owned())?;
            text.lines().filter(|line| !line.trim().is_empty()).map(Value::from).collect()
        }
    };
    match rows.len() {
        0 => Err("it has no row".to_owned()),
        n if n > MOST_ROWS => Err(format!("it has {n} rows; {MOST_ROWS} are the most")),
        _ => Ok(rows),
    }
}

/// The names of the columns of CSV; none: it is no CSV.
pub(crate) fn columns(data: &[u8]) -> Option<BTreeSet<String>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(data);
    reader.headers().ok().map(|columns| columns.iter().map(str::to_owned).collect())
}

fn csv_rows(data: &[u8]) -> Result<Vec<Value>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(data);
    let columns = reader.headers().map_err(|error| format!("it is no CSV: {error}"))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("it is no CSV: {error}"))?;
        let row: std::collections::BTreeMap<&str, &str> = columns.iter().zip(record.iter()).collect();
        rows.push(value_of(row));
        if rows.len() > MOST_ROWS {
            break;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(order: OrderSpec, number: usize) -> Vec<Option<String>> {
        let rows = rows(b"a\nb\nc\n", FormatSpec::Lines).unwrap();
        let feed = Feed::new("letter", rows, order, 1);
        (0..number).map(|_| feed.next().map(|row| row.to_string())).collect()
    }

    fn text(row: Option<&str>) -> Option<String> {
        row.map(str::to_owned)
    }

    #[test]
    fn rows_come_in_their_order() {
        assert_eq!(taken(OrderSpec::Circular, 4), [Some("a"), Some("b"), Some("c"), Some("a")].map(text));
        assert_eq!(taken(OrderSpec::Queue, 4), [Some("a"), Some("b"), Some("c"), None].map(text));
        let shuffled = taken(OrderSpec::Shuffle, 6);
        for round in shuffled.chunks(3) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), 3, "{shuffled:?}");
        }
        assert_eq!(taken(OrderSpec::Random, 300).iter().collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn a_queue_is_exhausted_with_its_last_row() {
        let feed = Feed::new("letter", rows(b"a\nb\n", FormatSpec::Lines).unwrap(), OrderSpec::Queue, 1);
        feed.next();
        assert!(!feed.is_exhausted());
        feed.next();
        assert!(feed.is_exhausted());
    }

    #[test]
    fn rows_are_read_from_csv_json_and_lines() {
        let csv = rows(b"item, sku\n1,\"a,b\"\n2, c\n", FormatSpec::Csv).unwrap();
        assert_eq!(csv[0].get_attr("sku").unwrap().as_str(), Some("a,b"));
        let json = rows(br#"[{"item": 1}, {"item": 2}]"#, FormatSpec::Json).unwrap();
        assert_eq!(json[1].get_attr("item").unwrap().to_string(), "2");
        assert_eq!(rows(b"a\n\nb", FormatSpec::Lines).unwrap().len(), 2);
    }

    #[test]
    fn what_is_malformed_is_said() {
        for (data, format, why) in [
            (b"a,b\n1\n".as_slice(), FormatSpec::Csv, "no CSV"),
            (b"{}", FormatSpec::Json, "no list"),
            (b"[", FormatSpec::Json, "no JSON"),
            (b"\n", FormatSpec::Lines, "no row"),
            (b"\xff\xfe", FormatSpec::Lines, "UTF-8"),
        ] {
            let error = rows(data, format).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
