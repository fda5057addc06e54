//! Writes the body of an event that has members of no contract without them, as
//! `worker/ingest/bodies.py` does: the contract's fields in their order, without blanks.

use crate::events::{Change, Order};
use crate::json::{Scanner, Token};
use crate::time::written;

/// An order without the members of no contract.
pub fn order(event: &Order) -> Option<Vec<u8>> {
    let mut body = Vec::with_capacity(512);
    text(&mut body, b"{\"order_id\":", event.order_id);
    text(&mut body, b",\"seller_id\":", event.seller_id);
    text(&mut body, b",\"fulfilment\":", event.fulfilment);
    text(&mut body, b",\"entered_at\":", written(event.entered_at).as_bytes());
    if let Some(total) = event.total {
        text(&mut body, b",\"total\":", total);
    }
    if let Some(currency) = event.currency {
        text(&mut body, b",\"currency\":", currency);
    }
    if let Some(lines) = event.lines {
        body.extend_from_slice(b",\"lines\":");
        rewrite(&mut body, lines)?;
    }
    body.push(b'}');
    Some(body)
}

/// A change of status without the members of no contract.
pub fn change(event: &Change) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    text(&mut body, b"{\"order_id\":", event.order_id);
    text(&mut body, b",\"status\":", event.status);
    text(&mut body, b",\"occurred_at\":", written(event.occurred_at).as_bytes());
    if let Some(found) = &event.validation {
        body.extend_from_slice(b",\"validation\":{");
        let names = [&b"\"in_stock\":"[..], b"\"functional\":", b"\"complete\":"];
        let told = names.iter().zip([found.in_stock, found.functional, found.complete]);
        let mut between: &[u8] = b"";
        for (name, told) in told.filter_map(|(name, told)| Some((name, told?))) {
            body.extend_from_slice(between);
            body.extend_from_slice(name);
            body.extend_from_slice(if told { b"true" } else { b"false" });
            between = b",";
        }
        body.push(b'}');
    }
    body.push(b'}');
    body
}

/// Appends a member whose value is a text without escapes.
fn text(body: &mut Vec<u8>, member: &[u8], value: &[u8]) {
    body.extend_from_slice(member);
    body.push(b'"');
    body.extend_from_slice(value);
    body.push(b'"');
}

/// Appends JSON without its blanks; `None` if Python would write its values otherwise.
fn rewrite(body: &mut Vec<u8>, json: &[u8]) -> Option<()> {
    let mut scanner = Scanner::new(json);
    scanner.tokens(&mut |token| match token {
        Token::Word(word) => {
            body.extend_from_slice(word);
            Some(())
        }
        Token::Text(text) => content(body, text),
        Token::Number(number) => self::number(body, number),
    })
}

/// Appends a string as Python writes it: with escapes only where they must be.
fn content(body: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    body.push(b'"');
    if text.contains(&b'\\') {
        let mut scanner = Scanner::new(text);
        loop {
            if scanner.at_escape() {
                character(body, scanner.escape()?)?;
            } else if let Some(byte) = scanner.byte() {
                body.push(byte);
            } else {
                break;
            }
        }
    } else {
        body.extend_from_slice(text);
    }
    body.push(b'"');
    Some(())
}

fn character(body: &mut Vec<u8>, found: char) -> Option<()> {
    let short = match found {
        '"' | '\\' => found,
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\0'..='\u{1f}' => return None,
        _ => {
            body.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(());
        }
    };
    body.push(b'\\');
    body.push(short as u8);
    Some(())
}

/// Appends a number as Python writes it.
fn number(body: &mut Vec<u8>, number: &[u8]) -> Option<()> {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let point = digits.iter().position(|byte| *byte == b'.');
    let zero = digits.iter().all(|byte| matches!(byte, b'0' | b'.'));
    if zero && digits.len() < number.len() {
        return None; // an integer loses its sign, a float keeps it
    }
    let point = match point {
        Some(point) => point,
        None => {
            body.extend_from_slice(number);
            return Some(());
        }
    };
    // Beyond these, a float is rounded or gets an exponent.
    if digits.len() > 16 || digits.starts_with(b"0.0000") {
        return None;
    }
    let zeros = digits[point + 2..].iter().rev().take_while(|byte| **byte == b'0').count();
    body.extend_from_slice(&number[..number.len() - zeros]);
    Some(())
}
