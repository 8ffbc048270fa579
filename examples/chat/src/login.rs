//! Who is who: tokens that the server signs, so that it need not remember them.
//!
//! A demonstration: a name is all that a login asks for, and whoever says the same name is the same user. A real service
//! checks a password or an identity provider in [`login`] and changes nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{Json, extract::State, extract::rejection::JsonRejection, http::StatusCode};
use data_encoding::BASE64URL_NOPAD as BASE64;
use fanfare::{Handshake, Identity, Payload, Refusal, SessionId};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// How long a token is good for. The page gets a new one in time.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest username, in characters.
const MAX_USERNAME: usize = 40;

/// Signs tokens and checks them. A cheap clone.
#[derive(Clone)]
pub(crate) struct Login {
    key: Hmac<Sha256>,
    guests: bool,
}

/// A person, as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) user_id: String,
    pub(crate) username: String,
}

impl User {
    /// Somebody without a login: named after the session, so that a resumed session keeps its name.
    pub(crate) fn guest(session: SessionId) -> Self {
        let [a, b, ..] = session.as_bytes();
        Self { user_id: format!("guest-{session}"), username: format!("guest-{a:02x}{b:02x}") }
    }

    /// What other members see of the person.
    pub(crate) fn info(&self) -> Payload {
        #[derive(Serialize)]
        struct Info<'a> {
            username: &'a str,
        }
        Payload::new(&Info { username: &self.username }).unwrap_or(Payload::empty())
    }
}

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(flatten)]
    user: User,
    /// Seconds since 1970.
    expires: u64,
}

impl Login {
    /// Tokens are signed with `secret`; without one, people come in only where `guests` may.
    pub(crate) fn new(secret: &[u8], guests: bool) -> Self {
        Self { key: Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"), guests }
    }

    /// The hub's check: a token must be good; without one, guests may come in or are asked for it.
    pub(crate) fn authenticate(&self, handshake: &Handshake) -> Result<Identity, Refusal> {
        let Some(token) = handshake.token() else {
            return if self.guests { Ok(Identity::guest()) } else { Err(Refusal::CredentialsRequired) };
        };
        let now = SystemTime::now();
        let Claims { user, expires } =
            self.verify(&token, now).ok_or_else(|| Refusal::unauthorized("the token is wrong or too old"))?;
        let expires = UNIX_EPOCH + Duration::from_secs(expires);
        Ok(Identity::user(user.user_id.as_str()).with_info(user.info()).with_value(user).expires_at(expires))
    }

    fn user(&self, username: &str) -> User {
        // Of the name without its case, so that Ada and ada are not two; keyed, so that ids cannot be computed elsewhere.
        let mac = self.mac(b"user", username.to_lowercase().as_bytes());
        User { user_id: BASE64.encode(&mac[..9]), username: username.to_owned() }
    }

    fn sign(&self, user: User, now: SystemTime) -> String {
        let expires = (now + LIFETIME).duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = serde_json::to_vec(&Claims { user, expires }).expect("two strings and a number are JSON");
        format!("{}.{}", BASE64.encode(&claims), BASE64.encode(&self.mac(b"token", &claims)))
    }

    fn verify(&self, token: &str, now: SystemTime) -> Option<Claims> {
        let (claims, mac) = token.split_once('.')?;
        let claims = BASE64.decode(claims.as_bytes()).ok()?;
        // In constant time: how much of a guess was right must not be seen.
        self.hash(b"token", &claims).verify_slice(&BASE64.decode(mac.as_bytes()).ok()?).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        (now < UNIX_EPOCH + Duration::from_secs(claims.expires)).then_some(claims)
    }

    fn mac(&self, purpose: &[u8], data: &[u8]) -> [u8; 32] {
        self.hash(purpose, data).finalize().into_bytes().into()
    }

    /// `purpose` keeps the two uses of the key apart; it has no NUL, so that the seam is plain.
    fn hash(&self, purpose: &[u8], data: &[u8]) -> Hmac<Sha256> {
        self.key.clone().chain_update(purpose).chain_update([0]).chain_update(data)
    }
}

/// The body of `POST /login`.
#[derive(Deserialize)]
pub(crate) struct Name {
    username: String,
}

/// The answer to it.
#[derive(Serialize)]
pub(crate) struct LoggedIn {
    token: String,
    #[serde(flatten)]
    user: User,
}

/// The answer to a login that failed.
#[derive(Serialize)]
pub(crate) struct Failed {
    code: &'static str,
    message: String,
}

/// `POST /login`: `{"username":N}` gives `{"token":T,"userId":U,"username":N}`.
pub(crate) async fn login(
    State(login): State<Login>,
    body: Result<Json<Name>, JsonRejection>,
) -> Result<Json<LoggedIn>, (StatusCode, Json<Failed>)> {
    let failed = |status, code, message: String| (status, Json(Failed { code, message }));
    let Json(Name { username }) =
        body.map_err(|rejection| failed(rejection.status(), "malformed", rejection.body_text()))?;
    let username =
        check(&username).map_err(|rule| failed(StatusCode::UNPROCESSABLE_ENTITY, "bad_username", rule.to_owned()))?;
    let user = login.user(username);
    Ok(Json(LoggedIn { token: login.sign(user.clone(), SystemTime::now()), user }))
}

fn check(username: &str) -> Result<&str, &'static str> {
    let username = username.trim();
    if username.is_empty() {
        return Err("a name has at least one character");
    }
    if username.chars().count() > MAX_USERNAME {
        return Err("a name has at most 40 characters");
    }
    if username.chars().any(char::is_control) {
        return Err("a name has no control characters");
    }
    Ok(username)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_is_good_for_a_day_and_for_the_secret_that_signed_it() {
        let (login, other) = (Login::new(b"one", true), Login::new(b"two", true));
        let now = SystemTime::now();
        let token = login.sign(login.user("Ada"), now);
        let day = |hours: u64| now + Duration::from_secs(hours * 3600);
        assert_eq!(login.verify(&token, day(23)).unwrap().user.username, "Ada");
        assert!(login.verify(&token, day(24)).is_none());
        assert!(other.verify(&token, now).is_none());
    }

    #[test]
    fn a_changed_token_is_refused() {
        let login = Login::new(b"one", false);
        let token = login.sign(login.user("Ada"), SystemTime::now());
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            if changed != token {
                assert!(login.verify(&changed, SystemTime::now()).is_none(), "{changed}");
            }
        }
    }

    #[test]
    fn the_same_name_is_the_same_user_whatever_its_case() {
        let login = Login::new(b"one", false);
        assert_eq!(login.user("Ada").user_id, login.user("ADA").user_id);
        assert_ne!(login.user("Ada").user_id, login.user("Ben").user_id);
    }

    #[test]
    fn without_a_token_guests_come_in_only_where_they_may() {
        let handshake = Handshake::new("test");
        assert!(Login::new(b"one", true).authenticate(&handshake).unwrap().user_id().is_none());
        assert_eq!(Login::new(b"one", false).authenticate(&handshake).unwrap_err(), Refusal::CredentialsRequired);
        // A wrong token is not made good by going in as a guest.
        let wrong = handshake.with_target("/ws?token=x.y");
        assert!(matches!(Login::new(b"one", true).authenticate(&wrong), Err(Refusal::Unauthorized(_))));
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(check("  Ada \n"), Ok("Ada"));
        assert_eq!(check(&"ö".repeat(40)).map(str::len), Ok(80));
        for bad in ["", " \t", "a\u{7}b", &"x".repeat(41)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
