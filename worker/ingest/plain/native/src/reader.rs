//! Reads records into packed rows, up to the first that is not plain.
//!
//! A record is plain if it needs no judgement: our own event in the usual spelling, with the usual
//! headers, of the order that its key names, at a time that can be. What is not plain here may well
//! be valid; Python says. A record is a tuple of topic, partition, offset, timestamp, key, value and
//! headers, see `worker/records.py`.

use crate::bodies;
use crate::events;
use crate::python::{Object, Owned, Raised, Result};
use crate::rows::{self, Act, Common};
use crate::time::BEFORE_2000;

const MOST_HEADERS: usize = 32;
/// Packed acts are handed over in parts of about this size: large records are copied only once.
const PART: usize = 1 << 18;
/// The end of the year 9999 in milliseconds since 1970: the latest time of a record.
const LATEST_MS: i64 = 253_402_300_799_999;

/// What holds for all records of a call.
struct Plain<'a> {
    records: Object<'a>,
    begin: usize,
    topic: Option<&'a [u8]>,
    partition: i64,
    type_header: &'a [u8],
    longest: usize,
    latest: i64,
    common: Common<'a>,
    acts: Object<'a>,
    /// Whether bodies are kept whole.
    whole: bool,
    /// One delay in so many records is told.
    step: usize,
}

/// The parts of one record that look plain.
struct Record<'a> {
    offset: i64,
    /// In microseconds since 2000.
    timestamp: i64,
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Plain<'a> {
    /// From the first four arguments of a call: `records, begin, settings, acts`.
    fn of(call: Object<'a>) -> Result<Self> {
        let (records, begin, settings) = (call.item(0)?, size(call.item(1)?)?, call.item(2)?);
        let first = records.element(begin)?;
        Ok(Plain {
            records,
            begin,
            topic: first.item(0)?.text(),
            partition: first.item(1)?.number()?,
            type_header: settings.item(0)?.bytes()?,
            longest: size(settings.item(1)?)?,
            latest: settings.item(2)?.number()?,
            common: Common {
                received_at: settings.item(3)?.number()?,
                source: settings.item(4)?.bytes()?,
            },
            step: size(settings.item(5)?)?.max(1),
            whole: settings.item(6)?.number()? != 0,
            acts: call.item(3)?,
        })
    }

    /// Calls `read` with each record and a buffer for its act, until one is not plain.
    ///
    /// `read` returns the time that the event tells. Returns the place of the record that is not
    /// plain, and the delays of some of those before it, in microseconds.
    fn each(
        &self,
        mut read: impl FnMut(&Record<'a>, &mut Vec<u8>) -> Result<Option<i64>>,
    ) -> Result<Owned> {
        let (mut packed, delays) = (Vec::new(), Owned::list()?);
        let (mut at, end) = (self.begin, self.records.elements()?);
        while at < end {
            let record = match self.record(self.records.element(at)?)? {
                Some(record) => record,
                None => break,
            };
            let occurred_at = match read(&record, &mut packed)? {
                Some(occurred_at) => occurred_at,
                None => break,
            };
            if at % self.step == 0 {
                delays.borrow().append(&Owned::number(record.timestamp - occurred_at)?)?;
            }
            at += 1;
            if packed.len() >= PART {
                self.hand_over(&mut packed)?;
            }
        }
        self.hand_over(&mut packed)?;
        Owned::tuple([Owned::number(at as i64)?, delays])
    }

    fn hand_over(&self, packed: &mut Vec<u8>) -> Result<()> {
        if !packed.is_empty() {
            self.acts.append(&Owned::bytes(packed)?)?;
            packed.clear();
        }
        Ok(())
    }

    fn record(&self, record: Object<'a>) -> Result<Option<Record<'a>>> {
        let (key, value) = (record.item(4)?, record.item(5)?);
        if record.item(0)?.text() != self.topic
            || record.item(1)?.number()? != self.partition
            || key.is_none()
            || value.is_none()
        {
            return Ok(None);
        }
        let (timestamp, value) = (record.item(3)?.number()?, value.bytes()?);
        let plain = (0..=LATEST_MS).contains(&timestamp)
            && value.len() <= self.longest
            && std::str::from_utf8(value).is_ok()
            && self.usual(record.item(6)?)?;
        if !plain {
            return Ok(None);
        }
        Ok(Some(Record {
            offset: record.item(2)?.number()?,
            timestamp: timestamp * 1000 - BEFORE_2000,
            key: key.bytes()?,
            value,
        }))
    }

    /// Whether headers tell our type, or nothing at all of a CloudEvent.
    fn usual(&self, headers: Object<'a>) -> Result<bool> {
        let number = headers.length()?;
        if number > MOST_HEADERS {
            return Ok(false);
        }
        let (mut cloud_event, mut version, mut kind) = (false, false, false);
        for at in 0..number {
            let header = headers.item(at)?;
            let name = match header.item(0)?.text() {
                Some(name) => name,
                None => return Ok(false),
            };
            let wanted: &[u8] = match name {
                b"ce_type" => {
                    kind = true;
                    self.type_header
                }
                b"ce_specversion" => {
                    version = true;
                    b"1.0"
                }
                b"content-type" => b"application/json",
                _ => {
                    if !is_ignored(name) {
                        return Ok(false);
                    }
                    cloud_event |= name.starts_with(b"ce_");
                    continue;
                }
            };
            if header.item(1)?.is_none() || header.item(1)?.bytes()? != wanted {
                return Ok(false);
            }
        }
        Ok(kind == version && (kind || !cloud_event))
    }
}

/// Whether a header by this name is nothing to anybody: not another spelling of one that is read,
/// nor the id of a schema.
fn is_ignored(name: &[u8]) -> bool {
    let usual = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.');
    name.iter().all(usual)
        && !name.starts_with(b"ce-")
        && !name.windows(6).any(|part| part == b"schema")
}

/// The terms of all orders; times in microseconds, see `Policy.terms`.
struct Terms<'a> {
    /// Columns: policy, version, at_lapse, doubt.
    policy: &'a [u8],
    window: i64,
    grace: i64,
    least_window: Option<i64>,
}

