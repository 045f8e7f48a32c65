//! The frame of every console page: head, bar, foot. No scripts; one style sheet.

use maud::{DOCTYPE, Markup, html};

/// A page, with the bar of whoever is logged in.
pub(crate) fn page(title: &str, user: Option<&str>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Countersign" }
                link rel="stylesheet" href="/console/style.css";
            }
            body {
                header.bar {
                    a.brand href="/" { span.seal aria-hidden="true" { "✓" } "Countersign" }
                    @if let Some(user) = user {
                        form method="post" action="/console/logout" {
                            span.user { (user) }
                            button.quiet type="submit" { "Log out" }
                        }
                    }
                }
                main { (content) }
                footer { "Countersign " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}

/// The log-in form; `failed` says why the last try did not work.
pub(crate) fn login(failed: Option<&str>, next: &str) -> Markup {
    page(
        "Log in",
        None,
        &html! {
            section.login {
                h1 { "Log in" }
                @if let Some(failed) = failed { p.problem role="alert" { (failed) } }
                form method="post" action="/console/login" {
                    input type="hidden" name="next" value=(next);
                    label { "Name" input name="user" autocomplete="username" required autofocus; }
                    label { "Password" input name="password" type="password" autocomplete="current-password" required; }
                    button type="submit" { "Log in" }
                }
            }
        },
    )
}

/// A page that says what went wrong.
pub(crate) fn problem(title: &str, user: Option<&str>, message: &str) -> Markup {
    page(
        title,
        user,
        &html! { section { h1 { (title) } p { (message) } p { a href="/" { "Back to the repositories" } } } },
    )
}

/// An instant, for people: `2026-11-23 17:45 UTC`.
pub(crate) fn instant(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_else(|_| milliseconds.to_string())
}
