//! Tests on real servers: clusters that start and stop, and databases that come and go on one.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod support;