impl<'a> Terms<'a> {
    fn of(told: Object<'a>) -> Result<Option<Self>> {
        if told.is_none() {
            return Ok(None);
        }
        Ok(Some(Terms {
            policy: told.item(0)?.bytes()?,
            window: told.item(1)?.number()?,
            grace: told.item(2)?.number()?,
            least_window: told.item(3)?.optional()?,
        }))
    }

    /// The deadline, unless the order came with too little time left.
    fn due(&self, entered_at: i64, arrived: i64) -> Option<i64> {
        let due = entered_at + self.window;
        let late = self.least_window.map_or(false, |least| arrived > due - least);
        (!late).then_some(due)
    }
}

/// `orders(records, begin, settings, acts, place, latest_entry, terms, choose, status, packed,
/// others)`
///
/// Adds orders to the dict `packed`, and their acts to the list `acts`. An order that `packed` or
/// `others` holds already is not plain. Without `terms` of all orders, `choose` gives those of one:
/// due, firing time and columns as in `Terms`, or None if it is not plain.
pub fn orders(call: Object) -> Result<Owned> {
    let (plain, place) = (Plain::of(call)?, call.item(4)?.bytes()?);
    let latest = plain.latest.min(call.item(5)?.number()?);
    let (terms, choose) = (Terms::of(call.item(6)?)?, call.item(7)?);
    let (status, packed, others) = (call.item(8)?.bytes()?, call.item(9)?, call.item(10)?);
    plain.each(|record, act| {
        let event = match events::order(record.value) {
            Some(event) if event.order_id == record.key && event.entered_at <= latest => event,
            _ => return Ok(None),
        };
        let order_id = Owned::text(event.order_id)?;
        if packed.has(&order_id)? || others.has(&order_id)? {
            return Ok(None);
        }
        let trimmed = if event.more && !plain.whole {
            match bodies::order(&event) {
                Some(body) => Some(body),
                None => return Ok(None),
            }
        } else {
            None
        };
        let arrived = record.timestamp.min(plain.common.received_at);
        let chosen;
        let (due, fires_at, policy) = match &terms {
            Some(terms) => match terms.due(event.entered_at, arrived) {
                Some(due) => (due, due + terms.grace, terms.policy),
                None => return Ok(None),
            },
            None => {
                chosen = choose.call(&facts(&event, record.timestamp)?)?;
                let chosen = chosen.borrow();
                if chosen.is_none() {
                    return Ok(None);
                }
                (chosen.item(0)?.number()?, chosen.item(1)?.number()?, chosen.item(2)?.bytes()?)
            }
        };
        let row = rows::order(&event, due, fires_at, record.offset, policy, place);
        packed.set(&order_id, &Owned::bytes(&row)?)?;
        let entered = Act {
            order_id: event.order_id,
            status,
            stock_ok: None,
            occurred_at: event.entered_at,
            offset: record.offset,
            body: trimmed.as_deref().unwrap_or(record.value),
        };
        entered.pack(act, &plain.common);
        Ok(Some(event.entered_at))
    })
}

