//! All that can be asked of the server, on one page. Handlers are thin; what they call decides.

use crate::app::App;
use crate::observe::Observe;
use crate::{api, console, health, metrics, tlog, token, v2, witness};
use axum::Router;
use axum::middleware;
use axum::routing::{any, delete, get, patch, post};

/// Builds the routes.
pub fn build(app: App) -> Router {
    Router::new()
        // The distribution API; `v2.rs` takes the rest of the path apart, because names hold slashes.
        .route("/v2", any(v2::dispatch))
        .route("/v2/", any(v2::dispatch))
        .route("/v2/{*rest}", any(v2::dispatch))
        .route("/extensions/v2/{*rest}", any(v2::dispatch))
        .route("/token", get(token::get).post(token::post))
        .nest("/api/v1", api_routes())
        .merge(console_routes())
        // The audit log as a transparency log, and this server as a witness of others.
        .route("/tlog/checkpoint", get(tlog::checkpoint))
        .route("/tlog/key", get(tlog::key))
        .route("/tlog/tile/{*path}", get(tlog::tile))
        .route("/witness/add-checkpoint", post(witness::add_checkpoint))
        .route("/witness/key", get(witness::key))
        .route("/witness/{log}/checkpoint", get(witness::checkpoint))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/_notary_server/health", get(health::of_notary))
        .route("/ca.crt", get(health::authority))
        .route("/metrics", get(metrics::for_operators))
        .layer(Observe::new(app.clone()))
        .with_state(app)
}

/// Builds the routes of the address for metrics, which needs no log-in.
pub fn build_metrics(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics::for_anybody))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(app)
}

fn api_routes() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(api::openapi::document))
        .route("/whoami", get(api::accounts::whoami))
        // Accounts
        .route(
            "/users",
            get(api::accounts::users).post(api::accounts::create_user),
        )
        .route(
            "/users/{name}",
            patch(api::accounts::change_user).delete(api::accounts::close_user),
        )
        .route(
            "/robots",
            get(api::accounts::robots).post(api::accounts::create_robot),
        )
        .route(
            "/robots/{name}",
            patch(api::accounts::change_robot).delete(api::accounts::close_robot),
        )
        .route(
            "/teams",
            get(api::accounts::teams).post(api::accounts::create_team),
        )
        .route("/teams/{name}", delete(api::accounts::delete_team))
        .route(
            "/teams/{name}/members/{principal}",
            post(api::accounts::add_member).delete(api::accounts::remove_member),
        )
        .route(
            "/grants",
            get(api::accounts::grants).post(api::accounts::create_grant),
        )
        .route("/grants/{id}", delete(api::accounts::delete_grant))
        .route(
            "/tokens",
            get(api::accounts::tokens).post(api::accounts::create_token),
        )
        .route("/tokens/{id}", delete(api::accounts::revoke_token))
        // Signing keys
        .route("/keys", get(api::keys::list).post(api::keys::register))
        .route("/keys/challenges", post(api::keys::challenge))
        .route("/keys/held", post(api::keys::hold))
        .route("/keys/held/{name}/signatures", post(api::keys::sign))
        .route("/keys/held/{name}/rotation", post(api::keys::rotate))
        .route("/keys/{id}", delete(api::keys::revoke))
        .route("/keys/{id}/revocation", post(api::keys::revoke_from))
        .route("/keys/{id}/successor", post(api::keys::succeed))
        .route(
            "/keys/{id}/successor/challenges",
            post(api::keys::challenge_successor),
        )
        // Policies and gates
        .route("/policies", get(api::policies::list))
        .route(
            "/policies/{name}",
            get(api::policies::show)
                .put(api::policies::apply)
                .delete(api::policies::remove),
        )
        // Not below `/policies/`: what stands there is a policy's name, and any may be chosen.
        .route("/lint", post(api::policies::lint))
        .route("/gate", get(api::images::gate))
        .route("/verify", get(api::images::verify))
        .route("/receipts", get(api::receipts::list))
        .route("/receipt-keys", get(api::receipts::public_keys))
        .route(
            "/break-glass",
            get(api::break_glass::list).post(api::break_glass::ask),
        )
        .route(
            "/break-glass/{id}",
            get(api::break_glass::show).delete(api::break_glass::end),
        )
        .route("/break-glass/{id}/confirm", post(api::break_glass::confirm))
        // What is in stock
        .route(
            "/repositories",
            get(api::images::repositories).delete(api::garbage::empty_repository),
        )
        .route(
            "/repositories/tags",
            get(api::images::tags).delete(api::garbage::delete_tags),
        )
        .route("/image", get(api::images::show))
        .route("/image/sbom", get(api::images::sbom))
        .route("/image/findings", get(api::images::findings))
        .route("/image/evidence", get(api::images::evidence))
        .route("/affected", get(api::advisories::affected))
        // Advisories
        .route("/advisories/status", get(api::advisories::status))
        .route("/advisories", post(api::advisories::import))
        // What happened
        .route("/events", get(api::events::list))
        .route(
            "/webhooks",
            get(api::events::webhooks).post(api::events::create_webhook),
        )
        .route("/webhooks/{id}", delete(api::events::delete_webhook))
        .route("/audit", get(api::events::audit))
        // Room on the disk
        .route(
            "/garbage",
            get(api::garbage::list).post(api::garbage::collect),
        )
        .fallback(api::nothing_here)
        .method_not_allowed_fallback(api::not_so)
        .layer(middleware::map_response(api::never_kept))
}

fn console_routes() -> Router<App> {
    Router::new()
        .route("/", get(console::home))
        .route("/console/style.css", get(console::style))
        .route(
            "/console/login",
            get(console::login_page).post(console::login),
        )
        .route("/console/logout", post(console::logout))
        .route("/console/repository", get(console::repository))
        .route("/console/image", get(console::image))
        .layer(middleware::map_response(console::secured))
}
