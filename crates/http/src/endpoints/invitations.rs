//! `/api/invitations` and `/api/auth/invitation`: accounts that somebody else is to make, whoever may register.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use usher_core::{
    Connection,
    invitations::{self, Found, Refusal},
    mails::Mail,
    one_time::Token,
};
use usher_domain::{
    Action, Email, Invitation, Language, Limit, Message, Name, NewInvitation, Permission, RoleSet,
    Template,
    grants::{InvitationsCreate, InvitationsDelete, InvitationsRead},
};

use crate::{
    App, Code, Operations, Problem,
    access::{May, Reads},
    answer::{Created, Done, Listed, Shown, Timestamp, view},
    input::{Fields, InvitationPath, Key, Nothing, Query, Repeatable, form, open_cursor},
    origin::Spoken,
};

mod accept;

pub(crate) use accept::acceptance;

pub(crate) fn collection() -> Operations {
    Operations::default()
        .get("Lists invitations, the newest first, page by page.", list)
        .post(
            "Invites somebody to make an account, with the roles it begins with.",
            create,
        )
        .audits(Action::Create)
        .fails_with(&[
            Code::EmailTaken,
            Code::InvitationExists,
            Code::RoleEscalation,
        ])
}

pub(crate) fn single() -> Operations {
    Operations::default()
        .delete("Takes an invitation back.", revoke)
        .audits(Action::Delete)
        .fails_with(&[Code::RoleEscalation])
}

pub(crate) fn resend() -> Operations {
    Operations::default()
        .post(
            "Mails an invitation once more, with another link and its time anew.",
            send_again,
        )
        .audits(Action::InvitationResend)
        .fails_with(&[Code::RoleEscalation])
}

view! {
    /// An invitation.
    InvitationView {
        /// The id.
        id: i64,
        /// The address that the account will have.
        email: String,
        /// What the person is called, if the inviter knows.
        name: Option<String>,
        /// The names of the roles that the account begins with, in order.
        roles: Vec<String>,
        /// `pending`, `expired`, `accepted` or `revoked`.
        state: &'static str,
        /// The user who invited.
        invited_by: i64,
        /// When.
        created_at: Timestamp,
        /// Until when it can be accepted.
        expires_at: Timestamp,
    }
}

impl From<&Invitation> for InvitationView {
    fn from(invitation: &Invitation) -> Self {
        let name = invitation.name.as_ref();
        let roles = invitation.roles.names();
        Self {
            id: invitation.id.get(),
            email: invitation.email.to_string(),
            name: name.map(|name| name.as_str().to_owned()),
            roles: roles.into_iter().map(str::to_owned).collect(),
            state: invitation.state.as_str(),
            invited_by: invitation.invited_by.get(),
            created_at: Timestamp(invitation.created_at),
            expires_at: Timestamp(invitation.expires_at),
        }
    }
}

form! {
    /// Which invitations to list.
    ListQuery {
        /// The most invitations of the page.
        limit: Option<Limit> = "limit",
        /// Where the page begins: `nextCursor` of the page before.
        cursor: Option<String> = "cursor",
        /// The members to show.
        fields: Option<Fields<InvitationView>> = "fields",
    }
}

form! {
    /// An invitation to be.
    NewInvitationForm {
        /// The address; it is kept in lower case.
        email: Email = "email",
        /// What the person is called; whoever accepts may say something else.
        name: Option<Name> = "name",
        /// The roles to begin with; others than `user` need the permission roles:grant.
        roles: Option<RoleSet> = "roles",
    }
}