/// What the terms of an order depend on: seller, fulfilment, entry, total, currency, timestamp.
fn facts(event: &events::Order, timestamp: i64) -> Result<Owned> {
    let optional = |text: Option<&[u8]>| text.map_or_else(|| Ok(Owned::none()), Owned::text);
    Owned::tuple([
        Owned::text(event.seller_id)?,
        Owned::text(event.fulfilment)?,
        Owned::number(event.entered_at)?,
        optional(event.total)?,
        optional(event.currency)?,
        Owned::number(timestamp)?,
    ])
}

/// `acts(records, begin, settings, acts, statuses, learn, sets)`
///
/// `statuses` gives for each spelling of a status its column and the place of its set in `sets`.
/// `learn` adds a spelling and returns the same, or None if the status is not plain.
pub fn acts(call: Object) -> Result<Owned> {
    let plain = Plain::of(call)?;
    let (statuses, learn, sets) = (call.item(4)?, call.item(5)?, call.item(6)?);
    plain.each(|record, act| {
        let event = match events::change(record.value) {
            Some(event) if event.order_id == record.key && event.occurred_at <= plain.latest => {
                event
            }
            _ => return Ok(None),
        };
        let spelling = Owned::text(event.status)?;
        let learned;
        let meaning = match statuses.get(&spelling)? {
            Some(meaning) => meaning,
            None => {
                learned = learn.call(&spelling)?;
                learned.borrow()
            }
        };
        if meaning.is_none() {
            return Ok(None);
        }
        sets.item(size(meaning.item(1)?)?)?.add(&Owned::text(event.order_id)?)?;
        let trimmed = (event.more && !plain.whole).then(|| bodies::change(&event));
        let done = Act {
            order_id: event.order_id,
            status: meaning.item(0)?.bytes()?,
            stock_ok: event.validation.and_then(|found| found.stock_ok()),
            occurred_at: event.occurred_at,
            offset: record.offset,
            body: trimmed.as_deref().unwrap_or(record.value),
        };
        done.pack(act, &plain.common);
        Ok(Some(event.occurred_at))
    })
}

/// `deadlines(lane, orders)`: packs those of rows of orders; also returns the first, or None.
pub fn deadlines(call: Object) -> Result<Owned> {
    let list = call.item(1)?;
    let lane = i32::try_from(call.item(0)?.number()?).map_err(|_| Raised)?;
    let orders = (0..list.elements()?).map(|at| list.element(at)?.bytes());
    let orders = orders.collect::<Result<Vec<_>>>()?;
    let (packed, first) = rows::deadlines(lane, &orders).ok_or(Raised)?;
    let first = first.map_or_else(|| Ok(Owned::none()), Owned::number)?;
    Owned::tuple([Owned::bytes(&packed)?, first])
}

fn size(number: Object) -> Result<usize> {
    usize::try_from(number.number()?).map_err(|_| Raised)
}
