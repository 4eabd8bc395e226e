//! Tests on a real server: deploys that work, fail, meet and are refused, and the way back.

#[cfg(test)]
mod adopt;
#[cfg(test)]
mod deploys;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rollbacks;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod support;
#[cfg(test)]
mod transactions;
