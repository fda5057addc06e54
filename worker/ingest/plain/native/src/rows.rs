//! Packs rows for COPY, in the columns of `worker/storage/binary_copy.py`.

use crate::events::Order;

const NULL: [u8; 4] = [0xff; 4];
const ACT_COLUMNS: i16 = 11;
const ORDER_COLUMNS: i16 = 19;
const DEADLINE_COLUMNS: i16 = 3;
const USUAL_ORDER: usize = 384;

fn count(row: &mut Vec<u8>, columns: i16) {
    row.extend_from_slice(&columns.to_be_bytes());
}

fn cell(row: &mut Vec<u8>, text: &[u8]) {
    row.extend_from_slice(&(text.len() as u32).to_be_bytes());
    row.extend_from_slice(text);
}

fn optional(row: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => cell(row, text),
        None => row.extend_from_slice(&NULL),
    }
}

fn wide(row: &mut Vec<u8>, number: i64) {
    cell(row, &number.to_be_bytes());
}

/// What the acts of one partition have in common.
pub struct Common<'a> {
    /// Columns: topic and partition.
    pub source: &'a [u8],
    /// In microseconds since 2000.
    pub received_at: i64,
}

/// An act; times are microseconds since 2000.
pub struct Act<'a> {
    pub order_id: &'a [u8],
    /// A column.
    pub status: &'a [u8],
    pub stock_ok: Option<bool>,
    pub occurred_at: i64,
    pub offset: i64,
    pub body: &'a [u8],
}

impl Act<'_> {
    /// Appends its row.
    pub fn pack(&self, row: &mut Vec<u8>, common: &Common) {
        count(row, ACT_COLUMNS);
        cell(row, self.order_id);
        row.extend_from_slice(self.status);
        optional(row, self.stock_ok.map(|known| [u8::from(known)]).as_ref().map(|one| &one[..]));
        row.extend_from_slice(&NULL); // form_complete
        row.extend_from_slice(&NULL); // unknown
        row.extend_from_slice(common.source);
        wide(row, self.occurred_at);
        wide(row, common.received_at);
        wide(row, self.offset);
        cell(row, self.body);
    }
}

/// Packs an order; times are microseconds since 2000.
///
/// `policy` are the columns policy, version, at_lapse and doubt, and `place` the last ones: lane,
/// topic, partition, received_at.
pub fn order(
    event: &Order,
    due: i64,
    fires_at: i64,
    offset: i64,
    policy: &[u8],
    place: &[u8],
) -> Vec<u8> {
    let mut row = Vec::with_capacity(USUAL_ORDER);
    count(&mut row, ORDER_COLUMNS);
    cell(&mut row, event.order_id);
    wide(&mut row, event.entered_at);
    wide(&mut row, due);
    wide(&mut row, fires_at);
    cell(&mut row, event.seller_id);
    cell(&mut row, event.fulfilment);
    row.extend_from_slice(policy);
    optional(&mut row, event.currency);
    row.extend_from_slice(&NULL); // labels
    row.extend_from_slice(&NULL); // told_due
    match event.total {
        Some(total) => amount(&mut row, total),
        None => row.extend_from_slice(&NULL),
    }
    wide(&mut row, offset);
    row.extend_from_slice(place);
    row
}

/// Appends a `numeric`: digits to the base 10,000, on both sides of the point.
fn amount(row: &mut Vec<u8>, total: &[u8]) {
    let point = total.iter().position(|byte| *byte == b'.').unwrap_or(total.len());
    let (integer, fraction) = (&total[..point], total.get(point + 1..).unwrap_or_default());
    let (before, after) = ((integer.len() + 3) / 4, (fraction.len() + 3) / 4);
    row.extend_from_slice(&(8 + 2 * (before + after) as u32).to_be_bytes());
    for head in [before + after, before - 1, 0, fraction.len()] {
        row.extend_from_slice(&(head as u16).to_be_bytes());
    }
    let mut group = |digits: &[u8], missing: usize| {
        let zeros = std::iter::repeat(&b'0').take(missing);
        let value = digits.iter().chain(zeros).fold(0, |v, d| 10 * v + u16::from(d - b'0'));
        row.extend_from_slice(&value.to_be_bytes());
    };
    let first = integer.len() - 4 * (before - 1);
    group(&integer[..first], 0);
    integer[first..].chunks(4).for_each(|digits| group(digits, 0));
    fraction.chunks(4).for_each(|digits| group(digits, 4 - digits.len()));
}

/// Order id and firing time of a row of [`order`].
fn deadline(row: &[u8]) -> Option<(i64, &[u8])> {
    let length = u32::from_be_bytes(row.get(2..6)?.try_into().ok()?) as usize;
    let key = row.get(6..6 + length)?;
    let fires_at = row.get(6 + length + 28..6 + length + 36)?;
    Some((i64::from_be_bytes(fires_at.try_into().ok()?), key))
}

/// Packs the deadlines of rows of [`order`], the first before the others; also returns its time.
pub fn deadlines(lane: i32, orders: &[&[u8]]) -> Option<(Vec<u8>, Option<i64>)> {
    let mut found: Vec<_> = orders.iter().map(|row| deadline(row)).collect::<Option<_>>()?;
    found.sort_unstable();
    let mut packed = Vec::with_capacity(40 * found.len());
    for (fires_at, key) in &found {
        count(&mut packed, DEADLINE_COLUMNS);
        cell(&mut packed, &lane.to_be_bytes());
        wide(&mut packed, *fires_at);
        cell(&mut packed, key);
    }
    Some((packed, found.first().map(|(fires_at, _)| *fires_at)))
}
