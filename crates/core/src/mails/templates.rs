//! The texts of mails: bundled with the build, each replaceable by a file.
//!
//! A text is `reset-password.de.txt` or `reset-password.de.html`. That for `.txt` begins with a line `Subject: …`. `{{link}}`
//! stands for a value; which there are, [`Template::values`] says, and `{{site}}` is the origin of the deployment everywhere.
//! Everything is looked at when an instance starts, so that no mail finds a mistake.

use std::{collections::BTreeMap, fs, path::Path};

use usher_domain::{Language, Template};

use super::Letter;

/// What every text may hold.
const SITE: &str = "site";

macro_rules! bundled {
    ($($template:ident $language:ident $name:literal,)+) => {
        fn bundled(template: Template, language: Language) -> [&'static str; 2] {
            match (template, language) {
                $((Template::$template, Language::$language) => [
                    include_str!(concat!("texts/", $name, ".txt")),
                    include_str!(concat!("texts/", $name, ".html")),
                ],)+
            }
        }
    };
}

bundled! {
    VerifyEmail English "verify-email.en",
    VerifyEmail German "verify-email.de",
    AccountExists English "account-exists.en",
    AccountExists German "account-exists.de",
    ResetPassword English "reset-password.en",
    ResetPassword German "reset-password.de",
    PasswordChanged English "password-changed.en",
    PasswordChanged German "password-changed.de",
    OwnPasswordChanged English "own-password-changed.en",
    OwnPasswordChanged German "own-password-changed.de",
    ConfirmNewEmail English "confirm-new-email.en",
    ConfirmNewEmail German "confirm-new-email.de",
    EmailWanted English "email-wanted.en",
    EmailWanted German "email-wanted.de",
    ConfirmEmailChange English "confirm-email-change.en",
    ConfirmEmailChange German "confirm-email-change.de",
    EmailChanged English "email-changed.en",
    EmailChanged German "email-changed.de",
    AccountDeletion English "account-deletion.en",
    AccountDeletion German "account-deletion.de",
    AccountRestored English "account-restored.en",
    AccountRestored German "account-restored.de",
    Invitation English "invitation.en",
    Invitation German "invitation.de",
    SecondFactorAdded English "second-factor-added.en",
    SecondFactorAdded German "second-factor-added.de",
    SecondFactorRemoved English "second-factor-removed.en",
    SecondFactorRemoved German "second-factor-removed.de",
    SecondFactorsReset English "second-factors-reset.en",
    SecondFactorsReset German "second-factors-reset.de",
    RecoveryCodesRenewed English "recovery-codes-renewed.en",
    RecoveryCodesRenewed German "recovery-codes-renewed.de",
    RecoveryCodeUsed English "recovery-code-used.en",
    RecoveryCodeUsed German "recovery-code-used.de",
    PasskeyAdded English "passkey-added.en",
    PasskeyAdded German "passkey-added.de",
    PasskeyRemoved English "passkey-removed.en",
    PasskeyRemoved German "passkey-removed.de",
    SignIn English "sign-in.en",
    SignIn German "sign-in.de",
    ApiKeyCreated English "api-key-created.en",
    ApiKeyCreated German "api-key-created.de",
}

/// A mail as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The subject: one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// All texts.
#[derive(Clone, Debug)]
pub struct Templates(Vec<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    template: Template,
    language: Language,
    subject: String,
    text: String,
    html: String,
}

impl Templates {
    /// Takes the texts of this build, and in their place those that there are in a folder.
    pub fn load(folder: Option<&Path>) -> Result<Self, String> {
        if let Some(folder) = folder {
            check_names(folder)?;
        }
        let mut all = Vec::new();
        for template in Template::ALL {
            for language in Language::ALL {
                all.push(Parts::load(template, language, folder)?);
            }
        }
        Ok(Self(all))
    }

    /// Fills the texts of a mail.
    pub fn render(&self, letter: &Letter, site: &str) -> Option<Rendered> {
        let parts = self
            .0
            .iter()
            .find(|parts| parts.template == letter.template && parts.language == letter.language)?;
        let mut values = letter.values.clone();
        values.insert(SITE.to_owned(), site.to_owned());
        Some(Rendered {
            // A header is one line, whatever a value holds.
            subject: fill(&parts.subject, &values, str::to_owned).replace(char::is_control, " "),
            text: fill(&parts.text, &values, str::to_owned),
            html: fill(&parts.html, &values, escape),
        })
    }
}

impl Parts {
    fn load(template: Template, language: Language, folder: Option<&Path>) -> Result<Self, String> {
        let [text, html] = bundled(template, language);
        let read = |kind, bundled: &'static str| {
            let name = file_name(template, language, kind);
            let file = folder.map(|folder| folder.join(&name));
            let content = match file.filter(|file| file.exists()) {
                Some(file) => fs::read_to_string(&file)
                    .map_err(|error| format!("holds {name}, which cannot be read: {error}"))?,
                None => bundled.to_owned(),
            };
            check(&content, template).map_err(|wrong| format!("holds {name}, {wrong}"))?;
            Ok::<_, String>((name, content))
        };
        let (name, text) = read("txt", text)?;
        let (_, html) = read("html", html)?;
        let split = text.split_once('\n');
        let (subject, text) = split
            .and_then(|(first, rest)| Some((first.strip_prefix("Subject:")?.trim(), rest)))
            .filter(|(subject, _)| !subject.is_empty())
            .ok_or_else(|| format!("holds {name}, whose first line is not `Subject: …`"))?;
        Ok(Self {
            template,
            language,
            subject: subject.to_owned(),
            text: text.trim_start_matches(['\r', '\n']).to_owned(),
            html,
        })
    }
}

