//! Who works here: the eight people Takt knows by name, and a certified operator at every work center on every shift.

use super::{
    catalog::FINISHED,
    model::{Customer, Employee, Instant, Skill, WorkCenter, id_of},
};
use chrono::{TimeDelta, Timelike};
use chrono_tz::Tz;
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

pub const SHIFTS: [&str; 3] = ["A", "B", "C"];

/// The shift that works at this instant: A 06–14, B 14–22, C 22–06.
pub fn shift_at(at: Instant, zone: Tz) -> &'static str {
    match at.with_timezone(&zone).hour() {
        6..14 => "A",
        14..22 => "B",
        _ => "C",
    }
}

/// User, first and last name, position, department, shift.
type LeaderRow = (&'static str, &'static str, &'static str, &'static str, &'static str, Option<&'static str>);

const LEADERS: [LeaderRow; 8] = [
    ("mia", "Mia", "Novak", "Maintenance Lead", "Maintenance", None),
    ("sam", "Sam", "Carter", "Production Supervisor", "Production", Some("A")),
    ("lee", "Lee", "Chen", "Plant Scheduler", "Planning", None),
    ("ana", "Ana", "Flores", "Material Planner", "Materials", None),
    ("pat", "Pat", "Moore", "Purchasing Manager", "Purchasing", None),
    ("ivo", "Ivo", "Petrov", "Shift Lead", "Production", Some("A")),
    ("noor", "Noor", "Haddad", "Shift Lead", "Production", Some("B")),
    ("gus", "Gus", "Lindqvist", "Plant Manager", "Management", None),
];

const FIRST: [&str; 20] = [
    "Ray", "Dana", "Luis", "Kim", "Omar", "Tess", "Wade", "Iris", "Hugo", "Bea", "Noel", "Vera", "Cole",
    "Ines", "Abel", "June", "Theo", "Rosa", "Finn", "Lena",
];
const LAST: [&str; 20] = [
    "Ortiz", "Brooks", "Meyer", "Okafor", "Singh", "Kowal", "Diaz", "Reyes", "Larsen", "Novik", "Hughes",
    "Tran", "Walsh", "Costa", "Ahmed", "Bauer", "Grant", "Silva", "Park", "Doyle",
];

pub fn employees(rng: &mut ChaCha8Rng, start: Instant, work_centers: &[WorkCenter]) -> Vec<Employee> {
    let mut people: Vec<Employee> = LEADERS
        .iter()
        .enumerate()
        .map(|(index, &(user, first, last, position, department, shift))| Employee {
            id: id_of("employee", user),
            badge: format!("E{}", 101 + index),
            user: user.to_owned(),
            first: first.to_owned(),
            last: last.to_owned(),
            position,
            department,
            shift,
            home: None,
            skills: Vec::new(),
        })
        .collect();
    let mut names: Vec<(&str, &str)> =
        FIRST.iter().flat_map(|first| LAST.iter().map(move |last| (*first, *last))).collect();
    names.shuffle(rng);
    let mut names = names.into_iter();
    for shift in SHIFTS {
        for home in work_centers.iter().map(Some).chain([None]) {
            let Some((first, last)) = names.next() else { break };
            let badge = format!("E{}", 101 + people.len());
            people.push(operator(rng, start, work_centers, home, shift, &badge, (first, last)));
        }
        let Some((first, last)) = names.next() else { break };
        let badge = format!("E{}", 101 + people.len());
        people.push(Employee {
            position: "Maintenance Technician",
            department: "Maintenance",
            home: None,
            skills: Vec::new(),
            ..operator(rng, start, work_centers, None, shift, &badge, (first, last))
        });
    }
    people
}

fn operator(
    rng: &mut ChaCha8Rng,
    start: Instant,
    work_centers: &[WorkCenter],
    home: Option<&WorkCenter>,
    shift: &'static str,
    badge: &str,
    (first, last): (&str, &str),
) -> Employee {
    let mut skills = Vec::new();
    if let Some(home) = home {
        skills.push(skill(rng, start, home.code, true));
        let same_group = work_centers.iter().filter(|other| other.group == home.group && other.id != home.id);
        for other in same_group {
            if rng.random_bool(0.35) {
                skills.push(skill(rng, start, other.code, false));
            }
        }
    } else {
        // The floater of the shift stands in wherever someone is missing.
        for other in work_centers {
            if rng.random_bool(0.5) {
                skills.push(skill(rng, start, other.code, false));
            }
        }
    }
    Employee {
        id: id_of("employee", badge),
        badge: badge.to_owned(),
        user: format!("{}{}", last.to_lowercase(), &badge[1..]),
        first: first.to_owned(),
        last: last.to_owned(),
        position: "Operator",
        department: "Production",
        shift: Some(shift),
        home: home.map(|home| home.id),
        skills,
    }
}

/// At home a certificate is always good for weeks; elsewhere one in six has run out or is about to.
fn skill(rng: &mut ChaCha8Rng, start: Instant, work_center: &'static str, home: bool) -> Skill {
    let days = if home {
        rng.random_range(30..400)
    } else if rng.random_bool(1.0 / 6.0) {
        rng.random_range(-30..2)
    } else {
        rng.random_range(10..300)
    };
    let valid_until = start + TimeDelta::days(days);
    Skill {
        work_center,
        level: if home { rng.random_range(3..=5) } else { rng.random_range(2..=4) },
        evaluated: valid_until - TimeDelta::days(365),
        valid_until,
    }
}

const CUSTOMERS: [(&str, &str, &str, &str, f64); 9] = [
    ("C-01", "Northline Motors", "A", "Michigan", 4_000.0),
    ("C-02", "Aster Mobility", "A", "Ohio", 3_500.0),
    ("C-03", "Harrow Agricultural", "B", "Iowa", 900.0),
    ("C-04", "Delmar Pumps", "B", "Illinois", 750.0),
    ("C-05", "Quill Furniture", "B", "Indiana", 500.0),
    ("C-06", "Tarn Outdoor", "C", "Wisconsin", 0.0),
    ("C-07", "Bluepeak HVAC", "C", "Missouri", 0.0),
    ("C-08", "Ostrava Rail Parts", "C", "Ontario", 0.0),
    ("C-09", "Kestrel Marine", "C", "Minnesota", 0.0),
];

pub fn customers() -> Vec<Customer> {
    CUSTOMERS
        .iter()
        .map(|&(code, name, tier, territory, late_penalty_per_day)| Customer {
            id: id_of("customer", code),
            code,
            name,
            tier,
            territory,
            late_penalty_per_day,
        })
        .collect()
}

/// A finished part, drawn by how often it is ordered.
pub fn draw_part(rng: &mut ChaCha8Rng) -> &'static str {
    let total: u32 = FINISHED.iter().map(|row| row.7).sum();
    let mut ticket = rng.random_range(0..total);
    for row in &FINISHED {
        match ticket.checked_sub(row.7) {
            Some(rest) => ticket = rest,
            None => return row.0,
        }
    }
    FINISHED[0].0
}
