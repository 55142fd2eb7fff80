//! Places on the earth and the distance between them.

use serde::{Deserialize, Serialize};

/// Units of [`Location`] in a degree. One is about a centimetre, and 180 degrees fit in an `i32`.
const UNITS_PER_DEGREE: f64 = 1e7;
/// The mean radius of the earth (authalic, WGS 84), in metres.
const EARTH_RADIUS_M: f64 = 6_371_007.180_918_475;

/// A place by latitude and longitude.
///
/// As JSON it is `{"lat":…,"lon":…}` in degrees. It is kept in whole units of 10⁻⁷ degrees, so that a row that is read and
/// written again keeps its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Degrees", into = "Degrees")]
pub struct Location {
    lat: i32,
    lon: i32,
}

/// A pair of numbers that is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error("lat must be a number from -90 to 90")]
    Latitude,
    #[error("lon must be a number from -180 to 180")]
    Longitude,
}

#[derive(Serialize, Deserialize)]
struct Degrees {
    lat: f64,
    lon: f64,
}

impl Location {
    /// A place by its degrees.
    ///
    /// # Errors
    /// [`LocationError`]: a number is out of range or not finite.
    pub fn new(lat: f64, lon: f64) -> Result<Self, LocationError> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(LocationError::Latitude);
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(LocationError::Longitude);
        }
        Ok(Self { lat: to_units(lat), lon: to_units(lon) })
    }

    /// Degrees north of the equator.
    pub fn lat(self) -> f64 {
        f64::from(self.lat) / UNITS_PER_DEGREE
    }

    /// Degrees east of Greenwich.
    pub fn lon(self) -> f64 {
        f64::from(self.lon) / UNITS_PER_DEGREE
    }

    /// The great-circle distance in metres, by the haversine formula, rounded.
    ///
    /// Not exact to the last bit on every machine, so rules never compute it: it reaches them in a [`crate::Candidate`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to half the girth")]
    pub fn distance_m(self, other: Self) -> u32 {
        let (lat, other_lat) = (self.lat().to_radians(), other.lat().to_radians());
        let lat_part = ((other_lat - lat) / 2.0).sin().powi(2);
        let lon_part = ((other.lon() - self.lon()).to_radians() / 2.0).sin().powi(2);
        let haversine = lat_part + lat.cos() * other_lat.cos() * lon_part;
        (2.0 * EARTH_RADIUS_M * haversine.min(1.0).sqrt().asin()).round() as u32
    }

    /// A distance in metres that is never more than [`Location::distance_m`]: that of the latitudes. Cheap.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to half the girth")]
    pub(crate) fn distance_at_least_m(self, other: Self) -> u32 {
        ((self.lat() - other.lat()).abs().to_radians() * EARTH_RADIUS_M - 1.0).max(0.0) as u32
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 180 degrees")]
fn to_units(degrees: f64) -> i32 {
    (degrees * UNITS_PER_DEGREE).round() as i32
}

impl TryFrom<Degrees> for Location {
    type Error = LocationError;

    fn try_from(Degrees { lat, lon }: Degrees) -> Result<Self, LocationError> {
        Self::new(lat, lon)
    }
}

impl From<Location> for Degrees {
    fn from(location: Location) -> Self {
        Self { lat: location.lat(), lon: location.lon() }
    }
}
