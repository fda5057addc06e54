//! The functions of Python's stable ABI that are used here, and all that is unsafe about them.
//!
//! A pointer that is not owned is borrowed from an argument of the call, which outlives it.

use std::marker::PhantomData;
use std::os::raw::{c_char, c_int};
use std::ptr::null_mut;

#[repr(C)]
pub struct PyObject {
    _private: [u8; 0],
}

pub type Raw = *mut PyObject;

#[repr(C)]
pub struct MethodDef {
    pub name: *const c_char,
    pub method: Option<unsafe extern "C" fn(Raw, Raw) -> Raw>,
    pub flags: c_int,
    pub doc: *const c_char,
}

/// As in `moduleobject.h`; the head is five words.
#[repr(C)]
pub struct ModuleDef {
    pub head: [usize; 5],
    pub name: *const c_char,
    pub doc: *const c_char,
    pub size: isize,
    pub methods: *mut MethodDef,
    pub unused: [usize; 4],
}

pub const METH_VARARGS: c_int = 1;
pub const ABI: c_int = 3;

extern "C" {
    pub fn PyModule_Create2(definition: *mut ModuleDef, version: c_int) -> Raw;
    fn Py_DecRef(object: Raw);
    fn Py_IncRef(object: Raw);
    fn PyErr_SetString(kind: Raw, message: *const c_char);
    fn PyErr_Clear();
    fn PyErr_Occurred() -> Raw;
    static PyExc_RuntimeError: Raw;
    static mut _Py_NoneStruct: PyObject;
    fn PyTuple_Size(tuple: Raw) -> isize;
    fn PyTuple_GetItem(tuple: Raw, at: isize) -> Raw;
    fn PyTuple_New(size: isize) -> Raw;
    fn PyTuple_SetItem(tuple: Raw, at: isize, item: Raw) -> c_int;
    fn PyList_Size(list: Raw) -> isize;
    fn PyList_GetItem(list: Raw, at: isize) -> Raw;
    fn PyList_New(size: isize) -> Raw;
    fn PyList_Append(list: Raw, item: Raw) -> c_int;
    fn PyDict_Contains(dict: Raw, key: Raw) -> c_int;
    fn PyDict_SetItem(dict: Raw, key: Raw, value: Raw) -> c_int;
    fn PyDict_GetItemWithError(dict: Raw, key: Raw) -> Raw;
    fn PySet_Add(set: Raw, key: Raw) -> c_int;
    fn PyBytes_AsStringAndSize(bytes: Raw, text: *mut *mut c_char, length: *mut isize) -> c_int;
    fn PyBytes_FromStringAndSize(text: *const c_char, length: isize) -> Raw;
    fn PyUnicode_AsUTF8AndSize(text: Raw, length: *mut isize) -> *const c_char;
    fn PyUnicode_FromStringAndSize(text: *const c_char, length: isize) -> Raw;
    fn PyLong_AsLongLong(number: Raw) -> i64;
    fn PyLong_FromLongLong(number: i64) -> Raw;
    fn PyObject_CallFunctionObjArgs(callable: Raw, ...) -> Raw;
}

/// A Python exception is set; it goes on when the call returns.
pub struct Raised;

pub type Result<T> = std::result::Result<T, Raised>;

/// A borrowed object.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    raw: Raw,
    lifetime: PhantomData<&'a ()>,
}

/// An owned object.
pub struct Owned(Raw);

impl Drop for Owned {
    fn drop(&mut self) {
        unsafe { Py_DecRef(self.0) }
    }
}

/// The one None.
fn none() -> Raw {
    #[allow(unused_unsafe)] // compilers before 1.77 want it
    unsafe {
        std::ptr::addr_of_mut!(_Py_NoneStruct)
    }
}

fn owned(raw: Raw) -> Result<Owned> {
    if raw.is_null() {
        return Err(Raised);
    }
    Ok(Owned(raw))
}

fn done(code: c_int) -> Result<()> {
    if code < 0 {
        return Err(Raised);
    }
    Ok(())
}

impl Owned {
    pub fn bytes(text: &[u8]) -> Result<Owned> {
        owned(unsafe { PyBytes_FromStringAndSize(text.as_ptr().cast(), text.len() as isize) })
    }

    /// A text of UTF-8.
    pub fn text(text: &[u8]) -> Result<Owned> {
        owned(unsafe { PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as isize) })
    }

    pub fn number(number: i64) -> Result<Owned> {
        owned(unsafe { PyLong_FromLongLong(number) })
    }

    pub fn none() -> Owned {
        unsafe { Py_IncRef(none()) };
        Owned(none())
    }

    pub fn list() -> Result<Owned> {
        owned(unsafe { PyList_New(0) })
    }

    pub fn tuple<const N: usize>(items: [Owned; N]) -> Result<Owned> {
        let tuple = owned(unsafe { PyTuple_New(N as isize) })?;
        for (at, item) in items.into_iter().enumerate() {
            // The tuple takes the item over, even if this fails.
            done(unsafe { PyTuple_SetItem(tuple.0, at as isize, item.release()) })?;
        }
        Ok(tuple)
    }

    pub fn borrow(&self) -> Object<'_> {
        Object { raw: self.0, lifetime: PhantomData }
    }

    /// Gives the reference away.
    pub fn release(self) -> Raw {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }
}