/// GET /api/invitations, invitations:read.
async fn list(
    State(app): State<App>,
    reads: Reads<InvitationsRead>,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Listed<InvitationView>, Problem> {
    let after = open_cursor(&app.secret, query.cursor.as_deref(), invitations::ORDER)?;
    let (limit, after) = (query.limit.unwrap_or_default(), after.as_ref());
    let list = |connection: Arc<Connection>| async move {
        invitations::list(&connection, limit, after).await
    };
    let (_, page) = reads.read(list).await?;
    let view = |invitation| InvitationView::from(&invitation);
    Ok(Listed::new(page, view, &app.secret, &uri).only(query.fields))
}

/// POST /api/invitations, invitations:create, CREATE.
async fn create(
    State(app): State<App>,
    may: May<InvitationsCreate>,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    sent: Repeatable<NewInvitationForm>,
) -> Result<Created<InvitationView>, Problem> {
    let caller = may.caller();
    let attempt = sent.attempt(&app, &caller.sender());
    let form = sent.form;
    let roles = form.roles.unwrap_or_default();
    let permissions = &caller.actor.permissions;
    if roles != RoleSet::default() && !permissions.allow(Permission::RolesGrant) {
        return Err(Problem::lacks(Permission::RolesGrant));
    }
    let new = NewInvitation {
        email: form.email,
        name: form.name,
        roles,
    };
    let token = Token::generate()?;
    let mail = mail(&app, language, &new.email, &token)?;
    let connection = app.database.connection().await?;
    let author = caller.author().once(attempt.as_ref());
    let (inviter, given) = (caller.actor.user.id, (&token, permissions));
    let made = invitations::insert(&connection, author, inviter, &new, given, &mail).await?;
    let invitation = made.map_err(|refusal| match refusal {
        Refusal::EmailTaken => Code::EmailTaken,
        Refusal::Exists => Code::InvitationExists,
        Refusal::RoleEscalation => Code::RoleEscalation,
    })?;
    Ok(Created {
        view: InvitationView::from(&invitation),
        version: None,
        location: format!("/api/invitations/{}", invitation.id),
    })
}

/// POST /`api/invitations/{invitation_id}/resend`, invitations:create, `INVITATION_RESEND`.
async fn send_again(
    State(app): State<App>,
    reads: Reads<InvitationsCreate>,
    InvitationPath(id): InvitationPath,
    Spoken(language): Spoken,
    _: Query<Nothing>,
    key: Key,
) -> Result<Shown<InvitationView>, Problem> {
    let find =
        |connection: Arc<Connection>| async move { invitations::find(&connection, id).await };
    let (actor, found) = reads.read(find).await?;
    let Found {
        invitation,
        permissions,
    } = found.ok_or(Code::InvitationNotFound)?;
    if !actor.permissions.cover(&permissions) {
        return Err(Problem::from(Code::RoleEscalation).by(&actor));
    }
    let attempt = key.attempt(&app, &crate::access::sender(actor.user.id));
    let token = Token::generate()?;
    let mail = mail(&app, language, &invitation.email, &token)?;
    let connection = app.database.connection().await?;
    let author = actor.author(&reads.origin).once(attempt.as_ref());
    let given = (&token, &actor.permissions);
    let sent = invitations::resend(&connection, author, id, given, &mail).await?;
    let invitation = sent.ok_or(Code::InvitationNotFound)?;
    Ok(Shown::new(InvitationView::from(&invitation)))
}

/// DELETE /`api/invitations/{invitation_id}`, invitations:delete, DELETE.
async fn revoke(
    State(app): State<App>,
    reads: Reads<InvitationsDelete>,
    InvitationPath(id): InvitationPath,
    _: Query<Nothing>,
    key: Key,
) -> Result<Done, Problem> {
    let find =
        |connection: Arc<Connection>| async move { invitations::find(&connection, id).await };
    let (actor, found) = reads.read(find).await?;
    let attempt = key.attempt(&app, &crate::access::sender(actor.user.id));
    match found {
        Some(found) if !actor.permissions.cover(&found.permissions) => {
            return Err(Problem::from(Code::RoleEscalation).by(&actor));
        }
        // An earlier attempt may have revoked it.
        None if attempt.is_none() => return Err(Code::InvitationNotFound.into()),
        _ => {}
    }
    let connection = app.database.connection().await?;
    let author = actor.author(&reads.origin).once(attempt.as_ref());
    if invitations::revoke(&connection, author, id, &actor.permissions).await? {
        Ok(Done)
    } else {
        Err(Code::InvitationNotFound.into())
    }
}

fn mail(app: &App, language: Language, recipient: &Email, token: &Token) -> Result<Mail, Problem> {
    let message = Message {
        recipient: recipient.clone(),
        template: Template::Invitation,
        language,
        values: vec![("link", app.link("invitation", token))],
    };
    Ok(Mail::new(&app.secret, &message)?)
}
