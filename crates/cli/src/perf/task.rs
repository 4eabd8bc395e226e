//! The calls of a measurement, and how each is prepared.

use anyhow::Result;
use time::{Duration, OffsetDateTime};
use usher_core::{Connection, audit_logs, tokens::Presented, users::ListUsers};
use usher_domain::{
    AuditFilter, Clock, Direction, Limit, Position, RoleName, SearchTerm, UserFilter, UserKey,
    UserSort,
};

use super::{
    job::Job,
    people::{Dice, Term},
    world::{Sampled, World},
};

/// The usual order of lists.
pub(super) const NEWEST: UserSort = UserSort {
    key: UserKey::CreatedAt,
    direction: Direction::Descending,
};

/// The calls of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    FindById,
    FindByEmail,
    Authorise,
    Page(UserSort, Depth),
    Filter(Filter, Depth),
    Search(Term, Depth),
    SearchAddress,
    Audit(Of),
    Create { is_hashed: bool },
    Update,
    Login,
    Refresh,
}

/// How far from the beginning of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    First,
    /// Behind a user drawn at random.
    Any,
}

/// Which users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Active(bool),
    Role(&'static str),
    Email,
    Month,
    InactiveAuditors,
}

/// Which entries of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    All(Depth),
    BusiestActor,
    AnyActor,
    AnyUser,
    Action(&'static str),
    Day,
}

impl Task {
    /// Returns how many connections call at once, in turn.
    pub(super) fn levels(self) -> &'static [usize] {
        match self {
            Self::FindById
            | Self::FindByEmail
            | Self::Page(NEWEST, Depth::First)
            | Self::Search(Term::Rare, _) => &[1, 10, 50, 200],
            Self::Update | Self::Create { is_hashed: false } => &[1, 10, 50],
            _ => &[1, 10],
        }
    }

    /// Tells whether a call can be made once only.
    pub(super) fn writes(self) -> bool {
        matches!(
            self,
            Self::Create { .. } | Self::Update | Self::Login | Self::Refresh
        )
    }

    /// Tells whether all of the time goes into hashing, which takes a processor for itself.
    pub(super) fn hashes(self) -> bool {
        matches!(self, Self::Login | Self::Create { is_hashed: true })
    }

    /// Tells whether there is something to be found, when that is known whatever the number of users.
    pub(super) fn finds(self) -> Option<bool> {
        match self {
            Self::Search(Term::Absent | Term::TwoAbsentLetters, _) => Some(false),
            Self::Search(Term::Middling | Term::TwoWords, _)
            | Self::Filter(Filter::InactiveAuditors | Filter::Role("auditor"), _)
            | Self::Audit(Of::Action("DELETE")) => None,
            _ => Some(true),
        }
    }

    /// Prepares a call.
    pub(super) async fn job(
        self,
        world: &World,
        connection: &Connection,
        dice: &mut Dice,
    ) -> Result<Job> {
        let number = usize::try_from(dice.below(world.users.len() as u64))?;
        let user = world.user(number);
        Ok(match self {
            Self::FindById => Job::FindUser(user.id),
            Self::FindByEmail => Job::FindCredentials(user.email.clone()),
            Self::Authorise => {
                Job::Authorise(Presented::issued(world.principal, Clock::default().now()))
            }
            Self::Page(sort, depth) => list(UserFilter::default(), sort, depth, user),
            Self::Filter(filter, depth) => list(filter.of(user)?, NEWEST, depth, user),
            Self::Search(term, depth) => list(search(term.text())?, NEWEST, depth, user),
            Self::SearchAddress => list(search(user.email.as_str())?, NEWEST, Depth::First, user),
            Self::Audit(of) => of.job(world, user),
            Self::Create { is_hashed } => Job::Create {
                new: world.newcomer()?,
                is_hashed,
            },
            Self::Login => Job::Login(world.account(world.number()).clone()),
            Self::Update => Job::update(world, connection).await?,
            Self::Refresh => Job::refresh(world, connection).await?,
        })
    }
}

impl Filter {
    fn of(self, user: &Sampled) -> Result<UserFilter> {
        let mut filter = UserFilter::default();
        match self {
            Self::Active(is_active) => filter.is_active = Some(is_active),
            Self::Role(role) => filter.role = Some(RoleName::parse(role)?),
            Self::Email => filter.email = Some(user.email.clone()),
            Self::Month => {
                filter.created_from = Some(user.created_at);
                filter.created_to = Some(user.created_at + Duration::days(30));
            }
            Self::InactiveAuditors => {
                filter.is_active = Some(false);
                filter.role = Some(RoleName::parse("auditor")?);
            }
        }
        Ok(filter)
    }
}

impl Of {
    fn job(self, world: &World, user: &Sampled) -> Job {
        let mut filter = AuditFilter::default();
        let mut after = None;
        match self {
            Self::All(Depth::First) => {}
            Self::All(Depth::Any) => {
                after = Some(position(audit_logs::ORDER, key(user.created_at), 0));
            }
            Self::BusiestActor => filter.actor_id = Some(world.busiest),
            Self::AnyActor => filter.actor_id = Some(user.id),
            Self::AnyUser => {
                filter.entity = Some("User".to_owned());
                filter.entity_id = Some(user.id.get());
            }
            Self::Action(action) => filter.action = Some(action.to_owned()),
            Self::Day => {
                filter.from = Some(user.created_at);
                filter.to = Some(user.created_at + Duration::days(1));
            }
        }
        Job::Audit { filter, after }
    }
}

fn search(text: &str) -> Result<UserFilter> {
    Ok(UserFilter {
        search: Some(SearchTerm::parse(text)?),
        ..UserFilter::default()
    })
}

fn list(filter: UserFilter, sort: UserSort, depth: Depth, user: &Sampled) -> Job {
    let key = match sort.key {
        UserKey::CreatedAt => key(user.created_at),
        UserKey::Name => user.name.clone(),
        UserKey::Email => user.email.to_string(),
        UserKey::Id => user.id.to_string(),
    };
    let after =
        (depth == Depth::Any).then(|| position(&ListUsers::order(sort), key, user.id.get()));
    Job::List(ListUsers {
        filter,
        sort,
        limit: Limit::default(),
        after,
    })
}

fn position(order: &str, key: String, id: i64) -> Position {
    Position {
        order: order.to_owned(),
        key,
        id,
        is_early: false,
    }
}

/// Writes a time as positions have it, see [`Position`].
fn key(time: OffsetDateTime) -> String {
    time.unix_timestamp_nanos().div_euclid(1000).to_string()
}