impl<'a> Object<'a> {
    /// The arguments of a call, valid until it returns.
    ///
    /// # Safety
    /// `raw` is a live object for as long as `'a`.
    pub unsafe fn argument(raw: Raw) -> Object<'a> {
        Object { raw, lifetime: PhantomData }
    }

    fn borrowed(raw: Raw) -> Result<Object<'a>> {
        if raw.is_null() {
            return Err(Raised);
        }
        Ok(Object { raw, lifetime: PhantomData })
    }

    pub fn is_none(self) -> bool {
        self.raw == none()
    }

    /// An item of a tuple.
    pub fn item(self, at: usize) -> Result<Object<'a>> {
        Self::borrowed(unsafe { PyTuple_GetItem(self.raw, at as isize) })
    }

    /// The length of a tuple.
    pub fn length(self) -> Result<usize> {
        usize::try_from(unsafe { PyTuple_Size(self.raw) }).map_err(|_| Raised)
    }

    /// An item of a list.
    pub fn element(self, at: usize) -> Result<Object<'a>> {
        Self::borrowed(unsafe { PyList_GetItem(self.raw, at as isize) })
    }

    /// The length of a list.
    pub fn elements(self) -> Result<usize> {
        usize::try_from(unsafe { PyList_Size(self.raw) }).map_err(|_| Raised)
    }

    pub fn append(self, item: &Owned) -> Result<()> {
        done(unsafe { PyList_Append(self.raw, item.0) })
    }

    pub fn number(self) -> Result<i64> {
        let number = unsafe { PyLong_AsLongLong(self.raw) };
        if number == -1 && !unsafe { PyErr_Occurred() }.is_null() {
            return Err(Raised);
        }
        Ok(number)
    }

    /// The number, or `None` for None.
    pub fn optional(self) -> Result<Option<i64>> {
        if self.is_none() {
            return Ok(None);
        }
        self.number().map(Some)
    }

    /// The content of bytes.
    pub fn bytes(self) -> Result<&'a [u8]> {
        let (mut text, mut length) = (null_mut(), 0);
        done(unsafe { PyBytes_AsStringAndSize(self.raw, &mut text, &mut length) })?;
        Ok(unsafe { std::slice::from_raw_parts(text.cast(), length as usize) })
    }

    /// A text as UTF-8; `None` if it has no UTF-8.
    pub fn text(self) -> Option<&'a [u8]> {
        let mut length = 0;
        let text = unsafe { PyUnicode_AsUTF8AndSize(self.raw, &mut length) };
        if text.is_null() {
            unsafe { PyErr_Clear() };
            return None;
        }
        Some(unsafe { std::slice::from_raw_parts(text.cast(), length as usize) })
    }

    /// Whether a dict has a key.
    pub fn has(self, key: &Owned) -> Result<bool> {
        let found = unsafe { PyDict_Contains(self.raw, key.0) };
        done(found)?;
        Ok(found == 1)
    }

    /// Sets a key of a dict.
    pub fn set(self, key: &Owned, value: &Owned) -> Result<()> {
        done(unsafe { PyDict_SetItem(self.raw, key.0, value.0) })
    }

    /// The value of a key of a dict.
    pub fn get(self, key: &Owned) -> Result<Option<Object<'a>>> {
        let found = unsafe { PyDict_GetItemWithError(self.raw, key.0) };
        if found.is_null() {
            return if unsafe { PyErr_Occurred() }.is_null() { Ok(None) } else { Err(Raised) };
        }
        Ok(Some(Object { raw: found, lifetime: PhantomData }))
    }

    /// Adds a key to a set.
    pub fn add(self, key: &Owned) -> Result<()> {
        done(unsafe { PySet_Add(self.raw, key.0) })
    }

    pub fn call(self, argument: &Owned) -> Result<Owned> {
        let end: Raw = null_mut();
        owned(unsafe { PyObject_CallFunctionObjArgs(self.raw, argument.0, end) })
    }
}

/// Runs a function that Python called; a panic becomes a RuntimeError.
pub fn guarded(call: impl FnOnce() -> Result<Owned>) -> Raw {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(Ok(result)) => result.release(),
        Ok(Err(Raised)) => null_mut(),
        Err(_) => {
            let message = b"the compiled reader failed\0".as_ptr().cast();
            unsafe { PyErr_SetString(PyExc_RuntimeError, message) };
            null_mut()
        }
    }
}
