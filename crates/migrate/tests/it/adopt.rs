//! A database of Prisma: that nothing of it is lost, and that afterwards it is like any other.

mod faults;
mod refusals;
mod source;
mod taken;
