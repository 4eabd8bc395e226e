//! The table of what is measured: a name, a budget, and the calls it consists of.

use usher_domain::{Direction, UserKey, UserSort};

use super::{
    budget::{ACTIVITY, Budget, CREATE, LOOKUP, PAGE, SEARCH, SIGN_IN, UPDATE},
    people::Term,
    task::{Depth, Filter, NEWEST, Of, Task},
};

/// What is measured, under one name.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    pub(super) name: String,
    pub(super) budget: Budget,
    pub(super) task: Task,
}

type Row = (&'static str, Budget, Task);

const LOOKUPS: [Row; 5] = [
    ("user by id", LOOKUP, Task::FindById),
    ("user by e-mail, to sign in", LOOKUP, Task::FindByEmail),
    ("session with its user", LOOKUP, Task::Authorise),
    (
        "page of users, first",
        PAGE,
        Task::Page(NEWEST, Depth::First),
    ),
    (
        "page of users, any depth",
        PAGE,
        Task::Page(NEWEST, Depth::Any),
    ),
];

const FILTERS: [Row; 10] = [
    (
        "users active, first",
        PAGE,
        Task::Filter(Filter::Active(true), Depth::First),
    ),
    (
        "users active, any depth",
        PAGE,
        Task::Filter(Filter::Active(true), Depth::Any),
    ),
    (
        "users inactive, first",
        PAGE,
        Task::Filter(Filter::Active(false), Depth::First),
    ),
    (
        "users inactive, any depth",
        PAGE,
        Task::Filter(Filter::Active(false), Depth::Any),
    ),
    (
        "users with a role that all have",
        PAGE,
        Task::Filter(Filter::Role("user"), Depth::First),
    ),
    (
        "users with a role of 1 in 100",
        PAGE,
        Task::Filter(Filter::Role("auditor"), Depth::First),
    ),
    (
        "users with a role of 1 in 2000",
        PAGE,
        Task::Filter(Filter::Role("admin"), Depth::First),
    ),
    (
        "users inactive with a role of 1 in 100",
        PAGE,
        Task::Filter(Filter::InactiveAuditors, Depth::First),
    ),
    (
        "users of a month",
        PAGE,
        Task::Filter(Filter::Month, Depth::First),
    ),
    (
        "users with an address",
        PAGE,
        Task::Filter(Filter::Email, Depth::First),
    ),
];

const SEARCHES: [Row; 12] = [
    (
        "search, in every address",
        SEARCH,
        Task::Search(Term::Everywhere, Depth::First),
    ),
    (
        "search, in every address, any depth",
        SEARCH,
        Task::Search(Term::Everywhere, Depth::Any),
    ),
    (
        "search, a common name",
        SEARCH,
        Task::Search(Term::Common, Depth::First),
    ),
    (
        "search, a common name, any depth",
        SEARCH,
        Task::Search(Term::Common, Depth::Any),
    ),
    (
        "search, a middling name",
        SEARCH,
        Task::Search(Term::Middling, Depth::First),
    ),
    (
        "search, a rare name",
        SEARCH,
        Task::Search(Term::Rare, Depth::First),
    ),
    (
        "search, an absent name",
        SEARCH,
        Task::Search(Term::Absent, Depth::First),
    ),
    (
        "search, two names",
        SEARCH,
        Task::Search(Term::TwoWords, Depth::First),
    ),
    (
        "search, two common letters",
        SEARCH,
        Task::Search(Term::TwoLetters, Depth::First),
    ),
    (
        "search, two absent letters",
        SEARCH,
        Task::Search(Term::TwoAbsentLetters, Depth::First),
    ),
    (
        "search, one letter",
        SEARCH,
        Task::Search(Term::OneLetter, Depth::First),
    ),
    ("search, a whole address", SEARCH, Task::SearchAddress),
];

const OTHERS: [Row; 13] = [
    (
        "activity, newest",
        ACTIVITY,
        Task::Audit(Of::All(Depth::First)),
    ),
    (
        "activity, any depth",
        ACTIVITY,
        Task::Audit(Of::All(Depth::Any)),
    ),
    (
        "activity of the busiest actor",
        ACTIVITY,
        Task::Audit(Of::BusiestActor),
    ),
    ("activity of any actor", ACTIVITY, Task::Audit(Of::AnyActor)),
    (
        "activity about any user",
        ACTIVITY,
        Task::Audit(Of::AnyUser),
    ),
    (
        "activity, a common action",
        ACTIVITY,
        Task::Audit(Of::Action("LOGIN")),
    ),
    (
        "activity, a rare action",
        ACTIVITY,
        Task::Audit(Of::Action("DELETE")),
    ),
    ("activity of a day", ACTIVITY, Task::Audit(Of::Day)),
    (
        "create a user, hash made before",
        CREATE,
        Task::Create { is_hashed: false },
    ),
    (
        "create a user with its hash",
        CREATE,
        Task::Create { is_hashed: true },
    ),
    ("update a user", UPDATE, Task::Update),
    ("sign in with its check of the hash", SIGN_IN, Task::Login),
    ("refresh a session", SIGN_IN, Task::Refresh),
];

/// Returns all of it, in the order of the report.
pub(super) fn all() -> Vec<Measurement> {
    let read = |&(name, budget, task): &Row| Measurement {
        name: name.to_owned(),
        budget,
        task,
    };
    let mut all: Vec<_> = LOOKUPS.iter().map(read).collect();
    for key in [
        UserKey::CreatedAt,
        UserKey::Name,
        UserKey::Email,
        UserKey::Id,
    ] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let sort = UserSort { key, direction };
            for (depth, written) in [(Depth::First, "first"), (Depth::Any, "any depth")] {
                let name = format!("page by {}, {written}", sort.spelling());
                all.push(Measurement {
                    name,
                    budget: PAGE,
                    task: Task::Page(sort, depth),
                });
            }
        }
    }
    // The usual order has its place before.
    all.retain(|one| !one.name.starts_with("page by -createdAt"));
    all.extend(FILTERS.iter().chain(&SEARCHES).chain(&OTHERS).map(read));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_measurement_has_a_name_of_its_own() {
        let all = all();
        let names: HashSet<_> = all.iter().map(|one| &one.name).collect();
        assert_eq!(names.len(), all.len());
        let newest = all
            .iter()
            .filter(|one| matches!(one.task, Task::Page(NEWEST, _)));
        assert_eq!(newest.count(), 2);
    }
}
