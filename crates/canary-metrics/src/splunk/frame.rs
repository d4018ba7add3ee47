//! The binary messages of `SignalFlow`: a header, a time, and values of time series, all big-endian.

/// Version, type, flags, a reserved byte, and 16 bytes of the channel's name.
const HEADER: usize = 20;
/// Milliseconds since 1970, and the number of values.
const COUNTED: usize = 12;
/// Type, time series and value.
const VALUE: usize = 17;
/// The type of messages with data.
const DATA: u8 = 5;
const GZIP: u8 = 1;
const JSON: u8 = 2;

/// A value of one time series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Datum {
    pub(super) series: u64,
    pub(super) value: f64,
    /// Since 1970.
    pub(super) seconds: f64,
}

/// What one message holds.
#[derive(Debug, PartialEq)]
pub(super) enum Frame<'a> {
    Data(Vec<Datum>),
    /// The rest is a text message.
    Text(&'a [u8]),
    /// Of no interest.
    Other,
}

/// Reads a message; what is wrong with one that cannot be read.
pub(super) fn read(bytes: &[u8]) -> Result<Frame<'_>, &'static str> {
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or("a message is shorter than its header")?;
    let (kind, flags) = (header[1], header[2]);
    if flags & GZIP != 0 {
        return Err("a message is compressed, which was not asked for");
    }
    if flags & JSON != 0 {
        return Ok(Frame::Text(rest));
    }
    if kind != DATA {
        return Ok(Frame::Other);
    }
    let (counted, values) =
        rest.split_at_checked(COUNTED).ok_or("a message ends before its number of values")?;
    let count = u32::from_be_bytes([counted[8], counted[9], counted[10], counted[11]]) as usize;
    let (values, rest) = values.as_chunks::<VALUE>();
    if values.len() != count || !rest.is_empty() {
        return Err("a message has another number of values than it says");
    }
    let mut time = [0; 8];
    time.copy_from_slice(&counted[..8]);
    #[allow(clippy::cast_precision_loss)] // exact for milliseconds of the next 285,000 years
    let seconds = u64::from_be_bytes(time) as f64 / 1000.0;
    Ok(Frame::Data(values.iter().filter_map(|value| datum(value, seconds)).collect()))
}

/// A value of a known type.
fn datum(bytes: &[u8; VALUE], seconds: f64) -> Option<Datum> {
    let eight = |from: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[from..from + 8]);
        u64::from_be_bytes(eight)
    };
    let (series, raw) = (eight(1), eight(9));
    #[allow(clippy::cast_precision_loss)] // a count beyond 2^53 may lose its last digit
    #[allow(clippy::cast_possible_truncation)] // the low half is where a short number stands
    let value = match bytes[0] {
        1 => raw.cast_signed() as f64,
        2 => f64::from_bits(raw),
        3 => f64::from((raw as u32).cast_signed()),
        _ => return None,
    };
    Some(Datum { series, value, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, flags: u8, values: &[(u8, u64, u64)]) -> Vec<u8> {
        let mut bytes = vec![1, kind, flags, 0];
        bytes.extend_from_slice(b"ch-1\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend_from_slice(&1_700_000_000_000_u64.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(values.len()).unwrap().to_be_bytes());
        for (kind, series, raw) in values {
            bytes.push(*kind);
            bytes.extend_from_slice(&series.to_be_bytes());
            bytes.extend_from_slice(&raw.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn values_of_three_types_are_read_and_others_are_left_out() {
        let minus = (-3_i64).cast_unsigned();
        let bytes = message(5, 0, &[(1, 7, minus), (2, 8, 1.5_f64.to_bits()), (3, 9, 4), (9, 1, 1)]);
        let datum = |series, value| Datum { series, value, seconds: 1.7e9 };
        assert_eq!(read(&bytes), Ok(Frame::Data(vec![datum(7, -3.0), datum(8, 1.5), datum(9, 4.0)])));
    }

    #[test]
    fn what_is_cut_short_or_compressed_cannot_be_read() {
        let bytes = message(5, 0, &[(1, 7, 1)]);
        for length in [0, 19, 25, bytes.len() - 1] {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        assert!(read(&message(5, GZIP, &[])).is_err());
        assert_eq!(read(&message(6, 0, &[])), Ok(Frame::Other));
    }
}
