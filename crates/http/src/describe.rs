//! What the signature of a handler says about it, for the description of the API.

use std::collections::BTreeSet;

use axum::extract::State;
use http::Uri;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;
use usher_domain::Permission;

use crate::{App, Code, Problem};

/// Who may call an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    #[default]
    Anyone,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever holds a permission.
    May(Permission),
    /// The scheduler of the platform; no account opens it.
    Scheduler,
}

/// One kind of successful answer.
pub(crate) struct AnswerDocs {
    pub(crate) status: u16,
    pub(crate) meaning: &'static str,
    pub(crate) schema: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

/// What is known of an operation.
#[derive(Default)]
pub(crate) struct Docs {
    pub(crate) access: Access,
    /// Whether an API key opens it, too.
    pub(crate) takes_keys: bool,
    /// The security scheme that may be used although nothing asks for it.
    pub(crate) optional_scheme: Option<&'static str>,
    pub(crate) parameters: Vec<Value>,
    pub(crate) body: Option<Value>,
    pub(crate) answers: Vec<AnswerDocs>,
    pub(crate) codes: BTreeSet<Code>,
}

/// A parameter of a handler.
pub(crate) trait Part {
    /// Adds what the parameter means for the operation.
    fn describe(docs: &mut Docs);
}

/// What a handler returns.
pub(crate) trait Answer {
    /// Adds the answers that are possible.
    fn describe(docs: &mut Docs);
}

impl Part for State<App> {
    fn describe(_: &mut Docs) {}
}

impl Part for Uri {
    fn describe(_: &mut Docs) {}
}

impl<T: Answer> Answer for Result<T, Problem> {
    fn describe(docs: &mut Docs) {
        T::describe(docs);
        docs.codes.extend([Code::Internal, Code::DeadlineExceeded]);
    }
}

/// A handler whose parameters and answers describe themselves. `T` is how axum names the signature.
pub(crate) trait Described<T> {
    /// Adds what the signature says.
    fn describe(docs: &mut Docs);
}

macro_rules! described {
    ($($part:ident),+) => {
        impl<F, Fut, M, $($part),+> Described<(M, $($part,)+)> for F
        where
            F: FnOnce($($part),+) -> Fut,
            Fut: Future,
            Fut::Output: Answer,
            $($part: Part,)+
        {
            fn describe(docs: &mut Docs) {
                $($part::describe(docs);)+
                Fut::Output::describe(docs);
            }
        }
    };
}

described!(A);
described!(A, B);
described!(A, B, C);
described!(A, B, C, D);
described!(A, B, C, D, E);
described!(A, B, C, D, E, G);
