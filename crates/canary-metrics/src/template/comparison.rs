//! `eq`, `lt` and their relatives.
//! Only values of the same kind compare; a byte of a string is a whole number.

use super::value::Value;

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Basic<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl<'a> Basic<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Int(value) => Some(Self::Int(*value)),
            Value::Byte(value) => Some(Self::Int(i64::from(*value))),
            Value::Float(value) => Some(Self::Float(*value)),
            Value::Text(value) => Some(Self::Text(value)),
            Value::Nil | Value::Map(_) => None,
        }
    }

    fn same_kind(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

fn incompatible(left: &Value, right: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", left.type_name(), right.type_name())
}

/// Whether `left` equals one of `rights`.
pub(super) fn equal(left: &Value, rights: &[Value]) -> Result<bool, String> {
    if rights.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for right in rights {
        let same = match (Basic::of(left), Basic::of(right)) {
            (Some(a), Some(b)) if a.same_kind(b) => a == b,
            // Go: nil compares with everything, and equals nil only.
            _ if matches!(left, Value::Nil) || matches!(right, Value::Nil) => {
                matches!((left, right), (Value::Nil, Value::Nil))
            }
            (None, None) => return Err(format!("non-comparable type {}", left.type_name())),
            _ => return Err(incompatible(left, right)),
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `left` is less than `right`.
pub(super) fn less(left: &Value, right: &Value) -> Result<bool, String> {
    let (Some(a), Some(b)) = (Basic::of(left), Basic::of(right)) else {
        let odd = if Basic::of(left).is_none() { left } else { right };
        return Err(format!("invalid type for comparison: {}", odd.type_name()));
    };
    if !a.same_kind(b) {
        return Err(incompatible(left, right));
    }
    if matches!(a, Basic::Bool(_)) {
        return Err("invalid type for comparison: bool".into());
    }
    Ok(a < b)
}

pub(super) fn at_most(left: &Value, right: &Value) -> Result<bool, String> {
    Ok(less(left, right)? || equal(left, std::slice::from_ref(right))?)
}

pub(super) fn greater(left: &Value, right: &Value) -> Result<bool, String> {
    at_most(left, right).map(|at_most| !at_most)
}

pub(super) fn at_least(left: &Value, right: &Value) -> Result<bool, String> {
    less(left, right).map(|less| !less)
}

/// The value, unless it is nil.
pub(super) fn non_nil<'a>(value: &'a Value, problem: &str) -> Result<&'a Value, String> {
    if matches!(value, Value::Nil) { Err(problem.to_owned()) } else { Ok(value) }
}
