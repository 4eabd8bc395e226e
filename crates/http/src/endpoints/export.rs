//! `/api/me/export`: everything that is held about oneself, as one document. Taking it leaves an entry in the audit log.

use std::sync::Arc;

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use usher_core::{
    Connection,
    accounts::{self, Export, KeptSession, WaitingEmailChange},
    audit_logs,
};
use usher_domain::{Action, Limit, Permission, Role, SessionId};

mod held;

use held::{
    ApiKeyExport, DeletionExport, FactorExport, InvitationExport, PasskeyExport, RecoveryCodeExport,
};

use super::audit_logs::{OwnAuditLogView, own_view_of};
use crate::{
    App, Code, Operations, Problem,
    access::Own,
    answer::{Download, Timestamp, view},
    input::{Nothing, Query},
    origin::From,
};

pub(crate) fn export() -> Operations {
    Operations::default()
        .get(
            "Returns everything that is held about oneself, as a file; of the audit log the newest 100 entries.",
            show,
        )
        .audits(Action::Read)
}

view! {
    /// Everything that is held about oneself.
    ExportView {
        /// When it was read.
        exported_at: Timestamp,
        /// The account.
        profile: ProfileExport,
        /// The roles held.
        roles: Vec<RoleExport>,
        /// The sessions that are kept, also those that ended, the newest 1,000.
        sessions: Vec<SessionExport>,
        /// A change of address that waits to be confirmed.
        email_change: Option<EmailChangeExport>,
        /// The second factors, in force or begun; never a secret.
        second_factors: Vec<FactorExport>,
        /// How many recovery codes are good.
        recovery_codes_left: usize,
        /// The recovery codes that are kept, also those that were used; never a code.
        recovery_codes: Vec<RecoveryCodeExport>,
        /// The passkeys, the newest first.
        passkeys: Vec<PasskeyExport>,
        /// The API keys, also those that are over and still kept, the newest 1,000; never a secret.
        api_keys: Vec<ApiKeyExport>,
        /// The invitations that one made or got and that are kept, the newest 1,000.
        invitations: Vec<InvitationExport>,
        /// A deletion of the account that one asked for.
        deletion: Option<DeletionExport>,
        /// What one did, and what others did to the account.
        audit_logs: TrailExport,
    }
}

/// The account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "it lists what is held, and decides nothing"
)]
pub(crate) struct ProfileExport {
    id: i64,
    name: String,
    email: String,
    email_verified_at: Option<Timestamp>,
    is_self_registered: bool,
    has_password: bool,
    password_changed_at: Option<Timestamp>,
    has_short_password: bool,
    factors_changed_at: Option<Timestamp>,
    is_active: bool,
    avatar_url: Option<String>,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A role held.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleExport {
    name: String,
    description: String,
    permissions: Vec<&'static str>,
}

/// A session, alive or not.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionExport {
    id: String,
    is_current: bool,
    created_at: Timestamp,
    /// By what one last proved who one is, as the claim `amr` has it.
    methods: Vec<String>,
    authenticated_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    ended_at: Option<Timestamp>,
    end_reason: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
}

/// A change of address that waits.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmailChangeExport {
    new_email: String,
    old_confirmed_at: Option<Timestamp>,
    new_confirmed_at: Option<Timestamp>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// The newest entries of one's own trail, and where the others are.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrailExport {
    entries: Vec<OwnAuditLogView>,
    /// The path of the entries after these; null when these are all.
    next: Option<String>,
}

