//! The people of the tests, one for each way of being allowed things.

use usher_core::{
    Author, Database,
    passwords::{Cost, Owner, Passwords},
    users,
};
use usher_domain::{
    Email, Name, NewUser, Origin, Password, Permission, RequestId, RoleName, RoleSet, UserId,
};
use uuid::Uuid;

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery staple";

/// Somebody with an account and a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// The only admin.
    Admin,
    /// Reads everything, changes nothing.
    Auditor,
    /// Manages users without giving roles: a custom role.
    Helper,
    /// Has the role `user` alone.
    Member,
    /// Was deactivated; the session still stands in the database as alive.
    Locked,
}

impl Person {
    /// Everybody, in the order of their ids.
    pub const ALL: [Self; 5] = [
        Self::Admin,
        Self::Auditor,
        Self::Helper,
        Self::Member,
        Self::Locked,
    ];

    /// Returns the id of the user.
    pub fn id(self) -> i64 {
        match self {
            Self::Admin => 1,
            Self::Auditor => 2,
            Self::Helper => 3,
            Self::Member => 4,
            Self::Locked => 5,
        }
    }

    /// Returns the name, which is also the local part of the address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Helper => "helper",
            Self::Member => "member",
            Self::Locked => "locked",
        }
    }

    /// Returns the address.
    pub fn email(self) -> String {
        format!("{}@example.com", self.name())
    }

    /// Returns the id of the session.
    pub fn session(self) -> Uuid {
        Uuid::from_u128(0xA000 + u128::try_from(self.id()).unwrap())
    }

    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Admin => &["user", "admin"],
            Self::Auditor => &["auditor"],
            Self::Helper => &["user", "helper"],
            Self::Member | Self::Locked => &["user"],
        }
    }

    fn new_user(self) -> NewUser {
        let roles = self
            .roles()
            .iter()
            .map(|role| RoleName::parse(role).unwrap())
            .collect();
        NewUser {
            name: Name::parse(self.name()).unwrap(),
            email: Email::parse(&self.email()).unwrap(),
            roles: RoleSet::new(roles).unwrap(),
            is_active: true,
            avatar_url: None,
        }
    }
}

/// Puts everybody into a database that was just migrated.
pub(crate) async fn move_in(url: &str) {
    let client = crate::database::connect(url).await;
    client
        .batch_execute(
            "insert into roles (name, description, permissions)
            values ('helper', 'Manages users.', '{users:create,users:delete,users:read,users:update}')",
        )
        .await
        .unwrap();
    let passwords = Passwords::new(Cost::default());
    let hash = passwords
        .hash(
            Password::parse(PASSWORD).unwrap(),
            Owner::User(UserId::new(1)),
        )
        .await
        .unwrap();
    let database = Database::new(usher_core::DatabaseUrl::parse(url, false).unwrap());
    let origin = Origin {
        ip: None,
        user_agent: None,
        request_id: RequestId::parse("template").unwrap(),
    };
    let all = Permission::ALL
        .iter()
        .map(|permission| permission.as_str())
        .collect();
    let connection = database.connection().await.unwrap();
    for person in Person::ALL {
        let author = Author::nobody(&origin);
        let user = users::insert(&connection, author, &person.new_user(), Some(&hash), &all)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(user.id.get(), person.id());
        client
            .execute(
                "insert into sessions (id, user_id, refresh_hash, expires_at)
                values ($1, $2, $3, now() + interval '30 days')",
                &[&person.session(), &person.id(), &vec![0_u8; 32]],
            )
            .await
            .unwrap();
    }
    let lock = "alter table users disable trigger users_end_sessions;
        update users set is_active = false where id = 5;
        alter table users enable trigger users_end_sessions";
    client.batch_execute(lock).await.unwrap();
}
