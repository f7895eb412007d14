//! Python's view of `sealtone_sip_head`: plain SIP messages as lists and named tuples.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple, PyType};
use sealtone_sip_head::{Address, Head, Name, Params, Reader, Start};

/// Method (None of a response), status (0 of a request), Request-URI or reason phrase, names, values, the first value
/// of each name, typed values, body.
type HeadTuple<'py> = (
    Option<Bound<'py, PyString>>,
    u16,
    Bound<'py, PyString>,
    Bound<'py, PyList>,
    Bound<'py, PyList>,
    Bound<'py, PyDict>,
    Bound<'py, PyDict>,
    Bound<'py, PyBytes>,
);

/// Reads plain messages; what is not plain is left to the careful reading.
#[pyclass(frozen, module = "sealtone.media._engine")]
pub struct HeadReader {
    reader: Reader,
    names: Vec<Py<PyString>>,
    make: Py<PyAny>,
    name_addr: Py<PyType>,
    via: Py<PyType>,
    cseq: Py<PyType>,
    keys: Keys,
}

/// Under which key a message keeps each typed value.
struct Keys {
    via: Py<PyString>,
    vias: Py<PyString>,
    from: Py<PyString>,
    to: Py<PyString>,
    cseq: Py<PyString>,
    contact: Py<PyString>,
    route: Py<PyString>,
    record_route: Py<PyString>,
}

#[pymethods]
impl HeadReader {
    #[new]
    fn new(
        py: Python<'_>,
        spellings: Vec<(String, String)>,
        name_addr: Py<PyType>,
        via: Py<PyType>,
        cseq: Py<PyType>,
    ) -> PyResult<Self> {
        let reader = Reader::new(spellings);
        let intern = |text: &str| PyString::intern(py, text).unbind();
        let names = reader.names().iter().map(|name| intern(name)).collect();
        Ok(Self {
            reader,
            names,
            // A NamedTuple's own constructor costs several times as much.
            make: py.get_type::<PyTuple>().getattr("__new__")?.unbind(),
            name_addr,
            via,
            cseq,
            keys: Keys {
                via: intern("via"),
                vias: intern("vias"),
                from: intern("from"),
                to: intern("to"),
                cseq: intern("cseq"),
                contact: intern("Contact"),
                route: intern("Route"),
                record_route: intern("Record-Route"),
            },
        })
    }

    fn read<'py>(&self, py: Python<'py>, datagram: &[u8]) -> PyResult<Option<HeadTuple<'py>>> {
        match self.reader.read(datagram) {
            Some(head) => self.head(py, &head).map(Some),
            None => Ok(None),
        }
    }
}

impl HeadReader {
    fn head<'py>(&self, py: Python<'py>, head: &Head<'_>) -> PyResult<HeadTuple<'py>> {
        let mut names = Vec::with_capacity(head.lines.len());
        let mut values = Vec::with_capacity(head.lines.len());
        for (name, value) in &head.lines {
            names.push(match name {
                Name::Known(place) => self.names[*place].bind(py).clone(),
                Name::Other(name) => PyString::new(py, name),
            });
            values.push(PyString::new(py, value));
        }
        let first = PyDict::new(py);
        // Back to front, so that the first of several occurrences stays.
        for (name, value) in names.iter().zip(&values).rev() {
            first.set_item(name, value)?;
        }
        let (method, status, text) = match head.start {
            Start::Request(method, uri) => (Some(PyString::intern(py, method)), 0, uri),
            Start::Response(status, reason) => (None, status, reason),
        };
        Ok((
            method,
            status,
            PyString::new(py, text),
            PyList::new(py, names)?,
            PyList::new(py, values)?,
            first,
            self.typed(py, head)?,
            PyBytes::new(py, head.body),
        ))
    }

    fn typed<'py>(&self, py: Python<'py>, head: &Head<'_>) -> PyResult<Bound<'py, PyDict>> {
        let typed = PyDict::new(py);
        let keys = &self.keys;
        let mut vias = Vec::with_capacity(head.vias.len());
        for via in &head.vias {
            let params = params(py, &via.params)?;
            vias.push(self.named(
                py,
                &self.via,
                (via.transport, via.host, via.port, params).into_pyobject(py)?,
            )?);
        }
        typed.set_item(&keys.via, &vias[0])?;
        typed.set_item(&keys.vias, PyList::new(py, vias)?)?;
        typed.set_item(&keys.from, self.address(py, &head.from)?)?;
        typed.set_item(&keys.to, self.address(py, &head.to)?)?;
        let method = PyString::intern(py, head.cseq.method);
        let cseq = self.named(
            py,
            &self.cseq,
            (head.cseq.number, method).into_pyobject(py)?,
        )?;
        typed.set_item(&keys.cseq, cseq)?;
        let lists = [
            (&keys.contact, &head.contacts),
            (&keys.route, &head.routes),
            (&keys.record_route, &head.record_routes),
        ];
        for (key, addresses) in lists {
            if addresses.is_empty() {
                continue;
            }
            let made: Vec<_> = addresses
                .iter()
                .map(|address| self.address(py, address))
                .collect::<PyResult<_>>()?;
            typed.set_item(key, PyList::new(py, made)?)?;
        }
        Ok(typed)
    }

    fn address<'py>(&self, py: Python<'py>, address: &Address<'_>) -> PyResult<Bound<'py, PyAny>> {
        let params = params(py, &address.params)?;
        self.named(
            py,
            &self.name_addr,
            (address.display, address.uri, params).into_pyobject(py)?,
        )
    }

    fn named<'py>(
        &self,
        py: Python<'py>,
        class: &Py<PyType>,
        fields: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make.bind(py).call1((class, fields))
    }
}

fn params<'py>(py: Python<'py>, params: &Params<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let pairs: Vec<_> = params
        .iter()
        .map(|&(name, value)| (PyString::intern(py, name), value).into_pyobject(py))
        .collect::<Result<_, _>>()?;
    PyTuple::new(py, pairs)
}
