//! The answer of a Flux query: tables in CSV, each with rows that say what its columns are.

use canary_core::Measurement;
use csv::{ReaderBuilder, StringRecord};

use super::Problem;
use crate::sample::age;

/// What the rows above the records of one table say.
#[derive(Default)]
struct Head {
    datatypes: StringRecord,
    defaults: StringRecord,
    names: Option<StringRecord>,
}

/// `_value` of the first record; none where there is no record, or its value is empty.
pub(super) fn first_value(body: &[u8]) -> Result<Measurement, Problem> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(body);
    let mut head = Head::default();
    let mut first = Measurement::default();
    let mut records = 0;
    for record in reader.records() {
        let record = record.map_err(|error| unusable(&error.to_string()))?;
        match (record.get(0).unwrap_or_default(), &head.names) {
            ("#datatype", _) => head = Head { datatypes: record, ..Head::default() },
            ("#default", None) => head.defaults = record,
            ("#group", None) => {}
            (_, None) => head.names = Some(record),
            (_, Some(names)) => {
                // An error in the middle of an answer, whose status was sent long ago.
                if let Some(column) = column(names, "error") {
                    let text = record.get(column).unwrap_or("the query failed");
                    return Err(Problem::Refused(text.to_owned()));
                }
                if records == 0 {
                    first = Measurement::from(value(&head, names, &record)?);
                    first.samples.age =
                        column(names, "_time").and_then(|n| record.get(n)?.parse().ok()).map(age);
                }
                records += 1;
            }
        }
    }
    if head.names.is_some_and(|names| column(&names, "_value").is_none() && records == 0 && names.len() < 3) {
        return Err(unusable("there is no column _value"));
    }
    first.samples.count = Some(records);
    Ok(first)
}

fn column(names: &StringRecord, name: &str) -> Option<usize> {
    names.iter().position(|column| column == name)
}

fn value(head: &Head, names: &StringRecord, record: &StringRecord) -> Result<Option<f64>, Problem> {
    let Some(column) = column(names, "_value") else { return Ok(None) };
    let text = match record.get(column).unwrap_or_default() {
        "" => head.defaults.get(column).unwrap_or_default(),
        text => text,
    };
    let datatype = head.datatypes.get(column).unwrap_or_default();
    match datatype {
        _ if text.is_empty() => Ok(None),
        "double" | "long" | "unsignedLong" => {
            let number: f64 =
                text.parse().map_err(|_| unusable(&format!("the value {text:?} is not a number")))?;
            Ok(Some(number).filter(|number| !number.is_nan()))
        }
        other => Err(unusable(&format!("the value is of type {other:?}; expected a number"))),
    }
}

fn unusable(problem: &str) -> Problem {
    Problem::Unusable(format!("the answer is not one number in annotated CSV: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(datatype: &str, rows: &[&str]) -> String {
        let head = format!(
            "#datatype,string,long,dateTime:RFC3339,{datatype}\r\n#group,false,false,false,false\r\n#default,_result,,,\r\n,result,table,_time,_value\r\n"
        );
        rows.iter().fold(head, |text, row| format!("{text},,0,2026-01-01T00:00:00Z,{row}\r\n")) + "\r\n"
    }

    #[test]
    fn the_first_record_counts_whatever_kind_of_number_it_is() {
        for (datatype, rows, expected) in [
            ("double", &["1.5", "2"][..], Some(1.5)),
            ("long", &["7"][..], Some(7.0)),
            ("unsignedLong", &["8"][..], Some(8.0)),
            ("double", &["+Inf"][..], Some(f64::INFINITY)),
            ("double", &["NaN"][..], None),
            ("double", &[""][..], None),
            ("double", &[][..], None),
        ] {
            assert_eq!(
                first_value(table(datatype, rows).as_bytes()).map(|m| m.value),
                Ok(expected),
                "{datatype} {rows:?}"
            );
        }
        assert_eq!(first_value(b"\r\n").map(|m| m.value), Ok(None));
        assert_eq!(first_value(b"").map(|m| m.value), Ok(None));
        let two = table("double", &["1"]) + &table("double", &["2"]);
        let two = first_value(two.as_bytes()).unwrap();
        assert_eq!((two.value, two.samples.count), (Some(1.0), Some(2)));
        assert!(two.samples.age.is_some(), "the first record has its time");
    }

    #[test]
    fn an_error_table_is_an_error_even_behind_records() {
        let error = "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,\"failed: a, b\",897\r\n";
        let behind = table("double", &["1"]) + error;
        for text in [error, behind.as_str()] {
            assert_eq!(first_value(text.as_bytes()), Err(Problem::Refused("failed: a, b".into())));
        }
    }

    #[test]
    fn other_types_are_no_numbers() {
        for (datatype, row) in [("string", "1"), ("boolean", "true"), ("double", "many")] {
            assert!(
                matches!(first_value(table(datatype, &[row]).as_bytes()), Err(Problem::Unusable(_))),
                "{datatype}"
            );
        }
        for text in [&b"{\"code\": 1}"[..], b"<html>"] {
            assert!(matches!(first_value(text), Err(Problem::Unusable(_))));
        }
    }
}
