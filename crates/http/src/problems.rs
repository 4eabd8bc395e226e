//! The page that explains every problem code, written from the table of codes.

use std::fmt::Write;

use crate::Code;

const HEAD: &str = "# Problem codes

<!-- Written by `cargo usher generate`; do not edit. -->

Every error is a problem detail (RFC 9457): `application/problem+json` with `type`, `title`, `status`, `code`, `detail`
and `requestId`. Programs decide by `code`, which never changes its meaning. `validation-failed` and `email-taken` also
list `errors`, each with `pointer` (into the body), `parameter` (of the query) or `header`, and with `code` and `message`.

| status | code | meaning | what to do |
|---|---|---|---|
";

/// Returns the page in Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for code in Code::ALL {
        let (status, slug) = (code.status().as_u16(), code.slug());
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| {status} | <a id=\"{slug}\"></a>`{slug}` | {} | {} |",
            code.title(),
            code.remedy()
        );
    }
    page
}
