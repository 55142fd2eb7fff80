//! Users and partners as accounts.

use kind::Halt;

use crate::bounds::{
    NAME_CHARS_MAX, PARTNER_TYPE_CHARS_MAX, PASSWORD_HASH_CHARS_MAX, PHONE_CHARS_MAX, email as normalized,
};
use crate::market::{Market, check_text};
use crate::{AccountRole, CheerUser, Credential, Denial, Outcome, Partner, PartnerStatus};

impl Market<'_, '_> {
    pub(crate) fn register(
        &mut self,
        email: &str,
        name: Option<&String>,
        password_hash: &str,
    ) -> Result<Outcome, Halt> {
        if let Some(name) = name {
            check_text("name", name, NAME_CHARS_MAX)?;
        }
        let Some(user) = self.claim_email(email, AccountRole::User, password_hash)? else {
            return Ok(Outcome::Denied(Denial::EmailTaken));
        };
        let row = CheerUser { email: email.to_owned(), name: name.cloned(), request: None };
        self.rows.put(&user, &row);
        Ok(Outcome::Registered { user })
    }

    pub(crate) fn add_partner(
        &mut self,
        email: &str,
        (name, partner_type, phone): (&String, Option<&String>, Option<&String>),
        password_hash: &str,
    ) -> Result<Outcome, Halt> {
        check_text("name", name, NAME_CHARS_MAX)?;
        if let Some(partner_type) = partner_type {
            check_text("type", partner_type, PARTNER_TYPE_CHARS_MAX)?;
        }
        if let Some(phone) = phone {
            check_text("phone", phone, PHONE_CHARS_MAX)?;
        }
        let Some(partner) = self.claim_email(email, AccountRole::Partner, password_hash)? else {
            return Ok(Outcome::Denied(Denial::EmailTaken));
        };
        let row = Partner {
            name: name.clone(),
            email: email.to_owned(),
            partner_type: partner_type.cloned(),
            phone: phone.cloned(),
            status: PartnerStatus::Available,
            free_since_ms: self.at.ms,
        };
        self.set_partner(&partner, row, PartnerStatus::Available);
        Ok(Outcome::PartnerAdded { partner })
    }

    /// The id of a new account with this address; `None` if another one has it.
    fn claim_email(
        &mut self,
        email: &str,
        role: AccountRole,
        password_hash: &str,
    ) -> Result<Option<String>, Halt> {
        if normalized(email).as_deref() != Some(email) {
            return Err(Halt::Fault("email is no normalized address".to_owned()));
        }
        check_text("password_hash", password_hash, PASSWORD_HASH_CHARS_MAX)?;
        let key = email.to_owned();
        if self.rows.get::<Credential>(&key)?.is_some() {
            return Ok(None);
        }
        let id = self.new_id();
        self.rows.put(&key, &Credential { id: id.clone(), role, password_hash: password_hash.to_owned() });
        Ok(Some(id))
    }

    pub(crate) fn go_online(&mut self, partner: &String) -> Result<Outcome, Halt> {
        if self.rows.get::<Partner>(partner)?.is_none() {
            return Ok(Outcome::Denied(Denial::UnknownAccount));
        }
        self.move_partner(partner, &PartnerStatus::Offline, PartnerStatus::Available)?;
        Ok(Outcome::Done)
    }
}
