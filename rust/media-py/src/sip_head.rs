//! Python's view of `sealtone_sip_head`: plain SIP messages as lists and named tuples.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple, PyType};
use sealtone_sip_head::{Address, Head, Name, Params, Reader, Start};

/// Method (None of a response), status (0 of a request), Request-URI or reason phrase, names, values, typed values,
/// body.
type HeadTuple<'py> = (
    Option<Bound<'py, PyString>>,
    u16,
    Bound<'py, PyString>,
    Bound<'py, PyList>,
    Bound<'py, PyList>,
    TypedTuple<'py>,
    Bound<'py, PyBytes>,
);

/// Via, From, To, `CSeq`, Contact, Route, Record-Route; the last three None where there is no such line.
type TypedTuple<'py> = (
    Bound<'py, PyList>,
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
    Option<Bound<'py, PyList>>,
    Option<Bound<'py, PyList>>,
    Option<Bound<'py, PyList>>,
);

/// Parameters and methods that nearly every message has: they need not be looked up among Python's interned strings.
const USUAL: [&str; 9] = [
    "branch",
    "rport",
    "tag",
    "received",
    "transport",
    "lr",
    "INVITE",
    "ACK",
    "BYE",
];

/// Reads plain messages; what is not plain is left to the careful reading.
#[pyclass(frozen, module = "sealtone.media._engine")]
pub struct HeadReader {
    reader: Reader,
    names: Vec<Py<PyString>>,
    usual: [Py<PyString>; USUAL.len()],
    make: Py<PyAny>,
    name_addr: Py<PyType>,
    via: Py<PyType>,
    cseq: Py<PyType>,
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
            usual: USUAL.map(intern),
            // A NamedTuple's own constructor costs several times as much.
            make: py.get_type::<PyTuple>().getattr("__new__")?.unbind(),
            name_addr,
            via,
            cseq,
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
        let names = head.lines.iter().map(|(name, _)| match name {
            Name::Known(place) => self.names[*place].bind(py).clone(),
            Name::Other(name) => PyString::new(py, name),
        });
        let values = head.lines.iter().map(|(_, value)| value);
        let (method, status, text) = match head.start {
            Start::Request(method, uri) => (Some(self.usual(py, method)), 0, uri),
            Start::Response(status, reason) => (None, status, reason),
        };
        Ok((
            method,
            status,
            PyString::new(py, text),
            PyList::new(py, names)?,
            PyList::new(py, values)?,
            self.typed(py, head)?,
            PyBytes::new(py, head.body),
        ))
    }

    fn typed<'py>(&self, py: Python<'py>, head: &Head<'_>) -> PyResult<TypedTuple<'py>> {
        let mut vias = Vec::with_capacity(head.vias.len());
        for via in &head.vias {
            let params = self.params(py, &via.params)?;
            vias.push(self.named(
                py,
                &self.via,
                (via.transport, via.host, via.port, params).into_pyobject(py)?,
            )?);
        }
        let method = self.usual(py, head.cseq.method);
        let cseq = (head.cseq.number, method).into_pyobject(py)?;
        Ok((
            PyList::new(py, vias)?,
            self.address(py, &head.from)?,
            self.address(py, &head.to)?,
            self.named(py, &self.cseq, cseq)?,
            self.addresses(py, &head.contacts)?,
            self.addresses(py, &head.routes)?,
            self.addresses(py, &head.record_routes)?,
        ))
    }

    fn addresses<'py>(
        &self,
        py: Python<'py>,
        addresses: &[Address<'_>],
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        if addresses.is_empty() {
            return Ok(None);
        }
        let made: Vec<_> = addresses
            .iter()
            .map(|address| self.address(py, address))
            .collect::<PyResult<_>>()?;
        PyList::new(py, made).map(Some)
    }

    fn address<'py>(&self, py: Python<'py>, address: &Address<'_>) -> PyResult<Bound<'py, PyAny>> {
        let params = self.params(py, &address.params)?;
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

    fn params<'py>(&self, py: Python<'py>, params: &Params<'_>) -> PyResult<Bound<'py, PyTuple>> {
        let pairs: Vec<_> = params
            .iter()
            .map(|&(name, value)| (self.usual(py, name), value).into_pyobject(py))
            .collect::<Result<_, _>>()?;
        PyTuple::new(py, pairs)
    }

    /// A string that comes again and again, of which one is enough.
    fn usual<'py>(&self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        let place = USUAL.iter().position(|&known| known == text);
        place.map_or_else(
            || PyString::intern(py, text),
            |place| self.usual[place].bind(py).clone(),
        )
    }
}
