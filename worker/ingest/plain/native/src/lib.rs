//! Plain records as packed rows, for Python. See `worker/ingest/plain/__init__.py`.

mod bodies;
mod events;
mod json;
#[allow(non_snake_case)]
mod python;
mod reader;
mod rows;
mod time;

use python::{guarded, MethodDef, ModuleDef, Object, PyModule_Create2, Raw, ABI, METH_VARARGS};
use std::ptr::{addr_of_mut, null, null_mut};

macro_rules! method {
    ($name:ident, $text:literal) => {{
        unsafe extern "C" fn call(_module: Raw, arguments: Raw) -> Raw {
            guarded(|| reader::$name(Object::argument(arguments)))
        }
        MethodDef {
            name: $text.as_ptr().cast(),
            method: Some(call),
            flags: METH_VARARGS,
            doc: null(),
        }
    }};
}

static mut METHODS: [MethodDef; 4] = [
    method!(orders, b"orders\0"),
    method!(acts, b"acts\0"),
    method!(deadlines, b"deadlines\0"),
    MethodDef { name: null(), method: None, flags: 0, doc: null() },
];

static mut MODULE: ModuleDef = ModuleDef {
    head: [1, 0, 0, 0, 0],
    name: b"native\0".as_ptr().cast(),
    doc: null(),
    size: -1,
    methods: null_mut(),
    unused: [0; 4],
};

/// Called by Python's import, once.
///
/// # Safety
/// The interpreter calls it, and holds its lock.
#[no_mangle]
pub unsafe extern "C" fn PyInit_native() -> Raw {
    (*addr_of_mut!(MODULE)).methods = addr_of_mut!(METHODS).cast();
    PyModule_Create2(addr_of_mut!(MODULE), ABI)
}
