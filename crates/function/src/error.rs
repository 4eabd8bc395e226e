//! Why a function could not start, or stopped serving.

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
