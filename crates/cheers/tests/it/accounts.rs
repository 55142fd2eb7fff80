//! Users and partners as accounts.

use cheers::{
    AccountRole, Act, CheerUser, Credential, Denial, Outcome, Partner, PartnerStatus, Rules, market_of,
};
use kind::Halt;

use crate::world::{MARKET, World, denied};

fn register(email: &str, name: Option<&str>) -> Act {
    let (email, name) = (email.to_owned(), name.map(str::to_owned));
    Act::Register { email, name, password_hash: "$argon2id$v=19$…".to_owned() }
}

fn add_partner(email: &str) -> Act {
    Act::AddPartner {
        email: email.to_owned(),
        name: "Bo".to_owned(),
        partner_type: Some("band".to_owned()),
        phone: Some("+91 80 0000".to_owned()),
        password_hash: "$argon2id$v=19$…".to_owned(),
    }
}

#[test]
fn an_address_has_one_account_whether_of_a_user_or_a_partner() {
    let mut world = World::new(Rules::default());
    let Outcome::Registered { user } = world.send(register("ann@example.org", Some("Ann"))) else { panic!() };
    let Outcome::PartnerAdded { partner } = world.send(add_partner("bo@example.org")) else { panic!() };
    let rows = world.rows();
    for act in [register("ann@example.org", None), register("bo@example.org", None)] {
        let taken = world.send(act);
        assert_eq!((taken.status(), taken), (409, denied(Denial::EmailTaken)));
    }
    assert_eq!(world.send(add_partner("ann@example.org")), denied(Denial::EmailTaken));
    assert_eq!(world.rows(), rows);

    let credential = |email: &str| world.play.row::<Credential>(MARKET, &email.to_owned()).unwrap();
    let (ann, bo) = (credential("ann@example.org"), credential("bo@example.org"));
    assert_eq!((ann.id, ann.role), (user.clone(), AccountRole::User));
    assert_eq!((bo.id, bo.role), (partner.clone(), AccountRole::Partner));
    assert_eq!(bo.password_hash, "$argon2id$v=19$…");
    let row: CheerUser = world.user_row(&user);
    assert_eq!((row.name.as_deref(), row.request), (Some("Ann"), None));
    let row: Partner = world.partner_row(&partner);
    assert_eq!((row.partner_type.as_deref(), row.status), (Some("band"), PartnerStatus::Available));
    assert_eq!((market_of(&user), market_of(&partner)), (Some(MARKET), Some(MARKET)));
}

#[test]
fn what_an_edge_should_have_refused_is_a_fault_and_leaves_nothing() {
    let mut world = World::new(Rules::default());
    let long = "x".repeat(101);
    let hashless = Act::Register { email: "a@b".into(), name: None, password_hash: String::new() };
    for act in
        [register("Ann@Example.org", None), register("ann", None), register("a@b", Some(&long)), hashless]
    {
        assert!(matches!(world.try_send(act.clone()), Err(Halt::Fault(_))), "{act:?}");
    }
    assert_eq!(world.rows(), [""; 0]);
}