/// GET /api/me/export, signed in, READ.
async fn show(
    State(app): State<App>,
    own: Own,
    From(origin): From,
    _: Query<Nothing>,
) -> Result<Download<ExportView>, Problem> {
    let read = |connection: Arc<Connection>, user| async move {
        tokio::try_join!(
            accounts::find_export(&connection, user),
            audit_logs::list_own(&connection, user, Limit::most(), None),
        )
    };
    let (actor, (export, trail)) = own.read(read).await?;
    let export = export.ok_or(Code::Unauthenticated)?;
    // Nothing is shown before it is written down.
    let connection = app.database.connection().await?;
    let user = actor.user.id;
    accounts::record_export(&connection, actor.author(&origin), user).await?;
    let next = trail.next.as_ref().map(|position| {
        let cursor = app.secret.seal(position);
        format!("/api/me/audit-logs?limit={}&cursor={cursor}", Limit::MAX)
    });
    let entries = trail.rows.into_iter();
    let audit_logs = TrailExport {
        entries: entries.map(|entry| own_view_of(entry, user)).collect(),
        next,
    };
    Ok(Download {
        view: view_of(export, own.principal().session, audit_logs),
        name: "account.json",
    })
}

fn view_of(export: Export, current: SessionId, audit_logs: TrailExport) -> ExportView {
    let sessions = export.sessions.into_iter();
    let codes = export.recovery_codes.iter().copied();
    let good = codes.clone().filter(|code| code.used_at.is_none());
    let passkeys = export.passkeys.into_iter();
    let api_keys = export.api_keys.into_iter();
    let invitations = export.invitations.into_iter();
    let user = export.user;
    ExportView {
        exported_at: Timestamp(export.exported_at),
        profile: ProfileExport {
            id: user.id.get(),
            name: user.name.as_str().to_owned(),
            email: user.email.to_string(),
            email_verified_at: export.email_verified_at.map(Timestamp),
            is_self_registered: export.is_self_registered,
            has_password: export.has_password,
            password_changed_at: export.password_changed_at.map(Timestamp),
            has_short_password: export.has_short_password,
            factors_changed_at: export.factors_changed_at.map(Timestamp),
            is_active: user.is_active,
            avatar_url: user.avatar_url.map(|url| url.as_str().to_owned()),
            version: user.version,
            created_at: Timestamp(user.created_at),
            updated_at: Timestamp(user.updated_at),
        },
        roles: export.roles.iter().map(role).collect(),
        sessions: sessions.map(|kept| session(kept, current)).collect(),
        email_change: export.email_change.as_ref().map(email_change),
        second_factors: export.app.into_iter().map(FactorExport::from).collect(),
        recovery_codes_left: good.count(),
        recovery_codes: codes.map(RecoveryCodeExport::from).collect(),
        passkeys: passkeys.map(PasskeyExport::from).collect(),
        api_keys: api_keys.map(ApiKeyExport::from).collect(),
        invitations: invitations.map(InvitationExport::from).collect(),
        deletion: export.deletion.map(DeletionExport::from),
        audit_logs,
    }
}

fn role(role: &Role) -> RoleExport {
    RoleExport {
        name: role.name.to_string(),
        description: role.description.clone(),
        permissions: role.permissions.iter().map(Permission::as_str).collect(),
    }
}

fn session(session: KeptSession, current: SessionId) -> SessionExport {
    let time = |time: OffsetDateTime| Timestamp(time);
    SessionExport {
        id: session.id.to_string(),
        is_current: session.id == current,
        created_at: time(session.created_at),
        methods: session.proof.methods.references(),
        authenticated_at: time(session.proof.at),
        last_seen_at: time(session.last_seen_at),
        expires_at: time(session.expires_at),
        ended_at: session.ended_at.map(time),
        end_reason: session.end_reason,
        ip: session.ip.map(|ip| ip.to_string()),
        user_agent: session.user_agent,
    }
}

fn email_change(change: &WaitingEmailChange) -> EmailChangeExport {
    EmailChangeExport {
        new_email: change.email.to_string(),
        old_confirmed_at: change.old_confirmed_at.map(Timestamp),
        new_confirmed_at: change.new_confirmed_at.map(Timestamp),
        created_at: Timestamp(change.created_at),
        expires_at: Timestamp(change.expires_at),
    }
}
