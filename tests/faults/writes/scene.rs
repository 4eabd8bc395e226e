//! What there is before a request that writes: a user, a session, what was mailed.

use tokio_postgres::Client;

/// Creates a user with a password.
pub(super) async fn move_in(client: &Client, email: &str) -> i64 {
    let statement = "insert into users (name, email, password) select 'New', $1, password from users where id = 4 returning id";
    client.query_one(statement, &[&email]).await.unwrap().get(0)
}

/// Returns the session that a user began last.
pub(super) async fn newest_session(client: &Client, user: i64) -> String {
    let statement =
        "select id::text from sessions where user_id = $1 order by created_at desc limit 1";
    client.query_one(statement, &[&user]).await.unwrap().get(0)
}

/// Gives a user a secret as if it had been mailed, and returns its token.
pub(super) async fn mailed(client: &Client, purpose: &str, user: i64, id: &str) -> String {
    let statement = "insert into one_time_secrets (purpose, subject, user_id, address, secret_hash, expires_at)
        select $1, left($3, 64), users.id, users.email, sha256(sha256(convert_to($3, 'UTF8'))), now() + interval '1 hour'
        from users
        where users.id = $2
        returning translate(encode(sha256(convert_to($3, 'UTF8')), 'base64'), '+/=', '-_')";
    let row = client.query_one(statement, &[&purpose, &user, &id]).await;
    row.unwrap().get(0)
}

/// Gives a user a link to sign in with as if it had been mailed, and returns its token, which is that of the request, too.
pub(super) async fn sign_in_link(client: &Client, user: i64, id: &str) -> String {
    let token = mailed(client, "sign-in", user, id).await;
    let statement = "update one_time_secrets
        set secret_hash = sha256(sha256(convert_to($1, 'UTF8')) || sha256(convert_to($1, 'UTF8')))
        where purpose = 'sign-in' and user_id = $2";
    client.execute(statement, &[&id, &user]).await.unwrap();
    token
}

/// Gives a user a change of address as if it had been mailed, and returns the token of one of its links.
pub(super) async fn email_change(client: &Client, user: i64, id: &str, link: &str) -> String {
    let statement = "insert into email_changes (user_id, old_email, new_email, session_id, old_hash, new_hash, cancel_hash, expires_at)
        select
          users.id,
          users.email,
          'new-' || users.email,
          gen_random_uuid(),
          sha256(sha256(convert_to('old' || $2, 'UTF8'))),
          sha256(sha256(convert_to('new' || $2, 'UTF8'))),
          sha256(sha256(convert_to('cancel' || $2, 'UTF8'))),
          now() + interval '1 hour'
        from users
        where users.id = $1
        returning translate(encode(sha256(convert_to($3 || $2, 'UTF8')), 'base64'), '+/=', '-_')";
    let row = client.query_one(statement, &[&user, &id, &link]).await;
    row.unwrap().get(0)
}

/// Lets a user have asked for the deletion of the account, and returns the token that undoes it.
pub(super) async fn deletion(client: &Client, user: i64, id: &str) -> String {
    let statement = "with off as (update users set is_active = false where id = $1)
        insert into account_deletions (user_id, due_at, restore_hash)
        values ($1, now() + interval '1 day', sha256(sha256(convert_to('restore' || $2, 'UTF8'))))
        returning translate(encode(sha256(convert_to('restore' || $2, 'UTF8')), 'base64'), '+/=', '-_')";
    let row = client.query_one(statement, &[&user, &id]).await;
    row.unwrap().get(0)
}

/// Lets an address be invited, and returns the id of the invitation and its token.
pub(super) async fn invitation(client: &Client, email: &str, id: &str) -> (String, String) {
    let statement = "insert into invitations (email, roles, invited_by, token_hash, expires_at)
        values ($1, '{user}', 1, sha256(sha256(convert_to('invitation' || $2, 'UTF8'))), now() + interval '1 day')
        returning
          id::text,
          translate(encode(sha256(convert_to('invitation' || $2, 'UTF8')), 'base64'), '+/=', '-_')";
    let row = client.query_one(statement, &[&email, &id]).await.unwrap();
    (row.get(0), row.get(1))
}

/// Lets a user have an API key whose secret nobody knows, and returns its id.
pub(super) async fn api_key(client: &Client, user: i64) -> String {
    let statement = "insert into api_keys (user_id, name, scopes, secret_hash, expires_at)
        select id, 'machine', '{}', sha256(convert_to(email, 'UTF8')), now() + interval '1 day'
        from users
        where id = $1
        returning id::text";
    client.query_one(statement, &[&user]).await.unwrap().get(0)
}
