//! Reads the two events that come all the time: an order, and a status without a form.

use crate::json::Scanner;
use crate::time::micros;

const LONGEST_NAME: usize = 200;

/// An order-created event without labels and without a deadline of its own.
pub struct Order<'a> {
    pub order_id: &'a [u8],
    pub seller_id: &'a [u8],
    pub fulfilment: &'a [u8],
    pub entered_at: i64,
    pub total: Option<&'a [u8]>,
    pub currency: Option<&'a [u8]>,
    /// Any JSON.
    pub lines: Option<&'a [u8]>,
    /// Whether it has members that are none of the contract.
    pub more: bool,
}

/// A status-changed event of a whole order, without a dispute.
pub struct Change<'a> {
    pub order_id: &'a [u8],
    pub status: &'a [u8],
    pub occurred_at: i64,
    pub validation: Option<Validation>,
    /// Whether it has members that are none of the contract.
    pub more: bool,
}

/// What the seller found.
#[derive(Clone, Copy)]
pub struct Validation {
    pub in_stock: Option<bool>,
    pub functional: Option<bool>,
    pub complete: Option<bool>,
    more: bool,
}

impl Validation {
    /// False if anything is wrong, `None` if nothing was reported.
    pub fn stock_ok(&self) -> Option<bool> {
        let reported = [self.in_stock, self.functional, self.complete];
        if reported.contains(&Some(false)) {
            return Some(false);
        }
        reported.contains(&Some(true)).then_some(true)
    }
}

/// The value of a member that is given once, and is not `null`.
fn once<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value?);
    Some(())
}

/// An identifier that is stored as it stands: nothing to trim, and nothing but ASCII.
fn name<'a>(json: &mut Scanner<'a>) -> Option<&'a [u8]> {
    let text = json.string()?;
    let plain = text.iter().all(|byte| (b' '..=b'~').contains(byte));
    let (first, last) = (*text.first()?, *text.last()?);
    (plain && first != b' ' && last != b' ' && text.len() <= LONGEST_NAME).then_some(text)
}

/// An amount with at most 16 digits, and 9 after the point, without leading zeros.
fn money<'a>(json: &mut Scanner<'a>) -> Option<&'a [u8]> {
    let text = json.string()?;
    let point = text.iter().position(|byte| *byte == b'.');
    let (integer, fraction) = match point {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits =
        |part: &[u8], most| (1..=most).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let leading = integer.len() > 1 && integer[0] == b'0';
    (digits(integer, 16) && !leading && fraction.map_or(true, |part| digits(part, 9)))
        .then_some(text)
}

/// A member that may also be `null`, which is the same as none.
fn optional<'a, T>(
    json: &mut Scanner<'a>,
    read: fn(&mut Scanner<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if json.null() {
        return Some(None);
    }
    read(json).map(Some)
}

fn currency<'a>(json: &mut Scanner<'a>) -> Option<&'a [u8]> {
    let text = json.string()?;
    (text.len() == 3 && text.iter().all(u8::is_ascii_uppercase)).then_some(text)
}

/// A member that only Python reads, unless it is `null`.
fn absent(json: &mut Scanner) -> Option<()> {
    json.null().then_some(())
}

/// Reads a member that is none of the contract.
fn other(json: &mut Scanner, more: &mut bool) -> Option<()> {
    *more = true;
    json.value().map(|_| ())
}

/// Reads an order from the whole text.
pub fn order(text: &[u8]) -> Option<Order<'_>> {
    let (mut order_id, mut seller_id, mut fulfilment, mut entered_at) = (None, None, None, None);
    let (mut total, mut unit, mut lines, mut labels, mut due) = (None, None, None, None, None);
    let (mut more, mut json) = (false, Scanner::new(text));
    json.object(|json, member| match member {
        b"order_id" => once(&mut order_id, name(json)),
        b"seller_id" => once(&mut seller_id, name(json)),
        b"fulfilment" => once(&mut fulfilment, name(json)),
        b"entered_at" => once(&mut entered_at, micros(json.string()?)),
        b"total" => once(&mut total, optional(json, money)),
        b"currency" => once(&mut unit, optional(json, currency)),
        b"lines" => once(&mut lines, optional(json, Scanner::value)),
        b"labels" => once(&mut labels, absent(json)),
        b"due" => once(&mut due, absent(json)),
        _ => other(json, &mut more),
    })?;
    json.ended().then_some(Order {
        order_id: order_id?,
        seller_id: seller_id?,
        fulfilment: fulfilment?,
        entered_at: entered_at?,
        total: total.flatten(),
        currency: unit.flatten(),
        lines: lines.flatten(),
        more,
    })
}

/// Reads a change of status from the whole text.
pub fn change(text: &[u8]) -> Option<Change<'_>> {
    let (mut order_id, mut status, mut occurred_at, mut found) = (None, None, None, None);
    let (mut lines, mut partial, mut dispute) = (None, None, None);
    let (mut more, mut json) = (false, Scanner::new(text));
    json.object(|json, member| match member {
        b"order_id" => once(&mut order_id, name(json)),
        b"status" => once(&mut status, name(json)),
        b"occurred_at" => once(&mut occurred_at, micros(json.string()?)),
        b"validation" => once(&mut found, optional(json, validation)),
        b"lines" => once(&mut lines, absent(json)),
        b"partial" => once(&mut partial, absent(json)),
        b"dispute" => once(&mut dispute, absent(json)),
        _ => other(json, &mut more),
    })?;
    let validation = found.flatten();
    json.ended().then_some(Change {
        order_id: order_id?,
        status: status?,
        occurred_at: occurred_at?,
        validation,
        more: more || validation.map_or(false, |found| found.more),
    })
}

fn validation(json: &mut Scanner) -> Option<Validation> {
    let (mut in_stock, mut functional, mut complete) = (None, None, None);
    let (mut lines, mut more) = (None, false);
    json.object(|json, member| match member {
        b"in_stock" => once(&mut in_stock, json.boolean()),
        b"functional" => once(&mut functional, json.boolean()),
        b"complete" => once(&mut complete, json.boolean()),
        b"lines" => once(&mut lines, absent(json)),
        _ => other(json, &mut more),
    })?;
    Some(Validation {
        in_stock: in_stock.flatten(),
        functional: functional.flatten(),
        complete: complete.flatten(),
        more,
    })
}
