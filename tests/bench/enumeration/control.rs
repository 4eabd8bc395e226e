//! A leak that must be found.

use std::time::Instant;

use usher_core::users;
use usher_domain::{Email, PasswordAttempt};
use usher_tests::TestApp;

use crate::{
    lines::Who,
    times::{Times, turns},
};

/// Signs in as one would without a thought: whoever is not found is not hashed for.
pub(crate) async fn measure(t: &TestApp, numbers: &[usize]) -> Times {
    let mut times = Times::default();
    for &number in numbers {
        for is_known in turns(number) {
            let email = Email::parse(&Who::Owner.address(is_known, number)).unwrap();
            let started = Instant::now();
            let connection = t.app.database.connection().await.unwrap();
            let found = users::find_credentials(&connection, &email).await.unwrap();
            drop(connection);
            if let Some(found) = found {
                let attempt = PasswordAttempt::parse("not the right one at all").unwrap();
                let stored = found.password.as_ref().map(|hash| (hash, &found.user));
                t.app.passwords.verify(attempt, stored).await.unwrap();
            }
            times.add(is_known, started.elapsed().as_secs_f64());
        }
    }
    times
}
