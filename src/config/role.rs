//! What a node does for its group.

use std::fmt;

/// A part that a node can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes events over HTTP.
    Ingest,
    /// Owns customers and decides.
    Engine,
    /// Sends what is decided about the customers it owns.
    Dispatch,
    /// Answers questions.
    Api,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Engine, Self::Dispatch, Self::Api];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Engine => "engine",
            Self::Dispatch => "dispatch",
            Self::Api => "api",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `ingest,engine,dispatch,api`.
///
/// # Errors
/// What is wrong with it, and what may be written.
pub(super) fn roles(text: &str) -> Result<Vec<Role>, String> {
    let mut roles = Vec::new();
    for word in text.split(',').map(str::trim) {
        let Some(role) = Role::ALL.into_iter().find(|role| role.as_str() == word) else {
            return Err(format!(
                "there is no role `{word}`: give some of `ingest,engine,dispatch,api`"
            ));
        };
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    if roles.contains(&Role::Engine) != roles.contains(&Role::Dispatch) {
        let why = "who owns a customer makes the calls to them";
        return Err(format!("`engine` and `dispatch` go together: {why}"));
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_and_owners_send() {
        assert_eq!(roles("ingest, engine,dispatch,api").unwrap(), Role::ALL);
        assert_eq!(roles("api,ingest,api").unwrap(), [Role::Api, Role::Ingest]);
        for (text, told) in
            [("", "no role ``"), ("engin", "no role `engin`"), ("engine", "together")]
        {
            let error = roles(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
