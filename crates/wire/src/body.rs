//! JSON Schemas of requests, for the description of the API. They are made from the bounds of the rules, so that the
//! two cannot differ. `request` and `query` parse the requests.
//!
//! JSON Schema counts characters. Where a bound counts bytes of UTF-8, the description says so.

use game::bounds::{
    NAME_CHARS_MAX, PURCHASE_ID_BYTES_MAX, TOKEN_BYTES_MAX, TOP_STORED_MAX, USERNAME_BYTES_MAX,
};
use game::{Level, Platform, Powerup, PowerupKind};
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// No control characters: those of Unicode's category Cc.
const NO_CONTROL: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";
/// Visible ASCII characters.
const VISIBLE: &str = "^[!-~]*$";
/// The shortest and longest lead that an operator may ask for, in milliseconds.
pub(crate) const LEAD_MS: (i64, i64) = (100, 3_600_000);

/// The body of `POST /add`.
pub struct AddBody;

/// The body of `POST /press`.
pub struct PressBody;

/// The body of `POST /powerups`.
pub struct PowerupBody;

/// The body of `POST /admin/rounds`; it may be left out.
pub struct OpenRoundBody;

/// A `username` in a query.
pub struct UsernameText;

/// The `limit` of `GET /fetch/lb`.
pub struct LimitNumber;

/// The header `Idempotency-Key`.
pub struct IdempotencyKey;

impl PartialSchema for AddBody {
    fn schema() -> RefOr<Schema> {
        let platforms = Platform::ALL.map(|platform| json!(platform.code())).into_iter();
        let platform = ObjectBuilder::new()
            .schema_type(or_null(Type::String))
            .description(Some("The kind of device; `null` is the same as left out."))
            .enum_values(Some(platforms.chain([json!(null)])))
            .examples([json!("web")]);
        let token = "The device to push to, at most 4096 bytes of UTF-8, no control characters. `null` and `\"\"` are the \
                     same as left out.";
        let name = "The name to show on the board, at most 64 characters, no control characters; `null` is the same as \
                    left out.";
        ObjectBuilder::new()
            .description(Some("The body of `POST /add`."))
            .property("username", username("Who joins"))
            .required("username")
            .property("token", text(0, TOKEN_BYTES_MAX, NO_CONTROL, token).schema_type(or_null(Type::String)))
            .property(
                "name",
                text(1, NAME_CHARS_MAX, NO_CONTROL, name)
                    .schema_type(or_null(Type::String))
                    .examples([json!("Ada L.")]),
            )
            .property("platform", platform)
            .into()
    }
}

impl PartialSchema for PressBody {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("The body of `POST /press`."))
            .property("username", username("Who presses"))
            .required("username")
            .into()
    }
}

impl PartialSchema for PowerupBody {
    fn schema() -> RefOr<Schema> {
        let kinds =
            PowerupKind::ALL.into_iter().fold(OneOfBuilder::new(), |kinds, kind| kinds.item(powerup(kind)));
        kinds.description(Some("The body of `POST /powerups`: each type has levels of its own.")).into()
    }
}

fn powerup(kind: PowerupKind) -> Object {
    let quantities = Level::ALL.map(|level| quantity(Powerup { kind, level }));
    let kind = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What to buy."))
        .enum_values(Some([kind.code()]));
    let quantity = ObjectBuilder::new()
        .schema_type(Type::Number)
        .description(Some("The level: hours of a freeze, factor of a multiplier or an extender."))
        .enum_values(Some(quantities));
    ObjectBuilder::new()
        .property("username", username("Who buys"))
        .required("username")
        .property("powerUpType", kind)
        .required("powerUpType")
        .property("quantity", quantity)
        .required("quantity")
        .build()
}

/// The `quantity` of a powerup as people write it: `2`, not `2.0`.
fn quantity(powerup: Powerup) -> serde_json::Value {
    match powerup.quantity_halves() {
        halves if halves % 2 == 0 => json!(halves / 2),
        _ => json!(powerup.quantity()),
    }
}

impl PartialSchema for OpenRoundBody {
    fn schema() -> RefOr<Schema> {
        let lead = "How long from now the round opens, in milliseconds. `null` is the same as left out: the lead of the \
                    server's own rounds, which is the least where the inbox is in SQS.";
        let lead = ObjectBuilder::new()
            .schema_type(or_null(Type::Integer))
            .description(Some(lead))
            .minimum(Some(LEAD_MS.0))
            .maximum(Some(LEAD_MS.1))
            .examples([json!(2000)]);
        ObjectBuilder::new()
            .description(Some("The body of `POST /admin/rounds`; it may be left out."))
            .property("lead_ms", lead)
            .into()
    }
}

impl PartialSchema for UsernameText {
    fn schema() -> RefOr<Schema> {
        username("Who").into()
    }
}

impl PartialSchema for LimitNumber {
    fn schema() -> RefOr<Schema> {
        let whole = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        whole.maximum(Some(TOP_STORED_MAX)).default(Some(json!(crate::query::LIMIT_DEFAULT))).into()
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "Names a purchase, so that a retry buys nothing twice: 1 to 128 visible ASCII characters, \
                           once. The other commands take it and do without: repeating them does no harm.";
        let key = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(text(1, PURCHASE_ID_BYTES_MAX, VISIBLE, "")))
            .example(Some(json!("6f9619ff-8b86-d011-b42d-00c04fc964ff")));
        vec![key.build()]
    }
}

impl ToSchema for AddBody {}
impl ToSchema for PressBody {}
impl ToSchema for PowerupBody {}
impl ToSchema for OpenRoundBody {}
impl ToSchema for UsernameText {}
impl ToSchema for LimitNumber {}

fn username(who: &str) -> Object {
    let description = format!("{who}: 1 to 128 bytes of UTF-8, no control characters.");
    text(1, USERNAME_BYTES_MAX, NO_CONTROL, &description).examples([json!("ada")]).build()
}

fn text(chars_min: usize, chars_max: usize, pattern: &str, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description((!description.is_empty()).then_some(description))
        .min_length(Some(chars_min))
        .max_length(Some(chars_max))
        .pattern(Some(pattern))
}

fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}