fn file_name(template: Template, language: Language, kind: &str) -> String {
    format!("{}.{}.{kind}", template.as_str(), language.as_str())
}

/// Refuses a file that would stand for nothing: its name has a mistake.
fn check_names(folder: &Path) -> Result<(), String> {
    let known: Vec<_> = Template::ALL
        .into_iter()
        .flat_map(|template| Language::ALL.map(|language| (template, language)))
        .flat_map(|(template, language)| {
            ["txt", "html"].map(|kind| file_name(template, language, kind))
        })
        .collect();
    let unreadable = |error| format!("is no folder that can be read: {error}");
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        if !known.iter().any(|known| *known == name) {
            let known = known.join(", ");
            return Err(format!("holds {name}, which is none of {known}"));
        }
    }
    Ok(())
}

/// Refuses a text that asks for a value there is none of.
fn check(text: &str, template: Template) -> Result<(), String> {
    for rest in text.split("{{").skip(1) {
        let name = rest.split_once("}}").map(|(name, _)| name.trim());
        let known = template.values();
        match name {
            Some(name) if name == SITE || known.contains(&name) => {}
            Some(name) => {
                let known = [&[SITE], known].concat().join(", ");
                return Err(format!("which asks for {{{{{name}}}}}; there is {known}"));
            }
            None => return Err("where a {{ has no }}".to_owned()),
        }
    }
    Ok(())
}

/// Puts values in their places; what a value holds is never looked at again.
fn fill(text: &str, values: &BTreeMap<String, String>, escape: impl Fn(&str) -> String) -> String {
    let mut pieces = text.split("{{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or(("", piece));
        if let Some(value) = values.get(name.trim()) {
            filled.push_str(&escape(value));
        }
        filled.push_str(rest);
    }
    filled
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(template: Template, language: Language, link: &str) -> Letter {
        let values = [("link", link), ("code", "12345678")];
        Letter {
            recipient: "ada@example.com".to_owned(),
            template,
            language,
            values: values
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }

    fn folder(name: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("usher-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
        folder
    }

    #[test]
    fn every_text_of_the_build_is_whole() {
        let templates = Templates::load(None).unwrap();
        for template in Template::ALL {
            for language in Language::ALL {
                let letter = letter(template, language, "https://id.example.com/#token=x");
                let site = "https://id.example.com";
                let Rendered {
                    subject,
                    text,
                    html,
                } = templates.render(&letter, site).unwrap();
                let has_link = template.values().contains(&"link");
                for part in [&text, &html] {
                    assert!(!part.contains("{{") && part.contains(site), "{part}");
                    assert_eq!(part.contains("#token=x"), has_link, "{part}");
                }
                assert!(!subject.is_empty() && !text.contains("Subject:"));
            }
        }
    }

    #[test]
    fn a_value_is_text_and_neither_markup_nor_a_header_nor_a_place_for_another_value() {
        let file = "reset-password.en.txt";
        let folder = folder("values", &[(file, "Subject: To {{link}}\n\n{{link}}\n")]);
        let templates = Templates::load(Some(&folder)).unwrap();
        let link = "<b>\"'&\r\nBcc: eve@example.com {{site}}";
        let letter = letter(Template::ResetPassword, Language::English, link);
        let rendered = templates.render(&letter, "https://id.example.com").unwrap();
        assert_eq!(
            rendered.subject,
            "To <b>\"'&  Bcc: eve@example.com {{site}}"
        );
        assert_eq!(rendered.text, format!("{link}\n"));
        let escaped = "<a href=\"&lt;b&gt;&quot;&#39;&amp;\r\nBcc: eve@example.com {{site}}\">";
        assert!(rendered.html.contains(escaped), "{}", rendered.html);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_with_a_mistake_is_refused_at_the_start() {
        for (file, text, complaint) in [
            ("reset-password.fr.txt", "Subject: x\n", "is none of"),
            ("reset-password.en.txt", "Hello", "first line"),
            (
                "reset-password.en.html",
                "{{password}}",
                "there is site, link",
            ),
            ("verify-email.de.html", "{{link", "has no }}"),
        ] {
            let folder = folder(file, &[(file, text)]);
            let error = Templates::load(Some(&folder)).unwrap_err();
            assert!(error.contains(complaint) && error.contains(file), "{error}");
            fs::remove_dir_all(folder).unwrap();
        }
        let error = Templates::load(Some(Path::new("/nowhere/at/all"))).unwrap_err();
        assert!(error.contains("is no folder"), "{error}");
    }
}
