//! The built `usher` command, run as a reader would run it: with arguments, variables, files and signals.

#[cfg(test)]
mod adopt;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod deploys;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod log;
#[cfg(test)]
mod maintain;
#[cfg(test)]
mod migrate;
#[cfg(test)]
mod perf;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod served;
#[cfg(test)]
mod studio;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telemetry;
